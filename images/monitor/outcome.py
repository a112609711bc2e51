"""The three fixed addresses: the newest finished run, its success or its failure."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, url_for

from .conditional import answer
from .current import check_volume, current_index, current_volume, find_run
from .home import newest_in_progress
from .runs import show_run

FINISHED = ("success", "failed")
PAGE_OF = {"success": "outcome.success", "failed": "outcome.failure"}

blueprint = Blueprint("outcome", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/")
def newest() -> Response:
    """Lead to the outcome of the newest finished run; without one to the home page."""
    index = current_index()
    # The index's own word: the run itself may be on again, or gone, since it was looked at.
    finished = index.rows(filter(None, [index.newest(*FINISHED)]))
    target = PAGE_OF[finished[0].state] if finished else "home.home"
    response = redirect(url_for(target))
    response.headers["Cache-Control"] = "private, no-cache"
    return Response(response.data, response.status_code, response.headers)


@blueprint.get("/success")
def success() -> Response:
    """Show the newest finished run if it succeeded, else say that it did not."""
    return show_outcome("success")


@blueprint.get("/failure")
def failure() -> Response:
    """Show the newest finished run if it failed, else say that it did not."""
    return show_outcome("failed")


def show_outcome(outcome: str) -> Response:
    """Show the newest finished run if its outcome is this one, else the truth and where to go."""
    index = current_index()
    found = index.newest(*FINISHED)
    running = newest_in_progress()
    if found:
        finished, version = find_run(found)
        if finished.state == outcome:
            return show_run(finished, version, running and running[0])
    return answer(
        lambda: render_template(
            "outcome/outcome.html",
            outcome=outcome,
            finished=index.rows([found])[0] if found else None,
            running=running and running[0],
            last=next(iter(index.rows(filter(None, [index.newest(outcome)]))), None),
            page_of=PAGE_OF,
        ),
        index.generation,
        current_volume().release(),
        running and running[1],
    )
