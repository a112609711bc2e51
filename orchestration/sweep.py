"""Before Airflow starts tasks: remove the containers that a crash left and nobody waits for.

Beside a worker it is started `--again-and-again`, as there no task sweeps when a run ends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

from docker import APIClient
from docker.errors import DockerException

from airflow_api import Airflow
from leftovers import GONE, sweep

# The scheduler waits so long for the API server, without which it could start no task anyway.
PATIENCE_SECONDS = 120
# How often a worker's engine is swept.
EVERY_SECONDS = 60
# Touched after each round: the worker's health check looks at its age.
SWEPT = Path("/tmp/swept")
ERRORS = (OSError, DockerException, ValueError, KeyError)


class Tasks(Airflow):
    """The tasks, as Airflow's REST API knows them."""

    def state_of(self, dag: str, run: str, task: str) -> str | None:
        """Return the state of a task, GONE if there is none."""
        dag, run, task = (quote(name, safe="") for name in (dag, run, task))
        try:
            found = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}")
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return GONE
            raise
        state: str | None = found["state"]
        return state


def look() -> None:
    """Sweep once, by what Airflow says at this moment."""
    tasks = Tasks("monitor", os.environ["AIRFLOW_VIEWER_PASSWORD"])
    client = APIClient(os.environ["DOCKER_HOST"], version="auto", timeout=20)
    sweep(client, tasks.state_of, say)
    SWEPT.touch()


def main() -> None:
    """Sweep once Airflow answers; say so where that can't be."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            look()
        except ERRORS as error:
            refused = isinstance(error, HTTPError) and error.code in (401, 403)
            if refused or time.monotonic() > deadline:
                sys.exit(f"error: no container was looked for that a crash left: {error}")
            time.sleep(1)
        else:
            return


def again_and_again() -> None:
    """Sweep every minute, until this container ends."""
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            look()
        except ERRORS as error:
            say("nothing was looked for this time: %s", error)


def say(text: str, *values: object) -> None:
    """Print a line."""
    print("sweep:", text % values, flush=True)


if __name__ == "__main__":
    again_and_again() if sys.argv[1:] == ["--again-and-again"] else main()
