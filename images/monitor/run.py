"""One run as its folder on the volume tells it, whatever state that folder is in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .evaluation import Evaluation, read_evaluation
from .files import Tree, UnreadableError
from .record import Record
from .stages import MAILS, STAGES, Stage, read_file, read_stage

STAGE_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
FIGURE = re.compile(r"[a-z][a-z0-9_]{0,99}\.svg")


@dataclass(frozen=True)
class Run:
    """A run; ``state`` is success, failed or running. ``ended`` is None while it is running."""

    run_id: str
    state: str
    started: datetime
    ended: datetime | None
    last_sign: datetime
    dag_id: str | None
    logical_date: str | None
    dataset: str | None
    source: Record
    stages: list[Stage]
    mails: list[Stage]
    evaluation: Evaluation | None
    figures: list[str]
    published: bool | None
    reason: str | None
    problems: list[str]

    @property
    def seconds(self) -> float | None:
        """How long the run took; None while it is running."""
        return max(0.0, (self.ended - self.started).total_seconds()) if self.ended else None

    @property
    def failures(self) -> list[Stage]:
        """The stages and mails that failed, or that wait for another try."""
        return [s for s in self.stages + self.mails if s.state in ("failed", "up_for_retry")]


def read_run(tree: Tree, run_id: str) -> Run:
    """Return the run in ``runs/<run_id>``; FileNotFoundError or UnreadableError where none is."""
    folder = f"runs/{run_id}"
    stages = [read_stage(tree, folder, name) for name in STAGES] + read_others(tree, folder)
    mails = [read_stage(tree, folder, name) for name in MAILS]
    problems: list[str] = []
    head = read_file(tree, f"{folder}/start_pipeline/run.json", problems)
    summary = read_file(tree, f"{folder}/model_summary/model_summary.json", problems)
    metrics = read_file(tree, f"{folder}/evaluate_model/metrics.json", problems)
    state = state_of(stages + mails)
    if state != "running":
        stages = [replace(s, state="not_run") if s.state == "waiting" else s for s in stages]
    tasks = [stage.task for stage in stages + mails]
    changed = datetime.fromtimestamp(tree.modified(folder), UTC)
    last_sign = max((s.last_sign for s in stages + mails if s.last_sign), default=changed)
    return Run(
        run_id=run_id,
        state=state,
        started=head.time("started") or first_start(stages) or changed,
        ended=None if state == "running" else last_sign,
        last_sign=last_sign,
        dag_id=next((found for task in tasks if (found := task.text("dag_id"))), None),
        logical_date=next((found for task in tasks if (found := task.text("logical_date"))), None),
        dataset=head.text("dataset"),
        source=head.record("source"),
        stages=stages,
        mails=mails,
        evaluation=read_evaluation(metrics),
        figures=read_figures(tree, folder),
        published=summary.flag("published"),
        reason=summary.text("reason"),
        problems=problems,
    )


def read_others(tree: Tree, folder: str) -> list[Stage]:
    """Return the stages of a run that the pipeline as it stands here does not have."""
    names = [entry.name for entry in tree.entries(folder) if STAGE_NAME.fullmatch(entry.name)]
    stages = [read_stage(tree, folder, name) for name in names if name not in STAGES + MAILS]
    return [stage for stage in stages if stage.state != "waiting" or stage.problems]


def read_figures(tree: Tree, run_folder: str) -> list[str]:
    """Return the evaluation's figures, as paths below the run's folder."""
    folder = "evaluate_model/figures"
    try:
        entries = tree.entries(f"{run_folder}/{folder}")
    except (FileNotFoundError, UnreadableError):
        return []
    return [f"{folder}/{entry.name}" for entry in entries if FIGURE.fullmatch(entry.name)]


def read_start(tree: Tree, run_id: str) -> datetime:
    """Return when a run started, reading no more of it than that takes."""
    folder = f"runs/{run_id}"
    started = read_file(tree, f"{folder}/start_pipeline/run.json", []).time("started")
    return started or read_run(tree, run_id).started


def state_of(stages: list[Stage]) -> str:
    """Return a run's state: failed when a task failed finally, success when its end is done."""
    if any(stage.state == "failed" for stage in stages):
        return "failed"
    ended = (s.name == "end_pipeline" and (s.done or s.state == "success") for s in stages)
    return "success" if any(ended) else "running"


def first_start(stages: list[Stage]) -> datetime | None:
    """Return when the first stage started."""
    return min((stage.started for stage in stages if stage.started), default=None)
