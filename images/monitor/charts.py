"""The data of the charts that pages draw, as plain values for the script that draws them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from flask import Flask

from .language import day, gettext, moment, score, word
from .pages import run_address
from .reading.evaluation import SCORES
from .reading.index import Row
from .reading.predictor import Prediction
from .reading.run import Run

# Each with the axis that it is drawn by: more is better, or less is.
TREND_SCORES = {
    "accuracy": "gain",
    "average_precision": "gain",
    "roc_auc": "gain",
    "log_loss": "loss",
}


def init_app(app: Flask) -> None:
    """Give templates the filter that writes a chart's data into an attribute."""
    app.add_template_filter(to_attribute, "chart")


def to_attribute(content: Any) -> str:
    """Return a chart's data as JSON; the template escapes it as any text."""
    return orjson.dumps(content).decode()


def timeline_chart(run: Run) -> dict[str, Any]:
    """Return each task's waits and tries as bars, in seconds since the run's start.

    A bar is {task, kind, state, from, to, label}; ``to`` is None for what goes on now. A wait is
    from the moment that Airflow had the task ready, else from the end of the task before it.
    """
    bars: list[dict[str, Any]] = []
    ready = run.started
    for stage in run.tasks:
        start = stage.queued if stage.queued and stage.queued >= run.started else ready
        for attempt in stage.tries:
            if attempt.started is None:
                continue
            if start and attempt.started > start:
                bars.append(bar(run, stage.name, "waiting", "waiting", start, attempt.started))
            state = attempt.state or "failed"
            bars.append(bar(run, stage.name, "try", state, attempt.started, attempt.ended))
            start = attempt.ended or attempt.started
        if stage.state == "queued" and stage.queued:
            bars.append(bar(run, stage.name, "waiting", "queued", stage.queued, None))
        if stage.ended:
            ready = max(ready, stage.ended)
    return {
        "tasks": list(dict.fromkeys(b["task"] for b in bars)),
        "bars": bars,
        "started": run.started.timestamp(),
        "axis": gettext("seconds since the start"),
        "now": gettext("now"),
    }


def bar(
    run: Run, task: str, kind: str, state: str, start: datetime, end: datetime | None
) -> dict[str, Any]:
    """Return one bar of the timeline."""
    seconds = [None if t is None else (t - run.started).total_seconds() for t in (start, end)]
    return {
        "task": task,
        "kind": kind,
        "state": state,
        "from": seconds[0],
        "to": seconds[1],
        "label": word(state),
    }


def contribution_bars(prediction: Prediction) -> list[tuple[str, float, float, float]]:
    """Return of each feature its name, what it adds, and its bar: left end and width.

    They are in percent of a line whose middle is nothing; the longest bar takes half of it.
    """
    longest = max((abs(added) for _, added in prediction.contributions), default=0) or 1
    widths = [(name, added, 50 * abs(added) / longest) for name, added in prediction.contributions]
    return [
        (name, added, round(50 - width if added < 0 else 50, 2), round(width, 2))
        for name, added, width in widths
    ]


def trend_chart(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the scores of runs, oldest first, each point with its run's page."""
    return {
        "labels": [moment(row.started) for row in rows],
        "days": [day(row.started) for row in rows],
        "pages": [run_address(row.run_id) for row in rows],
        "published": [row.published for row in rows],
        "lines": [
            {"label": word(name), "values": [row.scores[name] for row in rows], "axis": axis}
            for name, axis in TREND_SCORES.items()
        ],
        "gain": gettext("more is better"),
        "loss": gettext("less is better"),
        "refused": gettext("not published"),
    }


def comparison_chart(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the scores of a few runs, side by side."""
    return {
        "labels": [word(name) for name in SCORES],
        "runs": [
            {
                "label": f"{number}. {moment(run.started)}",
                "values": [run.metrics.number(name) for name in SCORES],
            }
            for number, run in enumerate(runs, 1)
        ],
    }


def trend_words(rows: Sequence[Row]) -> str:
    """Return what a trend shows, for those who do not see it."""
    known = [row for row in rows if row.scores["accuracy"] is not None]
    if not known:
        return gettext("No run has been measured yet.")
    return gettext(
        "Accuracy of the last %(count)s measured runs, from %(first)s to %(last)s.",
        count=len(known),
        first=score(known[0].scores["accuracy"]),
        last=score(known[-1].scores["accuracy"]),
    )
