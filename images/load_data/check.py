"""Check the cells against the data contract, by pandera, and give them their types."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
import pandera.pandas as pa_checks
import pyarrow as pa
from pandera.errors import SchemaErrors

from stage import data_refused, one_line

if TYPE_CHECKING:
    from load_data.read import Cells

LISTED = 1000
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
INTEGER = r"[+-]?[0-9]{1,18}"
TYPES = {"integer": pa.int64(), "number": pa.float64(), "text": pa.string()}


class Violations:
    """What breaks the contract: each with its line, column, value and rule."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.listed: list[dict[str, Any]] = []

    def add(self, line: int, column: str | None, value: object, rule: str) -> None:
        """Note one violation; beyond the first 1000 they are only counted."""
        self.counts[rule] += 1
        if len(self.listed) < LISTED:
            shown = None if value is None else one_line(str(value), 80)
            self.listed.append({"line": line, "column": column, "value": shown, "rule": rule})

    def refuse(self, line: int, column: str | None, value: object, rule: str) -> NoReturn:
        """Note a violation that ends the reading, and raise the refusal."""
        self.add(line, column, value, rule)
        raise self.refusal()

    def refusal(self) -> Exception:
        """Return the refusal: one sentence about the first violation, and how many there are."""
        first = self.listed[0]
        where = f"{self.name}, line {first['line']}"
        if first["column"] is not None:
            where += f", column {first['column']!r}"
        if first["value"] is not None:
            where += f", value {first['value']!r}"
        more = self.counts.total() - 1
        others = f" (and {more} more, see validation.json)" if more else ""
        return data_refused(f"{where}: {first['rule']}{others}")

    def report(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return the content of ``validation.json``."""
        return {
            "file": self.name,
            "valid": not self.listed,
            "rows": metrics.get("rows"),
            "rows_dropped": metrics.get("rows_dropped"),
            "unknown_columns": metrics.get("unknown_columns"),
            "violations": self.counts.total(),
            "violations_by_rule": dict(self.counts),
            "first_violations": self.listed,
        }


def to_table(cells: Cells, columns: dict[str, dict[str, Any]], violations: Violations) -> pa.Table:
    """Return the cells with the contract's types, one row a row of the file.

    Columns that are unused stay as text and are not checked. A cell that breaks its column's rules
    is never coerced: it refuses the file (65).
    """
    used = {name: rules for name, rules in columns.items() if rules["role"] != "unused"}
    text = pd.DataFrame({name: cells.columns[name] for name in used}, dtype=str)
    validate(text, {name: form_checks(rules) for name, rules in used.items()}, cells, violations)
    kinds = {name: TYPES[rules["type"]].to_pandas_dtype() for name, rules in used.items()}
    typed = text.astype(kinds)
    validate(typed, {name: value_checks(rules) for name, rules in used.items()}, cells, violations)

    arrays = {
        name: pa.array(typed[name] if name in used else cells.columns[name], column_type(rules))
        for name, rules in columns.items()
    }
    return pa.table(arrays)


def column_type(rules: dict[str, Any]) -> pa.DataType:
    """Return a column's type in the table; one that is unused stays as it stands in the file."""
    return TYPES["text"] if rules["role"] == "unused" else TYPES[rules["type"]]


def form_checks(rules: dict[str, Any]) -> list[Any]:
    """Return the checks of a column's cells as text: there, and written as its type is."""
    pattern, words = (INTEGER, "an integer") if rules["type"] == "integer" else (NUMBER, "a number")
    return [
        pa_checks.Check(lambda cells: cells.str.strip() != "", error="the value is missing"),
        pa_checks.Check(
            lambda cells: cells.str.fullmatch(pattern) | (cells.str.strip() == ""),
            error=f"the value is not {words}",
        ),
    ]


def value_checks(rules: dict[str, Any]) -> list[Any]:
    """Return the checks of a column's values: inside its range, one of those allowed."""
    checks = [pa_checks.Check(np.isfinite, error="the value is too large for a number")]
    if "minimum" in rules:
        error = f"the value is below the minimum {rules['minimum']}"
        checks.append(pa_checks.Check.ge(rules["minimum"], error=error))
    if "maximum" in rules:
        error = f"the value is above the maximum {rules['maximum']}"
        checks.append(pa_checks.Check.le(rules["maximum"], error=error))
    if "allowed" in rules:
        error = f"the value is none of {', '.join(map(str, rules['allowed']))}"
        checks.append(pa_checks.Check.isin(rules["allowed"], error=error))
    return checks


def validate(
    frame: pd.DataFrame, checks: dict[str, list[Any]], cells: Cells, violations: Violations
) -> None:
    """Hold the frame to the checks; all failures are noted in the file's order, then refused."""
    schema = pa_checks.DataFrameSchema(
        {name: pa_checks.Column(None, list_of_checks) for name, list_of_checks in checks.items()}
    )
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        found = errors.failure_cases.sort_values(["index", "column"], kind="stable")
        for case in found.itertuples():
            violations.add(
                cells.lines[int(case.index)], str(case.column), case.failure_case, str(case.check)
            )
        raise violations.refusal() from None


def check_classes(
    table: pa.Table, columns: dict[str, dict[str, Any]], violations: Violations
) -> None:
    """Refuse a file whose target holds one class only: nothing can be learned from it."""
    target = next(name for name, rules in columns.items() if rules["role"] == "target")
    classes = table[target].unique().to_pylist()
    if len(classes) < 2:
        violations.refuse(
            2, target, None, f"every row holds the value {classes[0]}; both classes are needed"
        )
