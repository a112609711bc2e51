"""What Airflow knows and the volume does not: runs and tasks that wait.

The volume stays the truth about what was done. Airflow is asked over its REST API by one process;
its answer is kept in the index, where every process finds it. Without an answer pages say so and
show what the volume says.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson
import urllib3

from .index import Index
from .record import Record, clean
from .run import Run
from .stages import MAILS, PREDICTION, STAGES, Stage

DAG = "ml_pipeline_advertising"
# Those that leave their runs on the volume, and what each is planned with.
PLANNED = {DAG: STAGES, f"{DAG}_spark": STAGES, "predict_advertising": PREDICTION}
USER = "monitor"
# An answer that is older says nothing of now.
FRESH = timedelta(seconds=20)
# Each answer takes Airflow an eighth of a second, of which its tasks have less meanwhile.
BUSY_SECONDS, IDLE_SECONDS, DOWN_SECONDS = 2.0, 4.0, 10.0
NEWEST = 20
UNFINISHED = ("queued", "running")
# What a task's state in Airflow says of a stage that has left nothing on the volume yet.
STATES = {
    "scheduled": "queued",
    "queued": "queued",
    "running": "running",
    "restarting": "running",
    "deferred": "running",
    "up_for_retry": "up_for_retry",
    "up_for_reschedule": "up_for_retry",
    "upstream_failed": "not_run",
    "skipped": "not_run",
    "removed": "not_run",
}

# What becomes of a stage whose run ended in Airflow while the volume had it in such a state.
ENDED = {"waiting": "not_run", "running": "not_run", "up_for_retry": "failed"}


@dataclass(frozen=True)
class LiveTask:
    """A task as Airflow has it; ``queued`` is when it began to wait for a slot."""

    state: str | None
    try_number: int | None
    queued: datetime | None
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class LiveRun:
    """A run as Airflow has it; tasks only where it has not ended."""

    run_id: str
    dag_id: str
    state: str
    queued: datetime | None
    started: datetime | None
    ended: datetime | None
    tasks: dict[str, LiveTask] = field(default_factory=dict)


@dataclass(frozen=True)
class Live:
    """Airflow's last answer; ``error`` says why there is none, None when it is not asked."""

    asked: datetime | None = None
    error: str | None = None
    runs: dict[str, LiveRun] = field(default_factory=dict)

    @property
    def waiting(self) -> list[LiveRun]:
        """The runs that wait in Airflow for their start, oldest first."""
        waiting = [run for run in self.runs.values() if run.state == "queued"]
        return sorted(waiting, key=lambda run: run.queued or datetime.max.replace(tzinfo=UTC))

    def join(self, run: Run) -> Run:
        """Return the run with what Airflow adds to it, while that says something of now."""
        known = self.runs.get(run.run_id)
        if known is None or run.over:
            return run
        if known.state in ("success", "failed"):
            return end(run, known)
        return replace(
            run,
            stages=[join_stage(stage, known.tasks.get(stage.name)) for stage in run.stages],
            mails=[join_stage(mail, known.tasks.get(mail.name)) for mail in run.mails],
        )

    def only(self, run_id: str) -> Run | None:
        """Return a run that Airflow knows and the volume does not, or None."""
        known = self.runs.get(run_id)
        if known is None or known.state not in UNFINISHED:
            return None
        run = Run(
            run_id=run_id,
            state="queued",
            started=known.started or known.queued or self.asked or datetime.now(UTC),
            dag_id=known.dag_id,
            stages=[Stage(name) for name in PLANNED.get(known.dag_id, STAGES)],
            mails=[Stage(name) for name in MAILS],
        )
        return self.join(run)


def join_stage(stage: Stage, task: LiveTask | None) -> Stage:
    """Return a stage that waits with the state that its task has in Airflow."""
    if task is None or stage.state != "waiting":
        return stage
    state = STATES.get(task.state or "", stage.state)
    return replace(stage, state=state, queued=task.queued, try_number=task.try_number or None)


def end(run: Run, known: LiveRun) -> Run:
    """Return a run that ended in Airflow before its last stage could say so on the volume."""
    ended = known.ended or run.last_sign
    stages = [
        replace(stage, state=ENDED.get(stage.state, stage.state), fraction=None, doing=None)
        for stage in run.stages
    ]
    return replace(run, state=known.state, ended=ended, stages=stages)


class Airflow:
    """Asks Airflow's REST API with the Viewer's account."""

    def __init__(self, address: str, password: str) -> None:
        self.address = address.rstrip("/")
        self.account = {"username": USER, "password": password}
        self.token = ""
        self.http = urllib3.PoolManager(timeout=3, retries=False, maxsize=2)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Record:
        """Return an answer; an expired token is renewed once. OSError or ValueError else."""
        for last in (False, True):
            if not self.token:
                answer = self.send("POST", "/auth/token", self.account)
                self.token = answer.text("access_token") or ""
            try:
                return self.send(method, path, body)
            except PermissionError:
                self.token = ""
                if last:
                    raise
        raise AssertionError("unreachable")

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Record:
        """Return the JSON object that a request is answered with."""
        headers = {"Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = orjson.dumps(body) if body else None
        try:
            answer = self.http.request(method, self.address + path, body=content, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"no answer from {self.address}") from error
        if answer.status in (401, 403):
            raise PermissionError(f"{self.address} refuses the account {USER!r}")
        if answer.status == 404:
            raise FileNotFoundError(f"{self.address} has no {path.partition('?')[0]}")
        if answer.status >= 400:
            raise ConnectionError(f"{self.address} answers {answer.status}")
        told = clean(orjson.loads(answer.data))
        return Record(told if isinstance(told, dict) else {})

    def runs(self, also: Iterable[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """Return the newest runs, and those named, as plain values that JSON can hold.

        ``also`` are the ids of runs and their DAGs. A run that Airflow does not have, or has no
        longer, is left out.
        """
        wanted = {"dag_ids": list(PLANNED), "order_by": "-run_after", "page_limit": NEWEST}
        found = self.ask("POST", "/api/v2/dags/~/dagRuns/list", wanted).records("dag_runs")
        names = {run.text("dag_run_id") for run in found}
        for run_id, dag_id in also:
            if run_id not in names:
                with contextlib.suppress(FileNotFoundError):
                    found.append(self.ask("GET", path_of(run_id, dag_id)))
        runs = []
        for run in found:
            with contextlib.suppress(FileNotFoundError):
                runs.append(self.describe(run))
        return [run for run in runs if run["run_id"]]

    def describe(self, run: Record) -> dict[str, Any]:
        """Return what is kept of a run; one that is not over is asked for its tasks."""
        run_id, dag_id = run.text("dag_run_id") or "", run.text("dag_id") or DAG
        tasks = {}
        if run.text("state") in UNFINISHED:
            path = f"{path_of(run_id, dag_id)}/taskInstances?limit=100"
            tasks = {
                task.text("task_id"): {
                    "state": task.text("state"),
                    "try_number": task.whole("try_number"),
                    "queued": task.text("queued_when"),
                    "started": task.text("start_date"),
                    "ended": task.text("end_date"),
                }
                for task in self.ask("GET", path).records("task_instances")
            }
        return {
            "run_id": run_id,
            "dag_id": dag_id,
            "state": run.text("state") or "",
            "queued": run.text("queued_at"),
            "started": run.text("start_date"),
            "ended": run.text("end_date"),
            "tasks": tasks,
        }


def path_of(run_id: str, dag_id: str) -> str:
    """Return a run's address in Airflow's API."""
    return f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


@dataclass
class Poller:
    """Keeps Airflow's newest answer in the index: often while a run is on, seldom else."""

    airflow: Airflow
    index: Index
    clock: Callable[[], float] = time.monotonic
    due: float = 0.0

    def poll(self) -> None:
        """Ask, if it is time to."""
        if self.clock() < self.due:
            return
        running = self.index.running_of(tuple(PLANNED), most=3)
        try:
            runs = self.airflow.runs(running)
        except (OSError, ValueError) as error:
            self.index.keep(live_error=f"Airflow does not answer: {error}", live_runs="[]")
            self.due = self.clock() + DOWN_SECONDS
            return
        busy = any(run["state"] in UNFINISHED for run in runs)
        self.index.keep(live_error=None, live_runs=orjson.dumps(runs).decode())
        self.index.note(live_asked=time.time())
        self.due = self.clock() + (BUSY_SECONDS if busy else IDLE_SECONDS)


def read_live(index: Index) -> Live:
    """Return Airflow's last answer as the index keeps it."""
    asked = index.meta("live_asked")
    error = index.meta("live_error")
    if asked is None and error is None:
        return Live()
    moment = datetime.fromtimestamp(asked, UTC) if asked else None
    if error is None and moment and datetime.now(UTC) - moment > FRESH:
        error = "Airflow was not asked for a while"
    if error:
        return Live(moment, error)
    runs = [read_live_run(Record(run)) for run in orjson.loads(index.meta("live_runs") or "[]")]
    return Live(moment, None, {run.run_id: run for run in runs})


def read_live_run(run: Record) -> LiveRun:
    """Return a run from what the index keeps of it."""
    tasks = run.record("tasks")
    return LiveRun(
        run_id=run.text("run_id") or "",
        dag_id=run.text("dag_id") or DAG,
        state=run.text("state") or "",
        queued=run.time("queued"),
        started=run.time("started"),
        ended=run.time("ended"),
        tasks={
            name: LiveTask(
                state=task.text("state"),
                try_number=task.whole("try_number"),
                queued=task.time("queued"),
                started=task.time("started"),
                ended=task.time("ended"),
            )
            for name in tasks.content
            if (task := tasks.record(name))
        },
    )
