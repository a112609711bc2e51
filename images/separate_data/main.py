"""Separate the rows into a training part and a test part."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from separate_data.split import Parts, split_at_random, split_by_group, split_by_time
from stage import Run, data_refused, run_script

FEWEST_OF_A_CLASS = 10
LARGEST_DIFFERENCE = 0.05


def run(run: Run) -> dict[str, Any]:
    """Write ``train.parquet`` and ``test.parquet``: each row of the features in exactly one."""
    opened = run.read_json("start_pipeline/run.json")
    table = pq.read_table(run.input("features.parquet"), columns=run.columns("features.parquet"))
    target = opened["target"]
    features = table.select([*opened["features"], target])

    rows, told = separate(table, opened, **run.parameters)
    parts = {"train": features.take(rows[0]), "test": features.take(rows[1])}
    metrics = {
        "rows": table.num_rows,
        "split": run.parameters["split"],
        **{f"{name}_rows": part.num_rows for name, part in parts.items()},
        **{f"{name}_classes": class_counts(part[target]) for name, part in parts.items()},
        "duplicate_rows_across": count_duplicates(features.drop_columns(target), rows),
        **told,
    }
    for name, part in parts.items():
        if len(metrics[f"{name}_classes"]) < 2:
            other = "stratify true" if run.parameters["split"] == "random" else "another split"
            raise data_refused(
                f"the {name} part of {part.num_rows} rows holds one class only; "
                f"it takes more rows, another test_size, or {other}"
            )
        pq.write_table(part, run.output(f"{name}.parquet"), compression="zstd")
    return {**metrics, "warnings": find_warnings(metrics, run.parameters["test_size"])}


def separate(
    table: pa.Table, opened: dict[str, Any], *, split: str, test_size: float, **drawn: Any
) -> tuple[Parts, dict[str, Any]]:
    """Return the row numbers of both parts, and what the report says of this split.

    ``drawn`` holds ``random_state`` and ``stratify``. A split by a column that the data contract
    does not name is refused (65).
    """
    target = table[opened["target"]].to_numpy()
    if split == "random":
        return split_at_random(target, test_size=test_size, **drawn), {}
    column = opened.get(split)
    if not column:
        raise data_refused(
            f"split {split} needs a column of that role, and the contract has none; "
            f'write role = "{split}" for one column of {opened["contract"]["path"]}'
        )
    if split == "time":
        times = table[column].to_numpy()
        rows = split_by_time(times, test_size=test_size)
        return rows, {"boundary": describe_moment(times[rows[1]].min(), table[column].type)}
    groups = encode(table[column])
    rows = split_by_group(groups, target, test_size=test_size, **drawn)
    sizes = [len(np.unique(groups[part])) for part in rows]
    return rows, {"groups": sum(sizes), "train_groups": sizes[0], "test_groups": sizes[1]}


def describe_moment(moment: np.generic, kind: pa.DataType) -> str | float | int:
    """Return a moment as JSON holds it: ISO 8601 for a time, the number itself for an epoch."""
    if isinstance(moment, np.datetime64):
        return np.datetime_as_string(moment, unit="auto") + ("Z" if kind.tz else "")
    value: float | int = moment.item()
    return value


def class_counts(target: pa.ChunkedArray) -> dict[str, int]:
    """Return how many rows each class has, keyed by the class as text."""
    counts = sorted(target.value_counts().to_pylist(), key=lambda count: str(count["values"]))
    return {str(count["values"]): count["counts"] for count in counts}


def encode(column: pa.ChunkedArray) -> np.ndarray:
    """Return 64 bits for each value of a column, shape (rows,): the same for equal values."""
    if column.type in (pa.int64(), pa.float64()):
        numbers: np.ndarray = column.to_numpy() + 0  # -0.0 becomes 0.0; a missing number is NaN
        return numbers.view(np.uint64)
    codes = column.combine_chunks().dictionary_encode(null_encoding="encode").indices
    bits: np.ndarray = codes.to_numpy(zero_copy_only=False).astype(np.uint64)
    return bits


def count_duplicates(features: pa.Table, rows: Parts) -> int:
    """Return how many test rows have the feature values of some training row.

    Rows are compared by 64 bits mixed of all their values, column by column, as splitmix64 does
    (https://prng.di.unimi.it/splitmix64.c): a table of all distinct rows would need far more
    memory, and two of a million different rows have the same bits once in 10 million tables.
    """
    bits = np.zeros(features.num_rows, np.uint64)
    for column in features.columns:
        bits = (bits + encode(column)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    train, test = (np.sort(bits[numbers]) for numbers in rows)
    # How often each test row stands among the training rows; np.isin takes ten times as long.
    found = np.searchsorted(train, test, "right") - np.searchsorted(train, test, "left")
    return int(np.count_nonzero(found))


def find_warnings(metrics: dict[str, Any], test_size: float) -> list[str]:
    """Return what people should know before they trust the metrics of these parts."""
    warnings = []
    if count := metrics["duplicate_rows_across"]:
        warnings.append(
            f"{count} of {metrics['test_rows']} test rows have the same features as a training "
            "row, so the metrics may flatter the model"
        )
    for name in ("train", "test"):
        few = {c: n for c, n in metrics[f"{name}_classes"].items() if n < FEWEST_OF_A_CLASS}
        warnings += [f"the {name} part has only {n} rows of class {c}" for c, n in few.items()]
    share = metrics["test_rows"] / metrics["rows"]
    if metrics["split"] != "random" and abs(share - test_size) > LARGEST_DIFFERENCE:
        warnings.append(
            f"the test part holds {share:.0%} of the rows instead of {test_size:.0%}: rows of one "
            f"{'moment' if metrics['split'] == 'time' else 'group'} stay together"
        )
    return warnings


if __name__ == "__main__":
    run_script(__file__)
