"""The API: exact shapes, the newest run or the named one, and a document of all of it."""

import json
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from tests.images.monitor.conftest import (
    COMPARISON,
    DAY,
    DRIFT,
    MEASURED,
    PROFILE,
    PUBLISHED_FILES,
    iso,
)

from monitor.reading.evaluation import SCORES
from monitor.reading.stages import MAILS, STAGES

MINUTE = timedelta(minutes=1)


def ask(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status
    return answer.json


def test_status_has_the_documented_shape(build, client):
    build.success()
    answer = ask(client, "/api/status")
    assert list(answer) == ["status", "timestamp", "dag_info", "stages", "outputs"]
    assert answer["status"] == "success"
    assert datetime.fromisoformat(answer["timestamp"]).utcoffset() == timedelta(0)
    assert answer["dag_info"] == {
        "dag_id": "ml_pipeline_advertising",
        "run_id": build.run,
        "status": "success",
        "logical_date": None,
        "start_date": "2026-11-23T19:30:00.000Z",
        "end_date": "2026-11-23T19:30:26.000Z",
        "duration": 26.0,
    }


def test_status_of_a_run_by_hand_has_no_dag(build, client):
    build.success(tasks=False)
    assert ask(client, "/api/status")["dag_info"]["dag_id"] is None


def test_status_of_a_running_run_has_no_end(build, client):
    build.running()
    info = ask(client, "/api/status")["dag_info"]
    assert (info["status"], info["end_date"], info["duration"]) == ("running", None, None)


def test_status_is_of_the_newest_run(build, client):
    build.success("old", started=build.start - timedelta(days=1))
    build.failure()
    assert ask(client, "/api/status")["dag_info"]["run_id"] == build.run


@pytest.mark.parametrize("quoted", [True, False])
def test_status_of_a_named_run(build, client, quoted):
    build.failure()
    build.success("new", started=build.start + timedelta(days=1))
    run_id = quote(build.run, safe="") if quoted else build.run
    answer = ask(client, f"/api/status?run_id={run_id}")
    assert (answer["dag_info"]["run_id"], answer["status"]) == (build.run, "failed")


def test_status_tells_the_cause_of_a_failed_stage(build, client):
    build.failure()
    stage = ask(client, "/api/status")["stages"][1]
    assert (stage["name"], stage["state"], stage["cause"], stage["exit_code"]) == (
        "load_data", "failed", "data refused", 65)  # fmt: skip


def test_each_expected_output_says_whether_it_is_there(build, client):
    build.running()
    outputs = {o.pop("path"): o for o in ask(client, "/api/status")["outputs"]}
    folder = f"runs/{build.run}"
    assert outputs[f"{folder}/load_data/table.parquet"] == {"exists": True, "bytes": 4}
    assert outputs[f"{folder}/evaluate_model/figures/"] == {"exists": False, "bytes": None}


def test_expected_outputs_are_those_of_the_runs_own_stages_without_optional_ones(build, client):
    build.running()
    names = {o["path"].split("/")[2] for o in ask(client, "/api/status")["outputs"]}
    assert "predict" not in names
    assert {"load_data", "end_pipeline"} <= names
    outputs = [o["path"] for o in ask(client, "/api/status")["outputs"]]
    assert [path.rpartition(".")[2] for path in outputs if "/build_model/" in path] == ["pkl"]
    build.opened("new", started=build.start + timedelta(days=1), purpose="predict")
    names = {o["path"].split("/")[2] for o in ask(client, "/api/status?run_id=new")["outputs"]}
    assert names == {"start_pipeline", "load_data", "predict"}


def test_folder_among_the_outputs_counts_its_bytes(build, client):
    build.success()
    figures = next(o for o in ask(client, "/api/status")["outputs"] if o["path"].endswith("/"))
    assert figures["exists"]
    assert figures["bytes"] > 0


def test_metrics_are_those_of_the_published_model(build, client):
    build.publish()
    build.failure("newer", started=build.start + timedelta(days=1))
    answer = ask(client, "/api/metrics")
    assert answer["run_id"] == build.run
    assert answer["model_type"] == "LogisticRegression"
    assert answer["dataset"] == "advertising"
    assert answer["last_updated"] == "2026-11-23T19:30:00.000Z"
    assert answer["summary"] == "Accuracy 0.9700\n"
    assert (answer["train_score"], answer["test_score"]) == (0.9757, 0.97)
    assert answer["confusion_matrix"] == [[143, 3], [6, 148]]
    assert answer["gate"]["passed"] is True


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/api/status", "There is no run on the shared volume yet"),
        ("/api/status?run_id=absent", "There is no run absent"),
        ("/api/status?run_id=../data", "That is no run id"),
        ("/api/metrics", "No model is published yet"),
        ("/api/nothing", "not found"),
    ],
)
def test_nothing_to_tell_is_404_with_a_json_reason(client, address, reason):
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert list(answer.json) == ["type", "title", "status", "detail"]
    assert (answer.json["title"], answer.json["status"]) == ("Not Found", 404)
    assert reason in answer.json["detail"]


def test_status_has_every_stage_and_mail_in_order(build, client):
    build.running()
    stages = ask(client, "/api/status")["stages"]
    assert [stage["name"] for stage in stages] == [*STAGES, *MAILS]
    assert [stage["state"] for stage in stages[3:6]] == ["success", "running", "waiting"]
    assert stages[4]["fraction"] == 0.4


@pytest.fixture
def three(build):
    build.success("good")
    build.failure("bad", started=build.start + MINUTE)
    build.refusal("refused", started=build.start + 2 * MINUTE)


def names(answer):
    return [run["run_id"] for run in answer["runs"]]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ({}, ["refused", "bad", "good"]),
        ({"q": "BAD.csv line"}, ["bad"]),
        ({"state": ["success", "failed"]}, ["refused", "bad", "good"]),
        ({"state": "success"}, ["good"]),
        ({"cause": "data refused"}, ["bad"]),
        ({"dataset": "other"}, []),
        ({"published": "true"}, ["good"]),
        ({"published": "false"}, ["refused"]),
        ({"sort": "accuracy", "order": "asc"}, ["refused", "good", "bad"]),
        ({"page": 2, "page_size": 2}, ["good"]),
        ({"page": 9}, []),
        ({"unknown": "x", "endpoint": "y"}, ["refused", "bad", "good"]),
    ],
    ids=str,
)
def test_runs_are_those_that_the_query_asks_for(client, query, runs):
    assert names(ask(client, f"/api/runs?{urlencode(query, doseq=True)}")) == runs


@pytest.mark.usefixtures("three")
def test_list_of_runs_says_how_long_it_is(client):
    answer = ask(client, "/api/runs?page=2&page_size=2")
    del answer["runs"]
    assert answer == {"page": 2, "pages": 2, "page_size": 2, "total": 3}


def test_run_of_a_list_has_the_documented_shape(build, client):
    build.success()
    (run,) = ask(client, "/api/runs")["runs"]
    assert list(run["scores"]) == list(SCORES)
    assert list(run.pop("scores").values()) == [
        0.97, 0.9891, 0.9859, 0.1202, 0.0301, 0.9801, 0.961, 0.9705]  # fmt: skip
    assert run.pop("stages") == dict.fromkeys(STAGES, 1.5)
    assert run.pop("parameters")["max_iter"] == 1000
    assert run == {
        "run_id": build.run, "state": "success", "started": "2026-11-23T19:30:00.000Z",
        "ended": "2026-11-23T19:30:26.000Z", "seconds": 26.0, "dataset": "advertising",
        "source": "data/advertising.csv", "dag_id": "ml_pipeline_advertising", "task": None,
        "cause": None, "message": None, "published": True, "reason": "the quality gate is met",
        "rows": 1000, "fraction": 1.0,
    }  # fmt: skip


def test_run_has_all_that_is_known_of_it(build, client):
    build.failure()
    build.validation(valid=False, violations=1, first_violations=[{"line": 7}])
    former = build.attempt(1, build.start)
    build.task("load_data", "failed", tries=[former], try_number=2, cause="x", exit_code=65)
    run = ask(client, f"/api/runs/{quote(build.run, safe='')}")
    assert (run["run_id"], run["state"], run["dataset"]) == (build.run, "failed", "advertising")
    assert run["source"]["path"] == "data/advertising.csv"
    assert (run["check"]["valid"], run["check"]["first"]) == (False, [{"line": 7}])
    assert run["check"]["rows_read"] == 1000
    assert (run["warnings"], run["profile"]) == ([], None)
    stage = run["stages"][1]
    assert [t["number"] for t in stage["tries"]] == [1, 2]
    assert stage["tries"][0]["started"] == "2026-11-23T19:30:00.000Z"
    assert (stage["exit_code"], stage["log_tail"]) == (65, ["one", "two"])
    assert stage["docker_run"].startswith("docker run --rm")
    assert [mail["name"] for mail in run["mails"]] == list(MAILS)


def test_unreadable_files_of_a_run_are_named(build, client):
    build.success()
    build.write(f"runs/{build.run}/build_model/report.json", "{")
    run = ask(client, f"/api/runs/{build.run}")
    name = f"runs/{build.run}/build_model/report.json is not whole, valid JSON"
    assert run["problems"] == run["stages"][4]["problems"] == [name]


def test_run_that_only_airflow_knows_is_queued(airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    airflow.run("new", "queued", {"start_pipeline": "scheduled"})
    poll(client)
    run = ask(client, "/api/runs/new")
    assert (run["state"], run["stages"][0]["state"]) == ("queued", "queued")


def test_artifacts_have_the_address_where_they_are_downloaded(build, client):
    build.success()
    answer = ask(client, f"/api/runs/{build.run}/artifacts")
    assert answer["run_id"] == build.run
    files = {file["path"]: file for file in answer["artifacts"]}
    model = files["build_model/logistic_regression_model.pkl"]
    assert (model["stage"], model["bytes"], model["sha256"]) == ("build_model", 4, "cd" * 32)
    for file in answer["artifacts"]:
        assert client.get(file["address"], buffered=True).status_code == 200


def test_artifact_with_an_odd_name_has_a_quoted_address(build, client):
    build.report("build_model", outputs=("a b?#<x>.csv",))
    (file,) = ask(client, f"/api/runs/{build.run}/artifacts")["artifacts"]
    assert file["address"].endswith("/build_model/a%20b%3F%23%3Cx%3E.csv")
    assert client.get(file["address"], buffered=True).data == b"made"


def test_run_has_its_warnings_and_the_profile_of_its_data(build, client):
    build.success()
    build.report("data_preprocessing", metrics={"warnings": ["Look at 'a'.", 7]})
    build.validation(dropped_by_reason={"is a copy": 3})
    run = ask(client, f"/api/runs/{quote(build.run, safe='')}")
    assert run["warnings"] == [{"stage": "data_preprocessing", "message": "Look at 'a'."}]
    assert run["profile"]["after"]["columns"] == {"Age": PROFILE["Age"]}
    assert run["profile"]["before"]["columns_total"] == 2
    assert run["profile"]["before"]["classes"] == {"0": 494, "1": 506}
    assert run["check"]["dropped_by_reason"] == {"is a copy": 3}
    assert run["problems"] == []
    build.write(f"runs/{build.run}/data_preprocessing/profile.json", "{")
    run = ask(client, f"/api/runs/{quote(build.run, safe='')}")
    assert run["profile"] is None
    assert "profile.json is not whole" in run["problems"][0]


@pytest.mark.usefixtures("three")
def test_model_has_its_card_and_the_decisions(build, client):
    build.publish("good")
    answer = ask(client, "/api/model")
    assert (answer["run_id"], answer["created"]) == ("good", "2026-11-23T19:30:00.000Z")
    assert answer["summary"]["model_type"] == "LogisticRegression"
    assert answer["text"] == "Accuracy 0.9700\n"
    assert [(run["run_id"], run["published"]) for run in answer["history"]] == [
        ("refused", False), ("good", True)]  # fmt: skip


@pytest.mark.usefixtures("three")
def test_comparison_has_a_value_for_each_run(client):
    answer = ask(client, "/api/compare?run=refused&run=good")
    assert answer["run_ids"] == ["refused", "good"]
    accuracy = answer["scores"][0]
    assert accuracy == {"name": "accuracy", "values": [0.8, 0.97], "differs": True, "best": [1]}


def test_comparison_takes_a_plus_that_nobody_quoted(build, client):
    build.success()
    build.success("other")
    assert ask(client, f"/api/compare?run={build.run}&run=other")["run_ids"] == [build.run, "other"]


@pytest.mark.usefixtures("three")
def test_comparison_with_a_run_that_is_not_there_is_404(client):
    assert "absent" in ask(client, "/api/compare?run=good&run=absent", 404)["detail"]


def test_document_describes_every_address_of_the_api(client):
    document = ask(client, "/api/openapi.json")
    assert document["openapi"].startswith("3.1")
    rules = {
        rule.rule.replace("<", "{").replace(">", "}")
        for rule in client.application.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
    }
    assert set(document["paths"]) == rules
    for path in document["paths"].values():
        assert {"200", "401", "503"} <= set(path["get"]["responses"])
        problem = path["get"]["responses"]["503"]["content"]
        assert list(problem) == ["application/problem+json"]


def test_document_holds_nothing_that_does_not_resolve(client):
    document = ask(client, "/api/openapi.json")
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for name in {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas


def test_page_to_try_the_api_loads_its_files_from_here(client):
    found = client.get("/api/").text
    assert 'data-address="/api/openapi.json"' in found
    assert "/static/vendor/swagger-ui-dist/swagger-ui-bundle.js?v=" in found
    assert client.get("/api").status_code in (200, 308)


def test_run_has_its_comparison_drift_and_reuse(build, client):
    build.not_published()
    found = client.get(f"/api/runs/{build.run}").json
    assert (found["comparison"], found["drift"]) == (COMPARISON, DRIFT)
    assert found["metrics"]["segments"] == MEASURED["segments"]
    assert found["metrics"]["intervals"] == MEASURED["intervals"]
    loaded = next(stage for stage in found["stages"] if stage["name"] == "load_data")
    assert (loaded["taken_from"], loaded["why"]) == ("champion", "nothing has changed")


def test_run_without_the_newer_files_has_null_for_them(build, client):
    build.success()
    found = client.get(f"/api/runs/{build.run}").json
    assert (found["comparison"], found["drift"]) == (None, None)


def test_model_has_its_comparison_drift_and_files(build, client):
    build.publish(comparison=COMPARISON, drift=DRIFT, files=PUBLISHED_FILES)
    found = client.get("/api/model").json
    assert (found["comparison"], found["drift"]) == (COMPARISON, DRIFT)
    assert found["files"] == PUBLISHED_FILES


def test_history_of_models_is_paged_newest_first(build, client):
    for number in range(3):
        build.decision("published", f"r{number}", time=iso(build.start + number * DAY))
    found = client.get("/api/model/history?page_size=2").json
    assert [decision["run_id"] for decision in found["decisions"]] == ["r2", "r1"]
    assert (found["total"], found["pages"]) == (3, 2)
    assert found["decisions"][0]["time"] == iso(build.start + 2 * DAY)
    assert client.get("/api/model/history?page=0").status_code == 400
