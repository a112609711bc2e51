"""Separate the rows into a training part and a test part."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from stage import Run, data_refused, run_script


def run(run: Run) -> dict[str, Any]:
    """Write ``train.parquet`` and ``test.parquet``: each row of the features in exactly one."""
    columns = run.columns("features.parquet")
    features = pq.read_table(run.input("features.parquet"), columns=columns)
    target = features[columns[-1]].to_numpy()

    train_rows, test_rows = split_rows(target, **run.parameters)
    parts = {"train": features.take(train_rows), "test": features.take(test_rows)}
    for name, part in parts.items():
        if pc.count_distinct(part[columns[-1]]).as_py() < 2:
            raise data_refused(
                f"the {name} part of {part.num_rows} rows holds one class only; "
                "it takes more rows, another test_size, or stratify true"
            )
        pq.write_table(part, run.output(f"{name}.parquet"), compression="zstd")

    return {
        "rows": features.num_rows,
        **{f"{name}_rows": part.num_rows for name, part in parts.items()},
        **{f"{name}_classes": class_counts(part[columns[-1]]) for name, part in parts.items()},
    }


def split_rows(
    target: np.ndarray, *, test_size: float, random_state: int, stratify: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers of the training part and of the test part.

    ``target`` has shape (rows,). Too few rows to split are refused (65).
    """
    try:
        train_rows, test_rows = train_test_split(
            np.arange(len(target)),
            test_size=test_size,
            random_state=random_state,
            stratify=target if stratify else None,
        )
    except ValueError as error:
        raise data_refused(f"the {len(target)} rows cannot be separated: {error}") from None
    return train_rows, test_rows


def class_counts(target: pa.ChunkedArray) -> dict[str, int]:
    """Return how many rows each class has, keyed by the class as text."""
    counts = sorted(target.value_counts().to_pylist(), key=lambda count: str(count["values"]))
    return {str(count["values"]): count["counts"] for count in counts}


if __name__ == "__main__":
    run_script(__file__)
