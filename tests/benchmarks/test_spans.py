"""The spans of a run, from records that are invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from spans import CLOSE, SPANS, Span, medians, moments_of, spans_of, totals

ASKED = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def at(seconds: float) -> str:
    return datetime.fromtimestamp(ASKED + seconds, UTC).isoformat()


def instance(**known: float) -> dict[str, Any]:
    return {name: at(seconds) for name, seconds in known.items()}


def line(seconds: float, event: str) -> dict[str, Any]:
    return {"timestamp": at(seconds), "event": event}


def event(seconds: float, action: str) -> dict[str, Any]:
    return {"Action": action, "timeNano": int((ASKED + seconds) * 1e9)}


TASK = instance(scheduled_when=1, queued_when=2, start_date=3, end_date=14)
LOG = [
    {"event": "::group::Log message source details"},
    line(4, "::group::Pre Execute"),
    line(5, "Filling up the DagBag from /opt/airflow/dags/a.py"),
    line(6, "Worker startup parse complete"),
    line(7, "::endgroup::"),
    line(13.5, "::group::Post Execute"),
    line(14, "::endgroup::"),
]
EVENTS = [event(8, "create"), event(9, "start"), event(12, "die"), event(13, "destroy")]
REPORT = {"started": at(10), "seconds": 1.0}


def test_stage_has_every_span_and_they_follow_one_another():
    spans = spans_of(ASKED, {"a": moments_of(TASK, LOG, EVENTS, REPORT)})
    assert [span.name for span in spans] == list(SPANS)
    assert [span.seconds for span in spans] == pytest.approx([1.0] * len(SPANS))
    assert [span.start for span in spans[1:]] == [span.end for span in spans[:-1]]


def test_task_without_a_container_leaves_its_time_to_the_next_span():
    spans = spans_of(ASKED, {"mail": moments_of(TASK, LOG, [], {})})
    assert {"create", "start", "work", "remove"}.isdisjoint(span.name for span in spans)
    assert spans[-1] == Span("mail", "finish", 7.0, 14.0)


def test_container_that_is_started_twice_counts_from_the_first_time():
    again = [*EVENTS, event(20, "start")]
    assert moments_of(TASK, LOG, again, REPORT)["start"] == ASKED + 9


def test_task_waits_from_the_end_of_the_last_one_that_ended_before():
    later = {"schedule": ASKED + 20, "finish": ASKED + 25}
    first, early = {"schedule": ASKED + 1, "finish": ASKED + 14}, {"finish": ASKED + 3}
    spans = spans_of(ASKED, {"c": later, "a": first, "b": early})
    assert next(span for span in spans if span.task == "c") == Span("c", "schedule", 14.0, 20.0)


def test_clocks_that_differ_make_no_span_negative():
    odd = {"start": ASKED + 5.002, "interpreter": ASKED + 5.0, "finish": ASKED + 6}
    spans = spans_of(ASKED, {"a": odd})
    assert [span.seconds for span in spans] == pytest.approx([5.002, 0.0, 0.998])


def test_spans_of_a_run_add_up_to_its_seconds():
    spans = spans_of(ASKED, {"a": moments_of(TASK, LOG, EVENTS, REPORT)})
    sums = totals(spans, 15.5)
    assert sums[CLOSE] == pytest.approx(1.5)
    assert sum(sums.values()) == pytest.approx(15.5)


def test_medians_are_those_of_tasks_and_of_runs():
    runs = [
        [Span("a", "work", 0, 1), Span("b", "work", 1, 4)],
        [Span("a", "work", 0, 2), Span("b", "work", 2, 7)],
        [Span("a", "work", 0, 3), Span("b", "work", 3, 9)],
    ]
    found = medians(runs, [5, 8, 9])
    assert found["work"] == {"task": 3, "run": 7}
    assert found[CLOSE] == {"task": 1, "run": 1}
    assert found["queue"] == {"task": 0, "run": 0}
