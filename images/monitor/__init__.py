"""The monitor: pages and an API about the runs on the shared volume, which it only reads.

``create_app`` is the whole wiring. One blueprint per concern: ``pages``, ``artifacts``, ``api`` and
``health``. What they show comes from ``volume``, which knows nothing of Flask.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from . import api, artifacts, errors, filters, headers, health, pages
from .contracts import read_contracts
from .volume import Volume


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """Return the monitor.

    ``settings`` may give SHARED_VOLUME (else the environment, else /shared_volume) and IMAGES, the
    folder of the stages' contracts (else the one that this package is in).
    """
    app = Flask(__name__)
    app.config["SHARED_VOLUME"] = os.environ.get("SHARED_VOLUME", "/shared_volume")
    app.config["IMAGES"] = Path(__file__).resolve().parent.parent
    app.config.update(settings or {})
    app.json.sort_keys = False  # type: ignore[attr-defined]  # keep the documented order
    # Fixed now: gunicorn may change the working folder of a relative path later.
    app.extensions["volume"] = Volume(Path(app.config["SHARED_VOLUME"]).absolute())
    app.extensions["contracts"] = read_contracts(Path(app.config["IMAGES"]))
    for concern in (pages, artifacts, api, health):
        app.register_blueprint(concern.blueprint)
    for part in (errors, filters, headers):
        part.init_app(app)
    return app
