"""What a column of a data file holds, gathered piece by piece in bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from load_data.column import Column, any_broken, matches, texts_to_values

# What cells hold that hold nothing, beside the empty cell. The second ones are values elsewhere:
# NA is Namibia.
SURE_MARKS = ("NULL", "null", "NaN", "nan", "None", "N/A", "n/a", r"\N", "#N/A", "<NA>")
UNSURE_MARKS = ("NA", "-", "?", "none", ".")
# An integer is a number too; what is one is no time.
KINDS = ("number", "integer", "time")
MARKS = pa.array(["", *SURE_MARKS, *UNSURE_MARKS])
LONGEST_LEVEL = 200  # characters
MOST_LEVELS, LEVELS_OF_ALL_COLUMNS, LEAST_LEVELS = 10_000, 300_000, 20

LEADING_ZERO = "^[+-]?0[0-9]"
# Numbers that people write, and load_data does not read: 1.234,5; $5; 12 %; 1 000.
NEAR_NUMBER = r"^[€$£]?\s*[+-]?([0-9]+|[0-9]{1,3}([., '][0-9]{3})+)([.,][0-9]+)?\s*[%€$£]?$"
NEAR_DATE = (
    r"^([0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{2}|[0-9]{4}))"
    r"([ T,].*)?$"
)


def most_levels(columns: int) -> int:
    """Return how many different values of each column are kept in mind."""
    return max(LEAST_LEVELS, min(MOST_LEVELS, LEVELS_OF_ALL_COLUMNS // columns))


@dataclass
class ColumnFacts:
    """What one column holds. ``levels`` counts its values, None once there are too many."""

    name: str
    most_levels: int
    rows: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    kinds: set[str] = field(default_factory=lambda: set(KINDS))
    near: set[str] = field(default_factory=lambda: {"number", "date"})  # of texts
    levels: Counter[str] | None = field(default_factory=Counter)
    repeats: bool = False  # whether any value was seen twice, among the first ones at least
    leading_zero: bool = False
    zoned: bool | None = None
    minimum: Any = None
    maximum: Any = None
    longest: int = 0

    def add(self, cells: pa.StringArray) -> None:
        """Take the next cells of the column."""
        self.rows += len(cells)
        counted = pc.value_counts(cells)
        values, counts = counted.field("values"), counted.field("counts")
        trimmed = pc.ascii_trim(values, " \t")
        absent = pc.fill_null(pc.is_in(trimmed, value_set=MARKS), True)
        for mark, count in zip(
            trimmed.filter(absent).to_pylist(), counts.filter(absent).to_pylist(), strict=True
        ):
            self.marks[mark or ""] += count
        there = pc.invert(absent)
        values, counts = values.filter(there), counts.filter(there)
        if len(values):
            self.add_values(values, counts)

    def add_values(self, values: pa.StringArray, counts: pa.Array) -> None:
        """Take different values that are there, and how often each is."""
        self.longest = max(self.longest, pc.max(pc.utf8_length(values)).as_py())
        self.add_levels(values, counts)
        if self.kinds & {"integer", "number"}:
            self.leading_zero |= any_of(matches(values, LEADING_ZERO))
        for kind in [kind for kind in KINDS if kind in self.kinds]:
            if kind in self.kinds:
                self.add_kind(kind, values)
        if not self.kinds and self.near:
            self.near -= {"number"} if not all_of(matches(values, NEAR_NUMBER)) else set()
            self.near -= {"date"} if not all_of(matches(values, NEAR_DATE)) else set()

    def add_levels(self, values: pa.StringArray, counts: pa.Array) -> None:
        """Count the values, as long as they are few."""
        if self.levels is None:
            return
        before = len(self.levels)
        if self.longest > LONGEST_LEVEL or len(values) > self.most_levels:
            self.repeats |= pc.max(counts).as_py() > 1
            self.levels = None
            return
        self.levels.update(dict(zip(values.to_pylist(), counts.to_pylist(), strict=True)))
        self.repeats |= pc.max(counts).as_py() > 1 or len(self.levels) < before + len(values)
        if len(self.levels) > self.most_levels:
            self.levels = None

    def add_kind(self, kind: str, values: pa.StringArray) -> None:
        """Read the values as load_data would read those of a feature; see whether it could."""
        column = Column(self.name, kind, "feature", missing="impute", missing_values=())
        read, broken = texts_to_values(column, values, self.zoned)
        if any_broken(broken):
            self.kinds -= {"number", "integer"} if kind == "number" else {kind}
        elif kind == "time":
            self.zoned = read.type.tz is not None
        elif kind == "number":
            self.kinds.discard("time")
            found = pc.min_max(read).as_py()
            self.minimum = found["min"] if self.minimum is None else min(self.minimum, found["min"])
            self.maximum = found["max"] if self.maximum is None else max(self.maximum, found["max"])

    @property
    def kind(self) -> str | None:
        """What all values are: ``integer``, ``number``, ``time``; None for texts, or no value."""
        if not self.longest:
            return None
        return next((kind for kind in ("integer", "number", "time") if kind in self.kinds), None)

    @property
    def words(self) -> set[str]:
        """The words of the column's name in small letters: ``isClicked_2`` is is, clicked, 2."""
        split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", self.name)
        return set(re.findall(r"[^\W_]+", split.lower()))

    def missing(self, missing_values: list[str]) -> int:
        """Return in how many rows the column's value is missing."""
        return sum(self.marks[mark] for mark in missing_values)

    def all_levels(self, missing_values: list[str]) -> Counter[str] | None:
        """Return the column's values with the marks that are values after all."""
        if self.levels is None:
            return None
        marks = {m: n for m, n in self.marks.items() if m not in missing_values}
        return self.levels + Counter(marks)


def any_of(mask: pa.BooleanArray) -> bool:
    """Tell whether any is true."""
    return bool(pc.any(mask).as_py())


def all_of(mask: pa.BooleanArray) -> bool:
    """Tell whether all are true."""
    return bool(pc.all(mask).as_py())
