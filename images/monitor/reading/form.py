"""The features of a published model as fields of a form, from the contract in its summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .record import LARGEST, Record

# A form has no more fields: its answers stand in the address of a page.
FIELDS = 100


@dataclass(frozen=True)
class Field:
    """A feature that a person enters: its column's type, unit and limits.

    ``allowed`` are the only values, where there are such. ``optional`` is one that may be missing.
    """

    name: str
    kind: str
    unit: str | None
    description: str | None
    minimum: float | None
    maximum: float | None
    allowed: list[Any]
    optional: bool

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in ("integer", "number")

    def value(self, text: str) -> Any:
        """Return what a person entered as a value of the row, None where it is missing.

        What is no number where one is asked for stays text: the predictor says what is wrong.
        """
        for value in self.allowed:
            if str(value) == text:
                return value
        if not self.numeric or not text:
            return text or None
        try:
            number = int(text) if self.kind == "integer" else float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) and abs(number) < LARGEST else text


def read_form(summary: Record) -> list[Field]:
    """Return the fields, in the contract's order; none where the summary holds no contract."""
    columns = summary.record("contract").record("columns")
    found = ((name, columns.record(name)) for name in columns.content)
    features = [(name, column) for name, column in found if column.text("role") == "feature"]
    return [read_field(name, column) for name, column in features[:FIELDS]]


def read_field(name: str, column: Record) -> Field:
    """Return the field of a column."""
    return Field(
        name=name,
        kind=column.text("type") or "text",
        unit=column.text("unit"),
        description=column.text("description"),
        minimum=column.number("minimum"),
        maximum=column.number("maximum"),
        allowed=[
            value for value in column.items("allowed") if isinstance(value, str | int | float)
        ],
        optional=(column.text("missing") or "refuse") not in ("refuse", "drop"),
    )


def read_row(fields: list[Field], entered: Mapping[str, str]) -> dict[str, Any]:
    """Return the row that a person entered; a value that is missing is left out."""
    values = {field.name: field.value(entered.get(field.name, "").strip()) for field in fields}
    return {name: value for name, value in values.items() if value is not None}
