"""A run that waits in build_model until a drill lets it go on, and what has to hold of it then."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
from collections.abc import Callable
from typing import Any

DAG = "/api/v2/dags/ml_pipeline_advertising"
# build_model, which first prints a number each second, and ends when the test says so.
SLOW = """
import time
from pathlib import Path

from build_model.work import run as work


def run(run):
    second = 0
    while not Path("/shared_volume/go-on").exists():
        print("second", second, flush=True)
        second += 1
        time.sleep(1)
    return work(run)
"""


class Drill:
    """A run that waits in ``build_model``, and the services that it stands on."""

    def __init__(self, stack: Any, words: str = "second ") -> None:
        self.stack = stack
        self.words = words
        self.killed: set[str] = set()
        self.go = stack.volume / "go-on"
        self.go.unlink(missing_ok=True)

    def start(self, **conf: object) -> str:
        """Start a run and wait for the first words of ``build_model``; return the run's id."""
        self.run_id = self.stack.trigger(**conf)
        stage = self.stack.volume / "runs" / self.run_id / "build_model"
        self.until(lambda: (stage / "progress.json").exists())
        (self.container,) = self.stack.containers()
        self.until(lambda: self.words in docker("logs", self.container))
        return self.run_id

    def go_on(self) -> None:
        """Let ``build_model`` do its work."""
        self.go.touch()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; what is down meanwhile does not answer."""

        def ask() -> str:
            with contextlib.suppress(OSError, urllib.error.URLError):
                return str(holds())
            return "no answer"

        self.stack.until(ask, {"True"})

    def end(self) -> str:
        """Wait until the run is over, whatever is down for a while; return its state."""
        path = f"{DAG}/dagRuns/{quote(self.run_id)}"
        over = {"success", "failed"}
        self.until(lambda: self.stack.airflow("GET", path)["state"] in over)
        return str(self.stack.airflow("GET", path)["state"])

    def state(self, task: str = "build_model") -> str:
        """Return a task's state."""
        return str(self.stack.tasks(self.run_id)[task]["state"])

    def note(self, task: str = "build_model") -> dict[str, Any]:
        """Return a task's note."""
        note: dict[str, Any] = self.stack.read_json(self.run_id, f"{task}/task.json")
        return note

    def kill(self, *names: str) -> None:
        """Kill services with SIGKILL."""
        self.killed.update(names)
        docker("kill", "--signal=KILL", *map(self.stack.service, names))

    def begin_again(self, *names: str) -> None:
        """Start services that were killed, as the engine does after a crash that is not ours."""
        for name in names:
            docker("start", self.stack.service(name))


def quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def seconds_of(log: str) -> list[int]:
    """Return the numbers that the slow stage printed into a task's log."""
    events = [entry["event"] for entry in json.loads(log)["content"]]
    return [int(event.split()[1]) for event in events if event.startswith("second ")]


def assert_green(drill: Drill, tries: int = 1) -> None:
    """The run is green, the one container did the work and nothing is left."""
    assert drill.end() == "success", drill.stack.tasks(drill.run_id)
    note = drill.note()
    assert note["container_id"].startswith(drill.container)
    assert [t["cause"] for t in note["tries"]] == ["lost"] * (tries - 1)
    assert note["try_number"] == tries
    log = drill.stack.task_log(drill.run_id, "build_model", tries)
    seconds = seconds_of(log)
    assert seconds == list(range(len(seconds)))
    assert seconds
    assert drill.stack.containers() == []
