"""profile.py: a profile's facts column by column, whatever the file holds."""

import pytest

from monitor.reading.profile import COLUMNS, read_profile
from monitor.reading.record import Record

AGE = {"type": "integer", "role": "feature", "count": 9, "missing": 1, "distinct": 5,
       "minimum": 0, "maximum": 100, "mean": 40.5, "std": 2,
       "quantiles": {"0.05": 1, "0.25": 20, "0.5": 40.04, "0.75": 60, "0.95": 99}}  # fmt: skip


def profile(before, after):
    sides = {"before": {"columns": before}, "after": {"columns": after, "rows": 10}}
    return read_profile(Record(sides))


def facts(**more):
    """The facts of a column after."""
    return profile({}, {"x": AGE | more}).columns[0].after


def test_facts_are_those_of_the_file():
    found = facts()
    assert (found.count, found.missing, found.distinct, found.least, found.most) == (
        9,
        1,
        5,
        0,
        100,
    )
    assert (found.mean, found.std, found.quantiles) == (40.5, 2, [1, 20, 40.04, 60, 99])
    assert found.top == []


def test_column_of_one_side_has_no_other():
    found = profile({"a": AGE, "b": AGE}, {"a": AGE, "c": AGE})
    sides = {c.name: (c.before is not None, c.after is not None) for c in found.columns}
    assert sides == {"a": (True, True), "b": (True, False), "c": (False, True)}
    assert [side for side, _ in found.columns[0].sides] == ["both"]
    assert [side for side, _ in found.columns[1].sides] == ["before"]


def test_sides_that_differ_are_both_told():
    (column,) = profile({"a": AGE}, {"a": AGE | {"count": 8}}).columns
    assert [(side, facts.count) for side, facts in column.sides] == [("before", 9), ("after", 8)]


def test_quantiles_have_places_between_the_ends():
    assert facts().places == [1, 20, 40, 60, 99]
    assert facts(minimum=-100).places == [50.5, 60, 70, 80, 99.5]


@pytest.mark.parametrize(
    "more",
    [
        {"minimum": None},
        {"minimum": "2026-01-01"},
        {"minimum": 100},
        {"minimum": 101},
        {"maximum": 50},
        {"minimum": -1e308, "maximum": 1e308},
        {"distinct": 2},
        {"quantiles": {}},
        {"quantiles": AGE["quantiles"] | {"0.5": None}},
        {"quantiles": AGE["quantiles"] | {"0.5": -5}},
        {"quantiles": AGE["quantiles"] | {"0.5": 1e308}},
        {"quantiles": [1, 2, 3, 4, 5]},
    ],
)
def test_quantiles_that_say_nothing_have_no_places(more):
    assert facts(**more).places == []


def test_values_are_told_that_are_texts_with_a_number():
    top = [["a", 3], ["", 2], ["b"], ["c", 1, 1], "d", None, ["e", "f"], [7, 1]]
    assert facts(top=top).top == [("a", 3), ("", 2), ("", 1)]


def test_first_columns_are_told_and_how_many_there_are():
    many = {f"x{n}": AGE for n in range(COLUMNS + 5)}
    found = profile(many, many)
    assert (len(found.columns), found.total) == (COLUMNS, COLUMNS + 5)
    assert len(found.content["after"]["columns"]) == COLUMNS
    assert found.content["after"]["columns_total"] == COLUMNS + 5


@pytest.mark.parametrize("content", [{}, {"before": []}, {"before": {"columns": [1]}, "after": 7}])
def test_profile_without_columns_is_none(content):
    assert read_profile(Record(content)) is None


def test_classes_that_are_no_counts_are_left_out():
    sides = {"after": {"columns": {"x": 1}, "classes": {"0": "many", "1": 3, "2": 4}}}
    assert read_profile(Record(sides)).classes == {"1": 3}
