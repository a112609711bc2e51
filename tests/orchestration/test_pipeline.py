"""The whole pipeline, for real: Airflow's REST API in, published model, mail and pages out."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

STAGES = (
    "start_pipeline",
    "load_data",
    "data_preprocessing",
    "separate_data",
    "build_model",
    "evaluate_model",
    "model_summary",
    "trigger_flask_api",
    "end_pipeline",
)

BUNDLED = Path(__file__).resolve().parents[2] / "shared_volume" / "data"

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def green(stack: Any) -> tuple[Any, str]:
    """A finished run on the bundled data."""
    run_id, state = stack.run()
    assert state == "success", stack.tasks(run_id)
    return stack, run_id


def texts(message: Any) -> tuple[str, str]:
    """Return a mail's text and HTML."""
    return (
        message.get_body(("plain",)).get_content(),
        message.get_body(("html",)).get_content(),
    )


def assert_failed_everywhere(stack: Any, run_id: str, task: str, cause: str, *words: str) -> None:
    """The log, task.json, the mail, the page and the API all say the same cause and message."""
    note = stack.read_json(run_id, f"{task}/task.json")
    assert (note["state"], note["cause"]) == ("failed", cause)
    (mail,) = stack.mails(run_id)
    text, html = texts(mail)
    status = stack.monitor_json(f"/api/status?run_id={stack_quote(run_id)}")
    assert status["dag_info"]["status"] == "failed"
    api = json.dumps(status, ensure_ascii=False)
    _, page = stack.monitor("/failure")
    log = stack.task_log(run_id, task, note["try_number"])
    for place in (note["message"], text, html, api, page, log):
        for word in words:
            assert word in place
    for place in (text, html, api, page, log):
        assert cause in place


def stack_quote(run_id: str) -> str:
    """Quote a run id for a query."""
    from urllib.parse import quote

    return quote(run_id, safe="")


def test_a_green_run_succeeds_in_every_task_but_the_failure_mail(green: tuple[Any, str]) -> None:
    stack, run_id = green
    states = {task: t["state"] for task, t in stack.tasks(run_id).items()}
    assert states == dict.fromkeys((*STAGES, "success_email"), "success") | {
        "failure_email": "skipped"
    }


def test_a_green_run_publishes_a_model_that_scores_raw_rows(green: tuple[Any, str]) -> None:
    stack, run_id = green
    summary = json.loads(stack.published()["model_summary.json"])
    own = stack.read_json(run_id, "model_summary/model_summary.json")
    assert summary["run_id"] == (own["same_as"] or run_id)
    model = pickle.loads(stack.published()["logistic_regression_model.pkl"])
    rows = pd.read_csv(stack.volume / "data" / "advertising.csv")
    assert model.score(rows[summary["features"]], rows[summary["target"]]) > 0.95


def test_the_success_mail_has_the_numbers_of_the_metrics(green: tuple[Any, str]) -> None:
    stack, run_id = green
    (mail,) = stack.mails(run_id)
    metrics = stack.read_json(run_id, "evaluate_model/metrics.json")
    assert mail["To"] == stack.settings["MAIL_TO"]
    for content in texts(mail):
        for name in ("accuracy", "roc_auc", "log_loss", "precision", "recall", "f1"):
            assert f"{metrics[name]:.4f}" in content
        assert f"{stack.settings['MONITOR_PORT']}/runs/" in content


def test_the_monitor_shows_the_green_run(green: tuple[Any, str]) -> None:
    stack, run_id = green
    status = stack.monitor_json("/api/status")
    assert status["dag_info"]["run_id"] == run_id
    assert status["dag_info"]["status"] == "success"
    assert all(output["exists"] for output in status["outputs"])
    metrics = stack.read_json(run_id, "evaluate_model/metrics.json")
    assert stack.monitor_json("/api/metrics")["roc_auc"] == metrics["roc_auc"]
    assert f"{metrics['accuracy']:.4f}" in stack.monitor("/success")[1]


def test_the_monitor_knows_what_airflow_knows(green: tuple[Any, str]) -> None:
    stack, _ = green
    assert stack.monitor_json("/ready")["airflow"] == "answers"


def test_a_page_that_has_not_changed_is_not_sent_again(green: tuple[Any, str]) -> None:
    stack, run_id = green
    address = f"{stack.monitor_url}/runs/{run_id}"

    def ask_twice() -> int:
        """Return the status of the second answer."""
        with urllib.request.urlopen(address) as answer:
            etag = answer.headers["ETag"]
        again = urllib.request.Request(address, headers={"If-None-Match": etag})
        try:
            with urllib.request.urlopen(again) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    # Once all that Airflow knows of the run's end has arrived, the page stays as it is.
    assert stack.until(ask_twice, {304}) == "304"


def test_a_run_leaves_no_container_behind(green: tuple[Any, str]) -> None:
    stack, _ = green
    assert stack.containers() == []


REPEATABLE = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")


@pytest.mark.drill
@pytest.mark.parametrize("stage", REPEATABLE)
def test_the_command_of_task_json_repeats_a_stage_byte_for_byte(
    green: tuple[Any, str], stage: str
) -> None:
    """Nothing: the command of each stage's task.json is run again after the run, by --force."""
    stack, run_id = green
    before = outputs(stack, run_id, stage)
    assert before
    command = stack.read_json(run_id, f"{stage}/task.json")["docker_run"]
    subprocess.run(["bash", "-c", f"{command} --force"], check=True, capture_output=True)
    assert stack.read_json(run_id, f"{stage}/report.json")["status"] == "done"
    after = outputs(stack, run_id, stage)
    assert after.keys() == before.keys()
    # The model that is published by now, which two files speak of, is this run's own.
    other = {"comparison.json", "drift.json"} if stage == "evaluate_model" else set()
    assert [name for name in before if after[name] != before[name] and name not in other] == []


def test_a_run_that_changes_nothing_takes_the_work_over_and_says_so(
    green: tuple[Any, str],
) -> None:
    stack, _ = green
    run_id, state = stack.run(force=False)
    assert state == "success"
    for stage in REPEATABLE[:4]:  # evaluate_model looks at more than the run's own files
        report = stack.read_json(run_id, f"{stage}/report.json")
        assert (report["status"], report["error"]) == ("up to date", None)
        assert stack.read_json(run_id, f"{stage}/task.json")["state"] == "success"
        assert f"up to date: {report['why']}" in stack.task_log(run_id, stage)
        for entry in report["outputs"]:
            assert (stack.volume / entry["path"]).stat().st_nlink > 1
    told = stack.monitor_json(f"/api/status?run_id={stack_quote(run_id)}")
    stages = {stage["name"]: stage for stage in told["stages"]}
    assert stages["build_model"]["taken_from"]
    assert stages["build_model"]["why"].startswith("nothing has changed since run ")


def outputs(stack: Any, run_id: str, stage: str) -> dict[str, bytes]:
    """Return a stage's files but the reports, which hold times."""
    folder = stack.volume / "runs" / run_id / stage
    files = [path for path in folder.rglob("*") if path.is_file()]
    reports = {"report.json", "task.json"}
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name not in reports}


def test_the_containers_have_the_limits_of_their_contract(green: tuple[Any, str]) -> None:
    stack, run_id = green
    command = stack.read_json(run_id, "load_data/task.json")["docker_run"]
    for option in (
        "--memory=2g",
        "--memory-swap=2g",
        "--cpus=2",
        "--pids-limit=128",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true",
        "--network=none",
    ):
        assert option in command.split()


def test_the_asset_event_carries_the_metrics(green: tuple[Any, str]) -> None:
    stack, run_id = green
    path = f"/api/v2/assets/events?source_run_id={stack_quote(run_id)}"
    (event,) = stack.airflow("GET", path)["asset_events"]
    assert event["source_run_id"] == run_id
    assert event["extra"]["published"] is True


def test_the_real_data_gives_the_reference_results(stack: Any, real_data: bytes) -> None:
    source = stack.add_data("real.csv", real_data)
    run_id, state = stack.run(source=source, stratify=False)
    assert state == "success"
    metrics = stack.read_json(run_id, "evaluate_model/metrics.json")
    assert metrics["accuracy"] == pytest.approx(0.9700, abs=5e-5)
    assert metrics["roc_auc"] == pytest.approx(0.9859, abs=5e-5)
    assert metrics["log_loss"] == pytest.approx(0.1202, abs=5e-5)
    assert metrics["confusion_matrix"] == [[143, 3], [6, 148]]


def test_another_data_set_runs_with_no_change_but_its_name(stack: Any) -> None:
    """Other columns, categories, another delimiter, few clicks: impressions, split by time."""
    for name in ("impressions.csv", "impressions.toml"):
        stack.add_data(name, (BUNDLED / name).read_bytes())
    run_id, state = stack.run(dataset="impressions", split="time")
    assert state == "success", stack.tasks(run_id)
    metrics = stack.read_json(run_id, "evaluate_model/metrics.json")
    assert 0.75 < metrics["roc_auc"] < 0.85
    assert metrics["log_loss"] < metrics["baseline_log_loss"]
    assert stack.read_json(run_id, "separate_data/report.json")["metrics"]["boundary"]
    summary = json.loads(stack.published()["model_summary.json"])
    assert (summary["run_id"], summary["dataset"]) == (run_id, "impressions")
    model = pickle.loads(stack.published()["logistic_regression_model.pkl"])
    rows = pd.read_csv(BUNDLED / "impressions.csv", sep=";", na_values=["NA"], dtype={"slot": str})
    chance = model.predict_proba(rows[summary["features"]])[:, 1]
    assert chance[rows["clicked"] == "yes"].mean() > 3 * chance[rows["clicked"] == "no"].mean()
    (mail,) = stack.mails(run_id)
    for content in texts(mail):
        for name in ("accuracy", "roc_auc", "log_loss"):
            assert f"{metrics[name]:.4f}" in content
    status, page = stack.monitor(f"/runs/{run_id}")
    assert (status, f"{metrics['roc_auc']:.4f}" in page) == (200, True)


def test_a_malformed_file_is_refused_once_and_publishes_nothing(green: tuple[Any, str]) -> None:
    stack, _ = green
    before = stack.published()
    lines = (stack.volume / "data" / "advertising.csv").read_text().splitlines()
    lines[41] = lines[41].replace(lines[41].split(",")[1], "fourty", 1)
    source = stack.add_data("malformed.csv", "\n".join(lines).encode())

    run_id, state = stack.run(source=source)

    assert state == "failed"
    assert stack.tasks(run_id)["load_data"]["try_number"] == 1
    assert stack.tasks(run_id)["data_preprocessing"]["state"] == "upstream_failed"
    assert stack.tasks(run_id)["trigger_flask_api"]["state"] == "success"
    assert_failed_everywhere(
        stack, run_id, "load_data", "data refused", "malformed.csv", "line 42", "fourty"
    )
    assert stack.published() == before
    assert stack.containers() == []


def test_markup_in_the_data_stays_text_on_every_page(green: tuple[Any, str]) -> None:
    """A script tag in every text field, through stages, reports, mail and monitor."""
    stack, _ = green
    script = "<script>alert(1)</script>"
    frame = pd.read_csv(stack.volume / "data" / "advertising.csv")
    text = frame.select_dtypes("str").columns
    assert len(text) >= 3
    frame[text] = script
    source = stack.add_data("markup.csv", frame.to_csv(index=False).encode())
    run_id, state = stack.run(source=source)
    assert state == "success"

    frame["Age"] = frame["Age"].astype("str")
    frame.loc[6, "Age"] = script
    refused = stack.add_data("markup refused.csv", frame.to_csv(index=False).encode())
    refused_id, state = stack.run(source=refused)
    assert state == "failed"

    pages = ["/home", "/runs", "/runs?q=script", "/success", "/failure", "/model", "/mails"]
    pages += [f"/runs/{run}" for run in (run_id, refused_id)]
    pages += [f"/embed/runs/{refused_id}", f"/compare?run={stack_quote(run_id)}"]
    pages += [f"/mails/{path.name}" for path in (stack.volume / "mailbox" / "new").iterdir()]
    for address in pages:
        _, page = stack.monitor(address)
        assert script not in page, address
    assert "&lt;script&gt;alert(1)" in stack.monitor(f"/runs/{refused_id}")[1]
    for mail in stack.mails(refused_id):
        assert script not in texts(mail)[1]


def test_tasks_ask_airflow_no_more_than_they_have_to(green: tuple[Any, str]) -> None:
    """The API server's time is what passes between two containers."""
    stack, run_id = green
    access = subprocess.run(
        ["docker", "logs", stack.service("airflow-apiserver")],
        check=True,
        capture_output=True,
        text=True,
    )
    calls = re.findall(r"method=(\w+) path=/execution/(\S+)", access.stdout + access.stderr)
    tasks = stack.tasks(run_id)
    own = {
        task: {(how, path) for how, path in calls if f"/{tasks[task]['id']}/" in path}
        for task in (*STAGES, "success_email")
    }
    # Begun, alive, what was rendered, ended; of the model also whether its asset may be written.
    assert {task: len(found) for task, found in own.items()} == {
        task: 5 if task == "model_summary" else 4 for task in own
    }
    xcoms = [
        (how, path.removesuffix("/slice").split("/")[3:])
        for how, path in calls
        if path.startswith(f"xcoms/ml_pipeline_advertising/{run_id}/")
    ]
    assert sorted(words for how, words in xcoms if how == "POST") == sorted(
        [stage, "return_value"] for stage in STAGES
    )
    # The mail: what each stage has told, once for both of its forms.
    assert sorted(words for how, words in xcoms if how == "GET") == sorted(
        [stage, "return_value"] for stage in STAGES[:7]
    )


def test_a_missed_gate_is_not_retried_and_publishes_nothing(green: tuple[Any, str]) -> None:
    stack, _ = green
    before = stack.published()
    run_id, state = stack.run(min_accuracy=1.0)
    assert state == "failed"
    assert stack.tasks(run_id)["evaluate_model"]["try_number"] == 1
    assert_failed_everywhere(
        stack, run_id, "evaluate_model", "quality gate missed", "min_accuracy 1.0"
    )
    assert stack.read_json(run_id, "evaluate_model/task.json")["exit_code"] == 80
    assert stack.published() == before


def test_a_crash_is_retried_and_then_red(
    green: tuple[Any, str], crashing_data_preprocessing: None
) -> None:
    stack, _ = green
    run_id, state = stack.run()
    assert state == "failed"
    assert stack.tasks(run_id)["data_preprocessing"]["try_number"] == 3
    assert_failed_everywhere(
        stack, run_id, "data_preprocessing", "crashed", "RuntimeError", "made to fail"
    )
    note = stack.read_json(run_id, "data_preprocessing/task.json")
    assert note["exit_code"] == 70
    tries = [(t["try_number"], t["state"], t["cause"], t["exit_code"]) for t in note["tries"]]
    assert tries == [(1, "failed", "crashed", 70), (2, "failed", "crashed", 70)]


def test_the_trigger_form_refuses_a_bad_value_with_its_reason(stack: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        stack.trigger(test_size=2)
    with refused.value as error:
        assert error.code == 400
        assert "test_size" in error.read().decode() or error.code == 400


def test_the_watchdog_is_green_while_the_monitor_answers(stack: Any) -> None:
    run_id = stack.trigger("flask_api_monitoring")
    assert stack.wait(run_id, "flask_api_monitoring") == "success"


def test_an_unbuilt_image_is_named_and_not_pulled(stack: Any, hidden_image: str) -> None:
    run_id, state = stack.run()
    assert state == "failed"
    assert stack.tasks(run_id)["build_model"]["try_number"] == 1
    assert_failed_everywhere(stack, run_id, "build_model", "image missing", hidden_image)


def test_a_task_marked_failed_stops_its_container_and_says_so(
    stack: Any, slow_build_model: None
) -> None:
    run_id = stack.trigger()
    stack.until(lambda: str(len(stack.stage_output(run_id, "build_model", "progress.json"))), {"1"})
    path = f"/api/v2/dags/ml_pipeline_advertising/dagRuns/{stack_quote(run_id)}"
    stack.airflow("PATCH", f"{path}/taskInstances/build_model", {"new_state": "failed"})
    assert stack.wait(run_id) == "failed"
    stack.until(lambda: str(stack.containers()), {"[]"})
    report = stack.read_json(run_id, "build_model/report.json")
    assert report["error"]["cause"] == "stopped"
    assert stack.stage_output(run_id, "build_model", "*.pkl") == []


def test_make_run_prints_the_result_as_its_last_line(stack: Any, run_make: Any) -> None:
    source = stack.add_data("other file.csv", (stack.volume / "data/advertising.csv").read_bytes())
    done = run_make("run", SOURCE=source)
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {"run_id", "state", "seconds", "accuracy", "roc_auc", "published"}
    assert (result["state"], result["published"]) == ("success", True)
    assert stack.read_json(result["run_id"], "start_pipeline/run.json")["source"]["path"] == source
    for word in ("build_model", "logistic_regression_model.pkl", "ROC AUC", "password"):
        assert word in done.stdout
    assert stack.settings["AIRFLOW_ADMIN_PASSWORD"] not in done.stdout


def test_make_run_of_a_bad_file_exits_1_and_says_why(stack: Any, run_make: Any) -> None:
    source = stack.add_data("empty.csv", b"")
    done = run_make("run", SOURCE=source, check=False)
    assert done.returncode == 2  # what make makes of any failure
    assert "data refused" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "failed"


def test_smtp_test_says_what_the_server_answered(stack: Any, run_make: Any) -> None:
    done = run_make("smtp-test")
    assert "mailbox:1025; the server answered: 250" in done.stdout


def test_a_stack_that_is_well_is_left_alone(stack: Any, run_make: Any) -> None:
    assert "services: healthy, as they were" in run_make("up").stdout


def test_a_stopped_service_is_started_again(stack: Any, run_make: Any) -> None:
    subprocess.run(["docker", "stop", stack.service("mailbox")], check=True, capture_output=True)
    assert run_make("status", check=False).returncode != 0
    assert "services: starting" in run_make("up").stdout
    run_make("status")


def test_status_shows_each_service_and_the_newest_run(stack: Any, run_make: Any) -> None:
    done = run_make("status")
    for word in ("airflow-scheduler", "docker-proxy", "mailbox", "running, healthy", "newest run"):
        assert word in done.stdout
