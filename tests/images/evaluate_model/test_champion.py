"""The published model beside a new one: what may be loaded, what the comparison says."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from evaluate_model.challenge import explain, find_seen
from evaluate_model.champion import Champion, area, compare, find_difference
from evaluate_model.sample import draw_rows

DRAW = np.random.default_rng(11)
TRUTH = (np.arange(400) % 2).astype(int)
GOOD = np.clip(TRUTH * 0.5 + 0.25 + DRAW.normal(0, 0.2, 400), 0.01, 0.99)
BAD = np.clip(0.5 + (GOOD - 0.5) * 0.3 + DRAW.normal(0, 0.3, 400), 0.01, 0.99)


def test_measures_of_both_models_are_scikit_learns():
    told = compare(TRUTH, BAD, GOOD)
    for name, chance in (("champion", BAD), ("challenger", GOOD)):
        assert told["accuracy"][name] == pytest.approx(((chance > 0.5) == TRUTH).mean())
        assert told["roc_auc"][name] == pytest.approx(roc_auc_score(TRUTH, chance))
        assert told["log_loss"][name] == pytest.approx(log_loss(TRUTH, chance))
    for measure in ("accuracy", "roc_auc", "log_loss"):
        one = told[measure]
        assert one["difference"] == pytest.approx(one["challenger"] - one["champion"])


def test_p_value_of_the_accuracy_is_mcnemars():
    # Of six rows on which one model is right alone it is the new one each time: 2 / 2**6.
    truth = np.array([0, 1] * 10)
    right = np.where(truth == 1, 0.9, 0.1)
    wrong = right.copy()
    wrong[:6] = 1 - wrong[:6]
    told = compare(truth, wrong, right)["accuracy"]
    assert told["p_value"] == pytest.approx(2 / 64)
    assert told["difference"] == pytest.approx(0.3)


def test_ties_count_half_in_the_area():
    chance = np.round(GOOD, 1)
    assert area(TRUTH, chance) == pytest.approx(roc_auc_score(TRUTH, chance))


def test_interval_holds_the_difference_and_is_the_same_each_time():
    told = [compare(TRUTH, BAD, GOOD) for _ in range(2)]
    assert told[0] == told[1]
    for measure in ("roc_auc", "log_loss"):
        low, high = told[0][measure]["interval"]
        assert low < told[0][measure]["difference"] < high


def test_same_model_is_not_worse_and_of_two_the_worse_one_is_found():
    assert explain(compare(TRUTH, GOOD, GOOD), "a")[0] == "not_worse"
    assert explain(compare(TRUTH, GOOD, BAD), "a")[0] == "worse"
    word, reason = explain(compare(TRUTH, BAD, GOOD), "a")
    assert word == "better"
    assert reason.startswith("better than the published model of run a on the same 400 test rows")


def test_model_that_is_right_as_often_and_sure_of_nothing_is_worse():
    unsure = 0.5 + (GOOD - 0.5) / 100
    told = compare(TRUTH, GOOD, unsure)
    assert (told["accuracy"]["difference"], told["roc_auc"]["difference"]) == (0, 0)
    assert explain(told, "a")[0] == "worse"


def test_new_model_of_the_same_worth_is_rarely_called_worse():
    words = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        truth = (draw.random(300) < 0.5).astype(int)
        both = [np.clip(truth * 0.4 + 0.3 + draw.normal(0, 0.2, 300), 0, 1) for _ in range(2)]
        words.append(explain(compare(truth, *both), "a")[0])
    assert words.count("worse") <= 5


def test_row_that_only_the_champion_was_trained_on_is_seen():
    def table(*values):
        return pa.table({"x": list(values), "c": ["a"] * len(values), "t": [0] * len(values)})

    champion = Champion({}, None, None, table(1.5, 2.5, None))
    test, train = table(1.5, 2.5, 3.5, None), table(2.5, 9.5)
    assert find_seen(champion, test, train, ["x", "c"]).tolist() == [True, False, False, True]
    assert find_seen(None, test, train, ["x"]).tolist() == [False] * 4


@pytest.mark.parametrize("rows", [10, 5000])
def test_drawn_rows_are_so_many_in_their_order(tmp_path, rows):
    table = pa.table({"n": range(5000), "a.b": range(5000)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        drawn = draw_rows(file, ["a.b", "n"], rows)
        assert drawn == draw_rows(file, ["a.b", "n"], rows)
    numbers = drawn["n"].to_pylist()
    assert (len(set(numbers)), numbers) == (rows, sorted(numbers))
    assert drawn.column_names == ["a.b", "n"]


OPENED = {
    "features": ["x"],
    "target": "t",
    "contract": {"columns": {"x": {"type": "number"}, "t": {"type": "integer", "positive": 1}}},
}
SUMMARY = {"run_id": "a", "features": ["x"], "target": "t", "contract": OPENED["contract"]}


@pytest.mark.parametrize(
    ("changed", "why_not"),
    [
        ({}, None),
        ({"contract": {}}, None),
        ({"target": "u"}, "the published model is of run a and predicts 'u', not 't'"),
        ({"features": ["x", "y"]}, "run a and has other features: 'y' is in one of them"),
        (
            {"contract": {"columns": {"x": {"type": "category"}}}},
            "the published model is of run a, where 'x' has another type",
        ),
        (
            {"contract": {"columns": {"t": {"type": "integer", "positive": 0}}}},
            "the published model is of run a, where 't' has another positive",
        ),
    ],
)
def test_model_of_other_columns_is_not_compared(changed, why_not):
    told = find_difference(SUMMARY | changed, OPENED)
    assert (told or "").endswith(why_not or "")
    assert (told is None) == (why_not is None)


# The stage, on what is published


@pytest.fixture
def again(finished):
    """Runs evaluate_model once more beside what is published, and returns both files."""

    def again(*arguments):
        ended = finished.run("evaluate_model", *arguments)
        assert ended.code == 0, ended.message
        return [finished.read(f"evaluate_model/{name}.json") for name in ("comparison", "drift")]

    return again


def test_first_model_has_none_to_be_compared_with(whole_run):
    comparison = whole_run.read("evaluate_model/comparison.json")
    assert (comparison["verdict"], comparison["champion"]) == ("first", None)
    assert (comparison["compared"], comparison["why_not"]) == (False, "no model is published yet")
    drift = whole_run.read("evaluate_model/drift.json")
    assert (drift["reference"], drift["drifted"]) == (None, False)


def test_same_model_is_compared_on_all_test_rows(again, whole_run):
    comparison, _ = again()
    sha256 = whole_run.read("model_summary/model_summary.json")["model"]["sha256"]
    assert comparison["champion"] == {"run_id": "demo", "sha256": sha256}
    assert (comparison["verdict"], comparison["rows"]) == ("not_worse", 300)
    assert comparison["accuracy"]["p_value"] == 1
    assert comparison["roc_auc"]["interval"] == [0, 0]


class Evil:
    """What must never be loaded."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was loaded",))


def test_pickle_that_is_not_the_one_of_its_summary_is_never_loaded(finished, again):
    path = finished.path / "model" / "logistic_regression_model.pkl"
    path.write_bytes(pickle.dumps(Evil()))
    comparison, drift = again()
    assert (comparison["verdict"], comparison["compared"]) == ("not_comparable", False)
    assert comparison["why_not"] == (
        "the published logistic_regression_model.pkl is not the one of its summary"
    )
    assert drift["why_not"] == comparison["why_not"]


@pytest.mark.parametrize("content", ["", "[]", '{"run_id": "x"}', '{"metrics": 1, "model": {}}'])
def test_summary_that_cannot_be_read_stops_nothing(finished, again, content):
    (finished.path / "model" / "model_summary.json").write_text(content)
    comparison, _ = again()
    assert comparison["verdict"] == "not_comparable"
    assert comparison["why_not"]


def test_reference_that_was_changed_is_not_used(finished, again):
    path = finished.path / "model" / "reference.parquet"
    pq.write_table(pq.read_table(path).slice(0, 100), path)
    comparison, drift = again()
    assert (comparison["compared"], drift["features"]) == (True, [])
    assert "not those of its summary" in drift["why_not"]
    assert drift["score"]["p_value"] == 1


def test_model_and_summary_are_read_from_one_release(finished):
    """Though something else is published after the inputs were checked."""
    from evaluate_model import champion
    from stage import Contract, Run, describe_file

    contract = Contract.load(champion.Path(champion.__file__).parent)
    run = Run(contract, finished.path.resolve(), "demo", {})
    old = finished.path / "model" / "current"
    for name in ("model_summary.json", "logistic_regression_model.pkl", "reference.parquet"):
        run.inputs[f"model/{name}"] = describe_file(old / name, finished.path)
    assert finished.run("model_summary").code == 0
    found = champion.read_champion(run, finished.read("start_pipeline/run.json"))
    assert found.why_not is None
    release = (finished.path / "model" / "current").readlink()
    assert {entry["path"] for path, entry in run.inputs.items()} == {
        f"model/{release}/{path.removeprefix('model/')}" for path in run.inputs
    }


def test_rows_that_the_champion_was_trained_on_are_left_out(finished, again):
    assert finished.run("separate_data", "--random-state", "7").code == 0
    assert finished.run("build_model").code == 0
    comparison, drift = again()
    assert 60 < comparison["rows"] < 120  # three tenths of three tenths of 1000
    assert f"{300 - comparison['rows']} test rows that it was trained on" in comparison["reason"]
    assert (comparison["verdict"], drift["drifted"], drift["warnings"]) == ("not_worse", False, [])


def test_champion_that_may_have_seen_the_rows_makes_no_model_worse(finished, again):
    summary = finished.path / "model" / "model_summary.json"
    told = json.loads(summary.read_text())
    summary.write_text(json.dumps(told | {"train_rows": 70_000}))  # of which 700 are known
    assert finished.run("separate_data", "--random-state", "7").code == 0
    assert finished.run("build_model", "--max-iter", "1", "--C", "0.0001").code == 0
    comparison, _ = again("--min-accuracy", "0")
    assert comparison["verdict"] == "not_worse"
    assert comparison["reason"].startswith("worse than")
    assert "that is no proof" in comparison["reason"]
