"""PromptExecutor: what it waits for, and what ends its wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import prompt_executor
from prompt_executor import LONG_SECONDS, SHORT_SECONDS, PromptExecutor, ring


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An executor whose workers are not started, at a bell of its own; time passes as it waits."""
    monkeypatch.setattr(prompt_executor, "BELL", f"\0ad-click-test-{id(monkeypatch)}")
    monkeypatch.setattr("airflow.executors.local_executor.LocalExecutor.start", lambda _: None)
    monkeypatch.setattr("airflow.executors.local_executor.LocalExecutor.end", lambda _: None)
    executor: Any = PromptExecutor()
    executor.start()
    now = [100.0]
    monkeypatch.setattr(prompt_executor, "time", SimpleNamespace(monotonic=lambda: now[0]))
    rings_within = executor.rings_within

    def pass_time(seconds: float) -> bool:
        if rings_within(0):
            return True
        now[0] += seconds
        return False

    executor.rings_within = pass_time
    executor.now = now
    yield executor
    executor.end()


def waited(executor: Any) -> float:
    before = executor.now[0]
    executor.wait()
    return round(executor.now[0] - before, 6)


def test_without_news_it_waits_the_long_time(executor):
    assert waited(executor) == LONG_SECONDS


def test_ring_ends_the_wait_at_once(executor):
    ring()
    assert waited(executor) == 0


def test_rings_are_heard_once_together(executor):
    ring()
    ring()
    executor.wait()
    assert not executor.rings_within(0)


def test_after_an_end_it_waits_the_short_time_for_a_while(executor):
    ring()
    executor.wait()
    assert waited(executor) == SHORT_SECONDS
    executor.now[0] += prompt_executor.ALERT_SECONDS
    assert waited(executor) == LONG_SECONDS


def test_task_that_is_handed_over_will_ring(executor, monkeypatch):
    monkeypatch.setattr(
        "airflow.executors.local_executor.LocalExecutor._process_workloads", lambda *_: None
    )
    ring()
    executor.wait()
    executor._process_workloads([])
    assert waited(executor) == LONG_SECONDS


@pytest.mark.parametrize(("buffer", "waits"), [({}, True), ({"key": ("success", None)}, False)])
def test_results_are_told_before_anything_is_waited_for(executor, monkeypatch, buffer, waits):
    calls = []
    monkeypatch.setattr(
        "airflow.executors.local_executor.LocalExecutor.heartbeat", lambda _: calls.append("beat")
    )
    executor.wait = lambda: calls.append("wait")
    executor.event_buffer = buffer
    executor.heartbeat()
    assert calls == ["beat"] + ["wait"] * waits


def test_ring_where_nobody_listens_is_no_error(monkeypatch):
    monkeypatch.setattr(prompt_executor, "BELL", "\0ad-click-test-nobody")
    ring()


def test_bell_that_is_full_is_no_error(executor):
    for _ in range(1000):
        ring()
    assert waited(executor) == 0


@pytest.mark.parametrize("end", ["success", "failed", "skipped"])
def test_airflows_listener_rings_at_each_end_of_a_task(executor, end):
    from airflow.sdk._shared.listeners.listener import ListenerManager
    from airflow.sdk._shared.listeners.spec import taskinstance

    manager = ListenerManager()
    manager.add_hookspecs(taskinstance)
    (listener,) = prompt_executor.PromptScheduling.listeners
    manager.add_listener(listener)
    given: dict[str, Any] = {"previous_state": None, "task_instance": None}
    if end == "failed":
        given["error"] = None
    getattr(manager.hook, f"on_task_instance_{end}")(**given)
    assert waited(executor) == 0


def test_bell_is_free_again_after_the_end(executor):
    executor.end()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(prompt_executor.BELL)
