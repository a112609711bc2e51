"""What was decided about models: ``model/history.jsonl``, one line a decision, the newest last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .files import Tree, UnreadableError
from .record import Record, parse_json

FILE = "model/history.jsonl"
EVENTS = ("published", "refused", "published_by_hand", "rolled_back")
# Of a longer file only the end is read: some thousand decisions.
TAIL = 1024 * 1024


@dataclass(frozen=True)
class Decision:
    """A decision about the model of a run; ``previous`` is the run whose model was in use before.

    ``event`` is one of EVENTS. ``sha256`` is the model file's.
    """

    time: datetime | None
    event: str
    run_id: str
    reason: str | None = None
    accuracy: float | None = None
    roc_auc: float | None = None
    sha256: str | None = None
    previous: str | None = None


def read_history(tree: Tree) -> list[Decision]:
    """Return the decisions, newest first.

    A line that is torn, as the last one while it is written, or that names no run, is left out.
    """
    try:
        lines = tree.tail(FILE, TAIL).splitlines()
    except (FileNotFoundError, UnreadableError):
        return []
    decisions = (read_decision(line) for line in reversed(lines))
    return [decision for decision in decisions if decision]


def read_decision(line: bytes) -> Decision | None:
    """Return the decision of a line, or None where it holds none."""
    try:
        content = parse_json(line)
    except (ValueError, RecursionError):
        return None
    record = Record(content if isinstance(content, dict) else {})
    event, run_id = record.text("event"), record.run_id("run_id")
    if event not in EVENTS or run_id is None:
        return None
    return Decision(
        time=record.time("time"),
        event=event,
        run_id=run_id,
        reason=record.text("reason"),
        accuracy=record.number("accuracy"),
        roc_auc=record.number("roc_auc"),
        sha256=record.text("sha256"),
        previous=record.run_id("previous"),
    )
