"""The pipeline on the real stack, while parts of it are killed, stopped and told to forget."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from tests.drills.held_run import DAG, SLOW, Drill, assert_green, docker, quote

pytestmark = [pytest.mark.drill, pytest.mark.stack]

DEAF = """
import signal
import time


def run(run):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""


@pytest.fixture
def drill(stack: Any, slow_stage: None) -> Iterator[Drill]:
    """A run to break things under; all services run again afterwards."""
    drill = Drill(stack)
    yield drill
    drill.begin_again(*drill.killed)
    drill.go_on()
    with contextlib.suppress(AttributeError, AssertionError):
        drill.end()
    drill.go.unlink(missing_ok=True)


def test_scheduler_killed_mid_stage_the_container_runs_on_and_the_next_try_takes_it_over(drill):
    """SIGKILL of the scheduler's container while build_model works; it is started again."""
    drill.start()
    drill.kill("airflow-scheduler")
    assert drill.stack.containers() == [drill.container]
    drill.begin_again("airflow-scheduler")
    drill.until(lambda: drill.stack.tasks(drill.run_id)["build_model"]["try_number"] == 2)
    drill.until(lambda: drill.note()["try_number"] == 2)
    drill.go_on()
    assert_green(drill, tries=2)


def test_stage_that_ends_while_the_scheduler_is_dead_is_not_run_again(drill):
    """SIGKILL of the scheduler's container; build_model ends before it is started again."""
    drill.start()
    drill.kill("airflow-scheduler")
    drill.go_on()
    docker("wait", drill.container)
    drill.begin_again("airflow-scheduler")
    assert_green(drill, tries=2)


def test_whole_stack_restarted_mid_stage_the_run_goes_on(drill):
    """Every service is restarted at once while build_model works."""
    drill.start()
    names = ("postgres", "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor")
    names += ("docker-proxy", "mailbox", "monitor", "predictor")
    docker("restart", *map(drill.stack.service, names))
    drill.until(lambda: drill.note()["try_number"] == 2)
    drill.go_on()
    assert_green(drill, tries=2)


@pytest.mark.parametrize("service", ["postgres", "airflow-apiserver"])
def test_killed_database_or_api_server_costs_no_try(drill, service):
    """SIGKILL of PostgreSQL, then of the API server, while build_model works."""
    drill.start()
    drill.kill(service)
    time.sleep(5)
    drill.begin_again(service)
    drill.until(lambda: drill.state() == "running")
    drill.go_on()
    assert_green(drill)


def test_killed_proxy_costs_no_try_and_no_line_of_the_log(drill):
    """SIGKILL of the Docker proxy in the middle of a stage's output."""
    drill.start()
    drill.kill("docker-proxy")
    time.sleep(3)
    drill.begin_again("docker-proxy")
    time.sleep(2)
    drill.go_on()
    assert_green(drill)


def test_killed_monitor_costs_nothing(drill):
    """SIGKILL of the monitor while build_model works; it comes back before it is asked."""
    drill.start()
    drill.kill("monitor")
    drill.go_on()
    drill.until(lambda: drill.state() == "success")
    drill.begin_again("monitor")
    assert_green(drill)


def test_mailbox_down_when_a_mail_is_due_the_mail_is_sent_later(drill):
    """The mailbox is killed before the success mail is due, and comes back while it is retried."""
    drill.start()
    drill.kill("mailbox")
    drill.go_on()
    drill.until(lambda: drill.state("success_email") == "up_for_retry")
    drill.begin_again("mailbox")
    assert_green(drill)
    assert len(drill.stack.mails(drill.run_id)) == 1
    assert drill.note("success_email")["tries"][0]["cause"] == "mail not sent"


def test_mail_that_cannot_be_sent_is_said_on_the_run_whose_model_is_published(drill):
    """The mailbox is killed and stays away until every try of the mail has failed."""
    drill.start()
    drill.kill("mailbox")
    drill.go_on()
    assert drill.end() == "failed"
    drill.begin_again("mailbox")
    note = drill.note("success_email")
    assert (note["state"], note["cause"], note["try_number"]) == ("failed", "mail not sent", 3)
    summary = json.loads(drill.stack.published()["model_summary.json"])
    own = drill.stack.read_json(drill.run_id, "model_summary/model_summary.json")
    assert summary["run_id"] == (own["same_as"] or drill.run_id)
    _, page = drill.stack.monitor(f"/runs/{drill.run_id}")
    assert "mail not sent" in page
    assert drill.stack.containers() == []


def test_stage_cleared_while_it_works_is_stopped_and_run_again(drill):
    """build_model is cleared in Airflow while it works."""
    drill.start()
    body = {"dry_run": False, "dag_run_id": drill.run_id, "task_ids": ["build_model"]}
    body |= {"include_downstream": True, "only_failed": False, "reset_dag_runs": True}
    drill.stack.airflow("POST", f"{DAG}/clearTaskInstances", body)
    drill.until(lambda: drill.note()["try_number"] == 2)
    drill.go_on()
    assert drill.end() == "success"
    note = drill.note()
    assert [t["cause"] for t in note["tries"]] == ["stopped"]
    assert not note["container_id"].startswith(drill.container)
    assert drill.stack.containers() == []


def test_paused_dag_lets_the_stage_end_and_leaves_nothing(drill):
    """The DAG is paused while build_model works, and unpaused when it has ended."""
    drill.start()
    drill.stack.airflow("PATCH", DAG, {"is_paused": True})
    drill.go_on()
    drill.until(lambda: drill.state() == "success")
    assert drill.stack.containers() == []
    drill.stack.airflow("PATCH", DAG, {"is_paused": False})
    assert_green(drill)


def test_run_marked_failed_or_deleted_mid_stage_leaves_no_container(drill):
    """The run is marked failed while build_model works, and then deleted."""
    drill.start()
    path = f"{DAG}/dagRuns/{quote(drill.run_id)}"
    drill.stack.airflow("PATCH", path, {"state": "failed"})
    drill.until(lambda: drill.stack.containers() == [])
    drill.until(lambda: drill.note()["state"] == "failed")
    assert drill.note()["cause"] == "stopped"
    with contextlib.suppress(json.JSONDecodeError):  # an answer without a body
        drill.stack.airflow("DELETE", path)
    del drill.run_id
    with pytest.raises(urllib.error.HTTPError) as gone:
        drill.stack.airflow("GET", path)
    gone.value.close()
    assert gone.value.code == 404


@pytest.fixture(scope="module")
def slow_stage(replace_work: Any) -> Iterator[None]:
    """The image of build_model is, for these tests, one that waits before it works."""
    with replace_work("build_model", SLOW):
        yield


@pytest.fixture
def deaf_build_model(replace_work: Any) -> Iterator[None]:
    """The image of build_model is, for one test, one that does not hear SIGTERM."""
    with replace_work("build_model", DEAF):
        yield


@pytest.mark.usefixtures("deaf_build_model")
def test_deaf_stage_marked_failed_is_killed_and_removed(stack):
    """build_model ignores SIGTERM and is marked failed in Airflow."""
    drill = Drill(stack, words="INFO")
    drill.start()
    path = f"{DAG}/dagRuns/{quote(drill.run_id)}/taskInstances/build_model"
    stack.airflow("PATCH", path, {"new_state": "failed"})
    assert drill.end() == "failed"
    drill.until(lambda: stack.containers() == [])


def left_behind(drill: Drill, run_id: str, task: str = "build_model") -> str:
    """Start a container like those that a crash leaves: with labels, and nobody who waits."""
    project = drill.stack.settings["COMPOSE_PROJECT_NAME"]
    labels = {"project": project, "stage": task, "task": task, "try": "1", "run": run_id}
    labels["dag"] = "ml_pipeline_advertising"
    image = f"localhost/ad-click/monitor:{drill.stack.settings['IMAGE_TAG']}"
    return docker(
        *("run", "--detach", "--rm", "--network=none", "--entrypoint=sleep"),
        *(f"--label=ad-click.{name}={value}" for name, value in labels.items()),
        *(image, "600"),
    )[:12]


def test_leftovers_go_at_the_start_and_at_the_end_of_a_run_and_no_others(drill):
    """Containers of a run that is over and of one that nobody knows are left beside a live one."""
    first = drill.start()
    other = [left_behind(drill, "manual__nobody_knows_it")]
    drill.kill("airflow-scheduler")
    drill.begin_again("airflow-scheduler")
    drill.until(lambda: not set(other) & set(drill.stack.containers()))
    assert drill.container in drill.stack.containers()
    other = [left_behind(drill, "manual__nor_this"), left_behind(drill, first, "load_data")]
    drill.go_on()
    assert drill.end() == "success"
    drill.until(lambda: drill.stack.containers() == [])
    log = drill.stack.task_log(first, "trigger_flask_api")
    log += drill.stack.task_log(first, "end_pipeline")
    for container in other:
        assert f"removing container {container}" in log
