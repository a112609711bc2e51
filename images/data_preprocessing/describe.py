"""Describe each column of a table: how many values, how spread, which are the most frequent.

All is counted as it is read, with no more different values of a column held than a bounded number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batches import column_groups, is_number, map_in_threads, read_batches
from data_preprocessing import count
from data_preprocessing.count import Counts, as_text
from stage import one_line

COUNTED_AT_ONCE = 2**18
MOST_DISTINCT = 2**17
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MEASURES = ("minimum", "maximum", "mean", "std")
TOP = 10
SHOWN = 80


class Numbers:
    """A column of numbers: how often each stands in it, rounded where too many are different."""

    def __init__(self) -> None:
        self.total = self.counted = 0
        self.mean = self.squares = 0.0  # the latter: the sum of the squared distances from it
        self.ends: list[np.generic] = []
        self.values = np.array([])
        self.rows = np.array([], int)
        self.dropped_bits = 0
        self.waiting: list[np.ndarray] = []

    def add(self, array: pa.Array) -> None:
        """Take a part of the column; what is missing is null, or no number."""
        values = array.drop_null().to_numpy()
        values = values[~np.isnan(values)]
        self.waiting.append(values)
        self.total += len(values)
        if self.total - self.counted >= COUNTED_AT_ONCE:
            self.count()

    def count(self) -> None:
        """Count the values that wait."""
        values = np.concatenate(self.waiting)
        self.waiting = []
        if not len(values):
            return
        least, most = self.ends or (values[0], values[0])
        self.ends = [min(least, values.min()), max(most, values.max())]
        if self.dropped_bits:
            self.add_moments(values, np.ones(len(values)))
            self.add_counts(*np.unique(self.rounded(values), return_counts=True))
            return
        values, rows = np.unique(values, return_counts=True)
        self.add_moments(values, rows)
        self.add_counts(values, rows)
        self.round(MOST_DISTINCT)

    def round(self, most: int, least_bits: int = 0) -> None:
        """Round the values by so many bits at least, and until there are at most so many."""
        while len(self.values) > most or self.dropped_bits < least_bits:
            self.dropped_bits += 1
            rounded = self.rounded(self.values)
            first = np.flatnonzero(np.append(True, rounded[1:] != rounded[:-1]))
            self.values, self.rows = rounded[first], np.add.reduceat(self.rows, first)

    def merge(self, other: Numbers) -> None:
        """Take what was counted of another part of the column."""
        for part in (self, other):
            if part.waiting:
                part.count()
        if not other.total:
            return
        self.total += other.total
        ends = np.array([*self.ends, *other.ends])
        self.ends = [ends.min(), ends.max()]
        with np.errstate(all="ignore"):
            self.join_moments(other.mean, other.squares, other.counted)
        self.round(MOST_DISTINCT, other.dropped_bits)
        other.round(MOST_DISTINCT, self.dropped_bits)
        self.add_counts(other.values, other.rows)
        self.round(MOST_DISTINCT)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Return values towards 0 by ``dropped_bits`` bits, shape (rows,)."""
        bits = values.astype(float).view(np.int64)
        kept: np.ndarray = (bits >> self.dropped_bits << self.dropped_bits).view(float)
        return kept

    def add_moments(self, values: np.ndarray, rows: np.ndarray) -> None:
        """Add rows with these values to mean and squares (Chan, Golub and LeVeque 1983)."""
        with np.errstate(all="ignore"):  # values at the ends of what a number can be
            mean = np.average(values, weights=rows)
            self.join_moments(mean, (values - mean) ** 2 @ rows, rows.sum())

    def join_moments(self, mean: float, squares: float, more: float) -> None:
        """Add so many rows of this mean, and this sum of squared distances from it."""
        distance, before = mean - self.mean, self.counted
        self.counted += int(more)
        self.mean += distance * more / self.counted
        self.squares += squares + distance**2 * before * more / self.counted

    def add_counts(self, values: np.ndarray, rows: np.ndarray) -> None:
        """Add the counts of more values, which rise."""
        both = np.union1d(self.values, values) if len(self.values) else values
        counts = np.zeros(len(both), int)
        for some, times in ((self.values, self.rows), (values, rows)):
            counts[np.searchsorted(both, some)] += times
        self.values, self.rows = both, counts

    def describe(self) -> dict[str, Any]:
        """Return what the numbers tell; null where no finite number can.

        The standard deviation is that of the numbers themselves, no estimate of another's. Of more
        different numbers than ``MOST_DISTINCT``, which are not counted, the quantiles are rounded.
        """
        if self.waiting:
            self.count()
        if not self.total:
            nothing = dict.fromkeys(map(str, QUANTILES))
            return {"distinct": 0, **dict.fromkeys(MEASURES), "quantiles": nothing}
        with np.errstate(all="ignore"):
            std = np.sqrt(self.squares / self.total)
            quantiles = self.find_quantiles()
        measures: list[np.generic] = [*self.ends, np.float64(self.mean), std]
        return {
            "distinct": None if self.dropped_bits else len(self.values),
            **{name: finite(value) for name, value in zip(MEASURES, measures, strict=True)},
            "quantiles": {str(q): finite(v) for q, v in zip(QUANTILES, quantiles, strict=True)},
        }

    def find_quantiles(self) -> np.ndarray:
        """Return the quantiles, between two numbers in proportion, shape (quantiles,)."""
        places = np.array(QUANTILES) * (self.total - 1)
        last = self.rows.cumsum() - 1
        low, high = (
            self.values[np.searchsorted(last, end(places))].astype(float)
            for end in (np.floor, np.ceil)
        )
        between: np.ndarray = low + (high - low) * (places - np.floor(places))
        return between


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

    def merge(self, other: Values) -> None:
        """Take what was counted of another part of the column."""
        self.counts.merge(other.counts)
        if len(other.ends):
            both = pc.min_max(pa.concat_arrays([self.ends, other.ends]))
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
        names, rows = table.schema_arrow.names, table.metadata.num_rows
        groups = list(column_groups(table, names))
        classes = count_column(table, target).rows
    for described in map_in_threads(partial(describe_columns, path), groups):
        columns |= {
            name: {key: rules[name][key] for key in ("type", "role")} | told
            for name, told in described.items()
        }
        progress(len(columns) / len(names))
    counts = {label: classes.get(label, 0) for label in ("0", "1")}
    return {"rows": rows, "classes": counts, "columns": columns}


def describe_columns(path: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the values of some columns tell."""
    with pq.ParquetFile(path) as table:
        group = {name: start_column(table.schema_arrow.field(name).type) for name in names}
        for batch in read_batches(table, names):
            for column, array in zip(group.values(), batch.columns, strict=True):
                column.add(array)
        told = {}
        for name, column in group.items():
            missing = table.metadata.num_rows - column.total
            told[name] = {"count": column.total, "missing": missing, **column.describe()}
            if isinstance(column, Values):
                top = most_frequent(table, name, column.counts)
                told[name]["top"] = [[one_line(value, SHOWN), times] for value, times in top]
        return told


def start_column(kind: pa.DataType) -> Numbers | Values:
    """Return what takes the parts of a column of this type."""
    return Numbers() if is_number(kind) else Values(kind)


def count_column(table: pq.ParquetFile, name: str, only: Collection[str] | None = None) -> Counts:
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
    exact = heaviest(count_column(table, name, only=dict(top)).rows)
    return [(value, rows) for value, rows in exact if rows * count.DISTINCT > counts.total]


def heaviest(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the values with the highest counts, by name where those are equal."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
