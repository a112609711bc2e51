"""The invented history that the monitor is measured on: what it promises."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from history import History, plan_outcomes, plan_runs, write_history
from monitor import create_app

RUNS = 60
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATES = {"success": "success", "by_hand": "success", "running": "running"}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return write_history(tmp_path_factory.mktemp("history"), RUNS, 1, NOW)


def contents(volume: Path) -> dict[str, bytes]:
    files = (path for path in sorted(volume.rglob("*")) if path.is_file())
    return {str(path.relative_to(volume)): path.read_bytes() for path in files}


def test_same_seed_and_moment_give_the_same_bytes(history: History, tmp_path: Path) -> None:
    again = write_history(tmp_path, RUNS, 1, NOW)
    assert contents(again.volume) == contents(history.volume)


def test_another_seed_gives_other_runs() -> None:
    assert plan_runs(RUNS, 1, NOW) != plan_runs(RUNS, 2, NOW)


def test_history_has_exactly_the_runs_asked_for(history: History) -> None:
    on_disk = {path.name for path in (history.volume / "runs").iterdir()}
    assert on_disk == {run.run_id for run in history.runs}
    assert len(on_disk) == RUNS


def test_long_history_has_the_promised_shares() -> None:
    outcomes = Counter(plan_outcomes(10_000, random.Random(1)))
    assert outcomes == {
        "success": 9099,
        "by_hand": 300,
        "data_refused": 240,
        "gate_missed": 200,
        "crashed": 100,
        "out_of_memory": 60,
        "running": 1,
    }


def test_runs_are_spread_over_the_year_before() -> None:
    started = [run.started for run in plan_runs(RUNS, 1, NOW)]
    assert started == sorted(started)
    assert started[0] < NOW - timedelta(days=350)
    assert NOW - timedelta(minutes=1) < started[-1] < NOW


def test_history_that_is_too_short_for_all_outcomes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10 runs, not 9"):
        plan_runs(9, 1, NOW)


def test_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        write_history(tmp_path, RUNS, 1, NOW)


def test_monitor_reads_every_run_as_planned(history: History) -> None:
    client = create_app({"SHARED_VOLUME": history.volume}).test_client()
    for run in history.runs:
        told = client.get("/api/status", query_string={"run_id": run.run_id}).get_json()
        assert told["status"] == STATES.get(run.outcome, "failed"), run
        assert [problem for stage in told["stages"] for problem in stage["problems"]] == []
        failed = {s["name"]: s["exit_code"] for s in told["stages"] if s["state"] == "failed"}
        assert failed == ({run.ending.stage: run.ending.code} if run.ending.code else {})


def test_crash_is_told_with_its_three_tries(history: History) -> None:
    client = create_app({"SHARED_VOLUME": history.volume}).test_client()
    run = next(run for run in history.runs if run.outcome == "crashed")
    told = client.get("/api/status", query_string={"run_id": run.run_id}).get_json()
    crashed = next(stage for stage in told["stages"] if stage["name"] == "build_model")
    assert (crashed["try_number"], crashed["cause"]) == (3, "crashed")


def test_run_by_hand_has_no_note_of_airflow(history: History) -> None:
    run = next(run for run in history.runs if run.outcome == "by_hand")
    folder = history.volume / "runs" / run.run_id
    assert list(folder.rglob("report.json"))
    assert not list(folder.rglob("task.json"))


def test_published_model_is_that_of_the_newest_success(history: History) -> None:
    client = create_app({"SHARED_VOLUME": history.volume}).test_client()
    newest = next(run for run in history.newest if run.outcome == "success")
    assert client.get("/api/metrics").get_json()["run_id"] == newest.run_id


def test_each_newer_run_of_airflow_has_its_mail(history: History) -> None:
    mailed = [run.run_id for run in history.runs if run.ending.mailed]
    mails = [path.read_text() for path in (history.volume / "mailbox" / "new").iterdir()]
    assert len(mails) == len(mailed) == RUNS - 3
    assert all(any(run_id in mail for mail in mails) for run_id in mailed)
