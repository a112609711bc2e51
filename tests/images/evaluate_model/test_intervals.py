"""Intervals: what they are of few rows, of many, and of a model that makes no mistake."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn import metrics

from evaluate_model import intervals
from evaluate_model.evaluate import find_curves, measure
from evaluate_model.intervals import find_intervals, find_share, group, measure_counts
from evaluate_model.scores import Scores, count

NAMES = {
    *("accuracy", "roc_auc", "average_precision", "log_loss"),
    *("brier_score", "precision", "recall", "f1"),
}


def draw_scores(rows: int, share: float = 0.5, seed: int = 7) -> Scores:
    """Probabilities that are true, of which some are equal."""
    draw = np.random.default_rng(seed)
    chance = draw.beta(0.5, 0.5 / share, rows).round(3)
    return Scores((draw.random(rows) < chance).astype(int), chance)


def measured_of(scores: Scores) -> dict:
    return measure(scores, find_curves(scores), 1, np.array([1, 1]))


def intervals_of(scores: Scores) -> dict:
    return find_intervals(scores, measured_of(scores), 0.95)


@pytest.mark.parametrize(("rows", "share"), [(300, 0.5), (5000, 0.02)])
def test_each_metric_lies_in_its_interval(rows, share):
    scores = draw_scores(rows, share)
    measured, told = measured_of(scores), intervals_of(scores)
    assert set(told) == NAMES
    for name, (low, high) in told.items():
        assert low <= measured[name] <= high, name
        assert low < high, name


def test_metrics_of_resamples_are_those_of_scikit_learn():
    scores = draw_scores(200)
    counts, losses, clicked = group(scores)
    draw = np.random.default_rng(1)
    drawn = draw.integers(0, 4, (3, *counts.shape)) * (counts > 0)
    mine = measure_counts(drawn.astype(float), losses, clicked)
    probability = np.unique(scores.probability)[::-1]
    for place, told in enumerate(drawn):
        rows = {"sample_weight": told.ravel()}
        truth = np.repeat([0, 1], len(probability))
        chance = np.tile(probability, 2)
        its = {
            "roc_auc": metrics.roc_auc_score(truth, chance, **rows),
            "average_precision": metrics.average_precision_score(truth, chance, **rows),
            "f1": metrics.f1_score(truth, chance > 0.5, **rows),
            "log_loss": metrics.log_loss(truth, chance, **rows),
            "brier_score": metrics.brier_score_loss(truth, chance, **rows),
        }
        assert {name: values[place] for name, values in mine.items()} == pytest.approx(its)


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("roc_auc", metrics.roc_auc_score),
        ("log_loss", metrics.log_loss),
        ("f1", lambda truth, chance: metrics.f1_score(truth, chance > 0.5)),
    ],
)
def test_ends_are_those_of_scipys_bootstrap_of_rows(name, statistic):
    scores = draw_scores(300)
    its = bootstrap(
        (scores.truth, scores.probability),
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval
    width = its.high - its.low
    # Each end is a percentile of 1000 resamples, known to a tenth of the width.
    assert intervals_of(scores)[name] == pytest.approx([its.low, its.high], abs=width / 10)


def test_rows_that_are_all_right_leave_room_for_mistakes():
    scores = Scores(np.array([0] * 7 + [1] * 8), np.array([0.01] * 7 + [0.99] * 8))
    told = intervals_of(scores)
    assert told["accuracy"] == pytest.approx([0.7961, 1.0], abs=1e-4)
    seven_of_seven = [pytest.approx(0.6457, abs=1e-4), 1.0]
    for name in ("roc_auc", "average_precision", "f1"):
        assert told[name] == seven_of_seven


def test_model_that_finds_no_click_might_find_some_of_others():
    scores = draw_scores(5000, 0.02)
    measured = measured_of(scores)
    assert measured["f1"] == 0
    clicks = sum(measured["confusion_matrix"][1])
    assert intervals_of(scores)["f1"] == find_share(0, clicks, 0.95)


def test_share_of_no_rows_may_be_anything():
    assert find_share(0, 0, 0.95) == [0.0, 1.0]


def test_resamples_without_a_class_do_not_count():
    scores = Scores(np.array([0, 1, 0, 0]), np.array([0.2, 0.6, 0.7, 0.1]))
    assert np.isfinite(list(intervals_of(scores).values())).all()


@pytest.mark.parametrize("share", [0.5, 0.02])
def test_many_probabilities_taken_together_have_the_same_intervals(monkeypatch, share):
    draw = np.random.default_rng(5)
    chance = draw.beta(0.5, 0.5 / share, 20_000)
    scores = Scores((draw.random(20_000) < chance).astype(int), chance)
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    monkeypatch.setattr(intervals, "MOST_GROUPS", 20_000)
    exact = intervals_of(scores)
    monkeypatch.setattr(intervals, "MOST_GROUPS", 2048)
    assert group(scores)[0].shape[1] <= 2050
    for name, ends in intervals_of(scores).items():
        width = exact[name][1] - exact[name][0]
        assert ends == pytest.approx(exact[name], abs=width / 4), name


def test_weighted_rows_have_the_intervals_of_rows():
    scores = draw_scores(5000)
    scores.probability[scores.probability == 0.5] = 0.501
    rounded = count(iter([(scores.truth, scores.probability)]))
    assert rounded.weights is not None
    exact = intervals_of(scores)
    for name, ends in intervals_of(rounded).items():
        assert ends == pytest.approx(exact[name], abs=1e-4), name


def test_groups_never_hold_both_sides_of_one_half():
    chance = np.append(np.linspace(0.4, 0.5, 5000), np.linspace(0.500001, 0.6, 5000))
    counts, _, clicked = group(Scores(np.zeros(10_000, int), chance))
    assert counts[0, clicked].sum() == 5000


def test_same_scores_give_the_same_intervals():
    assert intervals_of(draw_scores(500)) == intervals_of(draw_scores(500))
