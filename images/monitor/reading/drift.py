"""What a run's ``drift.json`` says: how its data differ from those of the published model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .record import Record

# A page shows no more columns, and /metrics names no more.
COLUMNS = 100


@dataclass(frozen=True)
class DriftedColumn:
    """A feature then and now. ``psi`` is the population stability index, 0 for no change."""

    column: str
    test: str | None
    psi: float | None
    p_value: float | None
    missing_then: float | None
    missing_now: float | None
    drifted: bool


@dataclass(frozen=True)
class Change:
    """A number then and now, and how often chance alone changes it so much."""

    name: str
    then: float | None
    now: float | None


@dataclass(frozen=True)
class Drift:
    """Data then, which ``reference`` was trained on, and now.

    ``columns`` are those that drifted most first, at most COLUMNS of ``total``. ``target`` is the
    share of clicks; ``scores`` are the published model's on its own test rows and on these, on
    ``score_rows`` rows. ``content`` is the whole file.
    """

    reference: str | None
    why_not: str | None
    drifted: bool
    warnings: list[str]
    columns: list[DriftedColumn]
    total: int
    target: Change | None
    target_p_value: float | None
    target_drifted: bool
    scores: list[Change]
    score_rows: int | None
    score_p_value: float | None
    score_drifted: bool
    thresholds: dict[str, Any]
    content: dict[str, Any]

    @property
    def drifted_columns(self) -> list[DriftedColumn]:
        """The columns that drifted."""
        return [column for column in self.columns if column.drifted]


def read_drift(drift: Record) -> Drift | None:
    """Return what ``drift.json`` holds, or None where it holds nothing."""
    if not drift.content:
        return None
    columns = [read_column(feature) for feature in drift.records("features")]
    columns.sort(key=lambda column: (not column.drifted, -(column.psi or 0)))
    target, score = drift.record("target"), drift.record("score")
    share = Change("positive_share", target.number("share_then"), target.number("share_now"))
    scores = [
        Change(name, score.number(f"{name}_then"), score.number(f"{name}_now"))
        for name in ("accuracy", "log_loss")
    ]
    return Drift(
        reference=drift.record("reference").run_id("run_id"),
        why_not=drift.text("why_not"),
        drifted=bool(drift.flag("drifted")),
        warnings=drift.texts("warnings"),
        columns=columns[:COLUMNS],
        total=len(columns),
        target=share if known(share) else None,
        target_p_value=target.number("p_value"),
        target_drifted=bool(target.flag("drifted")),
        scores=[change for change in scores if known(change)],
        score_rows=score.whole("rows"),
        score_p_value=score.number("p_value"),
        score_drifted=bool(score.flag("drifted")),
        thresholds=drift.record("thresholds").content,
        content=drift.content,
    )


def read_column(feature: Record) -> DriftedColumn:
    """Return a feature then and now."""
    return DriftedColumn(
        column=feature.text("column") or "",
        test=feature.text("test"),
        psi=feature.number("psi"),
        p_value=feature.number("p_value"),
        missing_then=feature.number("missing_then"),
        missing_now=feature.number("missing_now"),
        drifted=bool(feature.flag("drifted")),
    )


def known(change: Change) -> bool:
    """Return whether there is anything to show of a change."""
    return change.then is not None or change.now is not None
