"""What a cell of each type may hold, and the rules that values are held to."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

HEADER = "age,income,note,click\n"
GOOD = HEADER + "30,5.5,x,0\n31,6.5,y,1\n"


def with_cell(column: str, value: str) -> str:
    """Return the good file with one more row, on line 4, that holds the value in quotes."""
    cells = {"age": "30", "income": "1", "note": "x", "click": "0", column: f'"{value}"'}
    return GOOD + ",".join(cells.values()) + "\n"


NO_INTEGER = "the value is not an integer"
NO_NUMBER = "the value is not a number"


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("age", "", "the value is missing"),
        ("age", " \t", "the value is missing"),
        ("income", "", "the value is missing"),
        ("click", "", "the value is missing"),
        ("age", "old", NO_INTEGER),
        ("age", "30.0", NO_INTEGER),
        ("age", "1_000", NO_INTEGER),
        ("age", "1,000", NO_INTEGER),
        ("age", "0x10", NO_INTEGER),
        ("age", "+ 5", NO_INTEGER),
        ("age", "+-5", NO_INTEGER),
        ("age", "++5", NO_INTEGER),
        ("age", "-", NO_INTEGER),
        ("age", "\u00a05", NO_INTEGER),
        ("age", "5\n", NO_INTEGER),
        ("age", "5\v", NO_INTEGER),
        ("age", "\u0663\u0665", NO_INTEGER),
        ("age", "3" * 19, "the value is too large for an integer"),
        ("age", "9" * 400, "the value is too large for an integer"),
        ("age", "NA", NO_INTEGER),
        ("age", "3\0", NO_INTEGER),
        ("age", "-1", "the value is below the minimum 0"),
        ("age", "121", "the value is above the maximum 120"),
        ("income", "1_000", NO_NUMBER),
        ("income", "1,5", NO_NUMBER),
        ("income", "1.000,5", NO_NUMBER),
        ("income", "$5", NO_NUMBER),
        ("income", "5%", NO_NUMBER),
        ("income", "nan", NO_NUMBER),
        ("income", "NaN", NO_NUMBER),
        ("income", "inf", NO_NUMBER),
        ("income", "-Infinity", NO_NUMBER),
        ("income", "0x1p3", NO_NUMBER),
        ("income", "+-5", NO_NUMBER),
        ("income", "\uff15", NO_NUMBER),
        ("income", "\u2212" + "5", NO_NUMBER),
        ("income", ".", NO_NUMBER),
        ("income", "1e", NO_NUMBER),
        ("income", "1d5", NO_NUMBER),
        ("income", "1 000", NO_NUMBER),
        ("income", "True", NO_NUMBER),
        ("income", "5\n", NO_NUMBER),
        ("income", "1e400", "the value is too large for a number"),
        ("income", "1" * 400, "the value is too large for a number"),
        ("income", "1e-400", "the value is too small for a number"),
        ("income", "0." + "0" * 400 + "1", "the value is too small for a number"),
        ("income", "0." + "0" * 250 + "1e-99", "the value is too small for a number"),
        ("income", "0." + "0" * 320 + "1e-3", "the value is too small for a number"),
        ("income", "-0.01", "the value is below the minimum 0"),
        ("click", "2", "the value is none of 0, 1"),
        ("click", "True", NO_INTEGER),
    ],
)
def test_cell_that_breaks_its_columns_rules_is_refused(door, column, value, rule):
    quoted = with_cell(column, value)
    bare = quoted if "," in value or "\n" in value else quoted.replace('"', "")
    for content in (quoted, bare):
        text = door.refused(content)
        assert text.startswith(f"data/x.csv, line 4, column {column!r}, value ")
        assert text.endswith(f": {rule}")


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("age", "0", 0),
        ("age", "-0", 0),
        ("age", "120", 120),
        ("age", " +007\t", 7),
        ("income", "0", 0.0),
        ("income", "1e3", 1000.0),
        ("income", "5.", 5.0),
        ("income", ".5", 0.5),
        ("income", "0e-999", 0.0),
        ("income", "0.1", 0.1),
        ("income", "5e-324", 5e-324),
        ("income", "1.7976931348623157e308", 1.7976931348623157e308),
        ("income", "9007199254740993", 9007199254740992.0),
        ("income", "2.2250738585072011e-308", 2.2250738585072011e-308),
    ],
)
def test_value_on_the_limit_is_taken_exactly(door, column, cell, value):
    assert door(with_cell(column, cell))[column][2].as_py() == value
    assert door(with_cell(column, cell).replace('"', ""))[column][2].as_py() == value


def test_one_cell_gives_one_violation(door):
    door.refused(with_cell("click", "-7"), columns=door.with_column("click", minimum=0))
    assert door.violations.counts.total() == 1


def test_first_violation_of_many_is_named_in_the_files_order(door):
    text = door.refused(HEADER + "30,5.5,x,0\n30,x,x,5\nold,1,x,0\n")
    assert text == (
        "data/x.csv, line 3, column 'income', value 'x': the value is not a number "
        "(and 2 more, see validation.json)"
    )


@pytest.mark.parametrize(
    ("limit", "value"), [(10.5, 10**17), (10, 10**17), (1e300, 7), (10**30, 7)]
)
def test_limit_may_be_any_number(door, limit, value):
    for name in ("age", "income"):
        columns = door.with_column(name, maximum=limit)
        found = door.outcome(with_cell(name, str(value)), columns=columns)
        assert isinstance(found, str) is (value > limit), found


def test_list_of_allowed_numbers_holds_for_numbers(door):
    columns = door.with_column("income", allowed=[5.5, 6.5, 7])
    assert door(GOOD + "1,7.0,x,1\n", columns=columns).num_rows == 3
    assert "value '8': the value is none of 5.5, 6.5, 7" in door.refused(
        GOOD + "1,8,x,1\n", columns=columns
    )


# Missing values


def test_missing_values_are_the_contracts(door):
    columns = door.with_column("income", missing="impute")
    columns["note"] = {"type": "category", "role": "feature", "missing": "indicator"}
    content = HEADER + "30,NA,NA,0\n31, NA ,  ?\t,1\n32,1,,1\n"
    table = door(content, columns=columns, missing_values=["NA", "?"])
    assert table["income"].to_pylist() == [None, None, 1.0]
    assert table["note"].to_pylist() == [None, None, ""]
    assert door.metrics["missing"] == {"income": 2, "note": 2}


def test_missing_value_that_is_a_number_is_known_however_it_is_written(door):
    columns = door.with_column("age", missing="impute", minimum=-2000)
    content = HEADER + "-999,1,x,0\n -999,1,x,1\n-0999,1,x,1\n"
    table = door(content, columns=columns, missing_values=["-999"])
    assert table["age"].to_pylist() == [None, None, -999]


def test_empty_cell_is_no_missing_value_where_the_contract_names_others(door):
    assert NO_INTEGER in door.refused(with_cell("age", ""), missing_values=["NA"])


def test_nothing_is_missing_where_the_contract_names_no_value(door):
    assert NO_NUMBER in door.refused(with_cell("income", ""), missing_values=[])


# Texts


@pytest.mark.parametrize("kind", ["category", "text"])
def test_texts_are_kept_exactly_as_written(door, kind):
    columns = door.with_column("note", type=kind, role="feature")
    table = door(HEADER + '30,1, 3,0\n31,1,03,1\n32,1,"a\nb",1\n', columns=columns)
    assert table["note"].to_pylist() == [" 3", "03", "a\nb"]


def test_nul_in_a_used_text_is_refused(door):
    columns = door.with_column("note", type="category", role="feature")
    text = door.refused(with_cell("note", "a\0"), columns=columns)
    assert text.endswith("column 'note', value 'a\\\\x00': the value holds a NUL character")


def test_category_is_one_of_those_allowed(door):
    columns = door.with_column("note", type="category", role="feature", allowed=["x", "y"])
    assert door(GOOD, columns=columns).num_rows == 2
    text = door.refused(with_cell("note", "X"), columns=columns)
    assert text.endswith("value 'X': the value is none of x, y")


def test_unused_column_is_not_checked_whatever_its_type(door):
    columns = door.with_column("age", role="unused", allowed=[1])
    table = door(GOOD + "old,1,x,1\n,1,x,1\n", columns=columns)
    assert table["age"].to_pylist() == ["30", "31", "old", ""]


@pytest.mark.parametrize(
    ("kind", "allowed", "positive", "cells"),
    [
        ("integer", [0, 1], 1, ["0", "1"]),
        ("integer", [1, 2], 2, ["1", "2"]),
        ("integer", [0, 1], 0, ["1", "0"]),
        ("category", ["No", "Yes"], "Yes", ["No", "Yes"]),
        ("text", ["false", "true"], "true", ["false", "true"]),
        ("category", ["0", "1"], "1", ["0", "1"]),
    ],
)
def test_target_is_1_for_the_positive_value_and_0_for_the_other(
    door, kind, allowed, positive, cells
):
    columns = door.with_column("click", type=kind, allowed=allowed, positive=positive)
    table = door(HEADER + "".join(f"30,1,x,{cell}\n" for cell in cells), columns=columns)
    assert table["click"].to_pylist() == [0, 1]
    assert str(table["click"].type) == "int64"
    only = HEADER + f"30,1,x,{cells[1]}\n" * 2
    assert door.refused(only, columns=columns).endswith(
        f"line 2, column 'click': every row holds the value {cells[1]}; both classes are needed"
    )


# Times


def with_times(door, *cells: str, **rules):
    columns = door.with_column("note", type="time", role="time", **rules)
    rows = "".join(f"30,1,{cell},{n % 2}\n" for n, cell in enumerate(cells))
    return HEADER + rows, columns


def naive(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2016-03-27", naive(2016, 3, 27)),
        ("2016-03-27 00:53", naive(2016, 3, 27, 0, 53)),
        ("2016-03-27T00:53:11", naive(2016, 3, 27, 0, 53, 11)),
        (" 2016-03-27 00:53:11.25 ", naive(2016, 3, 27, 0, 53, 11, 250_000)),
        ("2016-03-27 00:53:11.123456000", naive(2016, 3, 27, 0, 53, 11, 123_456)),
        ("2016-02-29", naive(2016, 2, 29)),
        ("0001-01-01", naive(1, 1, 1)),
        ("9999-12-31 23:59:59.999999", naive(9999, 12, 31, 23, 59, 59, 999_999)),
    ],
)
def test_time_without_offset(door, cell, value):
    content, columns = with_times(door, cell, "2020-01-01")
    table = door(content, columns=columns)
    assert str(table["note"].type) == "timestamp[us]"
    assert table["note"][0].as_py() == value


@pytest.mark.parametrize("offset", ["+02:00", "+0200", "+02"])
def test_time_with_offset_is_kept_in_utc(door, offset):
    content, columns = with_times(door, f"2016-03-27T00:53:11{offset}", "2016-03-27 01:00Z")
    table = door(content, columns=columns)
    assert str(table["note"].type) == "timestamp[us, tz=UTC]"
    assert table["note"].to_pylist() == [
        datetime(2016, 3, 26, 22, 53, 11, tzinfo=UTC),
        datetime(2016, 3, 27, 1, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    "cell",
    [
        *("2016-02-30", "2016-13-01", "2015-02-29", "0000-01-01", "27.03.2016", "03/27/2016"),
        *("2016-3-27", "20160327", "2016-03-27T", "2016-03-27T24:00", "2016-03-27T10:60"),
        *("2016-03-27T10", "2016-03-27 10:00:00.1234567", "2016-03-27  10:00", "now", "1459039991"),
        *("\u0662016-03-27", "2016-03-27T10:00 UTC"),
    ],
)
def test_time_that_is_no_iso_8601_is_refused(door, cell):
    content, columns = with_times(door, "2016-01-01", cell, "2016-01-02")
    text = door.refused(content, columns=columns)
    assert text.startswith("data/x.csv, line 3, column 'note', value ")
    assert text.endswith("the value is not a time of ISO 8601")


@pytest.mark.parametrize("cell", ["2016-02-30T10:00Z", "2016-03-27T10:00+25:00"])
def test_time_with_offset_that_no_calendar_has_is_refused(door, cell):
    content, columns = with_times(door, "2016-01-01T00:00Z", cell, "2016-01-01T00:00Z")
    assert door.refused(content, columns=columns).endswith("the value is not a time of ISO 8601")


def test_offsets_are_throughout_or_nowhere(door, monkeypatch):
    monkeypatch.setattr("load_data.source.BLOCK", 600)
    naive, zoned = "2016-03-27 10:00:00", "2016-03-27 10:00:00Z"
    for first, other, rule in (
        (naive, zoned, "the time has an offset, but others have none"),
        (zoned, naive, "the time has no offset, but others have one"),
    ):
        for rows in (1, 200):
            content, columns = with_times(door, *[first] * rows, other)
            text = door.refused(content, columns=columns)
            assert f"line {rows + 2}, column 'note', value {other!r}" in text
            assert text.endswith(rule)


def test_missing_time_is_left_out_where_the_contract_says(door):
    times = ("", "2016-01-01T10:00Z", "2016-01-02T10:00Z")
    content, columns = with_times(door, *times, missing="drop")
    table = door(content, columns=columns, max_dropped_share=0.5)
    assert str(table["note"].type) == "timestamp[us, tz=UTC]"
    assert (table.num_rows, door.metrics["rows_dropped"]) == (2, 1)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_time_may_be_a_number(door, kind):
    columns = door.with_column("note", type=kind, role="time")
    table = door(HEADER + "30,1,1459039991,0\n30,1,7,1\n", columns=columns)
    assert table["note"].to_pylist() == [1459039991, 7]
    assert not math.isnan(table["note"][0].as_py())


def test_group_is_checked_as_its_type_says(door):
    columns = door.with_column("note", type="integer", role="group")
    assert NO_INTEGER in door.refused(GOOD, columns=columns)
