"""The data contract of the published model, compiled once per load into quick checks of rows.

The rules and their words are those of load_data, of which a row that is asked about is one more
line. A value that is missing is null, an empty text or a field that is not there.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

LARGEST_INTEGER = 10**18 - 1
FILLED = ("impute", "indicator")
MISSING = "the value is missing"

Row = dict[str, Any]
Reader = Callable[[Any], Any]


class InvalidValueError(ValueError):
    """A value that breaks its field's rule; the message is the rule, in words."""


class Fields:
    """The features of a model in its order, each with its reader."""

    def __init__(self, columns: dict[str, dict[str, Any]]) -> None:
        """Compile the features' rules of a data contract."""
        self.columns = columns
        self.readers = [(name, make_reader(rules)) for name, rules in columns.items()]

    def read(self, rows: list[Any]) -> tuple[list[list[Any]], list[dict[str, Any]]]:
        """Return the rows' values in the model's order, and every break of a rule.

        A break names the ``row`` from 0, the ``field``, null where it is the row itself, and the
        ``rule``. Where there is one, the values are not complete.
        """
        values, broken = [], []
        readers, known = self.readers, self.columns
        for place, row in enumerate(rows):
            try:
                values.append([read(row.get(name)) for name, read in readers])
                if len(row) == len(readers) and row.keys() == known.keys():
                    continue
            except (InvalidValueError, AttributeError):
                pass
            broken += self.find_broken(place, row)
        return values, broken

    def find_broken(self, place: int, row: Any) -> list[dict[str, Any]]:
        """Return every break of a rule in one row."""
        if type(row) is not dict:
            rule = "a row is an object with a value for each field"
            return [{"row": place, "field": None, "rule": rule}]
        broken = []
        for name, read in self.readers:
            try:
                read(row.get(name))
            except InvalidValueError as problem:
                broken.append({"row": place, "field": name, "rule": str(problem)})
        rule = f"the model knows no such field; its fields are {', '.join(self.columns)}"
        unknown = [name for name in row if name not in self.columns]
        return broken + [{"row": place, "field": name, "rule": rule} for name in unknown]


def make_reader(rules: dict[str, Any]) -> Reader:
    """Return the function that turns a JSON value into the model's, or raises InvalidValueError."""
    kind = rules["type"]
    if kind == "integer":
        read = make_integer_reader(rules)
    elif kind == "number":
        read = make_number_reader(rules)
    else:
        read = read_text
    if "allowed" in rules:
        read = restrict(read, rules["allowed"])
    return allow_missing(read) if rules.get("missing") in FILLED else read


def make_number_reader(rules: dict[str, Any]) -> Reader:
    """Return the reader of a finite number within the contract's range."""
    least = max(rules.get("minimum", -math.inf), -sys.float_info.max)
    most = min(rules.get("maximum", math.inf), sys.float_info.max)

    def read(value: Any) -> float:
        if type(value) is not float and type(value) is not int:
            raise InvalidValueError(MISSING if value is None else "the value is not a number")
        if not least <= value <= most:
            raise InvalidValueError(range_rule(value, rules))
        return value

    return read


def make_integer_reader(rules: dict[str, Any]) -> Reader:
    """Return the reader of an integer within the contract's range; 3.0 is one."""
    least = max(rules.get("minimum", -math.inf), -LARGEST_INTEGER)
    most = min(rules.get("maximum", math.inf), LARGEST_INTEGER)

    def read(value: Any) -> int:
        if type(value) is not int:
            if type(value) is not float or not value.is_integer():
                raise InvalidValueError(MISSING if value is None else "the value is not an integer")
            value = int(value)
        if not least <= value <= most:
            raise InvalidValueError(range_rule(value, rules))
        return int(value)

    return read


def range_rule(value: float, rules: dict[str, Any]) -> str:
    """Return what a number breaks that is out of range."""
    if value < rules.get("minimum", -math.inf):
        return f"the value is below the minimum {rules['minimum']}"
    if value > rules.get("maximum", math.inf):
        return f"the value is above the maximum {rules['maximum']}"
    kind = "an integer" if rules["type"] == "integer" else "a number"
    return f"the value is too large for {kind}"


def read_text(value: Any) -> str:
    """Return a text of a category or of free words."""
    if type(value) is not str:
        raise InvalidValueError(MISSING if value is None else "the value is not a text")
    if not value.strip(" \t"):
        raise InvalidValueError(MISSING)
    if "\0" in value:
        raise InvalidValueError("the value holds a NUL character")
    return value


def restrict(read: Reader, allowed: list[Any]) -> Reader:
    """Return the reader of the only values that are allowed."""
    known = frozenset(allowed)
    rule = f"the value is none of {', '.join(map(str, allowed))}"

    def read_allowed(value: Any) -> Any:
        found = read(value)
        if found not in known:
            raise InvalidValueError(rule)
        return found

    return read_allowed


def allow_missing(read: Reader) -> Reader:
    """Return the reader of values of which the model fills in the missing ones."""

    def read_or_none(value: Any) -> Any:
        if value is None or (type(value) is str and not value.strip(" \t")):
            return None
        return read(value)

    return read_or_none
