"""The predictor: the published model behind HTTP, for one row or many.

``create_app`` is the whole wiring. The model comes from the shared volume, which is only read, and
is exchanged while requests are answered when another one is published.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, Response

from . import errors, exposition, health, openapi, predict
from .current import Watch

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def create_app(volume: Path | str | None = None) -> Flask:
    """Return the service on a shared volume, else that of the environment's SHARED_VOLUME.

    Its watch does not look yet: that takes a thread, which each process starts for itself.
    """
    # No folder of static files: whatever is not named below is not there.
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = predict.MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # keep the documented order
    folder = volume or os.environ.get("SHARED_VOLUME", "/shared_volume")
    app.extensions["watch"] = Watch(Path(folder).absolute())
    errors.init_app(app)
    exposition.init_app(app)
    for concern in (predict, health, exposition, openapi):
        app.register_blueprint(concern.blueprint)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app


def start_watch(app: Any) -> None:
    """Load the published model and keep looking; called once in each process that answers."""
    app.extensions["watch"].start()
