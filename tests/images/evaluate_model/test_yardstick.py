"""The yardsticks: gradient boosting in the model's place, and cross-validation."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

import evaluate_model.evidence
from build_model.encode import describe_features
from build_model.main import make_model
from evaluate_model.evidence import find_warnings
from evaluate_model.yardstick import cross_validate, is_small, make_boosting, measure_boosting

PARAMETERS = {"scaler": "standard", "C": 1.0, "max_iter": 1000, "random_state": 42}
CONTRACT = {
    "x": {"type": "number", "missing": "indicator"},
    "device": {"type": "category", "missing": "indicator"},
    "site": {"type": "category", "encode": "hashing"},
    "words": {"type": "text"},
}


@pytest.fixture(autouse=True)
def one_thread():
    """On a busy machine threads that grow trees wait for each other without an end."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def rows():
    """Rows of every kind of feature; whether x is near 0 decides, which no line tells."""
    draw = np.random.default_rng(3)
    x = draw.normal(0, 1, 600)
    return pa.table(
        {
            "x": pa.array(x, mask=draw.random(600) < 0.05),
            "device": [None, *draw.choice(["phone", "tablet"], 599)],
            "site": [f"site {n}" for n in draw.integers(0, 300, 600)],
            "words": draw.choice(["buy now", "later"], 600).tolist(),
            "t": (np.abs(x) < 0.6).astype(int),
        }
    )


@pytest.fixture
def model(rows):
    features = describe_features(rows, CONTRACT)
    return make_model(features, **PARAMETERS).fit(rows.select(list(CONTRACT)), rows["t"].to_numpy())


@pytest.fixture
def file(rows, tmp_path):
    pq.write_table(rows, tmp_path / "t")
    with pq.ParquetFile(tmp_path / "t") as file:
        yield file


def test_boosting_takes_what_the_model_takes_in_few_columns(model, rows):
    before = repr(model)
    boosting = make_boosting(model).fit(rows.select(list(CONTRACT)), rows["t"].to_numpy())
    assert model[-1].n_features_in_ > 8000
    assert boosting[-1].n_features_in_ == 2 + 1 + 1 + 64
    assert boosting.predict_proba(rows.select(list(CONTRACT)).slice(0, 3)).shape == (3, 2)
    assert repr(model) == before


def test_boosting_finds_what_no_line_tells(model, file):
    told = measure_boosting(model, file, file, list(CONTRACT), "t")
    assert told["roc_auc"] > 0.95
    assert told["accuracy"] > 0.9
    assert told["log_loss"] < 0.3


def test_cross_validation_tells_mean_and_spread(model, file):
    told = cross_validate(model, file, list(CONTRACT), "t", 2)
    assert (told["folds"], told["repeats"]) == (5, 2)
    assert 0.5 < told["accuracy"]["mean"] < 0.8
    assert told["log_loss"]["mean"] > 0.4
    assert all(told[name]["std"] > 0 for name in ("accuracy", "roc_auc", "log_loss"))
    assert told == cross_validate(model, file, list(CONTRACT), "t", 2)


@pytest.mark.parametrize(
    ("rows", "features", "small"),
    [
        (200_000, 5, True),
        (200_001, 5, False),
        (10_000, 1000, False),
        (8000, 1000, True),
    ],
)
def test_many_training_rows_are_not_learned_from_again(rows, features, small):
    table = SimpleNamespace(metadata=SimpleNamespace(num_rows=rows))
    assert is_small(table, ["x"] * features) is small


# The stage


def test_parameters_add_cross_validation_and_leave_the_yardstick_out(finished):
    ended = finished.run("evaluate_model", "--yardstick", "false", "--cv-repeats", "1")
    assert ended.code == 0, ended.message
    metrics = finished.read("evaluate_model/metrics.json")
    assert metrics["yardstick"]["hist_gradient_boosting"] is None
    folds = metrics["cross_validation"]
    assert folds["accuracy"]["mean"] == pytest.approx(0.97, abs=0.02)
    assert finished.run("model_summary").code == 0
    text = finished.folder("model_summary/model_summary.txt").read_text()
    assert f"  cross-validation    accuracy {folds['accuracy']['mean']:.4f} ± " in text
    assert "gradient boosting" not in text


def test_yardsticks_are_there_by_default(whole_run):
    metrics = whole_run.read("evaluate_model/metrics.json")
    assert metrics["yardstick"]["majority_class"] == {
        "accuracy": metrics["baseline_accuracy"],
        "log_loss": metrics["baseline_log_loss"],
    }
    assert 0.9 < metrics["yardstick"]["hist_gradient_boosting"]["accuracy"] < 1
    assert metrics["cross_validation"] is None


def test_bundled_contract_has_segments_of_age_and_sex(whole_run):
    told = whole_run.read("evaluate_model/metrics.json")["segments"]
    assert [(x["column"], x["segment"]) for x in told] == [
        ("Age", "below 30"),
        ("Age", "30 to below 40"),
        ("Age", "40 to below 50"),
        ("Age", "50 and above"),
        ("Male", "0"),
        ("Male", "1"),
    ]
    assert sum(x["rows"] for x in told) == 2 * 300


def test_too_many_training_rows_to_cross_validate_are_told(finished, monkeypatch):
    monkeypatch.setattr(evaluate_model.evidence, "is_small", lambda *_: False)
    assert finished.run("evaluate_model", "--cv-repeats", "1").code == 0
    metrics = finished.read("evaluate_model/metrics.json")
    assert metrics["cross_validation"] is None
    assert metrics["yardstick"]["hist_gradient_boosting"] is None
    assert metrics["warnings"] == [
        "the training rows are too many to be cross-validated; cv_repeats has no effect"
    ]
    assert finished.run("model_summary").code == 0
    summary = finished.read("model_summary/model_summary.json")
    assert summary["warnings"] == {"evaluate_model": metrics["warnings"]}


# The warnings

SURE = {
    "accuracy": 0.96,
    "roc_auc": 0.98,
    "log_loss": 0.12,
    "test_rows": 300,
    "interval_level": 0.95,
    "intervals": {"accuracy": [0.93, 0.98], "roc_auc": [0.97, 0.99], "log_loss": [0.07, 0.2]},
    "yardstick": {"hist_gradient_boosting": {"log_loss": 0.26}},
}


def warned(promised: float = 0.96, min_accuracy: float = 0.9, **changes) -> list[str]:
    intervals = SURE["intervals"] | changes.pop("intervals", {})
    return find_warnings({**SURE, **changes, "intervals": intervals}, promised, min_accuracy)


def test_good_model_on_enough_rows_is_not_warned_of():
    assert warned() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"test_rows": 15, "accuracy": 1.0, "intervals": {"accuracy": [0.7961, 1.0]}},
            "15 test rows are too few to tell how good the model is: an accuracy of 1.0000 on them "
            "may as well be anything from 0.7961 to 1.0000 (95% interval)",
        ),
        (
            {"min_accuracy": 0.95},
            "accuracy 0.9600 meets min_accuracy 0.95, but 300 test rows do not show that it is "
            "above: its 95% interval begins at 0.9300",
        ),
        (
            {"intervals": {"roc_auc": [0.49, 1.0]}},
            "300 test rows do not show that the model tells clicks from others: ROC AUC 0.9800, "
            "95% interval from 0.4900",
        ),
        (
            {"promised": 0.995},
            "the model is surer than it should be: its probabilities promise an accuracy of "
            "0.9950, and it is 0.9600",
        ),
        (
            {"yardstick": {"hist_gradient_boosting": {"log_loss": 0.06}}},
            "gradient boosting learns more from these rows: log loss 0.0600 instead of 0.1200; "
            "try algorithm hist_gradient_boosting",
        ),
    ],
)
def test_what_is_not_to_be_believed_is_warned_of(changes, sentence):
    assert warned(**changes) == [sentence]
