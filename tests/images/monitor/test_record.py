"""record.py: a value of the wrong type counts as absent, and every value can be shown."""

import json
from datetime import UTC, datetime

import pytest

from monitor.record import Record, clean


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1e999", "1" + "0" * 30])
def test_number_that_other_readers_refuse_becomes_none(text):
    assert clean(json.loads(text)) is None


def test_half_of_a_surrogate_pair_is_replaced():
    assert clean(json.loads('{"a\\ud800": ["\\ud800"]}')) == {"a?": ["?"]}


def test_deep_nesting_is_refused():
    with pytest.raises(ValueError, match="nested"):
        clean(json.loads("[" * 100 + "]" * 100))


@pytest.mark.parametrize("value", [None, 1, True, [], {}, ""])
def test_text_is_none_for_another_type(value):
    assert Record({"key": value}).text("key") is None


@pytest.mark.parametrize("value", [None, "1", True, [1], {}])
def test_number_is_none_for_another_type(value):
    assert Record({"key": value}).number("key") is None


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
