"""champion.py: what comparison.json says, whatever else it holds."""

from tests.images.monitor.conftest import COMPARISON

from monitor.reading.champion import read_challenge
from monitor.reading.record import Record


def test_scores_of_both_are_read_with_their_difference():
    found = read_challenge(Record(COMPARISON))
    assert (found.verdict, found.champion, found.rows) == ("worse", "champion", 300)
    accuracy, roc_auc, log_loss = found.differences
    assert (accuracy.champion, accuracy.challenger, accuracy.difference) == (0.97, 0.94, -0.03)
    assert (accuracy.p_value, accuracy.interval) == (0.0039, [])
    assert (roc_auc.p_value, roc_auc.interval) == (None, [-0.0292, -0.0047])
    assert (log_loss.score, log_loss.interval) == ("log_loss", [])


def test_no_comparison_is_none():
    assert read_challenge(Record()) is None


def test_first_model_has_no_differences():
    first = {"champion": None, "verdict": "first", "accuracy": None, "why_not": "none yet"}
    found = read_challenge(Record(first))
    assert (found.verdict, found.champion, found.differences) == ("first", None, [])
    assert found.why_not == "none yet"


def test_champion_that_is_no_run_id_is_left_out():
    assert read_challenge(Record({"champion": {"run_id": "../x"}})).champion is None
