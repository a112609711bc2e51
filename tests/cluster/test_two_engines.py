"""Runs on a cluster of two engines, while parts of it are killed, restarted and cut off."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.cluster.two_engines import Cluster, two_engines

pytestmark = [pytest.mark.drill, pytest.mark.image]

# How many runs are started at one time, and how many of them train: the others predict.
AT_ONCE = 50
TRAINING = int(os.environ.get("CLUSTER_TRAINING_RUNS", "10"))
# Fewer than the two workers have places for.
HELD = 5


@pytest.fixture(scope="module")
def cluster(settings: dict[str, str]) -> Iterator[Cluster]:
    """Two engines, two workers, one shared folder."""
    with two_engines(settings) as cluster:
        yield cluster


@pytest.fixture
def held(cluster: Cluster) -> Iterator[list[str]]:
    """Runs whose build_model is at work, on each of the engines at least one."""
    cluster.go.unlink(missing_ok=True)
    runs = cluster.trigger(HELD, force=True)
    cluster.until_begun(runs)
    # Who comes first takes a task: both are there, but nobody says who takes how many.
    while not (cluster.containers(False) and cluster.containers(True)):
        runs += cluster.trigger(1, force=True)
        cluster.until_begun(runs)
        assert len(runs) < 2 * HELD, "one of the workers takes nothing"
    yield runs
    cluster.go.touch()


def assert_well(cluster: Cluster, runs: list[str]) -> None:
    """All runs are green, no work was done twice at once, and no engine keeps a container."""
    cluster.until_over(runs)
    assert cluster.states(runs) == Counter(success=len(runs))
    assert cluster.marks(runs, ".twice-at-once") == []
    assert {len(cluster.stack.mails(run)) for run in runs} == {1}
    for there in (False, True):
        cluster.stack.until(lambda there=there: len(cluster.containers(there)), {0})


def test_runs_at_once_are_shared_by_both_engines_and_all_end_green(cluster):
    """Nothing is broken; 50 runs are started at one time, which take over what one has made."""
    cluster.go.touch()
    (first,) = cluster.trigger(1)
    cluster.until_over([first])
    predictions = cluster.trigger(AT_ONCE - TRAINING, "predict_advertising")
    runs = cluster.trigger(TRAINING)
    cluster.until_over(predictions)
    assert cluster.states(predictions) == Counter(success=len(predictions))
    assert_well(cluster, runs)
    assert set(cluster.hosts(runs)) == {cluster.worker(False), cluster.worker(True)}


def test_queue_killed_mid_stage_loses_no_task_and_costs_no_try(cluster, held):
    """SIGKILL of Redis while stages work and others wait; it is started again."""
    waiting = cluster.trigger(HELD, force=True)
    cluster.docker(False, "kill", cluster.stack.service("redis"))
    cluster.docker(False, "start", cluster.stack.service("redis"))
    cluster.go.touch()
    assert_well(cluster, held + waiting)
    assert cluster.tries(held, "build_model") == {1}


def test_worker_and_the_other_engines_machine_killed_mid_stage_every_run_ends_green(
    cluster, held, times
):
    """SIGKILL of the control host's worker, and a power cut of the worker host, under stages."""
    cluster.docker(False, "kill", cluster.stack.service("airflow-worker"))
    cluster.machine.cut_power()
    cluster.machine.boot()
    cluster.docker(False, "start", cluster.stack.service("airflow-worker"))
    times(2)
    # Taken for lost: the second try of a container that outlived its worker may be anywhere.
    cluster.stack.until(lambda: str(cluster.tries(held, "build_model")), {"{2}"})
    cluster.go.touch()
    assert_well(cluster, held)


def test_engine_killed_mid_stage_its_work_goes_on_elsewhere_and_is_not_done_twice_at_once(
    cluster, held
):
    """SIGKILL of the worker host's engine, which leaves its containers at work; it comes back."""
    cluster.machine.kill()
    cluster.machine.start_engine()
    cluster.go.touch()
    assert_well(cluster, held)


def test_worker_of_another_name_or_authority_is_not_spoken_to(cluster):
    """A worker is told another name of the control host than its certificate has."""
    program = (
        "import os, ssl\n"
        "from celery import Celery\n"
        "from airflow.providers.celery.executors.celery_executor import app\n"
        "try:\n"
        "    app.connection().ensure_connection(max_retries=1, interval_start=0)\n"
        "except Exception as error:\n"
        "    print(repr(error))\n"
        "else:\n"
        "    print('spoken to')\n"
    )
    worker = cluster.stack.service("airflow-worker")
    right = cluster.docker(False, "exec", worker, "python3", "-c", program)
    assert "spoken to" in right
    broker = cluster.docker(
        False, "exec", worker, "printenv", "AIRFLOW__CELERY__BROKER_URL"
    ).strip()
    address = cluster.docker(
        False,
        *("inspect", cluster.stack.service("redis")),
        "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
    ).strip()
    wrong = broker.replace("@redis:", f"@{address}:")
    options = ("exec", f"--env=AIRFLOW__CELERY__BROKER_URL={wrong}", worker)
    answer = cluster.docker(False, *options, "python3", "-c", program)
    assert "spoken to" not in answer
    assert "CERTIFICATE_VERIFY_FAILED" in answer
