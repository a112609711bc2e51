"""What a run's records say of where its time went: moments of each task, and the spans between."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# The spans of a task in their order; each ends at the moment of its name. A moment that a task
# lacks, as one without a container does, leaves its time to the next span.
SPANS = {
    "schedule": "the task before has ended, or the run is asked for, until the scheduler sees it",
    "queue": "until the task is queued",
    "supervise": "until the executor's worker has taken it",
    "fork": "the API server is told, and the task's process begins",
    "startup": "until the process begins to read its DAG file",
    "parse": "the DAG file is read",
    "render": "templates are rendered and sent to the API server",
    "create": "the operator asks the engine for the container, until it is made",
    "start": "until the engine has started it",
    "interpreter": "until the stage has begun: Python and stage.py",
    "work": "the stage's own seconds: imports, work, outputs flushed and moved into place",
    "exit": "until the engine has seen the container end",
    "remove": "until the container is removed",
    "finish": "until the task has told its result, which the next one waits for",
}
# The span of a run after its last task.
CLOSE = "close"
LOGGED = {
    "fork": "::group::Pre Execute",
    "startup": "Filling up the DagBag",
    "parse": "Worker startup parse complete",
    "render": "::endgroup::",
}
ENGINE = {"create": "create", "start": "start", "exit": "die", "remove": "destroy"}


@dataclass(frozen=True)
class Span:
    """A part of a task's time, from ``start`` to ``end``: seconds since the run was asked for."""

    task: str
    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


def seconds_of(moment: str) -> float:
    """Return a moment of ISO 8601 in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def moments_of(
    task: Mapping[str, Any],
    log: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    report: Mapping[str, Any],
) -> dict[str, float]:
    """Return a task's moments by the span that each ends, in seconds since 1970.

    ``task`` is Airflow's task instance, ``log`` the lines of its log, ``events`` the engine's
    about its container, ``report`` what the stage wrote; the last three may be empty. Of what
    happened twice the first time counts.
    """
    told = {"schedule": "scheduled_when", "queue": "queued_when", "supervise": "start_date"}
    found = {span: seconds_of(task[key]) for span, key in told.items() if task.get(key)}
    for line in log:
        for span, words in LOGGED.items():
            if "timestamp" in line and str(line["event"]).startswith(words):
                found.setdefault(span, seconds_of(line["timestamp"]))
    for event in events:
        for span, action in ENGINE.items():
            if event["Action"] == action:
                found.setdefault(span, event["timeNano"] / 1e9)
    if report:
        found["interpreter"] = seconds_of(report["started"])
        found["work"] = found["interpreter"] + report["seconds"]
    found["finish"] = seconds_of(task["end_date"])
    return found


def spans_of(asked: float, moments: Mapping[str, Mapping[str, float]]) -> list[Span]:
    """Return the spans of a run's tasks, which are told by their ``moments``.

    A task's first span begins with the end of the last one that ended before it was scheduled, for
    the first task when the run was ``asked`` for. No span is negative: where two clocks differ by a
    millisecond, the later moment counts.
    """
    ends = {task: known["finish"] for task, known in moments.items()}
    spans = []
    for task, known in sorted(moments.items(), key=lambda item: item[1]["finish"]):
        first = min(known.values())
        before = [end for other, end in ends.items() if other != task and end <= first]
        at = max(before, default=asked)
        for name in SPANS:
            if name in known:
                end = max(at, known[name])
                spans.append(Span(task, name, at - asked, end - asked))
                at = end
    return spans


def totals(spans: Iterable[Span], seconds: float) -> dict[str, float]:
    """Return the seconds of each span in all of a run, whose own ``seconds`` end with CLOSE."""
    spans = list(spans)
    sums = {name: sum(span.seconds for span in spans if span.name == name) for name in SPANS}
    return {**sums, CLOSE: max(0.0, seconds - max(span.end for span in spans))}


def medians(
    runs: Sequence[Sequence[Span]], lengths: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Return of each span its median in a task, and the median of its sum in a run, in seconds."""
    sums = [totals(spans, seconds) for spans, seconds in zip(runs, lengths, strict=True)]
    result = {}
    for name in (*SPANS, CLOSE):
        single = [span.seconds for spans in runs for span in spans if span.name == name]
        in_a_run = statistics.median(each[name] for each in sums)
        result[name] = {"task": statistics.median(single) if single else 0.0, "run": in_a_run}
    result[CLOSE]["task"] = result[CLOSE]["run"]
    return result
