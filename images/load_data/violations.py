"""What breaks the contract: gathered while the file is read, told as one sentence and as a list."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple, NoReturn

from stage import StageError, data_refused, one_line

LISTED = 1000
SHOWN = 80


class Violation(NamedTuple):
    """One break of a rule, on a line of a text file, or in a row of a Parquet file from 1."""

    place: int | None
    column: str | None
    value: object
    rule: str


class Violations:
    """Every violation is counted by its rule; the first 1000 are kept in the file's order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.unit = "line"
        self.counts: Counter[str] = Counter()
        self.listed: list[Violation] = []

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def room(self) -> int:
        """How many violations more are listed."""
        return LISTED - len(self.listed)

    def add(self, listed: list[Violation], counts: Counter[str] | None = None) -> None:
        """Note violations, given in the file's order; ``counts`` where they are not all listed."""
        self.counts += counts or Counter(violation.rule for violation in listed)
        for place, column, value, rule in listed[: self.room]:
            shown = None if value is None else one_line(str(value), SHOWN)
            self.listed.append(Violation(place, column and one_line(column), shown, rule))

    def refuse(self, place: int | None, column: str | None, value: object, rule: str) -> NoReturn:
        """Note a violation that ends the reading, and raise the refusal."""
        self.add([Violation(place, column, value, rule)])
        raise self.refusal()

    def refusal(self) -> StageError:
        """Return the refusal: one sentence about the first violation, and how many there are."""
        first = self.listed[0]
        where = [] if first.place is None else [f"{self.unit} {first.place}"]
        where += [] if first.column is None else [f"column {first.column!r}"]
        where += [] if first.value is None else [f"value {first.value!r}"]
        more = self.counts.total() - 1
        others = f" (and {more} more, see validation.json)" if more else ""
        return data_refused(f"{', '.join([self.name, *where])}: {first.rule}{others}")

    def report(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return the content of ``validation.json``."""
        return {
            "file": self.name,
            "valid": not self.counts,
            "rows_read": metrics.get("rows_read"),
            "rows": None if self.counts else metrics.get("rows"),
            "rows_dropped": metrics.get("rows_dropped"),
            "dropped_by_reason": metrics.get("dropped_by_reason"),
            "unknown_columns": metrics.get("unknown_columns"),
            "violations": self.counts.total(),
            "violations_by_rule": dict(self.counts),
            "first_violations": [
                {
                    "line": violation.place if self.unit == "line" else None,
                    "row": violation.place if self.unit == "row" else None,
                    "column": violation.column,
                    "value": violation.value,
                    "rule": violation.rule,
                }
                for violation in self.listed
            ],
        }
