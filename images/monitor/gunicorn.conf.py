# ruff: noqa: N999 (the name is gunicorn's)
"""gunicorn's settings for the monitor; its command line and GUNICORN_CMD_ARGS stand above them."""

import os
import sys
from pathlib import Path
from typing import Any

# The package is found from any working folder, in the image (/app) and in a checkout (images/).
pythonpath = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, pythonpath)

from monitor.login import check_length  # noqa: E402 (found only now)

# One line instead of the traceback that the application would end with.
try:
    check_length(os.environ.get("MONITOR_PASSWORD", ""))
except ValueError as problem:
    sys.exit(f"error: {problem}")

# Inside the container every address; what the host opens is the compose file's decision.
bind = "0.0.0.0:5000"

# Two processes, so that one slow answer or crash leaves the other. Two threads within each: making
# a page is work for Python more than waiting for the volume, and more threads only take turns at
# its lock. At 200 requests a second eight made each answer slower, and took more memory.
workers = 2
worker_class = "gthread"
threads = 2

# The application is loaded once, before the fork: an error in it ends the start at once instead of
# restarting workers for ever, and the workers share its memory. It holds no open file.
preload_app = True

# A worker says that it is alive by touching a file. In memory, a busy or read-only disk cannot make
# a healthy worker look dead; elsewhere than on Linux gunicorn chooses.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# `docker stop` kills after 10 s: end before.
timeout = 30
graceful_timeout = 5

# No management socket: nothing uses it, and its file would need a writable home folder.
control_socket_disable = True

# Errors go to stderr. Requests are not logged, most are health probes;
# GUNICORN_CMD_ARGS="--access-logfile -" writes them to stdout.
errorlog = "-"
accesslog = None


def when_ready(server: Any) -> None:
    """Load what every answer needs, before the fork: the workers share its memory."""
    from monitor import compiled

    compiled.load(server.app.wsgi())


def post_worker_init(worker: Any) -> None:
    """Start the thread that keeps the index whole, after the fork: no thread survives one."""
    from monitor import start_sweeper

    start_sweeper(worker.wsgi)
