"""The run as OpenLineage events, read back by the client's own classes."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest
from openlineage.client import event_v2
from openlineage.client.facet_v2 import schema_dataset
from tests.images.conftest import CHAIN, IMAGES

RUN_FACETS = {"parent", "executionParameters", "tags"}


@pytest.fixture(scope="module")
def volume(whole_run, tmp_path_factory):
    volume = whole_run.copy(tmp_path_factory.mktemp("events") / "shared_volume")
    made = {"revision": "abc", "recipe": {"code": "c0de", "dependencies": "de95"}}
    volume.write("runs/demo/build_model/report.json", volume.report("build_model") | made)
    ended = volume.run("end_pipeline", "--openlineage", "true")
    assert ended.code == 0, ended.message
    return volume


@pytest.fixture(scope="module")
def events(volume):
    lines = volume.folder("end_pipeline/openlineage.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def of(events, stage: str, state: str = "COMPLETE"):
    (found,) = (
        event for event in events
        if event["job"]["name"].endswith(f".{stage}") and event["eventType"] == state
    )  # fmt: skip
    return found


def test_each_stage_before_the_end_starts_and_completes(events):
    told = [(event["job"]["name"].partition(".")[2], event["eventType"]) for event in events]
    assert told == [(stage, state) for stage in CHAIN[:-1] for state in ("START", "COMPLETE")]


def test_both_events_of_a_stage_are_of_one_run_and_all_of_one_parent(events):
    runs = [event["run"]["runId"] for event in events]
    assert runs[::2] == runs[1::2]
    assert len(set(runs)) == len(CHAIN) - 1
    parents = {event["run"]["facets"]["parent"]["run"]["runId"] for event in events}
    assert len(parents) == 1
    assert all(uuid.UUID(run).version == 7 for run in (*runs, *parents))


def test_dataset_that_one_stage_writes_is_the_one_that_the_next_reads(events, volume):
    (written,) = (
        output for output in of(events, "separate_data")["outputs"]
        if output["name"] == "separate_data/train.parquet"
    )  # fmt: skip
    (read,) = (
        entry for entry in of(events, "build_model")["inputs"]
        if entry["name"] == "separate_data/train.parquet"
    )  # fmt: skip
    assert written["namespace"] == read["namespace"]
    version = read["facets"]["version"]["datasetVersion"]
    assert version == written["facets"]["version"]["datasetVersion"]
    entry = next(
        entry for entry in volume.report("separate_data")["outputs"]
        if entry["path"].endswith("train.parquet")
    )  # fmt: skip
    assert version == entry["sha256"]
    assert written["outputFacets"]["outputStatistics"]["size"] == entry["bytes"]
    assert read["facets"]["dataSource"]["uri"].endswith("/runs/demo/separate_data/train.parquet")


def test_schema_is_told_of_tables_and_of_the_data_file(events):
    def columns(stage, side, name):
        entry = next(e for e in of(events, stage)[side] if e["name"] == name)
        return [field["name"] for field in entry["facets"]["schema"]["fields"]]

    assert "City" in columns("load_data", "inputs", "data/advertising.csv")
    assert "City" in columns("load_data", "outputs", "load_data/table.parquet")
    train = columns("separate_data", "outputs", "separate_data/train.parquet")
    assert "City" not in train
    assert {"Age", "Clicked on Ad"} <= set(train)
    model = of(events, "build_model")["outputs"][0]
    assert "schema" not in model["facets"]


def test_code_and_parameters_are_told(events):
    facets = of(events, "build_model")["run"]["facets"]
    assert set(facets) == RUN_FACETS
    tags = {tag["key"]: tag["value"] for tag in facets["tags"]["tags"]}
    told = {"run_id": "demo", "revision": "abc", "code": "c0de", "dependencies": "de95"}
    assert tags.items() >= told.items()
    parameters = {p["key"]: p["value"] for p in facets["executionParameters"]["parameters"]}
    assert parameters["max_iter"] == "1000"


def test_client_reads_its_own_events_back(events):
    """Each class takes just the keys of its schema and checks ids, times and addresses."""
    for event in events:
        known = {"eventTime", "producer", "schemaURL", "eventType", "run", "job"}
        assert set(event) <= known | {"inputs", "outputs"}
        assert event["schemaURL"].startswith("https://openlineage.io/spec/")
        event_v2.RunEvent(
            eventTime=event["eventTime"],
            producer=event["producer"],
            eventType=event_v2.RunState[event["eventType"]],
            run=event_v2.Run(**event["run"]),
            job=event_v2.Job(**event["job"]),
            inputs=[event_v2.InputDataset(**entry) for entry in event.get("inputs", [])],
            outputs=[event_v2.OutputDataset(**entry) for entry in event.get("outputs", [])],
        )
        for entry in (*event.get("inputs", []), *event.get("outputs", [])):
            for facet in entry["facets"].values():
                assert facet["_producer"] == "urn:ad-click-pipeline"
                assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
            for field in entry["facets"].get("schema", {}).get("fields", []):
                schema_dataset.SchemaDatasetFacetFields(**field)


def test_same_run_has_the_same_events_again(volume, events):
    assert volume.run("end_pipeline", "--openlineage", "true").code == 0
    lines = volume.folder("end_pipeline/openlineage.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == events


def test_stage_that_failed_says_why(volume, tmp_path):
    volume = volume.copy(tmp_path / "shared_volume")
    report = volume.report("trigger_flask_api") or volume.report("load_data")
    error = {"code": 70, "cause": "crashed", "message": "it crashed"}
    failed = report | {"stage": "trigger_flask_api", "status": "failed", "error": error}
    volume.write("runs/demo/trigger_flask_api/report.json", failed)
    assert volume.run("end_pipeline", "--openlineage", "true").code == 0
    lines = volume.folder("end_pipeline/openlineage.jsonl").read_text().splitlines()
    event = of([json.loads(line) for line in lines], "trigger_flask_api", "FAIL")
    assert event["run"]["facets"]["errorMessage"]["message"] == "it crashed"


def test_unless_asked_for_no_events_are_written_nor_the_client_imported(finished):
    process = finished.start("end_pipeline", "--run-id", "demo")
    assert finished.end(process, "end_pipeline").code == 0
    assert finished.files("end_pipeline") == ["end.json", "report.json"]
    program = "import sys, end_pipeline.main; print('openlineage' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(IMAGES)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"
