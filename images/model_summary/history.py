"""``model/history.jsonl``: each decision on what is published, one JSON object a line.

A line is written after what it tells of, so that none tells of what did not happen. A kill between
the two leaves a line out, which the next decision writes first. A line is one write at the file's
end, under the lock of ``model/``; what a lost power supply may leave of one is passed over.
"""

import errno
import json
import os
from pathlib import Path
from typing import Any

from stage import flush, timestamp

NAME = "history.jsonl"
PUBLISHED = ("published", "published_by_hand")


def read_history(model: Path) -> list[dict[str, Any]]:
    """Return the decisions, oldest first; a line that is none is passed over."""
    try:
        lines = (model / NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    decisions = []
    for line in lines:
        try:
            decision = json.loads(line)
        except ValueError:
            continue
        if isinstance(decision, dict) and "event" in decision:
            decisions.append(decision)
    return decisions


def append(model: Path, event: str, summary: dict[str, Any], **known: Any) -> None:
    """Add a decision on a model with this summary; ``known`` is ``previous`` and ``release``.

    They are the run whose model was published before, and the folder below ``releases/``.
    """
    metrics = summary.get("metrics") or {}
    decision = {
        "time": timestamp(),
        "event": event,
        "run_id": summary.get("run_id"),
        "sha256": (summary.get("model") or {}).get("sha256"),
        "reason": summary.get("reason"),
        "accuracy": metrics.get("accuracy"),
        "roc_auc": metrics.get("roc_auc"),
        **known,
    }
    append_line(model / NAME, json.dumps(decision, ensure_ascii=False, allow_nan=False))
    flush(model)


def append_line(path: Path, text: str) -> None:
    """Add a line to a file, whole or not at all; a torn one at its end is ended first."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = b"\n" * torn + text.encode("utf-8") + b"\n"
        if os.write(descriptor, content) < len(content):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def release_in_use(history: list[dict[str, Any]]) -> str | None:
    """Return the release that the last decision left in use."""
    used = [line.get("release") for line in history if line["event"] != "refused"]
    return used[-1] if used else None


def releases_before(history: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return for each release the one that was in use when it was published."""
    before: dict[str, str | None] = {}
    in_use = None
    for line in history:
        if line["event"] in PUBLISHED:
            before[str(line.get("release"))] = in_use
        if line["event"] != "refused":
            in_use = line.get("release")
    return before
