"""evaluation.py: what metrics.json says of a model, whatever else it holds."""

import pytest

from monitor.reading.evaluation import read_evaluation
from monitor.reading.record import Record


def test_scores_are_in_the_order_of_a_page():
    found = read_evaluation(Record({"f1": 0.5, "accuracy": 0.9, "roc_auc": 1}))
    assert found.scores == [("accuracy", 0.9), ("roc_auc", 1), ("f1", 0.5)]


def test_nothing_measured_is_no_evaluation():
    assert read_evaluation(Record()) is None


def test_gate_is_read_with_its_reasons():
    gate = {"passed": False, "min_accuracy": 0.9, "min_roc_auc": 0.5, "reasons": ["low", 7]}
    found = read_evaluation(Record({"gate": gate}))
    assert (found.passed, found.min_accuracy, found.min_roc_auc) == (False, 0.9, 0.5)
    assert found.reasons == ["low"]


@pytest.mark.parametrize("interval", [[0.9], [0.8, 0.9, 1.0], ["a", "b"], 0.9, None])
def test_interval_of_another_shape_is_left_out(interval):
    assert read_evaluation(Record({"accuracy_interval": interval})).interval == []


@pytest.mark.parametrize("table", [[[1, 2, 3], [4]], [[1, 2]], [1, 2], [["a", 1], [2, 3]], {}])
def test_confusion_matrix_of_another_shape_is_left_out(table):
    assert read_evaluation(Record({"confusion_matrix": table})).confusion == []


def test_values_of_wrong_types_count_as_absent():
    found = read_evaluation(Record({"accuracy": "high", "gate": [1], "train_rows": 1.5}))
    assert (found.scores, found.passed, found.train_rows) == ([], None, None)
