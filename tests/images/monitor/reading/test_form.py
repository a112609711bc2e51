"""form.py: the fields of a published model, and the row that a person enters."""

import pytest
from tests.images.monitor.conftest import CONTRACT

from monitor.reading.form import FIELDS, read_form, read_row
from monitor.reading.record import Record

FORM = read_form(Record({"contract": CONTRACT}))


def test_fields_are_the_features_in_the_order_of_the_contract():
    assert [field.name for field in FORM] == ["Daily Time Spent on Site", "Age", "Male"]


def test_field_has_the_limits_and_the_unit_of_its_column():
    time, age, male = FORM
    assert (time.kind, time.unit, time.minimum, time.maximum) == (
        "number",
        "minutes a day",
        0,
        1440,
    )
    assert (time.optional, age.optional, male.optional) == (False, True, False)
    assert male.allowed == [0, 1]


@pytest.mark.parametrize(
    ("entered", "row"),
    [
        ({"Daily Time Spent on Site": "70.5", "Age": "30", "Male": "1"},
         {"Daily Time Spent on Site": 70.5, "Age": 30, "Male": 1}),
        ({"Daily Time Spent on Site": " 7 ", "Age": "", "Male": "0"},
         {"Daily Time Spent on Site": 7.0, "Male": 0}),
        ({"Age": "3.5", "Male": "2", "more": "x"}, {"Age": "3.5", "Male": 2}),
        ({"Daily Time Spent on Site": "inf", "Age": "1" * 5000},
         {"Daily Time Spent on Site": "inf", "Age": "1" * 5000}),
        ({"Daily Time Spent on Site": "1e30", "Age": "9" * 20},
         {"Daily Time Spent on Site": "1e30", "Age": "9" * 20}),
        ({}, {}),
    ],
)  # fmt: skip
def test_row_holds_numbers_and_leaves_out_what_is_missing(entered, row):
    assert read_row(FORM, entered) == row


@pytest.mark.parametrize("summary", [{}, {"contract": 7}, {"contract": {"columns": ["Age"]}}])
def test_summary_without_a_contract_has_no_form(summary):
    assert read_form(Record(summary)) == []


def test_form_has_no_more_fields_than_an_address_can_hold():
    columns = {f"c{n}": {"type": "number", "role": "feature"} for n in range(FIELDS + 1)}
    assert len(read_form(Record({"contract": {"columns": columns}}))) == FIELDS
