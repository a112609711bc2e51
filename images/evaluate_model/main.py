"""Measure the model on rows it never saw, and hold it to the quality gate."""

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.pipeline import Pipeline

from evaluate_model.figures import draw_figures
from stage import Run, StageError, run_script

INTERVAL_LEVEL = 0.95
CALIBRATION_BINS = 10


def run(run: Run) -> dict[str, Any]:
    """Write ``metrics.json`` and ``figures/``; a model that misses the gate ends in 80."""
    *features, target = run.columns("test.parquet")
    train = pq.read_table(run.input("train.parquet"))
    test = pq.read_table(run.input("test.parquet"))
    # Only build_model of this very run writes this file, and its sha256 was checked.
    model = pickle.loads(run.input("logistic_regression_model.pkl").read_bytes())

    measured = measure(model, train, test, features, target)
    measured["gate"] = judge(measured, **run.parameters)
    run.write_json("metrics.json", measured)

    run.progress(0.5, "drawing the figures")
    truth = test[target].to_numpy()
    draw_figures(model, test.select(features), truth, measured["calibration"], run.output)

    run.metrics = {"rows": test.num_rows, **measured}
    if not measured["gate"]["passed"]:
        raise StageError(80, "; ".join(measured["gate"]["reasons"]))
    return run.metrics


def measure(
    model: Pipeline, train: pa.Table, test: pa.Table, features: list[str], target: str
) -> dict[str, Any]:
    """Return the metrics of ``metrics.json``: all on the test rows but for ``train_*``.

    The class 1 is the positive one, a click. The interval of the accuracy is Wilson's. The baseline
    of the log loss is that of always predicting the share of clicks of the training rows.
    """
    truth, train_truth = test[target].to_numpy(), train[target].to_numpy()
    probability = model.predict_proba(test.select(features))[:, 1]
    predicted = model.predict(test.select(features))
    right = int((predicted == truth).sum())
    interval = binomtest(right, len(truth)).proportion_ci(INTERVAL_LEVEL, method="wilson")
    return {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "roc_auc": metrics.roc_auc_score(truth, probability),
        "average_precision": metrics.average_precision_score(truth, probability),
        "log_loss": metrics.log_loss(truth, probability),
        "baseline_log_loss": metrics.log_loss(truth, np.full(len(truth), train_truth.mean())),
        "brier_score": metrics.brier_score_loss(truth, probability),
        "precision": metrics.precision_score(truth, predicted, zero_division=0.0),
        "recall": metrics.recall_score(truth, predicted),
        "f1": metrics.f1_score(truth, predicted, zero_division=0.0),
        "confusion_matrix": metrics.confusion_matrix(truth, predicted).tolist(),
        "accuracy_interval": [interval.low, interval.high],
        "interval_level": INTERVAL_LEVEL,
        "baseline_accuracy": majority_accuracy(train_truth, truth),
        "train_accuracy": model.score(train.select(features), train_truth),
        "train_rows": train.num_rows,
        "test_rows": test.num_rows,
        "positive_share": float(truth.mean()),
        "calibration": calibrate(truth, probability),
    }


def calibrate(truth: np.ndarray, probability: np.ndarray) -> list[dict[str, Any]]:
    """Return bins of rows with like probabilities: how many, the mean predicted, the observed.

    Both arrays have shape (rows,). The bins hold about equally many rows, so that they also tell
    rare clicks apart; rows of one probability are in one bin.
    """
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, CALIBRATION_BINS + 1)))
    bins = np.searchsorted(edges[1:-1], probability)
    return [
        {
            "rows": int((bins == place).sum()),
            "predicted": float(probability[bins == place].mean()),
            "observed": float(truth[bins == place].mean()),
        }
        for place in np.unique(bins)
    ]


def majority_accuracy(train: np.ndarray, test: np.ndarray) -> float:
    """Return the accuracy of always answering the class that most training rows have."""
    classes, counts = np.unique(train, return_counts=True)
    return float((test == classes[np.argmax(counts)]).mean())


def judge(measured: dict[str, Any], *, min_accuracy: float, min_roc_auc: float) -> dict[str, Any]:
    """Return the gate's verdict: its limits, whether all are met, and a reason for each missed.

    Whatever the limits, the model must know more than the share of clicks: where clicks are rare,
    never to expect one is accurate too.
    """
    accuracy, roc_auc, log_loss, average_precision = (
        measured[key] for key in ("accuracy", "roc_auc", "log_loss", "average_precision")
    )
    baseline, share = measured["baseline_log_loss"], measured["positive_share"]
    reasons = []
    if accuracy < min_accuracy:
        reasons.append(f"accuracy {accuracy:.4f} is below min_accuracy {min_accuracy}")
    if roc_auc < min_roc_auc:
        reasons.append(f"ROC AUC {roc_auc:.4f} is below min_roc_auc {min_roc_auc}")
    if log_loss >= baseline:
        reasons.append(
            f"log loss {log_loss:.4f} is not below {baseline:.4f}, that of always predicting the "
            "share of clicks"
        )
    if average_precision <= share:
        reasons.append(
            f"average precision {average_precision:.4f} is not above the share of clicks "
            f"({share:.4f})"
        )
    return {
        "min_accuracy": min_accuracy,
        "min_roc_auc": min_roc_auc,
        "passed": not reasons,
        "reasons": reasons,
    }


if __name__ == "__main__":
    run_script(__file__)
