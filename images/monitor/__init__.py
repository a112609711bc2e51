"""The monitor: pages and an API about the runs on the shared volume, which it only reads.

``create_app`` is the whole wiring. One blueprint per concern, with its templates in a folder of its
name. What they show comes from ``reading``, which knows nothing of Flask; an index makes it quick.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from flask import Flask

from . import (
    api,
    artifacts,
    card,
    charts,
    compare,
    compiled,
    conditional,
    embed,
    errors,
    exposition,
    headers,
    health,
    home,
    language,
    lineage,
    login,
    mails,
    model,
    outcome,
    pages,
    predict,
    runs,
)
from .reading.contracts import read_advice, read_contracts
from .reading.index import Index
from .reading.live import Airflow, Poller
from .reading.volume import Volume
from .reading.watch import Sweeper, Watch

# A setting is the environment's variable of its name; these are their defaults.
SETTINGS = {
    "SHARED_VOLUME": "/shared_volume",
    "INDEX": "",  # folder of the index; empty for one below the system's temporary folder
    "MONITOR_PASSWORD": "",  # empty for no login
    "AIRFLOW_API_URL": "",  # where this process reaches Airflow; empty to leave it alone
    "AIRFLOW_VIEWER_PASSWORD": "",
    "AIRFLOW_URL": "",  # where a reader's browser reaches Airflow; empty for no links
    "PREDICTOR_URL": "",  # where this process reaches the predictor; empty for no predictions
}
BLUEPRINTS = (
    *(home, outcome, runs, compare, model, card, lineage, predict, mails),
    *(artifacts, embed, exposition, health),
)


log = logging.getLogger(__name__)


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """Return the monitor.

    ``settings`` stand above the environment; IMAGES is the folder of the stages' contracts (else
    the one that this package is in).
    """
    app = Flask(__name__)
    app.config |= {name: os.environ.get(name, default) for name, default in SETTINGS.items()}
    app.config["IMAGES"] = Path(__file__).resolve().parent.parent
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024  # the most that anybody sends is a password
    app.config.update(settings or {})
    app.json.sort_keys = False  # type: ignore[attr-defined]  # keep the documented order
    # Fixed now: gunicorn may change the working folder of a relative path later.
    volume = Volume(Path(app.config["SHARED_VOLUME"]).absolute())
    index = Index(index_folder(app.config["INDEX"], volume.path) / "index.sqlite")
    app.extensions["watch"] = Watch(volume, index, pause=app.config.get("PAUSE", 0.2))
    images = Path(app.config["IMAGES"])
    app.extensions["contracts"] = read_contracts(images)
    app.extensions["advice"] = read_advice(images)
    app.extensions["build"] = build_mark(Path(__file__).parent)
    for part in (language, login, errors, pages, headers, conditional, charts):
        part.init_app(app)
    for concern in BLUEPRINTS:
        app.register_blueprint(concern.blueprint)
    api.init_app(app)
    compiled.init_app(app)
    return app


def index_folder(setting: str, volume: Path) -> Path:
    """Return where the index of this volume is kept; it can stand anywhere, as it is made anew."""
    name = blake2b(os.fsencode(volume), digest_size=6).hexdigest()
    temporary = Path(tempfile.gettempdir(), f"ad-click-monitor-{os.getuid()}")
    if setting and Path(setting).is_dir() and not os.access(setting, os.W_OK | os.X_OK):
        log.warning("INDEX %s cannot be written, so the index is kept in %s", setting, temporary)
        return temporary / name
    return Path(setting or temporary) / name


def build_mark(package: Path) -> str:
    """Return a text that differs between two builds: nothing kept by a browser outlives one."""
    files = sorted(
        p for p in package.rglob("*") if p.suffix in (".py", ".html", ".mo", ".js", ".css")
    )
    stamps = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return blake2b(repr(stamps).encode(), digest_size=8).hexdigest()


def start_sweeper(app: Flask) -> None:
    """Start the thread that keeps the index whole, and asks Airflow where it is told to.

    Called once in each process that answers; one of them does the work.
    """
    watch: Watch = app.extensions["watch"]
    address, password = app.config["AIRFLOW_API_URL"], app.config["AIRFLOW_VIEWER_PASSWORD"]
    jobs = (Poller(Airflow(address, password), watch.index).poll,) if address else ()
    Sweeper(watch, jobs).start()
