"""run.py: the state of a run and of its stages, from the volume alone."""

import json
from datetime import timedelta

import pytest

CRASH = {"code": 70, "cause": "crashed", "message": "crashed with ValueError: x"}


def stage(run, name):
    return next(stage for stage in run.stages + run.mails if stage.name == name)


def test_run_whose_end_is_done_is_success(build, volume):
    build.success()
    assert volume.run(build.run).state == "success"


def test_run_whose_end_is_done_is_success_before_airflow_knows(build, volume):
    build.success()
    build.task("end_pipeline", "running")
    assert volume.run(build.run).state == "success"


def test_run_by_hand_without_task_files_is_success(build, volume):
    build.success(tasks=False)
    run = volume.run(build.run)
    assert (run.state, run.dag_id) == ("success", None)


def test_run_with_a_finally_failed_task_is_failed(build, volume):
    build.failure()
    assert volume.run(build.run).state == "failed"


def test_run_by_hand_with_a_failed_report_is_failed(build, volume):
    build.failure(tasks=False)
    run = volume.run(build.run)
    assert (run.state, run.failures[0].cause) == ("failed", "data refused")


def test_failed_mail_fails_a_run_that_ended(build, volume):
    build.success()
    build.task("success_email", "failed", cause="mail not sent", message="refused")
    run = volume.run(build.run)
    assert (run.state, run.failures[0].cause) == ("failed", "mail not sent")


@pytest.mark.parametrize("state", ["running", "up_for_retry"])
def test_failed_report_of_an_earlier_try_does_not_fail_the_run(build, volume, state):
    build.running()
    build.report("build_model", error=CRASH)
    build.task("build_model", state, try_number=2)
    assert volume.run(build.run).state == "running"


def test_report_of_an_earlier_try_says_nothing_of_the_present_one(build, volume):
    build.report("build_model", error=CRASH, metrics={"rows": 3}, outputs=("old",))
    build.task("build_model", "running", try_number=2)
    found = stage(volume.run(build.run), "build_model")
    assert (found.seconds, found.rows, found.files, found.cause) == (None, {}, [], None)


def test_stage_that_waits_for_a_retry_says_why(build, volume):
    build.running()
    build.report("build_model", error=CRASH)
    build.task("build_model", "up_for_retry", cause="crashed", message="so")
    assert [s.message for s in volume.run(build.run).failures] == ["so"]


def test_cause_of_the_report_stands_in_where_airflow_has_none(build, volume):
    build.report("build_model", error=CRASH)
    build.task("build_model", "failed")
    assert stage(volume.run(build.run), "build_model").cause == "crashed"


def test_working_stage_has_progress(build, volume):
    build.running()
    found = stage(volume.run(build.run), "build_model")
    assert (found.state, found.fraction, found.doing) == ("running", 0.4, "fitting")


def test_stage_by_hand_that_works_is_running(build, volume):
    build.progress("build_model", 0.1)
    assert stage(volume.run(build.run), "build_model").state == "running"


def test_stage_after_a_failure_is_not_run(build, volume):
    build.failure()
    assert stage(volume.run(build.run), "end_pipeline").state == "not_run"


def test_stage_of_a_running_run_waits(build, volume):
    build.running()
    assert stage(volume.run(build.run), "end_pipeline").state == "waiting"


def test_duration_is_from_the_start_to_the_last_end(build, volume):
    build.success()
    run = volume.run(build.run)
    assert (run.started, run.seconds) == (build.start, 26.0)


def test_running_run_has_no_end_and_a_last_sign_of_life(build, volume):
    build.running()
    run = volume.run(build.run)
    assert (run.ended, run.seconds) == (None, None)
    assert run.last_sign == build.start + timedelta(seconds=30)


def test_exit_code_by_hand_is_that_of_the_report(build, volume):
    build.failure(tasks=False)
    run = volume.run(build.run)
    assert [stage(run, name).exit_code for name in ("start_pipeline", "load_data")] == [0, 65]


def test_stage_that_the_pipeline_does_not_know_is_shown_last(build, volume):
    build.success()
    build.report("drift_report")
    assert volume.run(build.run).stages[-1].name == "drift_report"


def test_folder_without_a_report_is_no_stage(build, volume):
    build.success()
    build.write(f"runs/{build.run}/notes/todo.txt", "x")
    assert len(volume.run(build.run).stages) == 9


def test_half_written_report_is_named_and_breaks_nothing(build, volume):
    build.success()
    build.write(f"runs/{build.run}/build_model/report.json", '{"stage": "build_mo')
    found = stage(volume.run(build.run), "build_model")
    name = f"runs/{build.run}/build_model/report.json"
    assert found.problems == [f"{name} is not whole, valid JSON"]


def test_files_reported_outside_the_run_are_left_out(build, volume):
    build.success()
    path = build.root / f"runs/{build.run}/build_model/report.json"
    report = json.loads(path.read_text())
    report["outputs"] = [{"path": "data/advertising.csv"}, {"path": 7}, "x"]
    build.write(f"runs/{build.run}/build_model/report.json", report)
    assert stage(volume.run(build.run), "build_model").files == []


def test_values_of_wrong_types_count_as_absent(build, volume):
    folder = f"runs/{build.run}"
    strange = {"status": [], "seconds": "x", "metrics": 3, "outputs": {}, "started": 1e300}
    build.write(f"{folder}/build_model/report.json", strange | {"error": "no"})
    build.write(f"{folder}/load_data/report.json", {"started": "9999-12-31", "seconds": 1e9})
    build.write(f"{folder}/evaluate_model/metrics.json", {"accuracy": "high", "gate": [1]})
    run = volume.run(build.run)
    assert run.state == "running"
    assert (run.evaluation.scores, run.evaluation.passed) == ([], None)


def test_confusion_matrix_of_another_shape_is_left_out(build, volume):
    metrics = {"confusion_matrix": [[1, 2, 3], [4]]}
    build.write(f"runs/{build.run}/evaluate_model/metrics.json", metrics)
    assert volume.run(build.run).evaluation.confusion == []
