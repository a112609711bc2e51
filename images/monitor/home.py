"""The home page: what runs now, did the last runs work, is the model good."""

from __future__ import annotations

import contextlib

from flask import Blueprint, Response, render_template

from .charts import trend_chart, trend_words
from .conditional import answer
from .current import (
    check_volume,
    current_index,
    current_live,
    current_volume,
    current_watch,
    find_run,
)
from .reading.index import Query
from .reading.run import Run
from .reading.volume import Model, NotFoundError

NEWEST = 8
TREND = 60
# So many runs in progress are shown with all that they do.
AT_ONCE = 5

blueprint = Blueprint("home", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/home")
def home() -> Response:
    """Show the published model, the run in progress, the newest runs and the trend."""
    index, live = current_index(), current_live()
    running = in_progress()
    versions = (version for _, version in running)
    return answer(
        lambda: show_home([run for run, _ in running]),
        *(index.generation, current_volume().release(), live.error, *versions),
    )


def show_home(running: list[Run]) -> str:
    """Return the page."""
    index = current_index()
    trend = index.trend(TREND)
    return render_template(
        "home/home.html",
        model=published_model(),
        newest_decided=newest_decided(),
        running=running,
        waiting=[run for run in current_live().waiting if not index.signature(run.run_id)],
        newest=index.runs(Query(page_size=NEWEST)),
        counts=index.counts(),
        trend=trend_chart(trend),
        trend_text=trend_words(trend),
    )


def in_progress() -> list[tuple[Run, str]]:
    """Return the runs in progress, newest first, each with what changes with it."""
    found = []
    for row in current_index().runs(Query(states=("running",), page_size=AT_ONCE)).items:
        with contextlib.suppress(NotFoundError):  # removed meanwhile
            run, version = find_run(row.run_id)
            if not run.over:
                found.append((run, version))
    return found


def newest_in_progress() -> tuple[Run, str] | None:
    """Return the run in progress that started last, if it is the newest of all."""
    running, newest = in_progress(), current_index().newest()
    return running[0] if running and running[0][0].run_id == newest else None


def newest_decided() -> Run | None:
    """Return the newest run whose model was published or refused."""
    for row in current_index().runs(Query(decided=True, page_size=1)).items:
        with contextlib.suppress(NotFoundError):  # removed meanwhile
            return current_watch().run(row.run_id)[0]
    return None


def published_model() -> Model | None:
    """Return the published model, or None."""
    try:
        return current_volume().model()
    except NotFoundError:
        return None
