"""The model's metrics, and the quality gate."""

import pickle
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn import metrics
from sklearn.pipeline import Pipeline

from evaluate_model.challenge import challenge
from evaluate_model.drawing import Drawing
from evaluate_model.evidence import gather_evidence
from evaluate_model.intervals import find_share
from evaluate_model.scores import Scores, count_right, score
from evaluate_model.weights import find_weights
from stage import Run, StageError

INTERVAL_LEVEL = 0.95
CALIBRATION_BINS = 10
MOST_WEIGHTS = 20


def evaluate(run: Run, drawing: Drawing) -> dict[str, Any]:
    """Write all outputs and return the metrics; a model that misses the gate ends in 80."""
    *features, target = run.columns("test.parquet")
    # Only build_model of this very run writes this file, and its sha256 was checked.
    model = pickle.loads(run.input("build_model/logistic_regression_model.pkl").read_bytes())
    with (
        pq.ParquetFile(run.input("train.parquet")) as train,
        pq.ParquetFile(run.input("test.parquet")) as test,
    ):
        trained = count_right(model, train, features, target)
        run.progress(0.4, "scoring the test rows")
        scores = score(model, test, features, target)
        measured = find_measures(run, drawing, model, (train, test), scores, trained)
    return conclude(run, drawing, model, measured)


def find_measures(
    run: Run,
    drawing: Drawing,
    model: Pipeline,
    tables: tuple[pq.ParquetFile, pq.ParquetFile],
    scores: Scores,
    trained: tuple[int, np.ndarray],
) -> dict[str, Any]:
    """Return the metrics and how far they can be trusted, and have the figures drawn meanwhile.

    ``tables`` are the training and the test rows, ``trained`` is what ``count_right`` tells of the
    former.
    """
    train, test = tables
    *_, target = run.columns("test.parquet")
    curves = find_curves(scores)
    measured = measure(scores, curves, *trained)
    weights = find_weights(model, test, target, MOST_WEIGHTS)
    drawing.begin(**curves, measured=measured, weights=weights)
    run.progress(0.5, "finding out how far the metrics can be trusted")
    return measured | gather_evidence(run, model, train, test, scores, measured)


def conclude(
    run: Run, drawing: Drawing, model: Pipeline, measured: dict[str, Any]
) -> dict[str, Any]:
    """Judge and compare the model, and write all outputs; return the metrics, or end in 80."""
    limits = {name: run.parameters[name] for name in ("min_accuracy", "min_roc_auc")}
    measured["gate"] = judge(measured, **limits)
    run.write_json("metrics.json", measured)

    run.progress(0.8, "comparing with the published model")
    challenged = challenge(run, model)
    challenged["warnings"] = [*measured.get("warnings", []), *challenged["warnings"]]
    run.metrics = {"rows": measured["test_rows"], **measured, **challenged}
    run.progress(0.9, "drawing the figures")
    drawing.finish()
    if not measured["gate"]["passed"]:
        raise StageError(80, "; ".join(measured["gate"]["reasons"]))
    return run.metrics


def find_curves(scores: Scores) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return ``roc``, rates of false and true positives, and ``precision_recall``.

    The latter holds recall, which rises, and precision; each array has shape (points,).
    """
    rows = {"sample_weight": scores.weights}
    false_rate, true_rate, _ = metrics.roc_curve(scores.truth, scores.probability, **rows)
    precision, recall, _ = metrics.precision_recall_curve(
        scores.truth, scores.probability, drop_intermediate=True, **rows
    )
    return {"roc": (false_rate, true_rate), "precision_recall": (recall, precision)}


def measure(
    scores: Scores, curves: dict[str, Any], train_right: int, train_classes: np.ndarray
) -> dict[str, Any]:
    """Return the metrics of ``metrics.json``: all on the test rows but for ``train_*``.

    The class 1 is the positive one, a click. The interval of the accuracy is Wilson's. The baseline
    of the log loss is that of always predicting the share of clicks of the training rows.
    """
    rows = {"sample_weight": scores.weights}
    truth, predicted, probability = scores.truth, scores.predicted, scores.probability
    confusion = metrics.confusion_matrix(truth, predicted, **rows).astype(int)
    classes, right = confusion.sum(axis=1), int(confusion.trace())
    test_rows, share = int(classes.sum()), train_classes[1] / train_classes.sum()
    calibration = calibrate(scores)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, average="binary", zero_division=0.0, **rows
    )
    return {
        "accuracy": right / test_rows,
        "roc_auc": metrics.auc(*curves["roc"]),
        "average_precision": metrics.average_precision_score(truth, probability, **rows),
        "log_loss": metrics.log_loss(truth, probability, **rows),
        "baseline_log_loss": metrics.log_loss([0, 1], [share, share], sample_weight=classes),
        "brier_score": metrics.brier_score_loss(truth, probability, **rows),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "confusion_matrix": confusion.tolist(),
        "accuracy_interval": find_share(right, test_rows, INTERVAL_LEVEL),
        "interval_level": INTERVAL_LEVEL,
        "baseline_accuracy": classes[np.argmax(train_classes)] / test_rows,
        "train_accuracy": train_right / int(train_classes.sum()),
        "train_rows": int(train_classes.sum()),
        "test_rows": test_rows,
        "positive_share": classes[1] / test_rows,
        "calibration": calibration,
        "calibration_error": find_calibration_error(calibration),
    }


def calibrate(scores: Scores) -> list[dict[str, Any]]:
    """Return bins of rows with like probabilities: how many, the mean predicted, the observed.

    The bins hold about equally many rows, so that they also tell rare clicks apart; rows of one
    probability are in one bin.
    """
    truth, probability = scores.truth, scores.probability
    weights = np.ones(len(truth)) if scores.weights is None else scores.weights
    edges = np.unique(find_quantiles(scores, np.linspace(0, 1, CALIBRATION_BINS + 1)))
    bins = np.searchsorted(edges[1:-1], probability)
    rows = np.bincount(bins, weights)
    predicted, observed = (np.bincount(bins, weights * of) for of in (probability, truth))
    return [
        {
            "rows": int(rows[place]),
            "predicted": float(predicted[place] / rows[place]),
            "observed": float(observed[place] / rows[place]),
        }
        for place in np.flatnonzero(rows)
    ]


def find_calibration_error(calibration: list[dict[str, Any]]) -> float:
    """Return by how much the predicted shares of the bins are off, the mean over the rows.

    It is the expected calibration error, of bins of about equally many rows.
    """
    rows, predicted, observed = (
        [told[key] for told in calibration] for key in ("rows", "predicted", "observed")
    )
    return float(np.average(np.abs(np.subtract(predicted, observed)), weights=rows))


def find_quantiles(scores: Scores, shares: np.ndarray) -> np.ndarray:
    """Return the probabilities below which these shares of the rows are, shape (shares,)."""
    options: dict[str, Any] = {}
    if scores.weights is not None:
        options = {"weights": scores.weights, "method": "inverted_cdf"}
    quantiles: np.ndarray = np.quantile(scores.probability, shares, **options)
    return quantiles


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
