"""live.py: what Airflow says is joined to what the volume says, and never stands in its way."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.images.monitor.airflow_server import AirflowServer

from monitor.reading.live import FRESH, Airflow, Live, Poller, read_live
from monitor.reading.stages import MAILS, PREDICTION, STAGES


@pytest.fixture
def poller(airflow, index):
    return Poller(Airflow(airflow.url, airflow.password), index)


@pytest.fixture
def ask(poller, index):
    """Ask Airflow now, and return what is then known of it."""

    def ask():
        poller.due = 0
        poller.poll()
        return read_live(index)

    return ask


def states(run):
    return {stage.name: stage.state for stage in run.tasks}


def test_nothing_is_known_before_airflow_was_asked(index):
    assert read_live(index) == Live()


def test_answer_is_kept_for_every_process(airflow, ask):
    airflow.run("a", "running", {"load_data": "running"}, queued_at="2026-11-23T19:29:00Z",
                start_date="2026-11-23T19:29:01Z")  # fmt: skip
    live = ask()
    run = live.runs["a"]
    assert (live.error, run.state) == (None, "running")
    assert run.queued == datetime(2026, 11, 23, 19, 29, tzinfo=UTC)
    assert run.started == datetime(2026, 11, 23, 19, 29, 1, tzinfo=UTC)
    assert run.tasks["load_data"].state == "running"
    assert datetime.now(UTC) - live.asked < timedelta(minutes=1)


def test_tasks_are_asked_for_only_while_a_run_is_on(airflow, ask):
    airflow.run("over", "success", {"load_data": "success"})
    airflow.run("on", "running", {"load_data": "running"})
    live = ask()
    assert (live.runs["over"].tasks, list(live.runs["on"].tasks)) == ({}, ["load_data"])
    assert not [path for path in airflow.asked if "over/taskInstances" in path]


def test_run_id_is_quoted_in_the_address(airflow, ask):
    airflow.run("manual__2026-11-23T19:30:00+00:00", "queued", {"load_data": "scheduled"})
    assert list(ask().runs["manual__2026-11-23T19:30:00+00:00"].tasks) == ["load_data"]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("scheduled", "queued"), ("queued", "queued"), ("running", "running"),
        ("deferred", "running"), ("up_for_retry", "up_for_retry"),
        ("upstream_failed", "not_run"), ("skipped", "not_run"), ("success", "waiting"),
        (None, "waiting"), ("odd", "waiting"),
    ],
)  # fmt: skip
def test_state_in_airflow_is_that_of_a_stage_that_left_nothing_yet(
    build, volume, airflow, ask, told, shown
):
    build.running()
    airflow.run(build.run, "running", {"evaluate_model": told})
    assert states(ask().join(volume.run(build.run)))["evaluate_model"] == shown


def test_stage_that_waits_has_its_queue_time_and_try(build, volume, airflow, ask):
    build.running()
    task = {"state": "queued", "queued_when": "2026-11-23T19:31:00Z", "try_number": 2}
    airflow.run(build.run, "running", {"evaluate_model": task})
    stage = ask().join(volume.run(build.run)).stages[5]
    assert (stage.state, stage.try_number) == ("queued", 2)
    assert stage.queued == build.start + timedelta(minutes=1)


def test_volume_stands_above_airflow_in_what_was_done(build, volume, airflow, ask):
    build.running()
    airflow.run(build.run, "running", {"load_data": "queued", "build_model": "queued"})
    found = states(ask().join(volume.run(build.run)))
    assert (found["load_data"], found["build_model"]) == ("success", "running")


def test_mail_that_waits_is_joined_too(build, volume, airflow, ask):
    build.running()
    airflow.run(build.run, "running", {"success_email": "queued"})
    assert states(ask().join(volume.run(build.run)))["success_email"] == "queued"


@pytest.mark.parametrize("state", ["success", "failed"])
def test_run_that_ended_in_airflow_has_ended(build, volume, airflow, ask, state):
    build.running()
    build.task("load_data", "up_for_retry", cause="crashed")
    airflow.run(build.run, state, end_date="2026-11-23T19:40:00Z")
    run = ask().join(volume.run(build.run))
    assert (run.state, run.over, run.seconds) == (state, True, 600)
    found = states(run)
    assert (found["load_data"], found["build_model"], found["end_pipeline"]) == (
        "failed", "not_run", "not_run")  # fmt: skip
    assert run.at_work is None


def test_run_that_is_over_on_the_volume_stays_as_it_is(build, volume, airflow, ask):
    build.success()
    airflow.run(build.run, "failed")
    run = volume.run(build.run)
    assert ask().join(run) is run


def test_run_that_airflow_does_not_know_stays_as_it_is(build, volume, airflow, ask):
    build.running()
    run = volume.run(build.run)
    assert ask().join(run) is run


def test_run_that_waits_in_airflow_is_a_run_of_waiting_stages(airflow, ask):
    airflow.run("new", "queued", {"start_pipeline": "scheduled"}, queued_at="2026-11-23T19:29:00Z")
    run = ask().only("new")
    assert (run.state, run.over, run.dag_id) == ("queued", False, "ml_pipeline_advertising")
    assert run.started == datetime(2026, 11, 23, 19, 29, tzinfo=UTC)
    assert list(states(run)) == [*STAGES, *MAILS]
    assert states(run)["start_pipeline"] == "queued"
    assert set(list(states(run).values())[1:]) == {"waiting"}


@pytest.mark.parametrize(
    ("dag_id", "planned"),
    [("ml_pipeline_advertising_spark", STAGES), ("predict_advertising", PREDICTION)],
)
def test_runs_of_all_dags_that_use_the_volume_are_known(airflow, ask, dag_id, planned):
    airflow.run("new", "queued", {"start_pipeline": "scheduled"}, dag_id=dag_id)
    run = ask().only("new")
    assert run.dag_id == dag_id
    assert list(states(run)) == [*planned, *MAILS]
    assert states(run)["start_pipeline"] == "queued"


def test_runs_of_other_dags_are_not_asked_for(airflow, ask):
    airflow.run("check", "running", dag_id="flask_api_monitoring")
    airflow.run("new", "queued")
    assert list(ask().runs) == ["new"]


def test_prediction_that_a_person_ended_in_airflow_has_ended(build, volume, watch, airflow, ask):
    build.opened(purpose="predict")
    build.task("start_pipeline", "success", dag_id="predict_advertising")
    watch.refresh()
    airflow.run(build.run, "failed", dag_id="predict_advertising")
    airflow.run("newer", "success")
    airflow.listed = 1
    run = volume.run(build.run)
    assert (run.state, ask().join(run).state) == ("running", "failed")


@pytest.mark.parametrize(("run_id", "state"), [("absent", "queued"), ("new", "failed")])
def test_run_that_is_over_or_unknown_is_none_by_airflow_alone(airflow, ask, run_id, state):
    airflow.run("new", state)
    assert ask().only(run_id) is None


def test_waiting_runs_are_oldest_first(airflow, ask):
    airflow.run("c", "queued")
    airflow.run("b", "queued", queued_at="2026-11-23T19:31:00Z")
    airflow.run("a", "queued", queued_at="2026-11-23T19:30:00Z")
    airflow.run("on", "running")
    assert [run.run_id for run in ask().waiting] == ["a", "b", "c"]


def test_run_in_progress_is_asked_for_although_it_is_not_among_the_newest(
    build, watch, airflow, ask
):
    build.running()
    watch.refresh()
    airflow.run(build.run, "running", {"evaluate_model": "queued"})
    airflow.run("newer", "success")
    airflow.listed = 1
    assert set(ask().runs) == {build.run, "newer"}


def test_run_that_airflow_has_forgotten_is_no_error(build, watch, airflow, ask):
    build.running()
    watch.refresh()
    airflow.run("other", "queued")
    live = ask()
    assert (live.error, set(live.runs)) == (None, {"other"})


def test_run_that_is_deleted_while_airflow_is_asked_is_left_out(airflow, ask):
    airflow.run("a", "running")
    airflow.run("b", "success")
    listing = [{"dag_run_id": "gone", "state": "running"}, {"dag_run_id": "b", "state": "success"}]
    ask()
    airflow.answers = [(200, {"dag_runs": listing})]
    assert (ask().error, set(ask().runs)) == (None, {"a", "b"})


def test_expired_token_is_renewed_once(airflow, ask):
    airflow.run("a", "queued")
    ask()
    airflow.token = "token 2"
    assert list(ask().runs) == ["a"]
    assert airflow.asked.count("/auth/token") == 2


def test_token_is_asked_for_once(airflow, ask):
    ask()
    ask()
    assert airflow.asked.count("/auth/token") == 1


def test_wrong_password_is_said_without_the_password(airflow, ask):
    airflow.password = "another"
    error = ask().error
    assert "Airflow does not answer" in error
    assert "refuses the account 'monitor'" in error
    assert "viewer's password" not in error


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops"), (503, b""), (302, b""), (200, b"garbage"), (200, b"[1]"), (200, b""),
        (200, b"[" * 5000), (200, b'{"dag_runs": "\xff"}'), (401, b"{}"),
    ],
    ids=lambda answer: repr(answer)[:20],
)  # fmt: skip
def test_strange_answer_is_an_error_or_no_runs(airflow, ask, answer):
    airflow.run("a", "queued")
    airflow.answers = [answer] * (2 if answer[0] == 401 else 1)  # after a 401 it is asked again
    live = ask()
    assert live.runs == {}
    assert (live.error is None) == (answer[1] == b"[1]")
    assert list(ask().runs) == ["a"]  # and Airflow's next answer is heard


@pytest.mark.parametrize(
    "run",
    [{"dag_run_id": 7}, {"dag_run_id": "a", "state": {}}, {}, "x",
     {"dag_run_id": "a", "state": "queued", "queued_at": "never", "start_date": 1e300}],
    ids=str,
)  # fmt: skip
def test_values_of_wrong_types_count_as_absent(airflow, ask, run):
    ask()
    airflow.answers = [(200, {"dag_runs": [run]})]
    live = ask()
    assert live.error is None
    assert all(found.queued is None for found in live.runs.values())


def test_refused_connection_is_an_error(index):
    server = AirflowServer()
    server.stop()
    Poller(Airflow(server.url, "x"), index).poll()
    live = read_live(index)
    assert f"Airflow does not answer: no answer from {server.url}" in live.error
    assert (live.runs, live.waiting) == ({}, [])


@pytest.mark.parametrize("address", ["http://", "ftp://x", "http://[", "http://a b"])
def test_address_that_is_none_is_an_error(index, address):
    Poller(Airflow(address, "x"), index).poll()
    assert read_live(index).error


def test_error_takes_away_what_was_known_and_the_next_answer_brings_it_back(airflow, ask):
    airflow.run("a", "queued")
    assert list(ask().runs) == ["a"]
    airflow.answers = [(500, b"")]
    assert ask().runs == {}
    live = ask()
    assert (list(live.runs), live.error) == (["a"], None)


def test_answer_that_is_old_says_nothing_of_now(airflow, ask, index):
    airflow.run("a", "queued")
    ask()
    index.note(live_asked=time.time() - FRESH.total_seconds() - 1)
    live = read_live(index)
    assert (live.runs, live.error) == ({}, "Airflow was not asked for a while")


def test_answer_that_did_not_change_is_no_new_generation(airflow, ask, index):
    airflow.run("a", "queued")
    ask()
    before = index.generation
    ask()
    assert index.generation == before
    airflow.run("a", "running")
    ask()
    assert index.generation == before + 1


@pytest.mark.parametrize(
    ("state", "seconds"), [("running", 2), ("queued", 2), ("success", 4), (None, 4)]
)
def test_airflow_is_asked_often_while_a_run_is_on(airflow, poller, state, seconds):
    now = [100.0]
    poller.clock = lambda: now[0]
    if state:
        airflow.run("a", state)
    poller.poll()
    asked = len(airflow.asked)
    now[0] += seconds - 0.01
    poller.poll()
    assert len(airflow.asked) == asked
    now[0] += 0.02
    poller.poll()
    assert len(airflow.asked) > asked


def test_airflow_that_is_down_is_asked_seldom(airflow, poller):
    now = [100.0]
    poller.clock = lambda: now[0]
    airflow.answers = [(500, b"")]
    poller.poll()
    asked = len(airflow.asked)
    now[0] += 9.99
    poller.poll()
    assert len(airflow.asked) == asked
    now[0] += 0.02
    poller.poll()
    assert len(airflow.asked) > asked
