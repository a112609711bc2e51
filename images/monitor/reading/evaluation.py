"""What a run's ``metrics.json`` says of its model, in the order in which a page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from .record import Record

SCORES = (
    *("accuracy", "average_precision", "roc_auc", "log_loss", "brier_score"),
    *("precision", "recall", "f1"),
)
# A page shows no more bins of a calibration.
BINS = 50


@dataclass(frozen=True)
class Bin:
    """Test rows with like probabilities: how many, the mean one, and the share of clicks."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Evaluation:
    """Measures of a model on its test rows.

    ``interval`` is accuracy's, at ``interval_level``. ``confusion`` is [[tn, fp], [fn, tp]], or
    empty. ``baseline`` and ``baseline_log_loss`` are what can be had without a model: by always
    answering the majority class, by always predicting the share of clicks. ``passed`` is the
    quality gate's verdict, None when metrics.json has none.
    """

    scores: list[tuple[str, float]]
    interval: list[float]
    interval_level: float | None
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
    interval = metrics.numbers("accuracy_interval")
    found = ((name, metrics.number(name)) for name in SCORES)
    return Evaluation(
        scores=[(name, score) for name, score in found if score is not None],
        interval=interval if len(interval) == 2 else [],
        interval_level=metrics.number("interval_level"),
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
