# ruff: noqa: N999 (the name is gunicorn's)
"""gunicorn's settings for the predictor; GUNICORN_CMD_ARGS stands above them."""

import logging
import sys
from pathlib import Path
from typing import Any

# The package is found from any working folder, in the image (/app) and in a checkout (images/).
pythonpath = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, pythonpath)

# Inside the container every address; what the host opens is the compose file's decision.
bind = "0.0.0.0:5002"

# One process: a request is some 0.2 ms of Python, and two processes that count together in files
# for Prometheus spend as much again on that. They would also answer by two models for a second.
# Threads hold connections open between requests and let a short request pass a long one.
workers = 1
worker_class = "gthread"
threads = 4
keepalive = 75

# Not before a fork, which takes no thread along: libraries for numbers start theirs when they are
# imported, and one that waits at its end for a thread that is not there aborts the worker.
preload_app = False
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# `docker stop` kills after 10 s: end before.
timeout = 30
graceful_timeout = 5
control_socket_disable = True

errorlog = "-"
accesslog = None


def post_worker_init(worker: Any) -> None:
    """Load the model, and start the thread that looks for the next one; both say so on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    from predictor import start_watch

    start_watch(worker.wsgi)
