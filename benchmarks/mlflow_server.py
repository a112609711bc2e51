"""MLflow's tracking server with the same history, as something well known to compare with.

It lives in a virtual environment of its own below a folder of the measurement, never among the
project's packages. MLflow's own API writes one run; the rows that this left in its SQLite database
are the pattern for those of all other runs, which are inserted at once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from http_client import Answer, Request
from load import ask_once
from mlflow_rows import head_of, insert_like, metrics_of, params_of, tags_of
from monitor_container import free_port
from planned_run import PlannedRun
from processes import family

WORKERS = 2
PAGE_ROWS = 25
START_LIMIT_SECONDS = 180
API = "/ajax-api/2.0/mlflow"
EXPERIMENT = "ml_pipeline_advertising"
NEWEST_FIRST = ["attributes.start_time DESC"]


def install(folder: Path) -> Path:
    """Install the newest MLflow below a folder and return the folder of its programs."""
    programs = folder / "mlflow" / "bin"
    uv = str(Path(sys.executable).parent / "uv")
    run([uv, "venv", "--quiet", f"--python={sys.executable}", str(programs.parent)])
    python = f"--python={programs / 'python'}"
    # With its bytecode: the server's start is measured.
    run([uv, "pip", "install", "--quiet", "--compile-bytecode", python, "mlflow"])
    return programs


def run(command: list[str]) -> str:
    """Return the output of a command; a failure ends the measurement."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout.strip()


@dataclass
class MlflowServer:
    """The server and its database below ``folder``."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    experiment: str = "0"
    ids: list[str] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The file of the SQLite database."""
        return self.folder / "mlflow.db"

    def start(self, programs: Path) -> float:
        """Start the server; return the seconds until it lists runs."""
        self.port = free_port()
        begun = time.monotonic()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        # Nothing beside the server: it neither reports its use nor runs jobs of its own.
        environment |= {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(str(programs / "mlflow"), "server", "--host=127.0.0.1"),
                    *(f"--port={self.port}", f"--workers={WORKERS}"),
                    f"--backend-store-uri=sqlite:///{self.database}",
                    f"--default-artifact-root={self.folder / 'artifacts'}",
                ],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that all of it can be ended together
            )
        while time.monotonic() < begun + START_LIMIT_SECONDS:
            if ask_once(self.port, search("", self.experiment)).status == 200:
                return round(time.monotonic() - begun, 3)
            time.sleep(0.05)
        sys.exit(f"error: MLflow does not start, see {self.folder / 'server.log'}")

    def stop(self) -> None:
        """End the server and all that it started."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None

    def pids(self) -> list[int]:
        """Return the server's processes."""
        assert self.process, "the server runs"
        return family(self.process.pid)

    def call(self, name: str, body: object) -> Any:
        """Return the answer to a call of the API."""
        answer: Answer = ask_once(self.port, Request(name, f"{API}/{name}", body))
        if answer.status != 200:
            sys.exit(f"error: MLflow answered {name} with {answer.status}: {answer.body[:500]!r}")
        return json.loads(answer.body)

    def fill(self, runs: list[PlannedRun]) -> None:
        """Put the runs into the database: the first through the API, the others like it."""
        self.experiment = self.call("experiments/create", {"name": EXPERIMENT})["experiment_id"]
        whole = next(planned for planned in runs if planned.outcome == "success")
        pattern = self.write_by_api(whole)
        self.stop()
        with sqlite3.connect(self.database) as database:
            database.row_factory = sqlite3.Row
            others = [planned for planned in runs if planned is not whole]
            self.ids = [pattern, *insert_like(database, pattern, others)]
        database.close()

    def write_by_api(self, planned: PlannedRun) -> str:
        """Write one run as MLflow's client would and return its id."""
        head = head_of(planned)
        moment = head["start_time"]
        body = {"experiment_id": self.experiment, "run_name": planned.run_id, "start_time": moment}
        created = self.call("runs/create", body)
        run_id = str(created["run"]["info"]["run_id"])
        at = {"timestamp": moment, "step": 0}
        batch = {
            "run_id": run_id,
            "metrics": [{"key": k, "value": v, **at} for k, v in metrics_of(planned).items()],
            "params": [{"key": k, "value": v} for k, v in params_of(planned).items()],
            "tags": [{"key": k, "value": v} for k, v in tags_of(planned).items()],
        }
        self.call("runs/log-batch", batch)
        ended = {"run_id": run_id, "status": head["status"], "end_time": head["end_time"]}
        self.call("runs/update", ended)
        return run_id

    def check(self, runs: list[PlannedRun]) -> None:
        """End the measurement unless the server tells the newest run as it was planned."""
        planned = runs[-1]
        answer = ask_once(self.port, search("", self.experiment))
        told = json.loads(answer.body)["runs"][0]
        found = {pair["key"]: pair["value"] for pair in told["data"]["metrics"]}
        if told["info"]["run_name"] != planned.run_id or found != metrics_of(planned):
            sys.exit(f"error: MLflow tells {told} of {planned}")


def search(kind: str, experiment: str, wanted: str = "") -> Request:
    """Return the request for a page of runs, newest first."""
    body = {"experiment_ids": [experiment], "filter": wanted, "max_results": PAGE_ROWS}
    return Request(kind, f"{API}/runs/search", body | {"order_by": NEWEST_FIRST})


def draw_requests(server: MlflowServer, count: int, seed: int) -> list[Request]:
    """Return what MLflow's own pages ask for, at random."""
    generator = random.Random(seed)

    def draw() -> Iterator[Request]:
        for kind in generator.choices(("front", "runs", "filtered", "run"), (1, 3, 2, 4), k=count):
            if kind == "front":
                yield Request("GET /", "/")
            elif kind == "run":
                run_id = generator.choice(server.ids)
                yield Request("runs/get", f"{API}/runs/get?run_id={run_id}")
            elif kind == "runs":
                yield search("runs/search", server.experiment)
            else:
                wanted = generator.choice((
                    f"metrics.accuracy > {generator.uniform(0.93, 0.99):.4f}",
                    f"params.C = '{generator.choice((0.01, 0.1, 1.0))}'",
                    "attributes.status = 'FAILED'",
                ))  # fmt: skip
                yield search("runs/search, filtered", server.experiment, wanted)

    return list(draw())
