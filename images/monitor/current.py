"""What the views share: the volume of the app that answers, its index, and what Airflow said."""

from __future__ import annotations

from flask import current_app, g

from .reading.index import Index
from .reading.live import Live, read_live
from .reading.run import Run
from .reading.volume import NotFoundError, Volume
from .reading.watch import Watch


def current_watch() -> Watch:
    """Return what keeps the app's index."""
    watch: Watch = current_app.extensions["watch"]
    return watch


def current_volume() -> Volume:
    """Return the app's shared volume."""
    return current_watch().volume


def current_index() -> Index:
    """Return the app's index."""
    return current_watch().index


def current_live() -> Live:
    """Return Airflow's last answer, the same one throughout a request; none if it is not asked."""
    if "live" not in g:
        asked = current_app.config["AIRFLOW_API_URL"]
        g.live = read_live(current_index()) if asked else Live()
    live: Live = g.live
    return live


def check_volume() -> None:
    """Before a view: raise VolumeError, which is answered with 503 and the reason."""
    current_volume().check()
    current_watch().refresh()


def find_run(run_id: str) -> tuple[Run, str]:
    """Return a run as volume and Airflow have it, and a text that changes with it.

    Raises:
        NotFoundError: neither knows it.
    """
    live = current_live()
    known = repr(live.runs.get(run_id))
    try:
        run, signature = current_watch().run(run_id)
    except NotFoundError:
        if waiting := live.only(run_id):
            return waiting, known
        raise
    return live.join(run), f"{signature} {known}"
