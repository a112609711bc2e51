"""The files of a run, as downloads. Figures and text open in the browser, all else is saved."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from flask import Blueprint, Response, send_file

from .current import check_volume, current_volume
from .reading.files import UnreadableError
from .reading.record import RUN_ID
from .reading.volume import NotFoundError

SHOWN = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
# A figure brings its own styles. Opened by itself it is sealed off: no scripts, no other requests.
SEALED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

blueprint = Blueprint("artifacts", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/runs/<run_id>/artifacts/<path:name>")
def artifact(run_id: str, name: str) -> Response:
    """Send a file of ``runs/<run_id>/``; links, hidden files and other folders are not found."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    if hidden or not RUN_ID.fullmatch(run_id):
        raise NotFoundError("There is no such file.")
    try:
        file = current_volume().tree.open(f"runs/{run_id}/{name}")
    except FileNotFoundError:
        raise NotFoundError("Run %(run)s has no file %(file)s.", run=run_id, file=name) from None
    except UnreadableError as reason:
        raise NotFoundError(
            "%(file)s of run %(run)s is not shown: it %(reason)s.",
            file=name,
            run=run_id,
            reason=reason,
        ) from None
    kind = SHOWN.get(path.suffix)
    response = send_file(
        file,
        mimetype=kind or "application/octet-stream",
        as_attachment=kind is None,
        download_name=path.name,
    )
    response.content_length = os.fstat(file.fileno()).st_size
    response.headers["Content-Security-Policy"] = SEALED
    return response
