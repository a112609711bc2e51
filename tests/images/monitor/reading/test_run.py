"""run.py: the state of a run, from the volume alone."""

from datetime import timedelta

import pytest

CRASH = {"code": 70, "cause": "crashed", "message": "crashed with ValueError: x"}


def stage(run, name):
    return next(stage for stage in run.tasks if stage.name == name)


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


PREDICTION = ("start_pipeline", "load_data", "predict")


def test_run_that_predicts_has_its_own_stages_and_ends_with_the_last_of_them(build, volume):
    build.stages(PREDICTION, build.run, build.start, tasks=True)
    build.opened(purpose="predict")
    run = volume.run(build.run)
    assert [stage.name for stage in run.stages] == list(PREDICTION)
    assert (run.state, run.fraction, run.published) == ("success", 1.0, None)


def test_run_that_predicts_is_running_until_then(build, volume):
    build.stages(PREDICTION[:2], build.run, build.start, tasks=True)
    build.opened(purpose="predict")
    run = volume.run(build.run)
    assert (run.state, round(run.fraction, 2)) == ("running", 0.67)
    assert stage(run, "predict").state == "waiting"


def test_run_that_predicts_and_failed_is_failed(build, volume):
    build.stages(PREDICTION[:2], build.run, build.start, tasks=False)
    build.opened(purpose="predict")
    build.report("predict", error=CRASH)
    assert volume.run(build.run).state == "failed"


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
    assert (volume.run(build.run).state, volume.run(build.run).over) == ("running", False)


def test_stage_that_waits_for_a_retry_says_why(build, volume):
    build.running()
    build.report("build_model", error=CRASH)
    build.task("build_model", "up_for_retry", cause="crashed", message="so")
    assert [s.message for s in volume.run(build.run).failures] == ["so"]


def test_stage_at_work_is_named(build, volume):
    build.running()
    assert volume.run(build.run).at_work.name == "build_model"
    build.task("build_model", "success")
    assert volume.run(build.run).at_work is None


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


def test_fraction_is_the_share_of_the_stages_done_and_of_the_one_at_work(build, volume):
    build.running()
    assert volume.run(build.run).fraction == pytest.approx((4 + 0.4) / 9)


@pytest.mark.parametrize(("told", "counted"), [(7, 1), (-3, 0), ("x", 0)])
def test_fraction_of_a_stage_counts_between_none_and_all(build, volume, told, counted):
    build.running()
    build.progress("build_model", told)
    assert volume.run(build.run).fraction == pytest.approx((4 + counted) / 9)


def test_fraction_of_a_run_that_succeeded_is_one(build, volume):
    build.success()
    build.report("drift_report")
    assert volume.run(build.run).fraction == 1


def test_run_by_hand_counts_from_its_first_report(build, volume):
    build.report("separate_data", started=build.start + timedelta(hours=1))
    build.report("load_data", started=build.start)
    assert volume.run(build.run).started == build.start


def test_stage_that_the_pipeline_does_not_know_is_shown_last(build, volume):
    build.success()
    build.report("drift_report")
    assert volume.run(build.run).stages[-1].name == "drift_report"


def test_folder_without_a_report_is_no_stage(build, volume):
    build.success()
    build.write(f"runs/{build.run}/notes/todo.txt", "x")
    assert len(volume.run(build.run).stages) == 9


def test_data_check_is_read(build, volume):
    found = {"line": 7, "column": "Age", "value": "x", "rule": "is not an integer"}
    build.opened()
    build.validation(valid=False, violations=2, violations_by_rule={"is not an integer": 2},
                     first_violations=[found, "x"], unknown_columns=["Mood", 7])  # fmt: skip
    check = volume.run(build.run).check
    assert (check.file, check.valid, check.rows, check.dropped, check.violations) == (
        "data/advertising.csv", False, 1000, 0, 2)  # fmt: skip
    assert (check.first, check.unknown_columns) == ([found], ["Mood"])
    assert check.by_rule == {"is not an integer": 2}


def test_run_without_a_data_check_has_none(build, volume):
    build.opened()
    assert volume.run(build.run).check is None


def test_parameters_and_versions_are_those_of_all_stages(build, volume):
    build.success()
    run = volume.run(build.run)
    assert (run.parameters["test_size"], run.parameters["max_iter"]) == (0.3, 1000)
    assert run.versions == {"python": "3.13.5", "pandas": "3.0.1"}


def test_decision_is_that_of_the_models_summary(build, volume):
    build.success()
    run = volume.run(build.run)
    assert (run.published, run.reason) == (True, "the quality gate is met")


@pytest.mark.parametrize("name", ["<b>.svg", "UP.svg", "page.html", ".hidden.svg", "x.svg.js"])
def test_figure_with_an_odd_name_is_none(build, volume, name):
    build.success()
    build.write(f"runs/{build.run}/evaluate_model/figures/{name}", "")
    assert volume.run(build.run).figures == ["evaluate_model/figures/roc_curve.svg"]


def test_linked_folder_of_figures_has_none(build, volume):
    build.success("other")
    build.opened()
    (build.root / f"runs/{build.run}/evaluate_model").symlink_to("../other/evaluate_model")
    assert volume.run(build.run).figures == []


def test_every_unreadable_file_is_named(build, volume):
    build.success()
    names = ("start_pipeline/run.json", "build_model/report.json", "load_data/validation.json",
             "evaluate_model/metrics.json", "success_email/task.json")  # fmt: skip
    for name in names:
        build.write(f"runs/{build.run}/{name}", "{")
    problems = {f"runs/{build.run}/{name} is not whole, valid JSON" for name in names}
    assert set(volume.run(build.run).all_problems) == problems


def test_values_of_wrong_types_count_as_absent(build, volume):
    folder = f"runs/{build.run}"
    strange = {"status": [], "seconds": "x", "metrics": 3, "outputs": {}, "started": 1e300}
    build.write(f"{folder}/build_model/report.json", strange | {"error": "no"})
    build.write(f"{folder}/load_data/report.json", {"started": "9999-12-31", "seconds": 1e9})
    build.write(f"{folder}/evaluate_model/metrics.json", {"accuracy": "high", "gate": [1]})
    build.write(f"{folder}/load_data/validation.json", {"rows": "x", "first_violations": {}})
    run = volume.run(build.run)
    assert run.state == "running"
    assert (run.evaluation.scores, run.evaluation.passed) == ([], None)
    assert (run.check.rows, run.check.first) == (None, [])
