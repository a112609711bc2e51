"""The API: exact shapes, the newest run or the named one, problem details for errors."""

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest


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


def test_method_that_is_not_offered_is_405_with_those_that_are(client):
    answer = client.post("/api/status")
    assert (answer.status_code, answer.json["status"]) == (405, 405)
    assert "GET" in answer.headers["Allow"]


def test_unreadable_volume_is_503_with_a_json_reason(build, client):
    (build.root / ".ad-click-volume").unlink()
    answer = ask(client, "/api/status", 503)
    assert "is not the shared volume" in answer["detail"]


def test_crash_of_the_monitor_is_500_without_details(build, client, monkeypatch):
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    client.application.extensions["volume"] = None
    answer = ask(client, "/api/status", 500)
    assert "NoneType" not in str(answer)
