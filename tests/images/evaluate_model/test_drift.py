"""Drift: what warns, and what is chance."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pytest

from evaluate_model.drift import (
    compare_column,
    compare_score,
    compare_target,
    find_stability_index,
    measure_score,
)

ROWS = 1000
LIMIT = 0.001 / 7


def numbers(seed, shift=0.0, rows=ROWS):
    return pa.chunked_array([np.random.default_rng(seed).normal(shift, 1, rows)])


def levels(seed, shares, rows=ROWS):
    drawn = np.random.default_rng(seed).choice(list(shares), rows, p=list(shares.values()))
    return pa.chunked_array([pa.array(drawn.tolist())])


def test_index_is_counted_by_hand():
    table = np.array([[499.5, 499.5], [249.5, 749.5]])  # half a row is added to each
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert find_stability_index(table) == pytest.approx(expected)
    assert find_stability_index(np.array([[7, 0], [7, 0]])) == 0


def test_rows_of_one_distribution_do_not_drift():
    for seed in range(40):
        found = compare_column(numbers(seed), numbers(100 + seed), numbers=True)
        assert found["psi"] < 0.1
        assert found["p_value"] > LIMIT
        shares = {"a": 0.6, "b": 0.3, "c": 0.1}
        found = compare_column(levels(seed, shares), levels(100 + seed, shares), numbers=False)
        assert found["psi"] < 0.1
        assert found["p_value"] > LIMIT


def test_few_rows_have_no_index_by_chance():
    found = [
        compare_column(numbers(seed, rows=60), numbers(99 + seed, rows=60), numbers=True)["psi"]
        for seed in range(40)
    ]
    assert max(found) < 0.2


def test_shift_of_a_number_drifts_by_both_measures():
    found = compare_column(numbers(1), numbers(2, 0.6), numbers=True)
    assert found["test"] == "kolmogorov_smirnov"
    assert found["psi"] > 0.2
    assert found["p_value"] < 1e-20


def test_share_of_a_number_of_two_values_has_an_index():
    then, now = (levels(1, {0: share, 1: 1 - share}) for share in (0.5, 0.8))
    assert compare_column(then, now, numbers=True)["psi"] > 0.2


def test_new_level_drifts():
    then, now = levels(1, {"a": 0.5, "b": 0.5}), levels(2, {"a": 0.5, "new": 0.5})
    found = compare_column(then, now, numbers=False)
    assert found["test"] == "chi_square"
    assert found["psi"] > 0.2
    assert found["p_value"] < 1e-50


@pytest.mark.parametrize("kind", [True, False])
def test_cells_that_go_missing_drift(kind):
    then = numbers(1) if kind else levels(1, {"a": 0.5, "b": 0.5})
    now = pa.chunked_array([pa.array(then.to_pylist()[:600] + [None] * 400, then.type)])
    found = compare_column(then, now, numbers=kind)
    assert (found["missing_then"], found["missing_now"]) == (0, 0.4)
    assert found["psi"] > 0.2
    assert found["p_value"] < 1e-50


@pytest.mark.parametrize("kind", [True, False])
def test_column_without_a_value_is_told(kind):
    void = pa.chunked_array([pa.array([None] * 50, pa.float64())])
    told = compare_column(void, void, numbers=kind)
    assert (told["psi"], told["p_value"]) == (0, 1)
    assert compare_column(numbers(1), void, numbers=True)["p_value"] < 1e-10


def test_constant_column_does_not_drift():
    same = pa.chunked_array([pa.array([3.0] * ROWS)])
    told = compare_column(same, same, numbers=True)
    assert (told["psi"], told["p_value"]) == (0, 1)


def test_share_of_clicks_drifts_beyond_chance():
    then, near, far = (levels(n, {0: s, 1: 1 - s}) for n, s in ((1, 0.5), (2, 0.52), (3, 0.7)))
    assert compare_target(then, near, LIMIT)["drifted"] is False
    assert compare_target(then, far, LIMIT)["drifted"] is True


def score(truth, chance):
    return measure_score(np.array(truth), np.array(chance))


def then_and_now(then, now):
    return compare_score({"drift": {"own_score": then}}, now, LIMIT)


def test_only_a_worse_score_is_drift():
    draw = np.random.default_rng(4)
    truth = np.arange(ROWS) % 2
    good = np.clip(truth * 0.6 + 0.2 + draw.normal(0, 0.1, ROWS), 0.01, 0.99)
    poor = np.clip(0.5 + draw.normal(0, 0.2, ROWS), 0.01, 0.99)
    assert then_and_now(score(truth, good), score(truth, poor))["drifted"] is True
    assert then_and_now(score(truth, poor), score(truth, good))["drifted"] is False
    assert then_and_now(score(truth, good), score(truth, good))["p_value"] == 1


def test_other_relation_of_rare_clicks_is_told_by_the_log_loss():
    """Never expected, before as after: the accuracy does not know."""
    truth = np.arange(20_000) % 50 == 0
    sure = np.where(truth, 0.4, 0.01)
    told = then_and_now(score(truth, sure), score(np.roll(truth, 1), sure))
    assert told["accuracy_then"] == told["accuracy_now"]
    assert told["drifted"] is True


def test_score_without_a_deviation_is_told_by_the_accuracy():
    older = {"metrics": {"accuracy": 0.95, "log_loss": 0.1}, "test_rows": 300}
    told = compare_score(older, score([0, 1] * 150, [0.9, 0.1] * 150), LIMIT)
    assert (told["accuracy_then"], told["accuracy_now"], told["drifted"]) == (0.95, 0, True)


# The stage, on other rows of the same columns


def evaluate(volume, source, run_id):
    """Run the stages on a data file of the volume; return evaluate_model's end and drift.json."""
    arguments = ["--source", f"data/{source}"]
    for name in ("start_pipeline", "load_data", "data_preprocessing", "separate_data"):
        given = arguments if name in ("start_pipeline", "load_data") else []
        assert volume.run(name, *given, run_id=run_id).code == 0
    assert volume.run("build_model", run_id=run_id).code == 0
    ended = volume.run("evaluate_model", run_id=run_id)
    return ended, volume.read("evaluate_model/drift.json", run_id)


def rewrite(volume, name, change):
    """Write the bundled rows, each changed, as another data file."""
    with (volume.path / "data" / "advertising.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with (volume.path / "data" / name).open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def flip_half(row):
    if row["Male"] == "1":
        row["Clicked on Ad"] = str(1 - int(row["Clicked on Ad"]))


def flip(row):
    row["Clicked on Ad"] = str(1 - int(row["Clicked on Ad"]))


def test_same_columns_with_another_relation_drift(finished):
    """Half of the users click the other way round; no feature is distributed otherwise."""
    rewrite(finished, "flipped.csv", flip_half)
    ended, drift = evaluate(finished, "flipped.csv", "flipped")
    assert (ended.code, ended.report["metrics"]["drifted"]) == (80, True)
    assert drift["drifted"] is True
    assert [found["column"] for found in drift["features"] if found["drifted"]] == []
    assert drift["target"]["drifted"] is False
    assert drift["score"]["drifted"] is True
    (warning,) = drift["warnings"]
    assert warning in ended.report["metrics"]["warnings"]
    assert "the relation of the features to 'Clicked on Ad' has drifted" in warning


def test_new_model_of_another_relation_is_better_and_published(finished):
    rewrite(finished, "other.csv", flip)
    ended, drift = evaluate(finished, "other.csv", "other")
    assert (ended.code, drift["score"]["drifted"]) == (0, True)
    assert ended.report["metrics"]["comparison"]["verdict"] == "better"
    assert finished.run("model_summary", run_id="other").summary["metrics"]["published"] is True


def test_older_users_drift_by_their_age(finished):
    def grow(row):
        row["Age"] = str(int(row["Age"]) + 8)

    rewrite(finished, "older.csv", grow)
    _, drift = evaluate(finished, "older.csv", "older")
    drifted = {f["column"]: f["psi"] for f in drift["features"] if f["drifted"]}
    assert list(drifted) == ["Age"]
    assert drifted["Age"] > 0.2


def test_limits_of_drift_are_those_of_the_contract(finished):
    def grow(row):
        row["Age"] = str(int(row["Age"]) + 8)

    rewrite(finished, "older.csv", grow)
    contract = finished.path / "data" / "advertising.toml"
    contract.write_text(contract.read_text() + "\n[drift]\npsi = 1e9\np_value = 0\n")
    ended, drift = evaluate(finished, "older.csv", "older")
    assert drift["thresholds"] == {"psi": 1e9, "p_value": 0}
    assert drift["warnings"] == ended.report["metrics"]["warnings"] == []
