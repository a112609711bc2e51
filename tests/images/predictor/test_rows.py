"""Rows are held to the contract: load_data's rules and words."""

from __future__ import annotations

import pyarrow as pa
import pytest

from load_data.column import columns_of, number_faults, texts_to_values
from predictor.rows import Fields


def rule(value: object, **rules: object) -> str | None:
    """Return the rule that a value breaks, or None."""
    _, broken = Fields({"x": rules}).read([{"x": value}])
    return broken[0]["rule"] if broken else None


NUMBERS = {"type": "number", "role": "feature", "minimum": -1.5, "maximum": 10}
INTEGERS = {"type": "integer", "role": "feature", "minimum": 0, "allowed": [0, 1, 2]}
TEXTS = {"type": "category", "role": "feature", "allowed": ["a", "b c"]}


@pytest.mark.parametrize("value", [None, -1.6, -1.5, 0, 10, 10.1, 1e300])
def test_numbers_break_the_rules_that_load_data_has(value):
    (column,) = columns_of({"columns": {"x": NUMBERS}})
    faults = number_faults(column, pa.array([value], pa.float64()))
    theirs = [words for mask, words in faults if mask[0].as_py()]
    assert rule(value, **NUMBERS) == (theirs[0] if theirs else None)


@pytest.mark.parametrize("value", [None, -1, 0, 2, 3, 10**18 - 1, 10**18])
def test_integers_break_the_rules_that_load_data_has(value):
    (column,) = columns_of({"columns": {"x": INTEGERS}})
    faults = number_faults(column, pa.array([value], pa.int64()))
    theirs = [words for mask, words in faults if mask[0].as_py()]
    assert rule(value, **INTEGERS) == (theirs[0] if theirs else None)


@pytest.mark.parametrize("value", [None, "", " \t", "a", "b c", "b", "A", "a\0"])
def test_texts_break_the_rules_that_load_data_has(value):
    (column,) = columns_of({"columns": {"x": TEXTS}})
    _, faults = texts_to_values(column, pa.array([value], pa.string()))
    theirs = [words for mask, words in faults if mask[0].as_py()]
    assert rule(value, **TEXTS) == (theirs[0] if theirs else None)


@pytest.mark.parametrize("missing", ["impute", "indicator"])
def test_a_missing_value_may_be_null_an_empty_text_or_no_field(missing):
    rules = {"type": "number", "missing": missing}
    for row in ({"x": None}, {"x": " "}, {}):
        assert Fields({"x": rules}).read([row]) == ([[None]], [])


@pytest.mark.parametrize("missing", ["refuse", "drop"])
def test_of_a_row_that_training_would_drop_nothing_is_predicted(missing):
    assert rule(None, type="number", missing=missing) == "the value is missing"


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (True, "number", "the value is not a number"),
        ("1", "number", "the value is not a number"),
        (1.5, "integer", "the value is not an integer"),
        (1e19, "integer", "the value is too large for an integer"),
        (float("inf"), "number", "the value is too large for a number"),
        (1, "text", "the value is not a text"),
        ({"a": 1}, "category", "the value is not a text"),
    ],
)
def test_a_value_of_another_kind_is_refused(value, kind, words):
    assert rule(value, type=kind) == words


def test_values_come_in_the_order_of_the_model():
    fields = Fields({"b": {"type": "number"}, "a": {"type": "integer"}})
    assert fields.read([{"a": 1.0, "b": 2}]) == ([[2, 1]], [])
