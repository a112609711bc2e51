# ruff: noqa: N999 (the name is gunicorn's)
"""gunicorn's settings for the predictor; GUNICORN_CMD_ARGS stands above them."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# The package is found from any working folder, in the image (/app) and in a checkout (images/).
pythonpath = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, pythonpath)

# Inside the container every address; what the host opens is the compose file's decision.
bind = "0.0.0.0:5002"

# Connections stay open between requests, which only threads can hold; a thread has nothing to wait
# for, so few are enough.
workers = 2
worker_class = "gthread"
threads = 2
keepalive = 75

# Imported once, before the fork: scikit-learn and ONNX Runtime are shared by the workers.
preload_app = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# `docker stop` kills after 10 s: end before.
timeout = 30
graceful_timeout = 5
control_socket_disable = True

errorlog = "-"
accesslog = None

# Where the workers count together; prometheus_client looks for it when it is imported.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="ad-click-predictor-"))


def post_worker_init(worker: Any) -> None:
    """Load the model after the fork: neither a thread nor ONNX Runtime's session survives one."""
    from predictor import start_watch

    start_watch(worker.wsgi)


def child_exit(server: Any, worker: Any) -> None:
    """Let what a worker counted as its own go with it."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
