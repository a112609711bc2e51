"""describe.py and count.py: exact figures of each column, as JSON can hold them."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_preprocessing import count, describe
from data_preprocessing.describe import describe_table

NUMBERS = ("minimum", "maximum", "mean", "std")


@pytest.fixture
def described(tmp_path):
    """Return one side of the profile of columns, kept in row groups of three rows."""

    def make(rows=3, **columns):
        table = pa.table(columns)
        if "y" not in columns:
            table = table.append_column("y", pa.array([i % 2 for i in range(len(table))]))
        pq.write_table(table, tmp_path / "table.parquet", row_group_size=rows)
        rules = {name: {"type": "text", "role": "feature"} for name in table.column_names}
        return describe_table(tmp_path / "table.parquet", rules, "y", lambda share: None)

    return make


@pytest.fixture
def column(described):
    return lambda values, kind=None, **more: described(x=pa.array(values, kind), **more)["columns"][
        "x"
    ]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
def test_numbers_are_exact(column, kind):
    values = [7, 3, None, 3, 9, 8, None, 1]
    known = np.array([v for v in values if v is not None], float)
    found = column(values, kind)
    assert (found["count"], found["missing"], found["distinct"]) == (6, 2, 5)
    assert [found[name] for name in NUMBERS] == [1, 9, known.mean(), pytest.approx(known.std())]
    assert found["quantiles"] == {
        str(q): np.quantile(known, q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)
    }


def test_whole_numbers_stay_whole(column):
    found = column([2**62 + 1, -(2**62)])
    assert (found["minimum"], found["maximum"]) == (-(2**62), 2**62 + 1)


def test_order_of_the_rows_changes_nothing(column):
    values = [0.1, 0.7, 1e16, 3.3, -1e16, 2.0, 5.5]
    assert column(values) == column(values[::-1])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([None, None], [None, None, None, None]),
        ([], [None, None, None, None]),
        ([math.nan, 2.0], [2.0, 2.0, 2.0, 0.0]),
        ([1e308, 1e308, 1e308], [1e308, 1e308, None, None]),
        ([math.inf, 1.0], [1.0, None, None, None]),
    ],
)
def test_what_no_finite_number_tells_is_null(column, values, told):
    found = column(values, pa.float64())
    assert [found[name] for name in NUMBERS] == told
    json.dumps(found, allow_nan=False)


def test_nan_counts_as_missing(column):
    found = column([math.nan, 2.0, None, 2.0])
    assert (found["count"], found["missing"], found["distinct"]) == (2, 2, 1)


def test_most_frequent_values_come_first_and_equals_by_name(column):
    found = column(["b", "a", "c", "c", None, "a", "b", "c", "d"])
    assert found == {
        "type": "text",
        "role": "feature",
        "count": 8,
        "missing": 1,
        "distinct": 4,
        "top": [["c", 3], ["a", 2], ["b", 2], ["d", 1]],
    }


def test_ten_values_are_shown(column):
    assert len(column([f"v{n}" for n in range(30)])["top"]) == 10


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\\u202eb"),
        ("x" * 10_000, "x" * 79 + "…"),
        ("", ""),
        ("<b>{{ 7 * 7 }}", "<b>{{ 7 * 7 }}"),
    ],
)
def test_value_is_shown_on_one_line_and_shortened(column, value, shown):
    assert column([value, value])["top"] == [[shown, 2]]


def test_long_values_that_begin_alike_are_told_apart(column):
    found = column(["x" * 5000 + "1", "x" * 5000 + "2", "x" * 5000 + "1"])
    assert found["distinct"] == 2
    assert [rows for _, rows in found["top"]] == [2, 1]


def test_times_have_first_and_last(column):
    found = column([3_000_000, None, 1], pa.timestamp("us"))
    assert found["minimum"] == "1970-01-01T00:00:00.000001"
    assert found["maximum"] == "1970-01-01T00:00:03"
    assert (found["count"], found["distinct"]) == (2, 2)
    found = column([datetime(2026, 1, 2, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC"))
    assert found["top"] == [["2026-01-02T00:00:00Z", 2]]
    assert column([None], pa.timestamp("us"))["minimum"] is None


def test_classes_are_counted(described):
    assert described(y=[0, 1, 1, 1])["classes"] == {"0": 1, "1": 3}
    assert described(y=[0, 0])["classes"] == {"0": 2, "1": 0}


@pytest.fixture
def few(monkeypatch):
    """Let no more than five values be kept."""
    monkeypatch.setattr(count, "DISTINCT", 5)


@pytest.mark.usefixtures("few")
def test_more_values_than_are_kept_are_not_counted(column):
    assert column(["a", "b", "c", "d", "e"])["distinct"] == 5
    assert column(["a", "b", "c", "d", "e", "f"])["distinct"] is None


@pytest.mark.usefixtures("few")
def test_frequent_values_are_counted_exactly_however_late_they_come(column):
    values = [f"v{n}" for n in range(50)] + ["late"] * 30 + ["later"] * 25
    found = column(values, rows=7)
    assert found["top"][:2] == [["late", 30], ["later", 25]]
    assert (found["count"], found["distinct"]) == (105, None)


@pytest.mark.usefixtures("few")
def test_values_that_stand_alone_are_not_listed(column):
    assert column([f"v{n}" for n in range(50)])["top"] == []


def test_no_more_values_are_kept_than_allowed(few, monkeypatch):
    sizes = []
    heaviest = count.keep_heaviest

    def spy(counts):
        sizes.append(heaviest(counts).num_rows)
        return heaviest(counts)

    monkeypatch.setattr(count, "keep_heaviest", spy)
    counts = count.Counts()
    for number in range(9):
        counts.add(pa.array([f"{number}-{n % 4}" for n in range(8)]))
    assert not counts.whole
    assert max(sizes) <= 5
    assert counts.total == 72


def test_progress_goes_to_the_end(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": [1], "y": [1]}), path)
    rules = {name: {"type": "integer", "role": "feature"} for name in "xy"}
    told = []
    describe.describe_table(path, rules, "y", told.append)
    assert told[-1] == 1.0
