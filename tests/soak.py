"""An hour of runs while parts of the stack are killed at random: ``make soak``, not a part of CI.

Every run has to end green, or red with a cause that has a name; nothing may be left behind, and the
published model has to be one run's. The figures go to benchmarks/soak.json.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import subprocess
import time
import urllib.error
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "soak.json"
SERVICES = ("airflow-scheduler", "airflow-apiserver", "postgres", "docker-proxy", "mailbox",
            "monitor", "predictor", "airflow-dag-processor")  # fmt: skip
AT_ONCE = 2
KEPT_RUNS = 1000  # all: what is told of them at the end is read from their folders

pytestmark = pytest.mark.stack


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


class Soak:
    """Keeps runs going, and kills."""

    def __init__(self, stack: Any, seed: int) -> None:
        self.stack = stack
        self.random = random.Random(seed)
        self.runs: list[str] = []
        self.kills: Counter[str] = Counter()

    def states(self) -> dict[str, str]:
        """Return the state of each run that was started."""
        answer = self.stack.airflow(
            "GET", "/api/v2/dags/ml_pipeline_advertising/dagRuns?limit=100&order_by=-run_after"
        )
        known = {run["dag_run_id"]: run["state"] for run in answer["dag_runs"]}
        return {run: known.get(run, "unknown") for run in self.runs[-100:]}

    def keep_running(self) -> None:
        """Start runs, so that two go on at once."""
        going = [s for s in self.states().values() if s in ("running", "queued")]
        for _ in range(AT_ONCE - len(going)):
            self.runs.append(self.stack.trigger(keep_runs=KEPT_RUNS))

    def kill(self) -> None:
        """SIGKILL a service, which is started again after some seconds, or a stage."""
        stages = self.stack.containers()
        if stages and self.random.random() < 0.3:
            docker("kill", "--signal=KILL", self.random.choice(stages))
            self.kills["a stage"] += 1
            return
        service = self.random.choice(SERVICES)
        name = self.stack.service(service)
        docker("kill", "--signal=KILL", name)
        self.kills[service] += 1
        time.sleep(self.random.uniform(0, 10))
        docker("start", name)


def test_soak(stack: Any) -> None:
    """Runs for SOAK_MINUTES, 60 by default; SOAK_SEED repeats the kills of another time."""
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    seed = int(os.environ.get("SOAK_SEED", time.time()))
    print(f"seed {seed}")
    soak = Soak(stack, seed)
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError):  # what answers is down just now
            soak.keep_running()
        time.sleep(soak.random.uniform(5, 30))
        soak.kill()

    over = {"success", "failed"}
    stack.until(lambda: str(all(s in over for s in answered(soak.states).values())), {"True"})
    states = soak.states()
    causes: Counter[str] = Counter()
    unnamed = []
    for run, state in states.items():
        if state == "failed":
            failed = [note for note in notes(stack, run) if note["state"] == "failed"]
            causes.update(str(note["cause"]) for note in failed)
            unnamed += [run] if not failed or any(not n["cause"] for n in failed) else []
    taken_over = sum(
        any(t["cause"] == "lost" for t in note["tries"]) and note["state"] == "success"
        for run in states
        for note in notes(stack, run)
    )
    stack.until(lambda: str(stack.containers()), {"[]"})
    summary = json.loads(stack.published()["model_summary.json"])
    model = hashlib.sha256(stack.published()["logistic_regression_model.pkl"]).hexdigest()
    report = stack.read_json(summary["run_id"], "build_model/report.json")
    RESULTS.write_text(
        json.dumps(
            {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "minutes": minutes,
                "seed": seed,
                "kills": dict(soak.kills.most_common()),
                "runs": dict(Counter(states.values())),
                "causes_of_red_runs": dict(causes),
                "tasks_taken_up_after_a_crash": taken_over,
                "containers_left": 0,
            },
            indent=2,
        )
        + "\n"
    )
    assert unnamed == []
    assert model in {output["sha256"] for output in report["outputs"]}


def answered(ask: Any) -> dict[str, str]:
    """Return an answer, or one that says that there is none."""
    try:
        found: dict[str, str] = ask()
    except (OSError, urllib.error.URLError):
        return {"nobody": "answers"}
    return found


def notes(stack: Any, run: str) -> list[dict[str, Any]]:
    """Return every task.json of a run."""
    paths = (stack.volume / "runs" / run).glob("*/task.json")
    return [json.loads(path.read_text()) for path in paths]
