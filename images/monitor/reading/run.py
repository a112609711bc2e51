"""One run as its folder on the volume tells it, whatever state that folder is in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .champion import Challenge, read_challenge
from .drift import Drift, read_drift
from .evaluation import Evaluation, read_evaluation
from .files import LARGE_LIMIT, LIMIT, Tree, UnreadableError
from .profile import Profile
from .record import Record, moment
from .stages import MAILS, PREDICTION, STAGES, Stage, read_file, read_stage

STAGE_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
FIGURE = re.compile(r"[a-z][a-z0-9_]{0,99}\.svg")


@dataclass(frozen=True)
class Check:
    """What the data check found: ``load_data/validation.json``.

    ``by_rule`` counts all violations by the rule they break; ``first`` are the first of them, each
    with a line or, of a file without lines, a row.
    """

    file: str | None
    valid: bool | None
    rows_read: int | None
    rows: int | None
    dropped: int | None
    dropped_by_reason: dict[str, Any]
    unknown_columns: list[str]
    violations: int | None
    by_rule: dict[str, Any]
    first: list[dict[str, Any]]


@dataclass(frozen=True)
class Warned:
    """What a stage that goes on warns of, in one sentence."""

    stage: str
    message: str


@dataclass(frozen=True)
class Run:
    """A run; ``state`` is queued, running, success or failed, ``ended`` None until it is over.

    ``profile`` is None until it is asked for.
    """

    run_id: str
    state: str
    started: datetime
    ended: datetime | None = None
    last_sign: datetime | None = None
    dag_id: str | None = None
    logical_date: str | None = None
    dataset: str | None = None
    purpose: str = "train"
    source: Record = field(default_factory=Record)
    stages: list[Stage] = field(default_factory=list)
    mails: list[Stage] = field(default_factory=list)
    check: Check | None = None
    profile: Profile | None = None
    metrics: Record = field(default_factory=Record)
    evaluation: Evaluation | None = None
    challenge: Challenge | None = None
    drift: Drift | None = None
    figures: list[str] = field(default_factory=list)
    published: bool | None = None
    same_as: str | None = None
    reason: str | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def tasks(self) -> list[Stage]:
        """The stages and the mails."""
        return self.stages + self.mails

    @property
    def begun_mails(self) -> list[Stage]:
        """The mails that were sent, are to be sent now, or could not be."""
        return [mail for mail in self.mails if mail.state not in ("waiting", "not_run")]

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.state in ("success", "failed")

    @property
    def scored_by(self) -> str | None:
        """The run whose model scored this one's rows; None where none did."""
        metrics = next((stage.metrics for stage in self.stages if stage.name == "predict"), {})
        return Record(metrics).record("model").text("run_id")

    @property
    def seconds(self) -> float | None:
        """How long the run took; None while it is running."""
        return max(0.0, (self.ended - self.started).total_seconds()) if self.ended else None

    @property
    def failures(self) -> list[Stage]:
        """The stages and mails that failed, or that wait for another try."""
        return [stage for stage in self.tasks if stage.failed]

    @property
    def warnings(self) -> list[Warned]:
        """What the stages warn of. A model that is refused leaves no report of its warnings."""
        told = [
            Warned(stage.name, message)
            for stage in self.stages
            for message in Record(stage.metrics).texts("warnings")
        ]
        found = (part.warnings for part in (self.evaluation, self.drift) if part)
        more = (Warned("evaluate_model", message) for messages in found for message in messages)
        return list(dict.fromkeys((*told, *more)))

    @property
    def parameters(self) -> dict[str, Any]:
        """What the stages were told, by the parameter's name."""
        return {name: value for stage in self.stages for name, value in stage.parameters.items()}

    @property
    def versions(self) -> dict[str, Any]:
        """The versions of Python and of the packages that the stages imported."""
        return {name: value for stage in self.stages for name, value in stage.versions.items()}

    @property
    def fraction(self) -> float:
        """How far the run is, 0 to 1: the share of its stages done, with the one at work."""
        known = [stage for stage in self.stages if stage.name in STAGES + PREDICTION]
        done = sum(
            1.0 if stage.state == "success" else min(1.0, max(0.0, stage.fraction or 0.0))
            for stage in known
        )
        return done / len(known) if known else 0.0

    @property
    def at_work(self) -> Stage | None:
        """The stage or mail that is running."""
        return next((stage for stage in self.tasks if stage.state == "running"), None)

    @property
    def all_problems(self) -> list[str]:
        """Every file of the run that can't be shown, with the reason."""
        return self.problems + [problem for stage in self.tasks for problem in stage.problems]


def read_run(tree: Tree, run_id: str) -> Run:
    """Return the run in ``runs/<run_id>``; FileNotFoundError or UnreadableError where none is."""
    with tree.inside(f"runs/{run_id}") as folder:
        return read_folder(folder, run_id)


def read_folder(tree: Tree, run_id: str) -> Run:
    """Return the run whose folder is the root of ``tree``."""
    place = f"runs/{run_id}"
    problems: list[str] = []
    head, summary, metrics, comparison, drift, validation = (
        read_file(tree, name, problems, f"{place}/", limit)
        for name, limit in (
            ("start_pipeline/run.json", LARGE_LIMIT),
            ("model_summary/model_summary.json", LIMIT),
            ("evaluate_model/metrics.json", LIMIT),
            ("evaluate_model/comparison.json", LIMIT),
            ("evaluate_model/drift.json", LIMIT),
            ("load_data/validation.json", LARGE_LIMIT),
        )
    )
    planned = PREDICTION if head.text("purpose") == "predict" else STAGES
    stages = [read_stage(tree, place, name) for name in planned]
    stages += read_others(tree, place, planned)
    mails = [read_stage(tree, place, name) for name in MAILS]
    state = state_of(stages + mails)
    if state != "running":
        stages = [replace(s, state="not_run") if s.state == "waiting" else s for s in stages]
    tasks = stages + mails
    changed = moment(tree.modified(""))
    last_sign = max((task.last_sign for task in tasks if task.last_sign), default=changed)
    return Run(
        run_id=run_id,
        state=state,
        started=head.time("started") or first_start(stages) or changed,
        ended=None if state == "running" else last_sign,
        last_sign=last_sign,
        dag_id=next((task.dag_id for task in tasks if task.dag_id), None),
        logical_date=next((task.logical_date for task in tasks if task.logical_date), None),
        dataset=head.text("dataset"),
        purpose=head.text("purpose") or "train",
        source=head.record("source"),
        stages=stages,
        mails=mails,
        check=read_check(validation),
        metrics=metrics,
        evaluation=read_evaluation(metrics),
        challenge=read_challenge(comparison),
        drift=read_drift(drift),
        figures=read_figures(tree),
        published=summary.flag("published"),
        same_as=summary.text("same_as"),
        reason=summary.text("reason"),
        problems=problems,
    )


def read_check(validation: Record) -> Check | None:
    """Return what ``validation.json`` says, or None where it says nothing."""
    if not validation.content:
        return None
    return Check(
        file=validation.text("file"),
        valid=validation.flag("valid"),
        rows_read=validation.whole("rows_read"),
        rows=validation.whole("rows"),
        dropped=validation.whole("rows_dropped"),
        dropped_by_reason=validation.record("dropped_by_reason").content,
        unknown_columns=validation.texts("unknown_columns"),
        violations=validation.whole("violations"),
        by_rule=validation.record("violations_by_rule").content,
        first=[violation.content for violation in validation.records("first_violations")],
    )


def read_others(run: Tree, folder: str, planned: tuple[str, ...]) -> list[Stage]:
    """Return the stages of a run that are not those that it was planned with."""
    names = [entry.name for entry in run.entries("") if STAGE_NAME.fullmatch(entry.name)]
    stages = [read_stage(run, folder, name) for name in names if name not in planned + MAILS]
    return [stage for stage in stages if stage.state != "waiting" or stage.problems]


def read_figures(run: Tree) -> list[str]:
    """Return the evaluation's figures, as paths below the run's folder."""
    folder = "evaluate_model/figures"
    try:
        entries = run.entries(folder)
    except (FileNotFoundError, UnreadableError):
        return []
    return [f"{folder}/{entry.name}" for entry in entries if FIGURE.fullmatch(entry.name)]


def state_of(stages: list[Stage]) -> str:
    """Return a run's state: failed when a task failed finally, success when its end is done.

    The end of a run that predicts is ``predict``.
    """
    if any(stage.state == "failed" for stage in stages):
        return "failed"
    last = ("end_pipeline", "predict")
    ended = (s.name in last and (s.done or s.state == "success") for s in stages)
    return "success" if any(ended) else "running"


def first_start(stages: list[Stage]) -> datetime | None:
    """Return when the first stage started."""
    return min((stage.started for stage in stages if stage.started), default=None)
