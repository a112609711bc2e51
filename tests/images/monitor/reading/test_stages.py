"""stages.py: the state of one stage, from what Airflow and the stage itself left of it."""

import json
from datetime import timedelta

import pytest

from monitor.reading.files import Tree
from monitor.reading.stages import File, read_stage

CRASH = {"code": 70, "cause": "crashed", "message": "crashed with ValueError: x"}


@pytest.fixture
def read(build):
    """Read a stage of the run that is built."""

    def read(name="build_model"):
        place = f"runs/{build.run}"
        with Tree(build.root).inside(place) as run:
            return read_stage(run, place, name)

    return read


def test_stage_without_a_folder_waits(build, read):
    build.opened()
    assert (read().state, read().tries) == ("waiting", [])


@pytest.mark.parametrize("state", ["running", "up_for_retry", "success", "failed"])
def test_word_of_airflow_stands_above_that_of_the_report(build, read, state):
    build.report("build_model", error=CRASH)
    build.task("build_model", state)
    assert read().state == state


@pytest.mark.parametrize("state", ["odd", None, 7])
def test_state_that_airflow_does_not_have_leaves_the_report_its_word(build, read, state):
    build.report("build_model")
    build.task("build_model", state)
    assert read().state == "success"


def test_report_of_an_earlier_try_says_nothing_of_the_present_one(build, read):
    build.report("build_model", error=CRASH, metrics={"rows": 3}, outputs=("old",))
    build.task("build_model", "running", try_number=2)
    found = read()
    assert (found.seconds, found.rows, found.files, found.cause) == (None, {}, [], None)


def test_cause_of_the_report_stands_in_where_airflow_has_none(build, read):
    build.report("build_model", error=CRASH)
    build.task("build_model", "failed")
    assert (read().cause, read().message) == ("crashed", "crashed with ValueError: x")


def test_success_has_no_cause(build, read):
    build.task("build_model", "success", cause="crashed", message="x", advice="y")
    assert (read().cause, read().message, read().advice) == (None, None, None)


def test_working_stage_has_progress(build, read):
    build.task("build_model", "running")
    build.progress("build_model", 0.4)
    assert (read().state, read().fraction, read().doing) == ("running", 0.4, "fitting")


def test_stage_that_ended_has_no_progress(build, read):
    build.task("build_model", "success")
    build.progress("build_model", 0.4)
    assert (read().fraction, read().doing) == (None, None)


def test_stage_by_hand_that_works_is_running(build, read):
    build.progress("build_model", 0.1)
    assert read().state == "running"


def test_own_time_of_a_stage_stands_before_its_tasks(build, read):
    build.report("build_model")
    build.task("build_model", "success")
    assert read().seconds == 1.5


def test_exit_code_by_hand_is_that_of_the_report(build, read):
    build.report("build_model", error=CRASH)
    build.report("load_data")
    assert (read().exit_code, read("load_data").exit_code) == (70, 0)


def test_tries_are_oldest_first_and_end_in_the_present_one(build, read):
    former = [build.attempt(1, build.start), build.attempt(2, build.start + timedelta(seconds=5))]
    build.task("build_model", "running", try_number=3, tries=former)
    tries = read().tries
    assert [(t.number, t.state, t.cause) for t in tries] == [
        (1, "failed", "crashed"), (2, "failed", "crashed"), (3, "running", None)]  # fmt: skip
    assert tries[0].ended == build.start + timedelta(seconds=2)


@pytest.mark.parametrize("tries", [None, {}, "x", [7, "x", None]])
def test_tries_of_another_shape_are_left_out(build, read, tries):
    build.task("build_model", "running", tries=tries)
    assert [t.state for t in read().tries] == ["running"]


def test_strange_try_has_what_can_be_read_of_it(build, read):
    build.task("build_model", "running", tries=[{"try_number": 1.5, "started": "x", "cause": 7}])
    former = read().tries[0]
    assert (former.number, former.started, former.cause) == (None, None, None)


def test_wait_in_airflow_is_read(build, read):
    build.task("build_model", "running", queued="2026-11-23T19:29:00Z")
    assert read().queued == build.start - timedelta(minutes=1)


def test_rows_parameters_versions_and_memory_are_those_of_the_report(build, read):
    build.report("build_model", metrics={"train_rows": 700, "rows": "x", "n_iter": 5})
    found = read()
    assert found.rows == {"train_rows": 700}
    assert (found.parameters["max_iter"], found.versions["python"]) == (1000, "3.13.5")
    assert found.peak_memory == 1000000


def test_files_are_named_below_the_run(build, read):
    build.report("build_model", outputs=("logistic_regression_model.pkl",))
    assert read().files == [File("build_model/logistic_regression_model.pkl", 4, "cd" * 32)]


def test_files_reported_outside_the_run_are_left_out(build, read):
    build.report("build_model")
    path = build.root / f"runs/{build.run}/build_model/report.json"
    report = json.loads(path.read_text())
    report["outputs"] = [{"path": "data/advertising.csv"}, {"path": 7}, "x"]
    build.write(f"runs/{build.run}/build_model/report.json", report)
    assert read().files == []


@pytest.mark.parametrize("kind", ["report", "task", "progress"])
def test_half_written_file_is_named_and_breaks_nothing(build, read, kind):
    name = f"runs/{build.run}/build_model/{kind}.json"
    build.write(name, '{"stage": "build_mo')
    assert read().problems == [f"{name} is not whole, valid JSON"]


def test_linked_file_is_named_and_not_followed(build, read):
    name = f"runs/{build.run}/build_model/report.json"
    build.write(name, {}).unlink()
    (build.root / name).symlink_to(build.write("secret.json", {"status": "done"}))
    assert read().problems == [f"{name} is behind a symbolic link"]
    assert read().state == "waiting"


def test_last_sign_of_life_is_the_newest_time_of_all_files(build, read):
    build.task("build_model", "running")
    build.progress("build_model", 0.4)
    assert read().last_sign == build.start + timedelta(seconds=30)


@pytest.mark.parametrize("seconds", [1e15, -1e15, "x", None])
def test_report_whose_time_cannot_be_has_no_end(build, read, seconds):
    build.report("build_model", seconds=seconds)
    assert read().ended is None


def test_stage_that_took_earlier_work_over_succeeded_and_says_whose(build, read):
    why = "nothing has changed since run old, whose outputs are taken over"
    build.report("build_model", status="up to date", taken_from="old", why=why)
    stage = read("build_model")
    assert (stage.state, stage.done, stage.exit_code) == ("success", True, 0)
    assert (stage.up_to_date, stage.taken_from, stage.why) == (True, "old", why)


def test_stage_that_worked_says_why_and_is_not_called_up_to_date(build, read):
    build.report("build_model", taken_from=None, why="parameter max_iter 1000 > 500")
    stage = read("build_model")
    assert (stage.up_to_date, stage.taken_from) == (False, None)
    assert stage.why == "parameter max_iter 1000 > 500"
