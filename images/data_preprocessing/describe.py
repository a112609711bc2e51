"""Describe each column of a table: how many values, how spread, which are the most frequent.

Numbers are read a whole column at a time, eight bytes a value; all else is counted batch by batch.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_preprocessing import count
from data_preprocessing.batches import read_columns
from data_preprocessing.count import as_text, count_values
from stage import one_line

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MEASURES = ("minimum", "maximum", "mean", "std")
TOP = 10
SHOWN = 80


def describe_table(
    path: Path, rules: dict[str, dict[str, Any]], target: str, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Return one side of ``profile.json``: how many rows, how many of each class, each column.

    ``rules`` are the columns of the data contract; ``progress`` is told the share that is done.
    """
    columns = {}
    with pq.ParquetFile(path) as table:
        names = table.schema_arrow.names
        for done, name in enumerate(names, 1):
            told = {key: rules[name][key] for key in ("type", "role")}
            columns[name] = told | describe_column(table, name)
            progress(done / len(names))
        return {
            "rows": table.metadata.num_rows,
            "classes": count_classes(table, target),
            "columns": columns,
        }


def count_classes(table: pq.ParquetFile, target: str) -> dict[str, int]:
    """Return how many rows are of each class; 1 is the positive one."""
    counts = count_values(values for (values,) in read_columns(table, [target]))
    return {label: counts.rows.get(label, 0) for label in ("0", "1")}


def describe_column(table: pq.ParquetFile, name: str) -> dict[str, Any]:
    """Return what a column holds."""
    kind = table.schema_arrow.field(name).type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    values, found = (describe_numbers if numeric else describe_values)(table, name)
    return {"count": values, "missing": table.metadata.num_rows - values, **found}


def describe_numbers(table: pq.ParquetFile, name: str) -> tuple[int, dict[str, Any]]:
    """Return how many numbers a column holds, and what they tell; null where no number can say.

    The standard deviation is that of the values themselves, not an estimate of another's.
    """
    values = sorted_numbers(table, name)
    if not len(values):
        quantiles = dict.fromkeys(map(str, QUANTILES))
        return 0, {"distinct": 0, **dict.fromkeys(MEASURES), "quantiles": quantiles}
    with np.errstate(all="ignore"):  # values at the ends of what a number can be
        measures = (values[0], values[-1], values.mean(), values.std())
        quantiles = np.quantile(values, QUANTILES)
    return len(values), {
        "distinct": 1 + int(np.count_nonzero(values[1:] != values[:-1])),
        **{name: finite(value) for name, value in zip(MEASURES, measures, strict=True)},
        "quantiles": {str(q): finite(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
    }


def sorted_numbers(table: pq.ParquetFile, name: str) -> np.ndarray:
    """Return a column's numbers in order, without what is missing; shape (values,)."""
    parts = [column.drop_null().to_numpy() for (column,) in read_columns(table, [name])]
    values = np.concatenate([part[~np.isnan(part)] for part in parts]) if parts else np.empty(0)
    values.sort()
    return values


def finite(number: np.generic) -> Any:
    """Return a number as JSON holds it, None for what it cannot hold."""
    value = number.item()
    return value if math.isfinite(value) else None


def describe_values(table: pq.ParquetFile, name: str) -> tuple[int, dict[str, Any]]:
    """Return how many values a column of no numbers holds, and what they tell."""
    counts = count_values(column for (column,) in read_columns(table, [name]))
    found: dict[str, Any] = {"distinct": len(counts.rows) if counts.whole else None}
    if pa.types.is_timestamp(table.schema_arrow.field(name).type):
        found |= time_range(table, name)
    top = heaviest(counts.rows)
    if top and not counts.whole:  # their counts are too low, and rare ones are among them by chance
        again = (column for (column,) in read_columns(table, [name]))
        top = heaviest(count_values(again, only=dict(top)).rows)
        top = [(value, rows) for value, rows in top if rows * count.DISTINCT > counts.values]
    found["top"] = [[one_line(value, SHOWN), rows] for value, rows in top]
    return counts.values, found


def heaviest(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the values that stand in the most rows, the most frequent first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]


def time_range(table: pq.ParquetFile, name: str) -> dict[str, str | None]:
    """Return the first and the last time of a column."""
    ranges = [pc.min_max(column) for (column,) in read_columns(table, [name])]
    kind = table.schema_arrow.field(name).type
    ends = pa.array([end for found in ranges for end in found.values()], kind)
    first, last = (
        as_text(pa.array(pc.min_max(ends).values())).to_pylist() if ranges else (None, None)
    )
    return {"minimum": first, "maximum": last}
