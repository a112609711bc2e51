"""Containers of stages that nobody waits for any more: found by their labels, and removed.

A task removes its own. Here go those whose task could not: Airflow was killed during its last try,
the engine refused, a run was deleted meanwhile. StageOperator sweeps at the end of each run, and
``sweep.py`` before the scheduler starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound

from contracts import project_name

# A task in any of these states comes back to its container, or makes another one.
ALIVE = {"running", "queued", "scheduled", "restarting", "up_for_retry", "deferred", None}
# What is told of a task that Airflow does not know.
GONE = "gone"
# A container that does not say of which run it is, as the watchdog's, lives two minutes at most.
OLD_SECONDS = 3600
ATTEMPTS = 3
# Airflow kills a task's process five seconds after asking it to stop: its container gets less.
STOP_SECONDS = 3

StateOf = Callable[[str, str, str], str | None]
Warn = Callable[..., object]


def sweep(client: APIClient, state_of: StateOf, warn: Warn) -> None:
    """Remove the containers of this project whose tasks are over.

    ``state_of`` returns the state of a task by its DAG, run and task id.
    """
    for container in client.containers(
        all=True, filters={"label": f"ad-click.project={project_name()}"}
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
            remove(client, container["Id"], warn)


def stop(client: APIClient, container: str, warn: Warn) -> None:
    """Ask a container to end, and kill it if it has not after STOP_SECONDS."""
    try:
        client.stop(container, timeout=STOP_SECONDS)
    except NotFound:
        pass
    except (DockerException, OSError) as error:
        warn("container %s does not stop: %s", container, error)


def remove(client: APIClient, container: str, warn: Warn, *, ended: bool = False) -> None:
    """Stop and remove a container; an engine that refuses, as a busy one may, is asked again.

    One that is known to have ``ended`` is not stopped.
    """
    if not ended:
        stop(client, container, warn)
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
