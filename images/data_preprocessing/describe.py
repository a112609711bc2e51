"""Describe each column of a table: how many values, how spread, which are the most frequent.

Numbers are held a whole column at a time, eight bytes a value; all else is counted as it is read.
"""

import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_preprocessing import count
from batches import column_groups, is_number, read_batches
from data_preprocessing.count import Counts, as_text
from stage import one_line

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MEASURES = ("minimum", "maximum", "mean", "std")
TOP = 10
SHOWN = 80


class Numbers:
    """A column of numbers, held whole."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.total = 0

    def add(self, array: pa.Array) -> None:
        """Take a part of the column; what is missing is null, or no number."""
        values = array.drop_null().to_numpy()
        self.parts.append(values[~np.isnan(values)])
        self.total += len(self.parts[-1])

    def describe(self) -> dict[str, Any]:
        """Return what the numbers tell; null where no finite number can.

        The standard deviation is that of the numbers themselves, no estimate of another's.
        """
        if not self.total:
            quantiles = dict.fromkeys(map(str, QUANTILES))
            return {"distinct": 0, **dict.fromkeys(MEASURES), "quantiles": quantiles}
        values = np.concatenate(self.parts)
        values.sort()
        with np.errstate(all="ignore"):  # values at the ends of what a number can be
            measures = (values[0], values[-1], values.mean(), values.std())
            quantiles = np.quantile(values, QUANTILES)
        return {
            "distinct": 1 + int(np.count_nonzero(values[1:] != values[:-1])),
            **{name: finite(value) for name, value in zip(MEASURES, measures, strict=True)},
            "quantiles": {str(q): finite(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
        }


class Values:
    """A column of anything else, whose values are counted; times also have a first and a last."""

    def __init__(self, kind: pa.DataType) -> None:
        self.counts = Counts()
        self.kind = kind
        self.ends = pa.array([], kind)

    @property
    def total(self) -> int:
        """How many values there are."""
        return self.counts.total

    def add(self, array: pa.Array) -> None:
        """Take a part of the column."""
        self.counts.add(array)
        if pa.types.is_timestamp(self.kind):
            both = pc.min_max(pa.concat_arrays([self.ends, array]))
            self.ends = pa.array([both["min"], both["max"]], self.kind)

    def describe(self) -> dict[str, Any]:
        """Return what the values tell, but for the most frequent ones."""
        found: dict[str, Any] = {"distinct": len(self.counts.rows) if self.counts.whole else None}
        if pa.types.is_timestamp(self.kind):
            first, last = as_text(self.ends).to_pylist() or (None, None)
            found |= {"minimum": first, "maximum": last}
        return found


def describe_table(
    path: Path, rules: dict[str, dict[str, Any]], target: str, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Return one side of ``profile.json``: how many rows, how many of each class, each column.

    ``rules`` are the columns of the data contract; ``progress`` is told the share that is done.
    """
    columns: dict[str, dict[str, Any]] = {}
    with pq.ParquetFile(path) as table:
        schema, rows = table.schema_arrow, table.metadata.num_rows
        for names in column_groups(table, schema.names):
            group = {name: start_column(schema.field(name).type) for name in names}
            for batch in read_batches(table, names):
                for column, array in zip(group.values(), batch.columns, strict=True):
                    column.add(array)
            for name, column in group.items():
                told = {key: rules[name][key] for key in ("type", "role")}
                counts = {"count": column.total, "missing": rows - column.total}
                columns[name] = told | counts | column.describe()
                if isinstance(column, Values):
                    top = most_frequent(table, name, column.counts)
                    columns[name]["top"] = [[one_line(value, SHOWN), times] for value, times in top]
            progress(len(columns) / len(schema.names))
        classes = count_values(table, target).rows
    counts = {label: classes.get(label, 0) for label in ("0", "1")}
    return {"rows": rows, "classes": counts, "columns": columns}


def start_column(kind: pa.DataType) -> Numbers | Values:
    """Return what takes the parts of a column of this type."""
    return Numbers() if is_number(kind) else Values(kind)


def count_values(table: pq.ParquetFile, name: str, only: Collection[str] | None = None) -> Counts:
    """Return the counts of a column's values, or of ``only`` some of them."""
    counts = Counts(only)
    for batch in read_batches(table, [name]):
        counts.add(batch.column(0))
    return counts


def finite(number: np.generic) -> Any:
    """Return a number as JSON holds it, None for what it cannot hold."""
    value = number.item()
    return value if math.isfinite(value) else None


def most_frequent(table: pq.ParquetFile, name: str, counts: Counts) -> list[tuple[str, int]]:
    """Return the values that stand in the most rows, the most frequent first."""
    top = heaviest(counts.rows)
    if counts.whole or not top:
        return top
    # These counts are too low, and rare values are among them by chance.
    exact = heaviest(count_values(table, name, only=dict(top)).rows)
    return [(value, rows) for value, rows in exact if rows * count.DISTINCT > counts.total]


def heaviest(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the values with the highest counts, by name where those are equal."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
