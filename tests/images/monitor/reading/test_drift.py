"""drift.py: what drift.json says, whatever else it holds."""

from tests.images.monitor.conftest import DRIFT

from monitor.reading.drift import COLUMNS, Change, read_drift
from monitor.reading.record import Record


def test_what_drifted_stands_first():
    found = read_drift(Record(DRIFT))
    assert [(c.column, c.drifted) for c in found.columns] == [("Age", True), ("Male", False)]
    assert (found.drifted, found.reference) == (True, "champion")
    assert [c.column for c in found.drifted_columns] == ["Age"]


def test_target_and_scores_are_read_then_and_now():
    found = read_drift(Record(DRIFT))
    assert found.target == Change("positive_share", 0.5, 0.5133)
    assert found.scores == [Change("accuracy", 0.97, 0.9133), Change("log_loss", 0.1202, 0.2417)]
    assert (found.score_rows, found.score_p_value, found.score_drifted) == (300, 0.0021, True)


def test_first_run_has_nothing_to_compare_with():
    first = {"reference": None, "why_not": "no model is published yet", "drifted": False,
             "features": [], "target": None, "score": None}  # fmt: skip
    found = read_drift(Record(first))
    assert (found.drifted, found.columns, found.target, found.scores) == (False, [], None, [])
    assert found.why_not == "no model is published yet"


def test_many_columns_are_cut_after_those_that_drifted_most():
    features = [{"column": f"c{n}", "psi": n, "drifted": n == 3} for n in range(COLUMNS + 5)]
    found = read_drift(Record({"features": features}))
    assert (len(found.columns), found.total) == (COLUMNS, COLUMNS + 5)
    assert [c.column for c in found.columns[:2]] == ["c3", f"c{COLUMNS + 4}"]


def test_no_drift_file_is_none():
    assert read_drift(Record()) is None
