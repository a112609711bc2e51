"""Runs inside a stage's image, in place of its entrypoint: the stage as a child, again and again.

One order, a line of JSON on standard input, is one process of the stage: ``arguments`` for its
command line; ``kill_after``, in seconds, when it gets SIGKILL, counted from its start or, with
``mark``, from when a file matches that pattern. One line of JSON answers how it ended.

The stage's packages are imported before, once. The child is a fork of that, so a moment that is
drawn at random falls into the stage's work and not, nine times in ten, into imports.
"""

from __future__ import annotations

import glob
import importlib
import json
import os
import signal
import sys
import tempfile
import time
from typing import Any

LIMIT_SECONDS = 600


def perform(stage: str, arguments: list[str], output: int) -> None:
    """Be the stage's process, from here to its end."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os._exit(importlib.import_module("stage").main(stage, arguments))


def follow(child: int, mark: str | None, kill_after: float | None) -> dict[str, Any]:
    """Wait for the child, and kill it when it is time."""
    started, marked = time.monotonic(), None
    while True:
        now = time.monotonic()
        if marked is None and (mark is None or glob.glob(mark, include_hidden=True)):
            marked = now
        if kill_after is not None and marked is not None and now - marked >= kill_after:
            os.kill(child, signal.SIGKILL)
            kill_after = None
        if now - started > LIMIT_SECONDS:
            os.kill(child, signal.SIGKILL)
            raise TimeoutError("the stage does not end")
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            now = time.monotonic()
            return {
                "code": os.waitstatus_to_exitcode(status),
                "seconds": now - started,
                "seconds_after_mark": now - marked if marked is not None else None,
            }
        time.sleep(0.0002)


def main(stage: str) -> None:
    """Follow the orders until there are no more."""
    importlib.import_module(f"{stage}.main")
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile() as printed:
            child = os.fork()
            if child == 0:
                perform(stage, order["arguments"], printed.fileno())
            ended = follow(child, order["mark"], order["kill_after"])
            printed.seek(0)
            ended["printed"] = printed.read().decode()
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
