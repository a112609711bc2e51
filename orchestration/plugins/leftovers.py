"""Containers of stages that nobody waits for any more: found by their labels, and removed.

A task removes its own. Here go those whose task could not: Airflow was killed during its last try,
the engine refused, a run was deleted meanwhile. StageOperator sweeps at the end of each run, and
``python3 plugins/leftovers.py`` does before the scheduler starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound

# A task in any of these states comes back to its container, or makes another one.
ALIVE = {"running", "queued", "scheduled", "restarting", "up_for_retry", "deferred", None}
# What is told of a task that Airflow does not know.
GONE = "gone"
# A container that does not say of which run it is, as the watchdog's, lives two minutes at most.
OLD_SECONDS = 3600
ATTEMPTS = 3
STOP_SECONDS = 3
# So long a scheduler waits for the API server, without which it could start no task anyway.
PATIENCE_SECONDS = 120
API = "http://airflow-apiserver:8080"

StateOf = Callable[[str, str, str], str | None]
Warn = Callable[..., object]


def project() -> str:
    """Return the name of this installation, which its containers are labelled with."""
    return os.environ.get("COMPOSE_PROJECT_NAME", "ad-click")


def sweep(client: APIClient, state_of: StateOf, warn: Warn) -> None:
    """Remove the containers of this project whose tasks are over.

    ``state_of`` returns the state of a task by its DAG, run and task id.
    """
    for container in client.containers(
        all=True, filters={"label": f"ad-click.project={project()}"}
    ):
        dag, run, task = (container["Labels"].get(f"ad-click.{n}") for n in ("dag", "run", "task"))
        if run is None:
            old = time.time() - container["Created"] > OLD_SECONDS
            state = "over for long" if old else None
        else:
            state = state_of(dag, run, task)
        if state not in ALIVE:
            warn(
                "removing container %s, left by %s of run %s; that task is %s",
                *(container["Id"], task, run, state),
            )
            # A task that was marked failed may be stopping it just now: it is let end in peace.
            with contextlib.suppress(DockerException, OSError):
                client.stop(container["Id"], timeout=STOP_SECONDS)
            remove(client, container["Id"], warn)


def remove(client: APIClient, container: str, warn: Warn) -> None:
    """Remove a container; an engine that refuses, as it may while it is busy, is asked again."""
    reason: object = None
    for _ in range(ATTEMPTS):
        try:
            client.remove_container(container, force=True, v=True)
        except NotFound:
            return
        except (DockerException, OSError) as error:
            reason = error
            time.sleep(0.5)
        else:
            return
    if not isinstance(reason, APIError) or reason.status_code != 409:  # 409: it is being removed
        warn("container %s is left for the next sweep: %s", container, reason)


class Airflow:
    """Airflow's REST API, as the user ``monitor``, whose role is Viewer."""

    def __init__(self, password: str) -> None:
        """Log in; OSError if Airflow does not answer, or not well."""
        self.token = ""
        account = {"username": "monitor", "password": password}
        self.token = self.ask("/auth/token", account)["access_token"]

    def ask(self, path: str, body: object = None) -> dict[str, str]:
        """Return an answer."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(API + path, data, headers), timeout=10) as answer:
            found: dict[str, str] = json.load(answer)
            return found

    def state_of(self, dag: str, run: str, task: str) -> str | None:
        """Return the state of a task, GONE if there is none."""
        names = [quote(name, safe="") for name in (dag, run, task)]
        try:
            path = "/api/v2/dags/{}/dagRuns/{}/taskInstances/{}".format(*names)
            return self.ask(path)["state"]
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return GONE
            raise


def main() -> None:
    """Sweep once Airflow answers; say so where that can't be, and let the scheduler start."""
    password = os.environ["AIRFLOW_VIEWER_PASSWORD"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            airflow = Airflow(password)
            client = APIClient(os.environ["DOCKER_HOST"], version="auto", timeout=20)
            sweep(client, airflow.state_of, say)
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
