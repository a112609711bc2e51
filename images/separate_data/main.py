"""Separate the rows into a training part and a test part."""

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batches import map_in_threads, open_writer, read_batches
from separate_data.duplicates import Duplicates, encode
from separate_data.split import split_at_random, split_by_group, split_by_time
from stage import Run, data_refused, run_script

FEWEST_OF_A_CLASS = 10
LARGEST_DIFFERENCE = 0.05


def run(run: Run) -> dict[str, Any]:
    """Write ``train.parquet`` and ``test.parquet``: each row of the features in exactly one."""
    opened = run.read_json("start_pipeline/run.json")
    names, target = [*opened["features"], opened["target"]], opened["target"]
    with pq.ParquetFile(run.input("features.parquet")) as table:
        in_test, told = separate(table, opened, **run.parameters)
        run.progress(0.3, "writing both parts")
        paths = {part: run.output(f"{part}.parquet") for part in ("train", "test")}
        written = write_parts(table, names, target, in_test, paths)

    metrics = {
        "rows": len(in_test),
        "split": run.parameters["split"],
        **{f"{part}_rows": classes.total() for part, classes in written["classes"].items()},
        **{f"{part}_classes": as_text(classes) for part, classes in written["classes"].items()},
        "duplicate_rows_across": written["duplicates"],
        **told,
    }
    refuse_one_class(metrics)
    return {**metrics, "warnings": find_warnings(metrics, run.parameters["test_size"])}


def refuse_one_class(metrics: dict[str, Any]) -> None:
    """Refuse parts (65) of which one holds one class only."""
    for part in ("train", "test"):
        if len(metrics[f"{part}_classes"]) < 2:
            other = "stratify true" if metrics["split"] == "random" else "another split"
            raise data_refused(
                f"the {part} part of {metrics[f'{part}_rows']} rows holds one class only; "
                f"it takes more rows, another test_size, or {other}"
            )


def separate(
    table: pq.ParquetFile, opened: dict[str, Any], *, split: str, test_size: float, **drawn: Any
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which rows are the test's, shape (rows,), and what the report says of this split.

    ``drawn`` holds ``random_state`` and ``stratify``. A split by a column that the data contract
    does not name is refused (65).
    """
    target = read_column(table, opened["target"], lambda part: part.to_numpy().astype(np.int8))
    if split == "random":
        return split_at_random(target, test_size=test_size, **drawn), {}
    column = opened.get(split)
    if not column:
        raise data_refused(
            f"split {split} needs a column of that role, and the contract has none; "
            f'write role = "{split}" for one column of {opened["contract"]["path"]}'
        )
    if split == "time":
        times = read_column(table, column, lambda part: part.to_numpy(zero_copy_only=False))
        in_test = split_by_time(times, test_size=test_size)
        kind = table.schema_arrow.field(column).type
        return in_test, {"boundary": describe_moment(times[in_test].min(), kind)}
    groups = number_groups(read_column(table, column, encode))
    in_test = split_by_group(groups, target, test_size=test_size, **drawn)
    sizes = [len(np.unique(groups[part])) for part in (~in_test, in_test)]
    return in_test, {"groups": sum(sizes), "train_groups": sizes[0], "test_groups": sizes[1]}


def number_groups(groups: np.ndarray) -> np.ndarray:
    """Return for each row the first row of its group, shape (rows,).

    Python's hashes, which tell groups apart, are others in each process; these numbers, by whose
    order groups are drawn, are not.
    """
    _, first_rows, places = np.unique(groups, return_index=True, return_inverse=True)
    numbers: np.ndarray = first_rows[places]
    return numbers


def read_column(
    table: pq.ParquetFile, column: str, convert: Callable[[pa.Array], np.ndarray]
) -> np.ndarray:
    """Return a column of the table as an array of shape (rows,)."""
    parts = [convert(batch.column(0)) for batch in read_batches(table, [column])]
    return np.concatenate(parts) if parts else np.array([])


def write_parts(
    table: pq.ParquetFile,
    names: list[str],
    target: str,
    in_test: np.ndarray,
    paths: dict[str, Path],
) -> dict[str, Any]:
    """Write the rows of both parts in the table's order; ``in_test`` has shape (rows,).

    Returns each part's number of rows by class, and the number of test rows that are training
    rows too.
    """
    schema = pa.schema([table.schema_arrow.field(name) for name in names])
    classes: dict[str, Counter[Any]] = {part: Counter() for part in paths}
    with ExitStack() as open_files:
        writers = {
            part: open_files.enter_context(open_writer(path, schema))
            for part, path in paths.items()
        }
        scratch = open_files.enter_context(tempfile.TemporaryDirectory(dir=paths["test"].parent))
        duplicates = Duplicates(Path(scratch), len(in_test))

        def write(part: str, batch: pa.RecordBatch, chosen: np.ndarray) -> None:
            kept = batch.filter(pa.array(chosen))
            writers[part].write_batch(kept.cast(schema))
            classes[part].update(count_classes(kept[target]))

        first = 0
        for batch in read_batches(table, names):
            chosen = in_test[first : first + batch.num_rows]
            first += batch.num_rows
            works = [
                partial(write, "train", batch, ~chosen),
                partial(write, "test", batch, chosen),
                partial(duplicates.add, batch.drop_columns(target), chosen),
            ]
            for _ in map_in_threads(lambda work: work(), works):
                pass
        return {"classes": classes, "duplicates": duplicates.count()}


def describe_moment(moment: np.generic, kind: pa.DataType) -> str | float | int:
    """Return a moment as JSON holds it: ISO 8601 for a time, the number itself for an epoch."""
    if isinstance(moment, np.datetime64):
        return np.datetime_as_string(moment, unit="auto") + ("Z" if kind.tz else "")
    value: float | int = moment.item()
    return value


def count_classes(target: pa.Array) -> dict[Any, int]:
    """Return how many rows each class has."""
    return {count["values"]: count["counts"] for count in pc.value_counts(target).to_pylist()}


def as_text(classes: Counter[Any]) -> dict[str, int]:
    """Return counts with the classes as text, which JSON's keys are, in their order."""
    return dict(sorted((str(name), count) for name, count in classes.items()))


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
