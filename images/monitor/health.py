"""Is the monitor alive, can it read the volume, does it know all of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, request

from .current import current_index, current_live, current_volume, current_watch, find_run
from .reading.run import Run
from .reading.volume import MARKER, NotFoundError, VolumeError

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """Return 200 when the monitor lives and can read the volume, else 503 with the reason.

    ``?run_id=`` asks whether the monitor shows that run too: ``run`` is null when it does not.
    """
    problem = find_problem()
    volume = current_volume()
    answer: dict[str, Any] = {
        "status": "failing" if problem else "ok",
        "volume": {
            "readable": os.access(volume.path, os.R_OK | os.X_OK),
            "marker": (volume.path / MARKER).is_file(),
            "problem": problem,
        },
        "newest_run": None if problem else newest_run(),
    }
    if run_id := request.args.get("run_id"):
        # A "+" that a client forgot to quote arrives as a space, which no run id can hold.
        shown = None if problem else known_run(run_id.replace(" ", "+"))
        answer["run"] = shown and {"run_id": shown.run_id, "state": shown.state}
    return answer, 503 if problem else 200


@blueprint.get("/ready")
def ready() -> tuple[dict[str, Any], int]:
    """Return 200 when every run is indexed, so that lists and searches are complete, else 503."""
    problem = find_problem()
    if problem:
        return {"status": "failing", "problem": problem}, 503
    current_watch().refresh()
    index, live = current_index(), current_live()
    runs = sum(index.counts().values())
    answer = {
        "status": "ok" if index.whole else "indexing",
        "runs": {"indexed": runs, "on_volume": len(current_volume().run_ids())},
        "airflow": live.error or ("answers" if live.asked else "not asked"),
    }
    return answer, 200 if index.whole else 503


def find_problem() -> str | None:
    """Return why the volume cannot be read, or None."""
    try:
        current_volume().check()
    except VolumeError as problem:
        return str(problem)
    return None


def newest_run() -> dict[str, Any] | None:
    """Return the newest run's id, and the seconds since it started."""
    current_watch().refresh()
    run_id = current_index().newest()
    run = known_run(run_id) if run_id else None
    if run is None:
        return None
    age = datetime.now(UTC) - run.started
    return {"run_id": run.run_id, "state": run.state, "age_seconds": round(age.total_seconds(), 3)}


def known_run(run_id: str) -> Run | None:
    """Return a run, or None where there is none."""
    try:
        return find_run(run_id)[0]
    except NotFoundError:
        return None
