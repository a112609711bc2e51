"""record.py: a value of the wrong type counts as absent, and every value can be shown."""

import json
from datetime import UTC, datetime

import pytest

from monitor.reading.record import Record, clean, moment, parse_json


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-1e999", "1" + "0" * 30, "1e300", "-123456789012e9", "9" * 19]
)
def test_number_that_other_readers_refuse_becomes_none(text):
    assert clean(json.loads(text)) is None
    assert parse_json(f'{{"a": [{text}], "b": {text}}}'.encode()) == {"a": [None], "b": None}


@pytest.mark.parametrize("text", ["0.1", "-1e-300", "1e18", "9" * 18, "0.12345678901234567890123"])
def test_other_numbers_stay(text):
    assert parse_json(f'{{"a": {text}}}'.encode()) == {"a": json.loads(text)}


def test_digits_in_a_text_are_no_number():
    assert parse_json(b'{"a": "at 1e300, 99999999999999999999"}') == {
        "a": "at 1e300, 99999999999999999999"
    }


def test_half_of_a_surrogate_pair_is_replaced():
    assert clean(json.loads('{"a\\ud800": ["\\ud800"]}')) == {"a?": ["?"]}
    assert parse_json(b'{"a\\ud800": ["\\ud800"]}') == {"a?": ["?"]}


@pytest.mark.parametrize("depth", [100, 2000])
def test_deep_nesting_is_refused(depth):
    text = '{"a": ' + "[" * depth + "]" * depth + "}"
    with pytest.raises((ValueError, RecursionError)):
        parse_json(text.encode())
    with pytest.raises(ValueError, match="nested"):
        clean(json.loads("[" * 100 + "]" * 100))


def test_many_lists_side_by_side_are_not_deep():
    assert len(parse_json(b'{"a": [' + b"[1]," * 100 + b"[1]]}")["a"]) == 101


@pytest.mark.parametrize("value", [None, 1, True, [], {}, ""])
def test_text_is_none_for_another_type(value):
    assert Record({"key": value}).text("key") is None


@pytest.mark.parametrize("value", [None, "1", True, [1], {}])
def test_number_is_none_for_another_type(value):
    assert Record({"key": value}).number("key") is None


@pytest.mark.parametrize("value", [None, 1.5, "1", True])
def test_whole_number_is_none_for_another_type(value):
    assert Record({"key": value}).whole("key") is None


@pytest.mark.parametrize("value", [None, 0, 1, "true"])
def test_flag_is_none_for_another_type(value):
    assert Record({"key": value}).flag("key") is None


@pytest.mark.parametrize("value", [None, 1, "x", {"a": 1}])
def test_lists_are_empty_for_another_type(value):
    record = Record({"key": value})
    assert (record.items("key"), record.records("key"), record.texts("key")) == ([], [], [])


def test_list_of_texts_or_objects_leaves_the_others_out():
    record = Record({"key": ["a", 1, {"b": 2}]})
    assert record.texts("key") == ["a"]
    assert record.records("key") == [Record({"b": 2})]


def test_list_of_numbers_is_empty_when_one_is_none():
    assert Record({"key": [1, "2"]}).numbers("key") == []


@pytest.mark.parametrize(
    "text", ["2026-11-23T19:30:00Z", "2026-11-23T20:30:00+01:00", "2026-11-23T19:30:00"]
)
def test_time_is_in_utc(text):
    assert Record({"key": text}).time("key") == datetime(2026, 11, 23, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00:00+14:00", "2026-13-01"])
def test_time_that_is_none_is_none(text):
    assert Record({"key": text}).time("key") is None


def test_moment_is_in_utc():
    assert moment(1000.5) == datetime(1970, 1, 1, 0, 16, 40, 500000, tzinfo=UTC)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_moment_of_the_calendars_ends_can_be_shown(time):
    time = datetime.fromisoformat(time)
    assert moment(time.timestamp()).year == time.year
    assert moment(1e15).year == 9999
