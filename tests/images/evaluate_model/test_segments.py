"""Segments: how a column is divided, what is measured, and when it is warned of."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluate_model import segments
from evaluate_model.segments import divide, find_warnings, measure_segment, measure_segments


class Threshold:
    """A model of a feature ``x``, which is its probability."""

    def predict_proba(self, rows):
        chance = rows["x"].to_numpy()
        return np.column_stack([1 - chance, chance])


def divided(values, cut) -> dict[str, list[int]]:
    """The places of the rows of each segment."""
    column = pa.chunked_array([values])
    return {name: np.flatnonzero(rows).tolist() for name, rows in divide(column, cut)}


def test_numbers_are_divided_at_the_boundaries_which_belong_to_what_follows():
    assert divided([29, 30, 39.5, 40, None, 80], [30, 40]) == {
        "below 30": [0],
        "30 to below 40": [1, 2],
        "40 and above": [3, 5],
        "missing": [4],
    }


def test_range_without_rows_is_left_out():
    assert list(divided([10, 50], [30, 40])) == ["below 30", "40 and above"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1, 0, 1], {"0": [1], "1": [0, 2]}),
        (["b", "a", None, "b"], {"a": [1], "b": [0, 3], "missing": [2]}),
        (["", "a"], {"": [0], "a": [1]}),
        ([None, None, 1], {"1": [2], "missing": [0, 1]}),
    ],
)
def test_few_values_are_a_segment_each(values, told):
    assert divided(values, True) == told


def test_rare_values_are_one_segment_together(monkeypatch):
    monkeypatch.setattr(segments, "MOST_SEGMENTS", 2)
    told = divided(["a", "b", "b", "c", "c", "d", None], True)
    assert told == {"b": [1, 2], "c": [3, 4], "other values": [0, 5], "missing": [6]}


def test_metrics_of_a_segment_counted_by_hand():
    told = measure_segment(np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.6, 0.2]), 0.95)
    assert (told["rows"], told["positive_share"], told["accuracy"]) == (4, 0.5, 0.5)
    assert told["roc_auc"] == 0.75
    assert told["log_loss"] == pytest.approx(-np.log(0.9 * 0.4 * 0.4 * 0.8) / 4)
    assert told["accuracy_interval"] == pytest.approx([0.15, 0.85], abs=1e-3)


def test_segment_of_one_class_has_no_roc_auc():
    assert measure_segment(np.zeros(3), np.array([0.1, 0.2, 0.3]), 0.95)["roc_auc"] is None


RULES = {"x": {"type": "number"}, "sex": {"type": "integer", "segment": True}}
TOTAL = {"interval_level": 0.95, "accuracy": 0.9}


@pytest.fixture
def table(tmp_path):
    """Rows of which those of sex 1 are predicted badly."""
    draw, sex = np.random.default_rng(3), np.arange(2000) % 2
    chance = draw.choice([0.1, 0.9], 2000)
    wrong = draw.random(2000) < np.where(sex == 1, 0.3, 0.1)
    truth = np.where(wrong, chance < 0.5, chance > 0.5).astype(int)
    pq.write_table(
        pa.table({"x": chance, "sex": sex, "t": truth}), tmp_path / "t", row_group_size=7
    )
    with pq.ParquetFile(tmp_path / "t") as file:
        yield file


def test_segment_that_is_predicted_worse_than_it_should_be_is_warned_of(table):
    told, warnings = measure_segments(Threshold(), table, RULES, "t", {**TOTAL, "accuracy": 0.8})
    assert [(x["column"], x["segment"], x["rows"]) for x in told] == [
        ("sex", "0", 1000),
        ("sex", "1", 1000),
    ]
    assert warnings == [
        f"of 'sex' 1 the model knows less than of other rows: accuracy {told[1]['accuracy']:.4f} "
        "on 1000 test rows, where its probabilities let expect 0.8000"
    ]


def test_segment_of_few_rows_is_not_warned_of():
    told = [{"column": "a", "segment": "b", "rows": 5, "accuracy": 0.8}]
    assert find_warnings(told, [0.95]) == []


def test_small_difference_on_many_rows_is_not_warned_of():
    told = [{"column": "a", "segment": "b", "rows": 10**6, "accuracy": 0.94}]
    assert find_warnings(told, [0.959]) == []
    assert len(find_warnings(told, [0.961])) == 1


def test_of_many_rows_every_second_or_third_is_measured(table, monkeypatch):
    whole, _ = measure_segments(Threshold(), table, RULES, "t", TOTAL)
    monkeypatch.setattr(segments, "MOST_IN_FULL", 700)
    told, _ = measure_segments(Threshold(), table, RULES, "t", TOTAL)
    assert sum(x["rows"] for x in told) == 667
    for part, all_rows in zip(told, whole, strict=True):
        low, high = part["accuracy_interval"]
        assert low < all_rows["accuracy"] < high


def test_without_a_segment_in_the_contract_nothing_is_measured(table):
    rules = {name: {"type": "number"} for name in ("x", "sex")}
    assert measure_segments(Threshold(), table, rules, "t", TOTAL) == ([], [])
    rules["sex"]["segment"] = False
    assert measure_segments(Threshold(), table, rules, "t", TOTAL) == ([], [])
