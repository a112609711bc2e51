"""What every page's template can use."""

from __future__ import annotations

import mimetypes
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, request, send_from_directory, url_for
from markupsafe import Markup, escape

from .current import current_index, current_live
from .language import exact, moment, reader, word

# Bootstrap's names for them.
COLOURS = {
    "success": "success",
    "failed": "danger",
    "running": "primary",
    "up_for_retry": "warning",
    "queued": "info",
    "up to date": "success",
    "better": "success",
    "not_worse": "success",
    "worse": "danger",
    "not_comparable": "warning",
    "published": "success",
    "published_by_hand": "success",
    "rolled_back": "warning",
    "refused": "danger",
}
NO_TIME = Markup("\N{EN DASH}")
BADGE = Markup('<span class="badge text-bg-{}">{}</span>')
YEAR = "public, max-age=31536000, immutable"


def init_app(app: Flask) -> None:
    """Register what the templates share."""
    app.context_processor(shared)
    # Names of the environment, not of each page: macros that need no page are made only once.
    app.jinja_env.globals |= {
        "asset": asset,
        "url_for": address,
        "run_address": run_address,
        "file_address": file_address,
        "time": time_element,
        "badge": badge,
        "colour": lambda state: COLOURS.get(state, "secondary"),
        "indexed": indexed,
        "airflow_error": airflow_error,
    }
    app.add_template_filter(combined)
    app.view_functions["static"] = send_asset


def shared() -> dict[str, Any]:
    """Return the values that every template knows."""
    language, zone = reader()
    return {
        "languages": current_app.extensions["languages"],
        "language": language,
        "zone": zone,
        "airflow_url": current_app.config["AIRFLOW_URL"].rstrip("/"),
        "causes_advice": current_app.extensions["advice"],
    }


def time_element(time: datetime | None) -> Markup:
    """Return a time as markup: in the reader's zone, with the exact one on hover."""
    if time is None:
        return NO_TIME
    # A list holds many: Markup's own format() would take longer than all the rest of it. Only the
    # last part has characters that a catalog chose.
    shown = escape(moment(time))
    return Markup(f'<time datetime="{time.isoformat()}" title="{exact(time)}">{shown}</time>')  # noqa: S704


def badge(state: str) -> Markup:
    """Return a state as a coloured word."""
    return coloured(state, word(state))


@lru_cache(maxsize=256)
def coloured(state: str, text: str) -> Markup:
    """Return the markup of a badge."""
    return BADGE.format(COLOURS.get(state, "neutral"), text)


def airflow_error() -> str | None:
    """Return why Airflow's word is missing, or None."""
    return current_live().error


def asset(name: str) -> str:
    """Return the address of a static file, another one in each build, so that browsers keep it."""
    return f"{request.script_root}/static/{name}?v={current_app.extensions['build']}"


def address(endpoint: str, **values: Any) -> str:
    """Return what Flask's `url_for` gives; the addresses that every page repeats, only once."""
    if values:
        return url_for(endpoint, **values)
    return whole_address(endpoint, request.script_root)


@lru_cache(maxsize=64)
def whole_address(endpoint: str, _root: str) -> str:
    """Return the address of a page that needs no values, below the root of this request."""
    return url_for(endpoint)


def run_address(run_id: str) -> str:
    """Return the address of a run's page: what `url_for` gives, for lists of many.

    No character of a run id needs quoting. A page in Airflow's frame leads to another one there.
    """
    place = "/embed" if request.blueprint == "embed" else ""
    return f"{request.script_root}{place}/runs/{run_id}"


def file_address(run_id: str, path: str) -> str:
    """Return the address of a run's file."""
    return f"{request.script_root}/runs/{run_id}/artifacts/{quote(path)}"


def send_asset(filename: str) -> Response:
    """Send a static file, the compressed one that lies beside it where the browser takes that."""
    folder = Path(current_app.static_folder or "")
    compressed = f"{filename}.gz"
    zipped = request.accept_encodings.quality("gzip") > 0 and (folder / compressed).is_file()
    kind, _ = mimetypes.guess_type(filename)
    response = send_from_directory(folder, compressed if zipped else filename, mimetype=kind)
    if zipped:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    if "v" in request.args:
        response.headers["Cache-Control"] = YEAR
    return response


def indexed() -> int | None:
    """Return how many runs are indexed while not all are, else None."""
    index = current_index()
    return None if index.whole else sum(index.counts().values())


def combined(arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the arguments of an address with others changed."""
    return {**arguments, **more}
