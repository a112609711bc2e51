"""/health: is the volume readable, how old is the newest run."""

from datetime import UTC, datetime, timedelta


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


def test_volume_that_is_not_there_is_503(build, client):
    build.root.rename(build.root.with_name("elsewhere"))
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json["volume"]["readable"] is False
