"""The pages: the newest run's outcome, and any run by its id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from .current import check_volume, current_volume
from .run import Run

FINISHED = ("success", "failed")
# How far a page looks for the last run of the other outcome: each run costs some milliseconds.
LOOK_BACK = 100
PAGE_OF = {"success": "pages.success", "failed": "pages.failure"}

blueprint = Blueprint("pages", __name__)
blueprint.before_request(check_volume)


@blueprint.context_processor
def add_common() -> dict[str, Any]:
    """Give every page the moment it was made."""
    return {"now": datetime.now(UTC), "page_of": PAGE_OF}


@blueprint.get("/")
def home() -> str | Response:
    """Lead to the outcome of the newest finished run; without one, show what there is."""
    if finished := current_volume().newest_in(*FINISHED):
        return redirect(url_for(PAGE_OF[finished.state]))
    running = newest_in_progress()
    return show_run(running) if running else render_template("empty.html")


@blueprint.get("/success")
def success() -> str:
    """Show the newest finished run if it succeeded, else say that it did not."""
    return show_outcome("success")


@blueprint.get("/failure")
def failure() -> str:
    """Show the newest finished run if it failed, else say that it did not."""
    return show_outcome("failed")


@blueprint.get("/runs/<run_id>")
def run(run_id: str) -> str:
    """Show any run."""
    return show_run(current_volume().run(run_id))


def show_outcome(outcome: str) -> str:
    """Show the newest finished run if its outcome is this one, else the truth and where to go."""
    finished = current_volume().newest_in(*FINISHED)
    running = newest_in_progress()
    if finished and finished.state == outcome:
        return show_run(finished, running)
    if not (finished or running):
        return render_template("empty.html")
    return render_template(
        "other_outcome.html",
        outcome=outcome,
        finished=finished,
        running=running,
        last=current_volume().newest_in(outcome, among=LOOK_BACK),
        look_back=LOOK_BACK,
    )


def newest_in_progress() -> Run | None:
    """Return the newest run if it has not finished."""
    newest = next(current_volume().runs(), None)
    return newest if newest and newest.state == "running" else None


def show_run(run: Run, running: Run | None = None) -> str:
    """Return a run's page; ``running`` is a newer run to point to."""
    return render_template(
        "run.html", run=run, running=running, published_run=current_volume().published()
    )
