"""The JSON API: the state of a run and the measures of the published model."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, request

from .current import check_volume, current_volume
from .run import Run
from .stages import Stage

STAGE_KEYS = (
    "name", "state", "started", "ended", "seconds", "try_number", "exit_code", "cause", "message",
    "fraction", "rows", "files", "problems",
)  # fmt: skip

blueprint = Blueprint("api", __name__, url_prefix="/api")
blueprint.before_request(check_volume)


@blueprint.get("/status")
def status() -> dict[str, Any]:
    """Return the state of the newest run, or of the one that ``run_id`` names."""
    run_id = request.args.get("run_id")
    # A "+" that a client forgot to quote arrives as a space, which no run id can hold.
    volume = current_volume()
    run = volume.run(run_id.replace(" ", "+")) if run_id else volume.newest()
    return {
        "status": run.state,
        "timestamp": iso(datetime.now(UTC)),
        "dag_info": {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "status": run.state,
            "logical_date": run.logical_date,
            "start_date": iso(run.started),
            "end_date": iso(run.ended),
            "duration": run.seconds,
        },
        "stages": [describe(stage) for stage in run.stages + run.mails],
        "outputs": expected_outputs(run),
    }


@blueprint.get("/metrics")
def metrics() -> dict[str, Any]:
    """Return the measures of the published model, with the run that made it."""
    model = current_volume().model()
    summary = model.summary
    card = {
        "run_id": model.run_id,
        "model_type": summary.text("model_type"),
        "dataset": summary.text("dataset"),
        "last_updated": summary.text("created"),
        "summary": model.text,
        "train_score": summary.number("train_score"),
        "test_score": summary.number("test_score"),
    }
    return card | {k: v for k, v in summary.record("metrics").content.items() if k not in card}


def describe(stage: Stage) -> dict[str, Any]:
    """Return a stage as the API tells it."""
    content = asdict(stage) | {"started": iso(stage.started), "ended": iso(stage.ended)}
    return {key: content[key] for key in STAGE_KEYS}


def expected_outputs(run: Run) -> list[dict[str, Any]]:
    """Return each output that the stages' contracts declare, and whether the run has it."""
    contracts: dict[str, list[str]] = current_app.extensions["contracts"]
    paths = [
        f"runs/{run.run_id}/{stage}/{name}" for stage, names in contracts.items() for name in names
    ]
    sizes = {path: current_volume().tree.size(path) for path in paths}
    return [
        {"path": path, "exists": size is not None, "bytes": size} for path, size in sizes.items()
    ]


def iso(time: datetime | None) -> str | None:
    """Return a time in UTC, ISO 8601 with milliseconds."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
