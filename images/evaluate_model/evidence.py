"""How far the metrics can be trusted: intervals, yardsticks, segments, and what to be warned of."""

import logging
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from evaluate_model.intervals import RESAMPLES, find_intervals
from evaluate_model.scores import Scores
from evaluate_model.segments import CHANCE, is_below, measure_segments, promise
from evaluate_model.yardstick import FOLDS, cross_validate, is_small, measure_boosting
from stage import Run

# An accuracy that lies anywhere in so wide an interval is not known.
WIDEST_INTERVAL = 0.1
BOOSTING = "HistGradientBoostingClassifier"

log = logging.getLogger(__name__)


def gather_evidence(
    run: Run,
    model: Pipeline,
    train: pq.ParquetFile,
    test: pq.ParquetFile,
    scores: Scores,
    measured: dict[str, Any],
) -> dict[str, Any]:
    """Return what ``metrics.json`` holds beside the metrics themselves, ``measured``.

    ``scores`` are those of the test rows.
    """
    *features, target = run.columns("test.parquet")
    columns = run.read_json("start_pipeline/run.json")["contract"]["columns"]
    level = measured["interval_level"]
    rules = {name: columns[name] for name in features}
    segments, warnings = measure_segments(model, test, rules, target, measured)
    evidence: dict[str, Any] = {
        "intervals": find_intervals(scores, measured, level),
        "interval_resamples": RESAMPLES,
        "yardstick": {
            "majority_class": {
                "accuracy": measured["baseline_accuracy"],
                "log_loss": measured["baseline_log_loss"],
            },
            "hist_gradient_boosting": None,
        },
        "segments": segments,
        "cross_validation": None,
    }
    small = is_small(train, features)
    if run.parameters["yardstick"] and small and not is_boosting(model):
        run.progress(0.6, "fitting gradient boosting to compare with")
        boosting = measure_boosting(model, train, test, features, target)
        evidence["yardstick"]["hist_gradient_boosting"] = boosting
    if repeats := run.parameters["cv_repeats"]:
        if refusal := refuse_folds(train, target, small):
            warnings.append(refusal)
        else:
            run.progress(0.7, f"cross-validating {FOLDS * repeats} folds")
            evidence["cross_validation"] = cross_validate(model, train, features, target, repeats)
    promised = promise(scores.probability, scores.weights)
    limit = run.parameters["min_accuracy"]
    warnings = [*find_warnings(measured | evidence, promised, limit), *warnings]
    for sentence in warnings:
        log.warning("%s", sentence)
    return {**evidence, "warnings": warnings}


def is_boosting(model: Pipeline) -> bool:
    """Tell whether the model is what it would be compared with."""
    return type(model[-1]).__name__ == BOOSTING


def refuse_folds(train: pq.ParquetFile, target: str, small: bool) -> str | None:
    """Return why the training rows are not cross-validated, or None."""
    if not small:
        return "the training rows are too many to be cross-validated; cv_repeats has no effect"
    fewest = min(pc.value_counts(train.read([target])[target]).field("counts").to_pylist())
    if fewest < FOLDS:
        return (
            f"the training rows cannot be cross-validated in {FOLDS} folds: of one class they hold "
            f"only {fewest}"
        )
    return None


def find_warnings(measured: dict[str, Any], promised: float, min_accuracy: float) -> list[str]:
    """Return what people should know before they believe the metrics.

    ``promised`` is the accuracy that the model's own probabilities promise.
    """
    intervals, rows = measured["intervals"], measured["test_rows"]
    level = f"{measured['interval_level']:.0%}"
    low, high = intervals["accuracy"]
    warnings = []
    if high - low > WIDEST_INTERVAL:
        warnings.append(
            f"{rows} test rows are too few to tell how good the model is: an accuracy of "
            f"{measured['accuracy']:.4f} on them may as well be anything from {low:.4f} to "
            f"{high:.4f} ({level} interval)"
        )
    elif low < min_accuracy <= measured["accuracy"]:
        warnings.append(
            f"accuracy {measured['accuracy']:.4f} meets min_accuracy {min_accuracy}, but {rows} "
            f"test rows do not show that it is above: its {level} interval begins at {low:.4f}"
        )
    if intervals["roc_auc"][0] <= 0.5:
        warnings.append(
            f"{rows} test rows do not show that the model tells clicks from others: ROC AUC "
            f"{measured['roc_auc']:.4f}, {level} interval from {intervals['roc_auc'][0]:.4f}"
        )
    if is_below(measured["accuracy"], rows, promised, CHANCE):
        warnings.append(
            f"the model is surer than it should be: its probabilities promise an accuracy of "
            f"{promised:.4f}, and it is {measured['accuracy']:.4f}"
        )
    boosting = measured["yardstick"]["hist_gradient_boosting"]
    if boosting and boosting["log_loss"] < intervals["log_loss"][0]:
        warnings.append(
            f"gradient boosting learns more from these rows: log loss {boosting['log_loss']:.4f} "
            f"instead of {measured['log_loss']:.4f}; try algorithm hist_gradient_boosting"
        )
    return warnings
