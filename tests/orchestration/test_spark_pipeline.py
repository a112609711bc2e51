"""ml_pipeline_advertising_spark, for real: it leaves what the pipeline of five stages leaves."""

from __future__ import annotations

from typing import Any

import pytest

DAG = "ml_pipeline_advertising_spark"
PARTS = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def green(stack: Any) -> tuple[Any, str]:
    """A finished run on the bundled data."""
    run_id = stack.trigger(DAG, yardstick=False, publish="always")
    assert stack.wait(run_id, DAG) == "success", stack.tasks(run_id, DAG)
    return stack, run_id


def test_run_on_spark_is_published(green: tuple[Any, str]) -> None:
    stack, run_id = green
    assert stack.read_json(run_id, "model_summary/report.json")["metrics"]["published"] is True
    assert stack.read_json(run_id, "evaluate_model/metrics.json")["accuracy"] > 0.9


def test_mail_of_a_run_on_spark_tells_the_metrics_of_its_parts(green: tuple[Any, str]) -> None:
    stack, run_id = green
    (mail,) = stack.mails(run_id)
    text = mail.get_body(("plain",)).get_content()
    metrics = stack.read_json(run_id, "evaluate_model/metrics.json")
    assert f"{metrics['accuracy']:.4f}" in text
    assert "trained on 1000 rows" in text


def test_monitor_shows_the_parts_of_a_run_on_spark_as_done(green: tuple[Any, str]) -> None:
    stack, run_id = green
    for part in PARTS:
        assert stack.read_json(run_id, f"{part}/report.json")["status"] == "done"
    _, page = stack.monitor(f"/runs/{run_id}")
    assert all(part in page for part in (*PARTS, "train_on_spark"))


def test_note_of_the_task_holds_no_secret(green: tuple[Any, str]) -> None:
    stack, run_id = green
    note = stack.read_json(run_id, "train_on_spark/task.json")
    assert "--network=none" in note["docker_run"]
    assert stack.settings["SPARK_AUTH_SECRET"] not in str(note)
