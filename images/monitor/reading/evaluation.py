"""What a run's ``metrics.json`` says of its model, in the order in which a page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from .record import Record

SCORES = (
    *("accuracy", "average_precision", "roc_auc", "log_loss", "brier_score"),
    *("precision", "recall", "f1"),
)
YARDSTICKS = ("majority_class", "hist_gradient_boosting")
YARDSTICK_SCORES = ("accuracy", "roc_auc", "log_loss")
# A page shows no more bins of a calibration, and no more segments of the test rows.
BINS = 50
SEGMENTS = 200


@dataclass(frozen=True)
class Bin:
    """Test rows with like probabilities: how many, the mean one, and the share of clicks."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Segment:
    """Measures of the test rows that have one value, or one range of values, in a column."""

    column: str
    segment: str
    rows: int | None
    positive_share: float | None
    accuracy: float | None
    interval: list[float]
    roc_auc: float | None
    log_loss: float | None


@dataclass(frozen=True)
class Yardstick:
    """What another way of predicting scores on the same test rows; None where it has no score."""

    name: str
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a score."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class CrossValidation:
    """Scores over the folds of repeated cross-validations."""

    folds: int | None
    repeats: int | None
    scores: dict[str, Spread]


@dataclass(frozen=True)
class Evaluation:
    """Measures of a model on its test rows.

    ``intervals`` are [low, high] of the scores that have one, at ``interval_level``; ``interval``
    is accuracy's. ``calibration_error`` is the mean distance of a probability from what came of it,
    0 to 1. ``warnings`` are sentences. ``confusion`` is [[tn, fp], [fn, tp]], or
    empty. ``baseline`` and ``baseline_log_loss`` are what can be had without a model: by always
    answering the majority class, by always predicting the share of clicks. ``passed`` is the
    quality gate's verdict, None when metrics.json has none.
    """

    scores: list[tuple[str, float]]
    interval: list[float]
    interval_level: float | None
    intervals: dict[str, list[float]]
    calibration_error: float | None
    warnings: list[str]
    segments: list[Segment]
    segments_total: int
    yardsticks: list[Yardstick]
    cross_validation: CrossValidation | None
    baseline: float | None
    baseline_log_loss: float | None
    positive_share: float | None
    calibration: list[Bin]
    train_accuracy: float | None
    train_rows: int | None
    test_rows: int | None
    confusion: list[list[float]]
    min_accuracy: float | None
    min_roc_auc: float | None
    passed: bool | None
    reasons: list[str]


def read_evaluation(metrics: Record) -> Evaluation | None:
    """Return what ``metrics.json`` holds, or None where it holds nothing."""
    if not metrics.content:
        return None
    gate = metrics.record("gate")
    segments = metrics.records("segments")
    found = ((name, metrics.number(name)) for name in SCORES)
    return Evaluation(
        scores=[(name, score) for name, score in found if score is not None],
        interval=read_interval(metrics, "accuracy_interval"),
        interval_level=metrics.number("interval_level"),
        intervals=read_intervals(metrics),
        calibration_error=metrics.number("calibration_error"),
        warnings=metrics.texts("warnings"),
        segments=[read_segment(segment) for segment in segments[:SEGMENTS]],
        segments_total=len(segments),
        yardsticks=read_yardsticks(metrics),
        cross_validation=read_cross_validation(metrics.record("cross_validation")),
        baseline=metrics.number("baseline_accuracy"),
        baseline_log_loss=metrics.number("baseline_log_loss"),
        positive_share=metrics.number("positive_share"),
        calibration=read_calibration(metrics),
        train_accuracy=metrics.number("train_accuracy"),
        train_rows=metrics.whole("train_rows"),
        test_rows=metrics.whole("test_rows"),
        confusion=read_confusion(metrics),
        min_accuracy=gate.number("min_accuracy"),
        min_roc_auc=gate.number("min_roc_auc"),
        passed=gate.flag("passed"),
        reasons=gate.texts("reasons"),
    )


def read_interval(record: Record, name: str) -> list[float]:
    """Return [low, high], or nothing when the file holds another shape."""
    interval = record.numbers(name)
    return interval if len(interval) == 2 else []


def read_intervals(metrics: Record) -> dict[str, list[float]]:
    """Return the interval of each score that has one."""
    intervals = metrics.record("intervals")
    found = {name: read_interval(intervals, name) for name in SCORES}
    return {name: interval for name, interval in found.items() if interval}


def read_segment(segment: Record) -> Segment:
    """Return a segment; what it is called may be a number too."""
    value = segment.content.get("segment")
    return Segment(
        column=segment.text("column") or "",
        segment=value if isinstance(value, str) else "" if value is None else str(value),
        rows=segment.whole("rows"),
        positive_share=segment.number("positive_share"),
        accuracy=segment.number("accuracy"),
        interval=read_interval(segment, "accuracy_interval"),
        roc_auc=segment.number("roc_auc"),
        log_loss=segment.number("log_loss"),
    )


def read_yardsticks(metrics: Record) -> list[Yardstick]:
    """Return the other ways of predicting that were measured."""
    yardstick = metrics.record("yardstick")
    return [
        Yardstick(name, {score: measured.number(score) for score in YARDSTICK_SCORES})
        for name in YARDSTICKS
        if (measured := yardstick.record(name)).content
    ]


def read_cross_validation(found: Record) -> CrossValidation | None:
    """Return the scores of a cross-validation, or None where there was none."""
    measured = ((name, found.record(name)) for name in YARDSTICK_SCORES)
    scores = {
        name: Spread(mean, score.number("std"))
        for name, score in measured
        if (mean := score.number("mean")) is not None
    }
    return CrossValidation(found.whole("folds"), found.whole("repeats"), scores) if scores else None


def read_calibration(metrics: Record) -> list[Bin]:
    """Return the bins of the calibration that are whole."""
    found = (
        (part.whole("rows"), part.number("predicted"), part.number("observed"))
        for part in metrics.records("calibration")[:BINS]
    )
    return [Bin(*part) for part in found if None not in part]  # type: ignore[arg-type]


def read_confusion(metrics: Record) -> list[list[float]]:
    """Return the two rows of counts, or nothing when the file holds another shape."""
    rows = [Record({"row": row}).numbers("row") for row in metrics.items("confusion_matrix")]
    return rows if [len(row) for row in rows] == [2, 2] else []
