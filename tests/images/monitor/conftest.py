"""Shared volumes for the monitor's tests, built as the stages and Airflow write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from monitor import create_app
from monitor.stages import STAGES
from monitor.volume import Volume

IMAGES = Path(__file__).resolve().parents[3] / "images"
START = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
RUN = "manual__2026-11-23T19:30:00.123456+00:00"
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><path d="M0 3 L4 0"/></svg>'
METRICS = {
    "accuracy": 0.97,
    "roc_auc": 0.9859,
    "log_loss": 0.1202,
    "brier_score": 0.0301,
    "precision": 0.9801,
    "recall": 0.961,
    "f1": 0.9705,
    "confusion_matrix": [[143, 3], [6, 148]],
    "accuracy_interval": [0.9441, 0.9841],
    "interval_level": 0.95,
    "baseline_accuracy": 0.4867,
    "train_accuracy": 0.9757,
    "train_rows": 700,
    "test_rows": 300,
    "positive_share": 0.5133,
    "gate": {"min_accuracy": 0.9, "min_roc_auc": 0.5, "passed": True, "reasons": []},
}


def iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Builder:
    """Writes a shared volume; each method adds one thing that the pipeline would write."""

    root: Path
    run: str = RUN
    start: datetime = START

    def write(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def opened(self, run: str = RUN, *, started: datetime = START) -> None:
        self.write(
            f"runs/{run}/start_pipeline/run.json",
            {
                "run_id": run,
                "dataset": "advertising",
                "started": iso(started),
                "source": {"path": "data/advertising.csv", "bytes": 107000, "sha256": "ab" * 32},
            },
        )

    def report(
        self,
        stage: str,
        run: str = RUN,
        *,
        started: datetime = START,
        outputs: tuple[str, ...] = (),
        metrics: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        folder = f"runs/{run}/{stage}"
        made = []
        for name in outputs:
            path = self.write(f"{folder}/{name}", FIGURE if name.endswith(".svg") else "made")
            made.append(
                {"path": f"{folder}/{name}", "bytes": path.stat().st_size, "sha256": "cd" * 32}
            )
        self.write(
            f"{folder}/report.json",
            {
                "stage": stage,
                "run_id": run,
                "status": "failed" if error else "done",
                "started": iso(started),
                "seconds": 1.5,
                "parameters": {},
                "inputs": [],
                "outputs": made,
                "metrics": metrics or {},
                "versions": {"python": "3.13.5"},
                "peak_memory_bytes": 1000000,
                "error": error,
            },
        )

    def task(self, task: str, state: str, run: str = RUN, **more: Any) -> None:
        started = more.pop("started", START)
        content = {
            "dag_id": "ml_pipeline_advertising",
            "run_id": run,
            "task_id": task,
            "try_number": 1,
            "state": state,
            "started": iso(started),
            "ended": None if state == "running" else iso(started + timedelta(seconds=2)),
            "seconds": None if state == "running" else 2.0,
            "cause": None,
            "message": None,
        }
        if task in STAGES:
            command = f"docker run --rm localhost/ad-click/{task} --run-id {run}"
            content |= {"exit_code": 0, "log_tail": ["one", "two"], "docker_run": command}
        self.write(f"runs/{run}/{task}/task.json", content | more)

    def progress(self, stage: str, fraction: float, run: str = RUN) -> None:
        content = {
            "stage": stage,
            "run_id": run,
            "fraction": fraction,
            "message": "fitting",
            "updated": iso(START + timedelta(seconds=30)),
        }
        self.write(f"runs/{run}/{stage}/progress.json", content)

    def stages(self, names: tuple[str, ...], run: str, started: datetime, *, tasks: bool) -> None:
        outputs = {
            "load_data": ("table.parquet", "validation.json"),
            "build_model": ("logistic_regression_model.pkl",),
            "evaluate_model": ("metrics.json", "figures/roc_curve.svg"),
            "model_summary": ("model_summary.txt", "model_summary.json"),
        }
        rows = {"load_data": {"rows": 1000, "rows_dropped": 0}}
        self.opened(run, started=started)
        for number, stage in enumerate(names):
            at = started + timedelta(seconds=3 * number)
            made, metrics = outputs.get(stage, ()), rows.get(stage)
            self.report(stage, run, started=at, outputs=made, metrics=metrics)
            if tasks:
                self.task(stage, "success", run, started=at)
        if "evaluate_model" in names:
            self.write(f"runs/{run}/evaluate_model/metrics.json", METRICS)

    def success(self, run: str = RUN, *, started: datetime = START, tasks: bool = True) -> None:
        self.stages(STAGES, run, started, tasks=tasks)
        summary = {"run_id": run, "published": True, "reason": "the quality gate is met"}
        self.write(f"runs/{run}/model_summary/model_summary.json", summary)
        if tasks:
            self.task("success_email", "success", run, started=started + timedelta(seconds=22))

    def failure(self, run: str = RUN, *, started: datetime = START, tasks: bool = True) -> None:
        error = {
            "code": 65,
            "cause": "data refused",
            "message": "data/bad.csv line 7, column Age: 'x' is not an integer",
        }
        self.stages(STAGES[:1], run, started, tasks=tasks)
        at = started + timedelta(seconds=3)
        self.report("load_data", run, started=at, error=error)
        if tasks:
            reason = {"cause": error["cause"], "message": error["message"], "exit_code": 65}
            self.task("load_data", "failed", run, started=at, **reason)
            self.task("failure_email", "success", run, started=at + timedelta(seconds=3))

    def running(self, run: str = RUN, *, started: datetime = START) -> None:
        self.stages(STAGES[:4], run, started, tasks=True)
        self.task("build_model", "running", run, started=started + timedelta(seconds=12))
        self.progress("build_model", 0.4, run)

    def publish(self, run: str = RUN, release: str | None = None) -> None:
        name = release or f"{run}~x1y2z3a4"
        summary = {
            "run_id": run,
            "dataset": "advertising",
            "model_type": "LogisticRegression",
            "created": iso(START),
            "train_score": 0.9757,
            "test_score": 0.97,
            "metrics": METRICS,
        }
        self.write(f"model/releases/{name}/model_summary.json", summary)
        self.write(f"model/releases/{name}/model_summary.txt", "Accuracy 0.9700\n")
        current = self.root / "model/current"
        current.unlink(missing_ok=True)
        current.symlink_to(f"releases/{name}")


@pytest.fixture
def build(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path / "shared_volume")
    builder.write(".ad-click-volume", "")
    return builder


@pytest.fixture
def volume(build: Builder) -> Volume:
    return Volume(build.root)


@pytest.fixture
def client(build: Builder) -> FlaskClient:
    app = create_app({"SHARED_VOLUME": build.root, "IMAGES": IMAGES})
    return app.test_client()
