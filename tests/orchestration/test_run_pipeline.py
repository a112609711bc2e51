"""`make run`'s program, the parts that need no Airflow: what it prints, and how it says errors."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "orchestration" / "run_pipeline.py"


@pytest.fixture
def program(tmp_path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("run_pipeline", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.VOLUME = tmp_path
    return module


def write(volume: Path, name: str, content: object) -> None:
    path = volume / "runs" / "r" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def report(stage: str, started: str, *outputs: str, **metrics: Any) -> dict[str, Any]:
    made = [{"path": f"runs/r/{stage}/{name}"} for name in outputs]
    return {
        "stage": stage,
        "started": started,
        "seconds": 1.234,
        "outputs": made,
        "metrics": metrics,
    }


def test_table_has_a_line_for_each_stage_in_the_order_of_their_start(program, tmp_path, capsys):
    write(tmp_path, "b/report.json", report("b", "2026-01-01T00:00:02Z"))
    write(tmp_path, "a/report.json", report("a", "2026-01-01T00:00:01Z", "t.parquet", rows=1000))
    assert program.print_result("r") == {}
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        ["stage", "seconds", "rows", "made"],
        ["a", "1.23", "1000", "t.parquet"],
        ["b", "1.23", "-"],
    ]


def test_stage_that_took_earlier_work_over_is_told_apart(program, tmp_path, capsys):
    content = report("a", "2026-11-23T10:00:00Z", "made.txt") | {"status": "up to date"}
    write(tmp_path, "a/report.json", content)
    program.print_result("r")
    assert capsys.readouterr().out.splitlines()[-1].endswith("  up to date: made.txt")


def test_report_that_cannot_be_read_is_left_out(program, tmp_path, capsys):
    path = tmp_path / "runs" / "r" / "a" / "report.json"
    path.parent.mkdir(parents=True)
    path.write_text("{half")
    program.print_result("r")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_metrics_are_printed_with_their_interval_and_the_baselines(program, tmp_path, capsys):
    metrics = {
        "accuracy": 0.97,
        "accuracy_interval": [0.9441, 0.9862],
        "interval_level": 0.95,
        "baseline_accuracy": 0.5133,
        "roc_auc": 0.98594,
        "average_precision": 0.98713,
        "positive_share": 0.50334,
        "log_loss": 0.12024,
        "baseline_log_loss": 0.69312,
    }
    write(tmp_path, "evaluate_model/metrics.json", metrics)
    assert program.print_result("r") == metrics
    said = capsys.readouterr().out
    for line in (
        "accuracy           0.9700  (95 % interval 0.9441 to 0.9862,",
        "majority class 0.5133)",
        "ROC AUC            0.9859",
        "average precision  0.9871  (share of clicks 0.5033)",
        "log loss           0.1202  (0.6931 of that share alone)",
    ):
        assert line in said


def test_files_of_a_folder_are_named_as_one(program):
    made = report("e", "", "metrics.json", "figures/roc.svg", "figures/roc.png")
    assert program.made_by(made) == ["metrics.json", "figures/"]


@pytest.mark.parametrize(
    ("state", "number", "words"),
    [
        ("success", 1, "load_data success 2.5 s"),
        ("failed", 1, "load_data failed 2.5 s data refused: line 42"),
        ("up_for_retry", 1, "load_data up_for_retry 2.5 s data refused: line 42"),
        ("running", 2, "load_data running, try 2"),
        ("running", 1, ""),
        ("queued", 1, ""),
        ("upstream_failed", 1, ""),
    ],
)
def test_state_of_a_task_is_one_line_where_it_matters(program, capsys, state, number, words):
    task = {"task_id": "load_data", "state": state, "duration": 2.5, "try_number": number}
    program.say_state(task, {"cause": "data refused", "message": "line 42"})
    assert capsys.readouterr().out.split() == words.split()


def answer(body: bytes) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://a", 400, "Bad Request", Message(), io.BytesIO(body))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail": "C must be\\n above 0"}', "C must be above 0"),
        (b"<html>", "Bad Request"),
        (b"", "Bad Request"),
        (b"[]", "Bad Request"),
    ],
)
def test_reason_of_a_refusal_is_one_line(program, body, words):
    with answer(body) as error:
        assert program.detail_of(error) == words


def run(api: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SOURCE), "--user", "admin", *arguments],
        input="secret",
        env={"AIRFLOW_API": api},
        capture_output=True,
        text=True,
        check=False,
    )


def test_airflow_out_of_reach_is_one_line(unused_port):
    done = run(f"http://127.0.0.1:{unused_port}")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: Airflow does not answer at http://127.0.0.1:{unused_port}"
    )
    assert len(done.stderr.splitlines()) == 1


class Refuses(BaseHTTPRequestHandler):
    """Answers every login with 401."""

    def do_POST(self) -> None:
        self.send_error(401)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_refused_login_is_one_line_without_the_password(refusing):
    done = run(refusing)
    assert done.returncode == 1
    assert done.stderr == f"error: Airflow answered 401 Unauthorized to {refusing}/auth/token\n"


def test_parameters_that_are_no_json_are_a_bad_command_line(unused_port):
    done = run(f"http://127.0.0.1:{unused_port}", "--parameters", "{half")
    assert done.returncode == 2
    assert "--parameters" in done.stderr
