"""/health and /ready: is the volume readable, does the monitor show a run, does it know all."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest


def test_empty_volume_is_ok_and_has_no_newest_run(client):
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "ok",
        "volume": {"readable": True, "marker": True, "problem": None},
        "newest_run": None,
    }


def test_newest_run_has_its_age(build, client):
    build.success(started=datetime.now(UTC) - timedelta(hours=1))
    newest = client.get("/health").json["newest_run"]
    assert (newest["run_id"], newest["state"]) == (build.run, "success")
    assert newest["age_seconds"] >= 3600


def test_missing_marker_is_503_and_says_so(build, client):
    (build.root / ".ad-click-volume").unlink()
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "failing")
    assert (answer.json["volume"]["readable"], answer.json["volume"]["marker"]) == (True, False)
    assert "has no .ad-click-volume" in answer.json["volume"]["problem"]


@pytest.mark.parametrize("address", ["/health", "/health?run_id=a", "/ready"])
def test_volume_that_is_not_there_is_503(build, client, address):
    build.success("a")
    assert client.get(address).status_code == 200
    build.root.rename(build.root.with_name("elsewhere"))
    answer = client.get(address)
    assert (answer.status_code, answer.json["status"]) == (503, "failing")
    assert "is not the shared volume" in str(answer.json)


def test_health_of_a_volume_that_is_not_there_says_that_it_cannot_be_read(build, client):
    build.root.rename(build.root.with_name("elsewhere"))
    assert client.get("/health").json["volume"]["readable"] is False


@pytest.mark.parametrize("quoted", [True, False])
def test_run_that_is_asked_for_is_told_with_its_state(build, client, quoted):
    build.failure()
    run_id = quote(build.run, safe="") if quoted else build.run
    answer = client.get(f"/health?run_id={run_id}")
    assert (answer.status_code, answer.json["run"]) == (
        200, {"run_id": build.run, "state": "failed"})  # fmt: skip


@pytest.mark.parametrize("run_id", ["absent", "../data", "<b>", "%00"])
def test_run_that_the_monitor_does_not_show_is_null(build, client, run_id):
    build.success()
    answer = client.get(f"/health?run_id={run_id}")
    assert (answer.status_code, answer.json["run"]) == (200, None)


def test_run_is_null_while_the_volume_cannot_be_read(build, client):
    build.success("a")
    (build.root / ".ad-click-volume").unlink()
    answer = client.get("/health?run_id=a")
    assert (answer.json["run"], answer.json["newest_run"]) == (None, None)


def test_health_is_told_without_a_run_that_is_not_asked_for(client):
    assert "run" not in client.get("/health").json
    assert "run" not in client.get("/health?run_id=").json


def test_ready_once_every_run_is_indexed(build, client):
    for number in range(30):
        build.opened(f"r{number}")
    client.application.extensions["watch"].patience = 0
    answer = client.get("/ready")
    assert (answer.status_code, answer.json["status"]) == (503, "indexing")
    assert answer.json["runs"] == {"indexed": 25, "on_volume": 30}
    answer = client.get("/ready")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    assert answer.json["runs"] == {"indexed": 30, "on_volume": 30}


def test_empty_volume_is_ready(client):
    answer = client.get("/ready")
    assert (answer.status_code, answer.json["airflow"]) == (200, "not asked")


def test_monitor_is_ready_also_without_airflow_and_says_so(airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    poll(client)
    assert client.get("/ready").json["airflow"] == "answers"
    airflow.answers = [(500, b"")]
    poll(client)
    answer = client.get("/ready")
    assert (answer.status_code, "answers 500" in answer.json["airflow"]) == (200, True)
