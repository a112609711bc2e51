"""build_model: one Pipeline, fitted on the training rows alone, that takes raw rows."""

import pickle

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from build_model.main import make_model

FEATURES = ["Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male"]
DEFAULTS = {"scaler": "standard", "C": 1.0, "max_iter": 1000, "random_state": 42}


def rows(volume, part: str) -> pd.DataFrame:
    return pq.read_table(volume.folder(f"separate_data/{part}.parquet")).to_pandas()


def model_of(volume):
    return pickle.loads(volume.folder("build_model/logistic_regression_model.pkl").read_bytes())


@pytest.mark.parametrize(
    ("scaler", "inputs"), [("standard", 5), ("minmax", 5), ("minmax+standard", 10)]
)
def test_scaler_decides_how_many_inputs_the_model_has(whole_run, scaler, inputs):
    train = rows(whole_run, "train")
    model = make_model(**DEFAULTS | {"scaler": scaler})
    model.fit(train[FEATURES], train["Clicked on Ad"])
    assert model["classify"].coef_.shape == (1, inputs)
    assert model.predict(train[FEATURES][:3]).shape == (3,)


def test_parameters_reach_the_model():
    classify = make_model(scaler="minmax", C=0.1, max_iter=7, random_state=3)["classify"]
    assert (classify.C, classify.max_iter, classify.random_state) == (0.1, 7, 3)


def test_scaling_is_fitted_on_the_training_rows_alone(whole_run):
    scale = model_of(whole_run)["scale"]
    train, test = rows(whole_run, "train")[FEATURES], rows(whole_run, "test")[FEATURES]
    assert scale.mean_.tolist() == pytest.approx(train.mean().tolist(), rel=1e-12)
    assert scale.mean_.tolist() != pytest.approx(pd.concat([train, test]).mean().tolist(), rel=1e-6)


def test_saved_model_scores_raw_rows_by_name(whole_run):
    test = rows(whole_run, "test")
    predicted = model_of(whole_run).predict(test[FEATURES])
    accuracy = whole_run.read("evaluate_model/metrics.json")["accuracy"]
    assert np.mean(predicted == test["Clicked on Ad"]) == accuracy
    assert model_of(whole_run).feature_names_in_.tolist() == FEATURES


def test_saved_model_refuses_rows_without_a_feature(whole_run):
    test = rows(whole_run, "test")
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- Age"):
        model_of(whole_run).predict(test[[name for name in FEATURES if name != "Age"]])


def test_metrics_tell_how_the_fit_went(whole_run):
    metrics = whole_run.report("build_model")["metrics"]
    assert metrics["iterations"] < 1000
    assert metrics | {"iterations": 0} == {
        "rows": 700,
        "model_type": "LogisticRegression",
        "scaler": "standard",
        "inputs_of_model": 5,
        "iterations": 0,
        "converged": True,
    }


def test_fit_that_does_not_converge_is_told_and_is_no_failure(finished):
    ended = finished.run("build_model", "--max-iter", "1")
    assert (ended.code, ended.summary["metrics"]["converged"]) == (0, False)
    assert any("WARNING the solver did not converge in 1 iterations" in x for x in ended.lines)


def test_unknown_scaler_exits_2(finished):
    ended = finished.run("build_model", "--scaler", "robust")
    assert ended.code == 2
    assert "scaler must be one of standard, minmax, minmax+standard" in ended.message


def test_new_model_makes_the_old_metrics_stale_and_no_longer_an_input(finished):
    assert finished.run("build_model", "--C", "0").code == 2
    ended = finished.run("evaluate_model")
    assert ended.code == 66
    assert "build_model failed in run demo; run build_model first" in ended.message
