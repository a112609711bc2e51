"""One stage of a run as its folder on the volume tells it, whatever state that folder is in.

The folder holds ``report.json`` (written by the stage), ``task.json`` (written by Airflow, so not
there when a person ran the stage by hand) and ``progress.json`` while the stage works. A file that
is missing says nothing; one that cannot be read is named among the stage's ``problems``. The tasks
that send mail have a ``task.json`` only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .files import LIMIT, Tree, UnreadableError
from .record import Record

STAGES = (
    "start_pipeline",
    "load_data",
    "data_preprocessing",
    "separate_data",
    "build_model",
    "evaluate_model",
    "model_summary",
    "trigger_flask_api",
    "end_pipeline",
)
# Those of a run that predicts by the published model.
PREDICTION = ("start_pipeline", "load_data", "predict")
MAILS = ("success_email", "failure_email")
# What a report says of a stage that made its outputs, or took them over from an earlier run.
FINISHED = ("done", "up to date")
TASK_STATES = {"running", "success", "up_for_retry", "failed"}


@dataclass(frozen=True)
class File:
    """A file of a run: its path below the run's folder, its size in bytes, its sha256 in hex."""

    path: str
    bytes: int | None
    sha256: str | None


@dataclass(frozen=True)
class Try:
    """One try of a task; Airflow counts them from 1."""

    number: int | None
    state: str | None
    started: datetime | None
    ended: datetime | None
    cause: str | None
    message: str | None
    exit_code: int | None


@dataclass(frozen=True)
class Stage:
    """A stage of a run, or one of its mails.

    ``state`` is one of waiting, queued, running, up_for_retry, success, failed, not_run.
    ``seconds`` is the stage's own time where its report says it, else the task's with its
    container's start. ``done`` is the report's own word, which stands before Airflow has heard of
    it. ``former_tries`` are those before this one. ``peak_memory`` is in bytes. ``taken_from`` is
    the run whose outputs an up to date stage took over, and ``why`` says in one sentence why it did
    so, or what made it work.
    """

    name: str
    state: str = "waiting"
    done: bool = False
    taken_from: str | None = None
    why: str | None = None
    queued: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    seconds: float | None = None
    try_number: int | None = None
    exit_code: int | None = None
    cause: str | None = None
    message: str | None = None
    advice: str | None = None
    rows: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    peak_memory: int | None = None
    image: str | None = None
    image_id: str | None = None
    files: list[File] = field(default_factory=list)
    fraction: float | None = None
    doing: str | None = None
    log_tail: list[str] = field(default_factory=list)
    docker_run: str | None = None
    former_tries: list[Try] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    last_sign: datetime | None = None
    dag_id: str | None = None
    logical_date: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the stage failed, finally or until its next try."""
        return self.state in ("failed", "up_for_retry")

    @property
    def up_to_date(self) -> bool:
        """Whether the stage took over what an earlier run had made."""
        return self.state == "success" and self.taken_from is not None

    @property
    def tries(self) -> list[Try]:
        """All tries that are known, oldest first."""
        if not self.started:
            return self.former_tries
        newest = Try(
            number=self.try_number,
            state=self.state,
            started=self.started,
            ended=self.ended,
            cause=self.cause,
            message=self.message,
            exit_code=self.exit_code,
        )
        return [*self.former_tries, newest]


def read_stage(run: Tree, folder: str, name: str) -> Stage:
    """Return a stage from its reports in the run's folder, whose name is ``folder``."""
    problems: list[str] = []
    try:
        with run.inside(name) as stage:
            report, task, progress = (
                read_file(stage, f"{kind}.json", problems, f"{folder}/{name}/")
                for kind in ("report", "task", "progress")
            )
    except (FileNotFoundError, UnreadableError):
        return Stage(name)
    state = stage_state(report, task, progress)
    last_sign = last_sign_of(report, task, progress)
    done = report.text("status") in FINISHED
    working = state == "running"
    if working:  # what an earlier try reported says nothing of this one
        report = Record()
    failed = state in ("failed", "up_for_retry")
    error = report.record("error")
    metrics = report.record("metrics")
    return Stage(
        name=name,
        state=state,
        done=done,
        taken_from=report.run_id("taken_from"),
        why=report.text("why"),
        queued=task.time("queued"),
        started=task.time("started") or report.time("started"),
        ended=task.time("ended") or end_of(report),
        seconds=report.number("seconds") or task.number("seconds"),
        try_number=task.whole("try_number"),
        exit_code=exit_code_of(report, task),
        cause=(task.text("cause") or error.text("cause")) if failed else None,
        message=(task.text("message") or error.text("message")) if failed else None,
        advice=task.text("advice") if failed else None,
        rows={
            k: n for k in metrics.content if "rows" in k and (n := metrics.number(k)) is not None
        },
        metrics=metrics.content,
        parameters=report.record("parameters").content,
        versions=report.record("versions").content,
        peak_memory=report.whole("peak_memory_bytes"),
        image=task.text("image"),
        image_id=task.text("image_id"),
        files=read_outputs(report, f"{folder}/"),
        fraction=progress.number("fraction") if working else None,
        doing=progress.text("message") if working else None,
        log_tail=task.texts("log_tail"),
        docker_run=task.text("docker_run"),
        former_tries=[read_try(former) for former in task.records("tries")],
        problems=problems,
        last_sign=last_sign,
        dag_id=task.text("dag_id"),
        logical_date=task.text("logical_date"),
    )


def read_try(former: Record) -> Try:
    """Return an earlier try from what ``task.json`` keeps of it."""
    return Try(
        number=former.whole("try_number"),
        state=former.text("state"),
        started=former.time("started"),
        ended=former.time("ended"),
        cause=former.text("cause"),
        message=former.text("message"),
        exit_code=former.whole("exit_code"),
    )


def stage_state(report: Record, task: Record, progress: Record) -> str:
    """Return a stage's state. Airflow's word stands above the stage's: it knows of later tries."""
    if (known := task.text("state")) in TASK_STATES:
        return str(known)
    if (status := report.text("status")) in (*FINISHED, "failed"):
        return "failed" if status == "failed" else "success"
    return "running" if progress.content else "waiting"


def exit_code_of(report: Record, task: Record) -> int | None:
    """Return how the stage's process ended, None while that is not known."""
    if task.content:
        return task.whole("exit_code")
    return 0 if report.text("status") in FINISHED else report.record("error").whole("code")


def end_of(report: Record) -> datetime | None:
    """Return when the work that a report tells of ended."""
    started, seconds = report.time("started"), report.number("seconds")
    try:
        return started + timedelta(seconds=seconds) if started and seconds is not None else None
    except OverflowError:
        return None


def last_sign_of(report: Record, task: Record, progress: Record) -> datetime | None:
    """Return the newest time that a stage's files tell."""
    times = (
        report.time("started"),
        end_of(report),
        task.time("started"),
        task.time("ended"),
        progress.time("updated"),
    )
    return max((time for time in times if time), default=None)


def read_outputs(report: Record, prefix: str) -> list[File]:
    """Return the files that a stage reports to have made in its run's folder."""
    return [
        File(path.removeprefix(prefix), output.whole("bytes"), output.text("sha256"))
        for output in report.records("outputs")
        if (path := output.text("path")) and path.startswith(prefix)
    ]


def read_file(
    tree: Tree, name: str, problems: list[str], folder: str, limit: int = LIMIT
) -> Record:
    """Return a JSON file's content, empty where there is none; note it when it is unreadable.

    ``folder`` is where the tree is on the volume, for the note.
    """
    try:
        return tree.record(name, limit)
    except FileNotFoundError:
        return Record()
    except UnreadableError as reason:
        problems.append(f"{folder}{name} {reason}")
        return Record()
