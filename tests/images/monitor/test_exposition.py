"""/metrics: what Prometheus collects, and the dashboard that draws it."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.images.monitor.conftest import COMPARISON, DRIFT

from monitor.reading.drift import COLUMNS
from monitor.reading.evaluation import SCORES
from monitor.reading.history import EVENTS
from monitor.reading.stages import STAGES

GRAFANA = json.loads((Path(__file__).resolve().parents[3] / "docs/grafana.json").read_text())
EXPRESSIONS = [target["expr"] for panel in GRAFANA["panels"] for target in panel.get("targets", [])]
MINUTE = timedelta(minutes=1)


def read(client):
    """Each metric's value by its labels' values."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    return {
        family.name: {" ".join(s.labels.values()): s.value for s in family.samples}
        for family in families
    }


@pytest.fixture
def everything(build, airflow, serve, poll):
    """A browser of a monitor that knows of a run in each state, of a model and of Airflow."""
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    build.success()
    build.failure("bad", started=build.start + MINUTE)
    build.running("on", started=build.start + 2 * MINUTE)
    build.publish()
    for name, content in (("comparison", COMPARISON), ("drift", DRIFT)):
        build.write(f"runs/{build.run}/evaluate_model/{name}.json", content)
    for event in EVENTS:
        build.decision(event)
    os.utime(build.write("data/advertising.csv", "x"), (1000, 1000))
    airflow.run("new", "queued")
    poll(client)
    return client


def test_type_is_that_of_prometheus_text(client):
    assert client.get("/metrics").content_type.startswith("text/plain; version=")


def test_states_causes_and_starts_of_the_runs(build, everything):
    found = read(everything)
    start = build.start.timestamp()
    assert found["ad_click_runs"] == {"running": 1, "success": 1, "failed": 1}
    assert found["ad_click_failures"] == {"data refused": 1}
    assert found["ad_click_newest_run_started_seconds"] == {
        "success": start, "failed": start + 60, "running": start + 120}  # fmt: skip


def test_durations_and_rows_are_those_of_the_newest_success(everything):
    found = read(everything)
    assert found["ad_click_run_duration_seconds"] == {"": 26}
    assert found["ad_click_stage_duration_seconds"] == dict.fromkeys(STAGES, 1.5)
    assert found["ad_click_data_rows"] == {"": 1000}


def test_quality_and_ages_are_those_of_the_published_model(build, everything):
    found = read(everything)
    assert found["ad_click_model_published"] == {"": 1}
    assert set(found["ad_click_model_score"]) == set(SCORES)
    assert found["ad_click_model_score"]["roc_auc"] == 0.9859
    assert found["ad_click_model_created_seconds"] == {"": build.start.timestamp()}
    assert found["ad_click_data_modified_seconds"] == {"": 1000}


def test_airflow_is_up_or_down(airflow, everything, poll):
    found = read(everything)
    assert (found["ad_click_airflow_up"], found["ad_click_runs_waiting"]) == ({"": 1}, {"": 1})
    airflow.answers = [(500, b"")]
    poll(everything)
    found = read(everything)
    assert (found["ad_click_airflow_up"], found["ad_click_runs_waiting"]) == ({"": 0}, {"": 0})


def test_monitor_that_is_not_told_of_airflow_does_not_say_that_it_is_down(client):
    assert "ad_click_airflow_up" not in read(client)


def test_empty_volume_has_no_runs_and_no_model(client):
    found = read(client)
    assert found["ad_click_runs"] == {"running": 0, "success": 0, "failed": 0}
    assert found["ad_click_failures"] == {}
    assert found["ad_click_model_published"] == {"": 0}
    assert found["ad_click_index_complete"] == {"": 1}
    assert found["ad_click_index_age_seconds"][""] < 60
    for name in ("ad_click_run_duration_seconds", "ad_click_model_score", "ad_click_data_rows"):
        assert name not in found


def test_run_that_is_about_to_be_tried_again_has_not_failed(build, client):
    build.running()
    build.task("build_model", "up_for_retry", cause="crashed")
    assert read(client)["ad_click_failures"] == {}


def test_model_without_scores_or_data_says_what_it_has(build, client):
    build.publish(metrics={"accuracy": "high", "f1": 1}, source={"path": "../x"}, created="never")
    found = read(client)
    assert found["ad_click_model_score"] == {"f1": 1}
    assert "ad_click_data_modified_seconds" not in found
    assert "ad_click_model_created_seconds" not in found


def test_hostile_words_are_values_of_labels_and_nothing_more(build, client):
    cause = 'x"} 1\nad_click_runs{state="evil"} 7\n\\'
    build.failure()
    build.task("load_data", "failed", cause=cause)
    found = read(client)
    assert found["ad_click_failures"] == {cause: 1}
    assert found["ad_click_runs"] == {"running": 0, "success": 0, "failed": 1}


def test_index_that_is_not_whole_is_said(build, client):
    for number in range(30):
        build.opened(f"r{number}")
    client.application.extensions["watch"].patience = 0
    assert read(client)["ad_click_index_complete"] == {"": 0}
    assert read(client)["ad_click_index_complete"] == {"": 1}


def test_unreadable_volume_is_503(build, client):
    (build.root / ".ad-click-volume").unlink()
    answer = client.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")


def test_dashboard_draws_every_metric_and_no_other(everything):
    drawn = {name for text in EXPRESSIONS for name in re.findall(r"\bad_click_\w+", text)}
    assert drawn == set(read(everything))


def test_dashboard_names_labels_and_states_that_there_are(everything):
    text = everything.get("/metrics").text
    labels = {name for line in text.splitlines() for name in re.findall(r'[{,](\w+)="', line)}
    used = re.findall(r"{{(\w+)}}", json.dumps(GRAFANA))
    used += [name for text in EXPRESSIONS for name in re.findall(r"[{,](\w+)[=!~]", text)]
    assert set(used) <= labels
    for value in re.findall(r'"([\w|]+)"', " ".join(EXPRESSIONS)):
        assert all(f'="{word}"' in text for word in value.split("|")), value


def test_dashboard_can_be_imported_with_any_data_source():
    assert [v["type"] for v in GRAFANA["templating"]["list"]] == ["datasource"]
    sources = [GRAFANA["panels"], *(panel["targets"] for panel in GRAFANA["panels"])]
    assert {part["datasource"]["uid"] for parts in sources for part in parts} == {"${datasource}"}
    assert len({panel["id"] for panel in GRAFANA["panels"]}) == len(GRAFANA["panels"])
    assert "id" not in GRAFANA


def test_panels_of_the_dashboard_do_not_lie_on_each_other():
    taken = set()
    for panel in GRAFANA["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_drift_is_that_of_the_newest_decided_run(build, everything):
    found = read(everything)
    assert found["ad_click_drifted"] == {"": 1}
    assert found["ad_click_drift"] == {"Age": 0.3125, "Male": 0.0004}
    assert found["ad_click_published_model_score"] == {
        "accuracy then": 0.97, "accuracy now": 0.9133,
        "log_loss then": 0.1202, "log_loss now": 0.2417}  # fmt: skip


def test_decisions_are_counted_by_event(build, client):
    assert read(client)["ad_click_decisions"] == dict.fromkeys(EVENTS, 0)
    for event in ("published", "refused", "published", "rolled_back"):
        build.decision(event)
    assert read(client)["ad_click_decisions"] == {
        "published": 2, "refused": 1, "published_by_hand": 0, "rolled_back": 1}  # fmt: skip


def test_columns_of_the_drift_are_bounded_in_number_and_length(build, client):
    build.success()
    features = [{"column": f"{n}{'x' * 1000}", "psi": n} for n in range(COLUMNS + 50)]
    features += [{"column": "twice", "psi": 9000}, {"column": "twice", "psi": 9000}]
    build.write(f"runs/{build.run}/evaluate_model/drift.json", {"features": features})
    found = read(client)["ad_click_drift"]
    assert len(found) == COLUMNS - 1
    assert max(map(len, found)) == 100
