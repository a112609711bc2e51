"""Runs that predict by the published model, among those that train one."""

from __future__ import annotations

from datetime import timedelta

import pytest

PREDICTION = ("start_pipeline", "load_data", "predict")


@pytest.fixture
def predicted(build):
    """A finished run that trained, and a newer one that predicted."""
    build.success()
    build.publish()
    later = build.start + timedelta(hours=1)
    build.stages(PREDICTION, "new", later, tasks=True)
    build.opened("new", started=later, purpose="predict")
    metrics = {"rows": 1000, "model": {"run_id": build.run}}
    files = ("predictions.csv", "predictions.parquet")
    build.report("predict", "new", started=later, outputs=files, metrics=metrics)
    return build


@pytest.mark.parametrize("address", ["/", "/home", "/runs", "/model", "/runs/new", "/metrics"])
def test_pages_take_a_run_that_predicts(predicted, client, address):
    answer = client.get(address, follow_redirects=True)
    assert answer.status_code == 200


def test_page_of_a_run_that_predicts_shows_its_stages_and_files_and_no_others(predicted, page):
    text = page("/runs/new")
    assert "predictions.csv" in text
    assert "build_model" not in text
    assert "scored by the model of run" in text
    assert "not published" not in text


def test_comparison_takes_a_run_that_predicts(predicted, client):
    assert client.get(f"/compare?run={predicted.run}&run=new").status_code == 200
