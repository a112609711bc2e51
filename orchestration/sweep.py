"""Before the scheduler starts: remove the containers that a crash left and nobody waits for."""

from __future__ import annotations

import os
import sys
import time
from urllib.error import HTTPError
from urllib.parse import quote

from docker import APIClient
from docker.errors import DockerException

from airflow_api import Airflow
from leftovers import GONE, sweep

# The scheduler waits so long for the API server, without which it could start no task anyway.
PATIENCE_SECONDS = 120


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


def main() -> None:
    """Sweep once Airflow answers; say so where that can't be."""
    password = os.environ["AIRFLOW_VIEWER_PASSWORD"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            tasks = Tasks("monitor", password)
            client = APIClient(os.environ["DOCKER_HOST"], version="auto", timeout=20)
            sweep(client, tasks.state_of, say)
        except (OSError, DockerException, ValueError, KeyError) as error:
            refused = isinstance(error, HTTPError) and error.code in (401, 403)
            if refused or time.monotonic() > deadline:
                sys.exit(f"error: no container was looked for that a crash left: {error}")
            time.sleep(1)
        else:
            return


def say(text: str, *values: object) -> None:
    """Print a line."""
    print("sweep:", text % values, flush=True)


if __name__ == "__main__":
    main()
