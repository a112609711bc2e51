"""Intervals of the metrics: between which values they lie, as far as these test rows can tell.

Shares have Wilson's interval. Of the other metrics the test rows are drawn again, many times, and
each time the metric is measured (the bootstrap's percentiles). What is drawn are not rows but how
often each kind of row comes, which takes the same memory and time for a hundred million rows.
"""

from typing import Any

import numpy as np
from scipy.stats import binomtest

from evaluate_model.scores import Scores, predict

RESAMPLES = 1000
BATCH = 50
SEED = 42
# Neighbouring probabilities are taken together where there are more of them.
MOST_GROUPS = 2048
# Where these are 1 or 0 they are so in each resample, which says nothing of what else could come.
SHARES = ("roc_auc", "average_precision", "f1")


def find_intervals(
    scores: Scores, measured: dict[str, Any], level: float
) -> dict[str, list[float]]:
    """Return the lower and the upper end for each metric, at this level of confidence.

    ``measured`` holds the metrics of these scores.
    """
    (true_negative, false_positive), (false_negative, true_positive) = measured["confusion_matrix"]
    right = true_negative + true_positive
    classes = (true_negative + false_positive, false_negative + true_positive)
    intervals = {
        "accuracy": find_share(right, sum(classes), level),
        "precision": find_share(true_positive, true_positive + false_positive, level),
        "recall": find_share(true_positive, classes[1], level),
    }
    intervals |= draw_again(scores, measured, level)
    few = min(classes)
    for name in SHARES:
        extreme = round(measured[name])
        if abs(measured[name] - extreme) < 1e-9:
            # What so few rows say of a share, as many as there are of the rarer class.
            intervals[name] = find_share(extreme * few, few, level)
    return intervals


def find_share(right: int, rows: int, level: float) -> list[float]:
    """Return Wilson's interval of a share; of no rows it may be anything."""
    if not rows:
        return [0.0, 1.0]
    interval = binomtest(right, rows).proportion_ci(level, method="wilson")
    return [float(interval.low), float(interval.high)]


def draw_again(scores: Scores, measured: dict[str, Any], level: float) -> dict[str, list[float]]:
    """Return the percentiles of each metric over resamples of the rows.

    What the grouping of probabilities shifts a metric by is taken off again. A resample in which a
    class is missing, as may happen of few rows, does not count.
    """
    groups, losses, clicked = group(scores)
    chances = groups.ravel() / groups.sum()
    kinds = np.flatnonzero(chances)
    draw, parts = np.random.default_rng(SEED), []
    for _ in range(RESAMPLES // BATCH):
        drawn = np.zeros((BATCH, chances.size))
        drawn[:, kinds] = draw.multinomial(round(groups.sum()), chances[kinds], BATCH)
        parts.append(measure_counts(drawn.reshape(BATCH, *groups.shape), losses, clicked))
    exact = measure_counts(groups[np.newaxis], losses, clicked)
    tails = [(1 - level) / 2, (1 + level) / 2]
    intervals = {}
    for name, value in exact.items():
        ends = np.nanquantile(np.concatenate([part[name] for part in parts]), tails)
        intervals[name] = (ends + measured[name] - value[0]).tolist()
    return intervals


def group(scores: Scores) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Return the rows' counts by class and group of like probabilities, shape (2, groups).

    The groups are in falling order of their probability, and each is on one side of one half. Also
    returned are each kind's mean ``log_loss`` and ``brier_score``, of the same shape, and which
    groups are predicted as clicks, shape (groups,).
    """
    weights = np.ones(len(scores.truth)) if scores.weights is None else scores.weights
    order = np.argsort(-scores.probability, kind="stable")
    probability, truth, weights = (
        array[order] for array in (scores.probability, scores.truth.astype(int), weights)
    )
    new = np.append(True, np.diff(probability) != 0)
    if new.sum() > MOST_GROUPS:
        share = (weights.cumsum() - weights) / weights.sum()
        edge = (share * MOST_GROUPS).astype(int)
        side = np.append(False, np.diff(predict(probability)) != 0)
        new &= np.append(True, np.diff(edge) != 0) | side
    place = new.cumsum() - 1
    kinds = truth * (place[-1] + 1) + place
    shape = (2, place[-1] + 1)

    def add_up(values: np.ndarray) -> np.ndarray:
        return np.bincount(kinds, values, shape[0] * shape[1]).reshape(shape)

    counts = add_up(weights)
    # Where scikit-learn cuts probabilities too, of which the logarithm would have no end.
    tiny = np.finfo(float).eps
    chance = np.clip(np.where(truth == 1, probability, 1 - probability), tiny, 1 - tiny)
    losses = {"log_loss": -np.log(chance), "brier_score": (truth - probability) ** 2}
    means = {name: add_up(weights * loss) / counts.clip(1) for name, loss in losses.items()}
    return counts, means, predict(probability[new]) == 1


def measure_counts(
    counts: np.ndarray, losses: dict[str, np.ndarray], clicked: np.ndarray
) -> dict[str, np.ndarray]:
    """Return metrics of many resamples at once, each of shape (resamples,).

    ``counts`` has shape (resamples, 2, groups), the rest is what ``group`` returns. scikit-learn,
    whose values these are, would take one resample after the other.
    """
    no, yes = counts[:, 0], counts[:, 1]
    above_no, above_yes = no.cumsum(axis=1), yes.cumsum(axis=1)
    rows_no, rows_yes = above_no[:, -1], above_yes[:, -1]
    hits = yes[:, clicked].sum(axis=1)
    found = hits + no[:, clicked].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = above_yes / (above_yes + above_no)
        measured = {
            "roc_auc": (no * (above_yes - yes / 2)).sum(axis=1) / (rows_no * rows_yes),
            "average_precision": np.nansum(yes * precision, axis=1) / rows_yes,
            "f1": np.where(hits > 0, 2 * hits / (found + rows_yes), 0.0),
        }
    for name, loss in losses.items():
        measured[name] = (counts * loss).sum(axis=(1, 2)) / (rows_no + rows_yes)
    return measured
