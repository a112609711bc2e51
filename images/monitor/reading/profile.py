"""What a run's ``profile.json`` says of each column of its data, before preprocessing and after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .record import Record

# So many columns are shown, and so many values of one.
COLUMNS = 200
TOP = 10
# Of so few different numbers quantiles tell nothing.
FEW = 2
QUANTILES = ("0.05", "0.25", "0.5", "0.75", "0.95")


@dataclass(frozen=True)
class Facts:
    """What one side of the profile says of a column; None where it says nothing.

    ``quantiles`` are those of QUANTILES, or empty. ``top`` are values with their numbers of rows.
    ``least`` and ``most`` are numbers, of times texts.
    """

    count: int | None
    missing: int | None
    distinct: int | None
    least: float | str | None
    most: float | str | None
    mean: float | None
    std: float | None
    quantiles: list[float]
    top: list[tuple[str, int]]

    @property
    def places(self) -> list[float]:
        """Where the quantiles stand between least (0) and most (100); empty where they do not."""
        ends = (self.least, self.most)
        if not self.quantiles or not all(isinstance(end, int | float) for end in ends):
            return []
        least, most = (float(end) for end in ends)  # type: ignore[arg-type]
        width = most - least
        few = self.distinct is not None and self.distinct <= FEW
        if few or not (0 < width < math.inf):
            return []
        places = [round(100 * (value - least) / width, 1) for value in self.quantiles]
        return places if places == sorted(places) and 0 <= places[0] <= places[-1] <= 100 else []


@dataclass(frozen=True)
class Column:
    """A column; ``before`` or ``after`` is None where it is not in that table."""

    name: str
    kind: str | None
    role: str | None
    before: Facts | None
    after: Facts | None

    @property
    def sides(self) -> list[tuple[str, Facts]]:
        """The facts, each with the sides that it is true of: before, after or both."""
        if self.before and self.before == self.after:
            return [("both", self.before)]
        sides = (("before", self.before), ("after", self.after))
        return [(side, facts) for side, facts in sides if facts]


@dataclass(frozen=True)
class Profile:
    """The columns of a run's data, of which the first are here, ``total`` in all.

    ``rows`` and ``classes``, the rows by class, are of the table that comes after.
    """

    rows: int | None
    classes: dict[str, int]
    columns: list[Column]
    total: int
    content: dict[str, Any]


def read_profile(profile: Record) -> Profile | None:
    """Return what ``profile.json`` holds, or None where it holds nothing."""
    sides = {name: profile.record(name) for name in ("before", "after")}
    found = {name: side.record("columns") for name, side in sides.items()}
    names = list(dict.fromkeys(name for columns in found.values() for name in columns.content))
    if not names:
        return None
    classes = sides["after"].record("classes")
    counts = {label: classes.whole(label) for label in ("0", "1")}
    return Profile(
        rows=sides["after"].whole("rows"),
        classes={label: count for label, count in counts.items() if count is not None},
        columns=[read_column(name, found["before"], found["after"]) for name in names[:COLUMNS]],
        total=len(names),
        content={name: shortened(side) for name, side in sides.items()},
    )


def read_column(name: str, before: Record, after: Record) -> Column:
    """Return a column of both tables."""
    told = after.record(name) if name in after.content else before.record(name)
    return Column(
        name=name,
        kind=told.text("type"),
        role=told.text("role"),
        before=read_facts(before.record(name)) if name in before.content else None,
        after=read_facts(after.record(name)) if name in after.content else None,
    )


def read_facts(facts: Record) -> Facts:
    """Return what one side says of a column."""
    found = [facts.record("quantiles").number(name) for name in QUANTILES]
    quantiles = [value for value in found if value is not None]
    pairs = (pair for pair in facts.items("top")[:TOP] if isinstance(pair, list) and len(pair) == 2)
    top = [
        (Record({"value": value}).text("value"), Record({"n": n}).whole("n")) for value, n in pairs
    ]
    return Facts(
        count=facts.whole("count"),
        missing=facts.whole("missing"),
        distinct=facts.whole("distinct"),
        least=end_of(facts, "minimum"),
        most=end_of(facts, "maximum"),
        mean=facts.number("mean"),
        std=facts.number("std"),
        quantiles=quantiles if len(quantiles) == len(QUANTILES) else [],
        top=[(value or "", number) for value, number in top if number is not None],
    )


def end_of(facts: Record, key: str) -> float | str | None:
    """Return an end of a column's range: a number, or a time as text."""
    number = facts.number(key)
    return facts.text(key) if number is None else number


def shortened(side: Record) -> dict[str, Any]:
    """Return one side as it is, with the first of its columns only and how many there are."""
    columns = side.record("columns").content
    first = dict(list(columns.items())[:COLUMNS])
    return side.content | {"columns": first, "columns_total": len(columns)}
