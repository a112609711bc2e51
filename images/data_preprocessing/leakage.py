"""The leakage guard: features that look too good to be true, or good for nothing.

A feature that tells the class of every row is most often known only after the click. Chance does
that too where rows are few: what it would do to more than one data set in 1000 is not spoken of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batches import column_groups, is_number, map_in_threads, read_batches
from data_preprocessing.count import Counts
from stage import one_line

CHANCE = 0.001
# An id: so many of the rows have a value of their own, and there are so many rows.
OWN_SHARE, OWN_ROWS = 0.98, 100
# Rare is a class of a smaller share, or of fewer rows where it is not a large part of few.
RARE_SHARE, RARE_ROWS, PART_OF_FEW = 0.001, 10, 0.1
LISTED = 50
NAME = 80


class Part:
    """What a feature holds in the rows of one class: the range of numbers, or how often a level."""

    def __init__(self) -> None:
        self.total = 0
        self.least = math.inf
        self.most = -math.inf
        self.counts = Counts()

    def add(self, array: pa.Array) -> None:
        """Take a part of the rows."""
        values = array.drop_null()
        self.total += len(values)
        if not is_number(array.type):
            self.counts.add(values)
        elif len(values):
            ends = pc.min_max(values)
            self.least = min(self.least, ends["min"].as_py())
            self.most = max(self.most, ends["max"].as_py())

    def merge(self, other: Part) -> None:
        """Take what other rows of the class hold."""
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        self.counts.merge(other.counts)


# What features hold in the rows without a click, and in those with one.
Parts = dict[str, tuple[Part, Part]]


def find_warnings(
    path: Path, profile: dict[str, Any], features: list[str], target: str
) -> list[str]:
    """Return a sentence for rare classes, and for each feature that a person should look at.

    ``profile`` is what ``describe_table`` says of the table at ``path``.
    """
    with pq.ParquetFile(path) as table:
        groups = column_groups(table, features)
        found = map_in_threads(lambda names: read_parts(path, names, target), groups)
        return judge_features(table, profile, found, len(features))


def judge_features(
    table: pq.ParquetFile, profile: dict[str, Any], found: Iterable[Parts], features: int
) -> list[str]:
    """Return what ``find_warnings`` does, of what each of so many features holds.

    Of ``table`` only the first rows are read, of a feature whose values are too many to count.
    """
    classes = profile["classes"]
    warnings = warn_of_balance(classes)
    for name, parts in (entry for some in found for entry in some.items()):
        column = profile["columns"][name]
        doubt = doubt_values(table, name, column)
        if not doubt and all(classes.values()):
            share = classes["1"] / profile["rows"]
            doubt = doubt_parts(parts, column, share, CHANCE / features)
        if doubt:
            warnings.append(f"Feature '{one_line(name, NAME)}' {doubt}")
    if len(warnings) > LISTED:
        warnings[LISTED:] = [f"{len(warnings) - LISTED} more warnings like these are not listed."]
    return warnings


def read_parts(path: Path, features: list[str], target: str) -> Parts:
    """Return what features hold in the rows without a click, and in those with one."""
    parts = {name: (Part(), Part()) for name in features}
    with pq.ParquetFile(path) as table:
        for batch in read_batches(table, [*features, target]):
            for label in (0, 1):
                rows = batch.filter(pc.equal(batch.column(len(features)), label))
                for name, pair in parts.items():
                    pair[label].add(rows.column(name))
    return parts


def warn_of_balance(classes: dict[str, int]) -> list[str]:
    """Return what is to be said where nearly all rows are of one class."""
    clicks, rows = classes["1"], sum(classes.values())
    rarer = min(clicks, rows - clicks)
    if rarer >= RARE_SHARE * rows and (rarer >= RARE_ROWS or rarer >= PART_OF_FEW * rows):
        return []
    what = "Clicks" if rarer == clicks else "Rows without a click"
    return [f"{what} are only {rarer} of {rows} rows; there is little to learn from so few."]


def doubt_values(table: pq.ParquetFile, feature: str, column: dict[str, Any]) -> str | None:
    """Return what is to be said of a feature's values, whatever the target holds."""
    if not column["count"]:
        return "holds no value in any row; the model learns nothing from it."
    if column["distinct"] == 1 and not column["missing"]:
        return "holds the same value in every row; the model learns nothing from it."
    if column["type"] in ("integer", "category") and is_like_id(table, feature, column):
        return "has a value of its own in nearly every row, like an id; should the model know it?"
    return None


def is_like_id(table: pq.ParquetFile, feature: str, column: dict[str, Any]) -> bool:
    """Return whether nearly every row has a value that no other row has."""
    distinct, count = column["distinct"], column["count"]
    if distinct is None:  # too many to count: as the column begins, so it goes on
        first = next(read_batches(table, [feature])).column(0)
        distinct, count = pc.count_distinct(first).as_py(), len(first) - first.null_count
    return bool(count >= OWN_ROWS and distinct >= OWN_SHARE * count)


def doubt_parts(
    parts: tuple[Part, Part], column: dict[str, Any], share: float, chance: float
) -> str | None:
    """Return what is to be said of a feature that tells the classes apart.

    ``parts`` are the rows without a click and those with one, ``share`` is that of the latter.
    Nothing is said of what chance alone does with a greater probability than ``chance``.
    """
    whole = all(part.total for part in parts)
    if not whole:
        log_chance = log_chance_of_level(sum(part.total for part in parts), share)
        doubt = "has values in the rows of one class only"
    elif "mean" in column:
        log_chance = log_chance_of_ranges(parts)
        copies: dict[tuple[float, ...], str] = {
            (0, 0, 1, 1): "equals the target",
            (1, 1, 0, 0): "is the target's complement",
        }
        ends = tuple(end for part in parts for end in (part.least, part.most))
        doubt = copies.get(ends, "alone separates the classes perfectly")
    else:
        log_chance = log_chance_of_levels(parts, share)
        doubt = "alone separates the classes perfectly"
    if log_chance >= math.log(chance):
        return None
    where = " where it has a value" if whole and column["missing"] else ""
    return f"{doubt}{where}; is it known before the click?"


def log_chance_of_ranges(parts: tuple[Part, Part]) -> float:
    """Return the logarithm of how probable it is that numbers drawn at random do not overlap."""
    without, clicks = parts
    if without.least <= clicks.most and clicks.least <= without.most:
        return 0.0
    n, k = without.total + clicks.total, clicks.total
    # One of all choices of k rows has the k least numbers, and one the k greatest.
    return math.log(2) + math.lgamma(k + 1) + math.lgamma(n - k + 1) - math.lgamma(n + 1)


def log_chance_of_levels(parts: tuple[Part, Part], share: float) -> float:
    """Return the logarithm of how probable it is that each level is of one class by chance."""
    without, clicks = (part.counts.rows for part in parts)
    if not all(part.counts.whole for part in parts) or without.keys() & clicks:
        return 0.0
    if sum(part.total for part in parts) <= len(without) + len(clicks):
        return 0.0
    return sum(log_chance_of_level(rows, share) for rows in [*without.values(), *clicks.values()])


def log_chance_of_level(rows: int, share: float) -> float:
    """Return the logarithm of how probable it is that so many rows are all of one class."""
    larger = max(share, 1 - share)
    return rows * math.log(larger) + math.log1p(((1 - larger) / larger) ** rows)
