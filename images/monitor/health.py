"""Is the monitor alive, can it read the volume, how old is the newest run."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint

from .current import current_volume
from .volume import MARKER, NotFoundError, Volume, VolumeError

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """Return 200 when the volume can be read, else 503 with the reason."""
    volume = current_volume()
    problem = find_problem(volume)
    state = {
        "readable": os.access(volume.path, os.R_OK | os.X_OK),
        "marker": (volume.path / MARKER).is_file(),
        "problem": problem,
    }
    return {
        "status": "failing" if problem else "ok",
        "volume": state,
        "newest_run": None if problem else newest_run(volume),
    }, 503 if problem else 200


def find_problem(volume: Volume) -> str | None:
    """Return why the volume cannot be read, or None."""
    try:
        volume.check()
    except VolumeError as problem:
        return str(problem)
    return None


def newest_run(volume: Volume) -> dict[str, Any] | None:
    """Return the newest run's id, and the seconds since it started."""
    try:
        run = volume.newest()
    except NotFoundError:
        return None
    age = datetime.now(UTC) - run.started
    return {"run_id": run.run_id, "state": run.state, "age_seconds": round(age.total_seconds(), 3)}
