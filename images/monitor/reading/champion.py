"""What a run's ``comparison.json`` says: its model beside the published one, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .evaluation import YARDSTICK_SCORES, read_interval
from .record import Record


@dataclass(frozen=True)
class Difference:
    """One score of both models; ``difference`` is challenger less champion.

    ``p_value`` is how often chance alone makes so large a difference; ``interval`` is
    [low, high] of the difference, or empty.
    """

    score: str
    champion: float | None
    challenger: float | None
    difference: float | None
    p_value: float | None
    interval: list[float]


@dataclass(frozen=True)
class Challenge:
    """The comparison of a run's model, the challenger, with the published one, the champion.

    ``content`` is the whole file.
    ``verdict`` is first, better, not_worse, worse or not_comparable. ``why_not`` says why they were
    not compared.
    """

    champion: str | None
    why_not: str | None
    rows: int | None
    verdict: str | None
    reason: str | None
    differences: list[Difference]
    content: dict[str, Any]


def read_challenge(comparison: Record) -> Challenge | None:
    """Return what ``comparison.json`` holds, or None where it holds nothing."""
    if not comparison.content:
        return None
    found = ((name, comparison.record(name)) for name in YARDSTICK_SCORES)
    return Challenge(
        champion=comparison.record("champion").run_id("run_id"),
        why_not=comparison.text("why_not"),
        rows=comparison.whole("rows"),
        verdict=comparison.text("verdict"),
        reason=comparison.text("reason"),
        differences=[read_difference(name, score) for name, score in found if score.content],
        content=comparison.content,
    )


def read_difference(name: str, score: Record) -> Difference:
    """Return a score of both models."""
    return Difference(
        score=name,
        champion=score.number("champion"),
        challenger=score.number("challenger"),
        difference=score.number("difference"),
        p_value=score.number("p_value"),
        interval=read_interval(score, "interval"),
    )
