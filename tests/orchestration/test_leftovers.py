"""What a crash leaves: which containers are removed, by real ones on the real engine."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import APIClient

import leftovers
from leftovers import ALIVE, GONE, remove, sweep

# docker-py closes its sockets when they are collected, not before.
pytestmark = [
    pytest.mark.image,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
]


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"ad-click-leftovers-{os.getpid()}"
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", name)
    return name


@pytest.fixture
def leave(settings: dict[str, str], project: str) -> Iterator[Callable[..., str]]:
    """Leaves a container with labels, running or only created; returns its id."""
    made = []
    image = f"localhost/ad-click/start_pipeline:{settings['IMAGE_TAG']}"

    def make(verb: str = "create", **labels: str) -> str:
        words = {"project": project, "dag": "dag", "run": "run", "task": "task"} | labels
        options = [f"--label=ad-click.{name}={value}" for name, value in words.items() if value]
        if verb == "run":
            options.append("--detach")
        made.append(docker(verb, "--entrypoint=sleep", "--network=none", *options, image, "600"))
        return made[-1]

    yield make
    for container in made:
        subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)
    gc.collect()


@pytest.fixture
def client(socket_url: str) -> APIClient:
    return APIClient(socket_url, version="auto")


def there(project: str) -> set[str]:
    label = f"label=ad-click.project={project}"
    return set(docker("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split())


class Said(list[str]):
    """Keeps what is warned of."""

    def __call__(self, text: str, *values: object) -> None:
        """Keep a line."""
        self.append(text % values)


@pytest.mark.drill
def test_containers_of_tasks_that_are_over_go_and_the_others_stay(client, leave, project):
    """Containers are left of tasks in each of Airflow's states, and of one that is unknown."""
    states: dict[str, Any] = {f"alive-{state}": state for state in ALIVE}
    over = ("success", "failed", "upstream_failed", "skipped", "removed", GONE)
    states |= {f"over-{state}": state for state in over}
    left = {run: leave("run" if state == "failed" else "create", run=run)
            for run, state in states.items()}  # fmt: skip
    said = Said()
    sweep(client, lambda dag, run, task: states[run], said)
    assert there(project) == {left[run] for run in left if run.startswith("alive")}
    assert len(said) == len(over)
    assert f"removing container {left['over-gone']}, left by task of run over-gone" in said[
        -1
    ] + str(said)


def test_containers_of_another_stack_stay(client, leave, project):
    other = leave(project=f"{project}-other")
    sweep(client, lambda *_: GONE, Said())
    assert there(f"{project}-other") == {other}


def test_container_that_names_no_run_goes_when_it_is_old(client, leave, project, monkeypatch):
    left = leave(run="")
    sweep(client, lambda *_: GONE, Said())
    assert there(project) == {left}
    monkeypatch.setattr(leftovers, "OLD_SECONDS", -1)
    sweep(client, lambda *_: GONE, Said())
    assert there(project) == set()


@pytest.mark.drill
def test_engine_that_refuses_is_asked_again(make_relay, leave, project):
    """The engine refuses twice to remove a container."""
    left, said = leave(), Said()
    remove(APIClient(make_relay(refusals=2).url, version="auto"), left, said)
    assert (there(project), said) == (set(), [])


@pytest.mark.drill
def test_container_that_the_engine_does_not_remove_is_the_next_sweeps(
    make_relay, client, leave, project
):
    """The engine refuses every time to remove a container."""
    left, said = leave(), Said()
    remove(APIClient(make_relay(refusals=99).url, version="auto"), left, said)
    assert there(project) == {left}
    assert "is left for the next sweep" in said[0]
    assert "device or resource busy" in said[0]
    sweep(client, lambda *_: "failed", said)
    assert there(project) == set()


def test_container_that_is_gone_already_is_no_matter(client, project):
    said = Said()
    remove(client, "0" * 64, said)
    assert said == []
