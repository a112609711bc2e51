"""Shared volumes for the monitor's tests, built as the stages and Airflow write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from tests.images.monitor.airflow_server import AirflowServer

import monitor
from monitor import SETTINGS, create_app
from monitor.reading.index import Index
from monitor.reading.live import Airflow, Poller
from monitor.reading.stages import STAGES
from monitor.reading.volume import Volume
from monitor.reading.watch import Watch

START = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
DAY = timedelta(days=1)
RUN = "manual__2026-11-23T19:30:00.123456+00:00"
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><path d="M0 3 L4 0"/></svg>'
METRICS = {
    "accuracy": 0.97,
    "average_precision": 0.9891,
    "roc_auc": 0.9859,
    "log_loss": 0.1202,
    "baseline_log_loss": 0.6931,
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
    "calibration": [
        {"rows": 150, "predicted": 0.0312, "observed": 0.04},
        {"rows": 150, "predicted": 0.971, "observed": 0.9867},
    ],
    "gate": {"min_accuracy": 0.9, "min_roc_auc": 0.5, "passed": True, "reasons": []},
}
# What evaluate_model measures besides, where the run is of a pipeline that knows how to.
MEASURED = {
    "intervals": {
        "accuracy": [0.9441, 0.9841],
        "average_precision": [0.9795, 0.9957],
        "roc_auc": [0.9721, 0.9962],
        "log_loss": [0.0712, 0.1748],
    },
    "calibration_error": 0.0213,
    "warnings": ["the test rows are few (300): accuracy is known to 0.02 only"],
    "segments": [
        {"column": "Male", "segment": "0", "rows": 155, "positive_share": 0.5484,
         "accuracy": 0.9806, "accuracy_interval": [0.9446, 0.9934], "roc_auc": 0.9917,
         "log_loss": 0.0891},
        {"column": "Age", "segment": "61 to 120", "rows": 2, "positive_share": 1.0,
         "accuracy": 1.0, "accuracy_interval": [0.3424, 1.0], "roc_auc": None,
         "log_loss": 0.0117},
    ],
    "yardstick": {
        "majority_class": {"accuracy": 0.5133, "log_loss": 0.6928},
        "hist_gradient_boosting": {"accuracy": 0.9567, "roc_auc": 0.9801, "log_loss": 0.1599},
    },
    "cross_validation": {
        "folds": 5,
        "repeats": 3,
        "accuracy": {"mean": 0.9671, "std": 0.0142},
        "roc_auc": {"mean": 0.9894, "std": 0.0071},
        "log_loss": {"mean": 0.1153, "std": 0.0404},
    },
}  # fmt: skip
COMPARISON = {
    "champion": {"run_id": "champion", "sha256": "ef" * 32},
    "compared": True,
    "why_not": None,
    "rows": 300,
    "accuracy": {"champion": 0.97, "challenger": 0.94, "difference": -0.03, "p_value": 0.0039,
                 "method": "mcnemar_exact"},
    "roc_auc": {"champion": 0.9859, "challenger": 0.9701, "difference": -0.0158,
                "interval": [-0.0292, -0.0047], "method": "paired_bootstrap"},
    "log_loss": {"champion": 0.1202, "challenger": 0.1803, "difference": 0.0601},
    "verdict": "worse",
    "reason": "it is worse than the published model beyond chance",
}  # fmt: skip
DRIFT = {
    "reference": {"run_id": "champion"},
    "why_not": None,
    "drifted": True,
    "warnings": ["column Age has drifted: PSI 0.3125 is above 0.2"],
    "features": [
        {"column": "Male", "type": "integer", "test": "chi_square", "psi": 0.0004,
         "statistic": 0.2, "p_value": 0.6547, "missing_now": 0.0, "missing_then": 0.0,
         "drifted": False},
        {"column": "Age", "type": "integer", "test": "kolmogorov_smirnov", "psi": 0.3125,
         "statistic": 0.21, "p_value": 1e-12, "missing_now": 0.125, "missing_then": 0.0,
         "drifted": True},
    ],
    "target": {"share_then": 0.5, "share_now": 0.5133, "p_value": 0.6, "drifted": False},
    "score": {"rows": 300, "accuracy_then": 0.97, "accuracy_now": 0.9133, "log_loss_then": 0.1202,
              "log_loss_now": 0.2417, "p_value": 0.0021, "drifted": True},
    "thresholds": {"psi": 0.2, "p_value": 0.01},
}  # fmt: skip
CONTRACT = {
    "columns": {
        "Daily Time Spent on Site": {"type": "number", "role": "feature", "unit": "minutes a day",
                                     "minimum": 0, "maximum": 1440},
        "Age": {"type": "integer", "role": "feature", "unit": "years", "minimum": 0, "maximum": 120,
                "missing": "impute"},
        "Male": {"type": "integer", "role": "feature", "unit": "1 for male, 0 for female",
                 "allowed": [0, 1]},
        "Clicked on Ad": {"type": "integer", "role": "target", "allowed": [0, 1]},
    }
}  # fmt: skip
PUBLISHED_FILES = {
    "logistic_regression_model.pkl": {"bytes": 1830, "sha256": "1a" * 32},
    "logistic_regression_model.onnx": {"bytes": 905, "sha256": "2b" * 32},
}
PROFILE = {
    "Age": {
        "type": "integer",
        "role": "feature",
        "count": 1000,
        "missing": 0,
        "distinct": 42,
        "minimum": 19,
        "maximum": 60,
        "mean": 36.169,
        "std": 8.056080870994283,
        "quantiles": {"0.05": 24.0, "0.25": 30.0, "0.5": 35.0, "0.75": 42.0, "0.95": 50.0},
    },
    "Country": {
        "type": "text",
        "role": "unused",
        "count": 990,
        "missing": 10,
        "distinct": 49,
        "top": [["Nepal", 28], ["New Zealand", 27], ["Ireland", 26], ["Norway", 26], ["", 1]],
    },
}
PARAMETERS = {
    "separate_data": {"test_size": 0.3, "random_state": 42, "stratify": True},
    "build_model": {"C": 1.0, "max_iter": 1000, "scaler": "standard"},
}
VERSIONS = {"python": "3.13.5", "pandas": "3.0.1"}
REFUSAL = {
    "code": 80,
    "cause": "quality gate missed",
    "message": "accuracy 0.8 is below min_accuracy 0.9",
}


def iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def close(index: Index) -> None:
    """Close this thread's connection: no test leaves one to be collected."""
    if connection := getattr(index.local, "connection", None):
        connection.close()
        del index.local.connection


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

    def opened(self, run: str = RUN, *, started: datetime = START, **more: Any) -> None:
        content = {
            "run_id": run,
            "dataset": "advertising",
            "started": iso(started),
            "source": {"path": "data/advertising.csv", "bytes": 107000, "sha256": "ab" * 32},
        }
        self.write(f"runs/{run}/start_pipeline/run.json", content | more)

    def report(
        self,
        stage: str,
        run: str = RUN,
        *,
        started: datetime = START,
        outputs: tuple[str, ...] = (),
        metrics: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        folder = f"runs/{run}/{stage}"
        made = []
        for name in outputs:
            path = self.write(f"{folder}/{name}", FIGURE if name.endswith(".svg") else "made")
            made.append(
                {"path": f"{folder}/{name}", "bytes": path.stat().st_size, "sha256": "cd" * 32}
            )
        content = {
            "stage": stage,
            "run_id": run,
            "status": "failed" if error else "done",
            "started": iso(started),
            "seconds": 1.5,
            "parameters": PARAMETERS.get(stage, {}),
            "inputs": [],
            "outputs": made,
            "metrics": metrics or {},
            "versions": VERSIONS,
            "peak_memory_bytes": 1000000,
            "error": error,
        }
        self.write(f"{folder}/report.json", content | more)

    def task(self, task: str, state: str, run: str = RUN, **more: Any) -> None:
        started = more.pop("started", START)
        content = {
            "dag_id": "ml_pipeline_advertising",
            "run_id": run,
            "task_id": task,
            "try_number": 1,
            "state": state,
            "queued": None,
            "started": iso(started),
            "ended": None if state == "running" else iso(started + timedelta(seconds=2)),
            "seconds": None if state == "running" else 2.0,
            "cause": None,
            "message": None,
            "tries": [],
        }
        if task in STAGES:
            command = f"docker run --rm localhost/ad-click/{task} --run-id {run}"
            content |= {"exit_code": 0, "log_tail": ["one", "two"], "docker_run": command}
        self.write(f"runs/{run}/{task}/task.json", content | more)

    def attempt(self, number: int, started: datetime, **more: Any) -> dict[str, Any]:
        """Return an earlier try of two seconds, as a later task.json keeps it."""
        return {
            "try_number": number,
            "state": "failed",
            "started": iso(started),
            "ended": iso(started + timedelta(seconds=2)),
            "seconds": 2.0,
            "cause": "crashed",
            "message": f"try {number} crashed",
            "exit_code": 70,
        } | more

    def progress(self, stage: str, fraction: float, run: str = RUN, **more: Any) -> None:
        content = {
            "stage": stage,
            "run_id": run,
            "fraction": fraction,
            "message": "fitting",
            "updated": iso(START + timedelta(seconds=30)),
        }
        self.write(f"runs/{run}/{stage}/progress.json", content | more)

    def metrics(self, run: str = RUN, **more: Any) -> None:
        self.write(f"runs/{run}/evaluate_model/metrics.json", METRICS | more)

    def validation(self, run: str = RUN, **more: Any) -> None:
        content = {
            "file": "data/advertising.csv",
            "valid": True,
            "rows_read": 1000,
            "rows": 1000,
            "rows_dropped": 0,
            "dropped_by_reason": {},
            "unknown_columns": [],
            "violations": 0,
            "violations_by_rule": {},
            "first_violations": [],
        }
        self.write(f"runs/{run}/load_data/validation.json", content | more)

    def profile(self, run: str = RUN, **columns: dict[str, Any]) -> None:
        """Write the profile of some columns, of which those that are not unused are kept."""
        sides = {
            "before": columns,
            "after": {name: c for name, c in columns.items() if c.get("role") != "unused"},
        }
        told = {"rows": 1000, "classes": {"0": 494, "1": 506}}
        content = {side: told | {"columns": found} for side, found in sides.items()}
        self.write(f"runs/{run}/data_preprocessing/profile.json", content)

    def stages(self, names: tuple[str, ...], run: str, started: datetime, *, tasks: bool) -> None:
        outputs = {
            "load_data": ("table.parquet",),
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
        if "load_data" in names:
            self.validation(run)
        if "data_preprocessing" in names:
            self.profile(run, **PROFILE)
        if "evaluate_model" in names:
            self.metrics(run)

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

    def refusal(self, run: str = RUN, *, started: datetime = START) -> None:
        """A run whose model missed the quality gate."""
        self.stages(STAGES[:5], run, started, tasks=True)
        at = started + timedelta(seconds=15)
        self.report("evaluate_model", run, started=at, error=REFUSAL)
        told = {"exit_code": REFUSAL["code"]} | {k: REFUSAL[k] for k in ("cause", "message")}
        self.task("evaluate_model", "failed", run, started=at, **told)
        gate = {"passed": False, "min_accuracy": 0.9, "reasons": [REFUSAL["message"]]}
        self.metrics(run, accuracy=0.8, gate=gate)

    def not_published(self, run: str = RUN, *, started: datetime = START) -> None:
        """A run on drifted data, whose model is worse than the published one."""
        self.success(run, started=started)
        taken = {"status": "up to date", "taken_from": "champion", "why": "nothing has changed"}
        self.report("load_data", run, started=started, metrics={"rows": 1000}, **taken)
        self.report("build_model", run, why="parameter max_iter 1000 > 500", started=started)
        self.metrics(run, **MEASURED)
        self.write(f"runs/{run}/evaluate_model/comparison.json", COMPARISON)
        self.write(f"runs/{run}/evaluate_model/drift.json", DRIFT)
        summary = {"run_id": run, "published": False, "reason": COMPARISON["reason"]}
        self.write(f"runs/{run}/model_summary/model_summary.json", summary)

    def decision(self, event: str, run: str = RUN, **more: Any) -> None:
        """Add a line to the history of decisions."""
        content = {
            "time": iso(START),
            "event": event,
            "run_id": run,
            "sha256": "1a" * 32,
            "reason": "the quality gate is met",
            "accuracy": 0.97,
            "roc_auc": 0.9859,
            "previous": None,
        }
        path = self.root / "model/history.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(content | more) + "\n")

    def running(self, run: str = RUN, *, started: datetime = START) -> None:
        self.stages(STAGES[:4], run, started, tasks=True)
        self.task("build_model", "running", run, started=started + timedelta(seconds=12))
        self.progress("build_model", 0.4, run)

    def publish(self, run: str = RUN, release: str | None = None, **more: Any) -> None:
        name = release or f"{run}~x1y2z3a4"
        summary = {
            "run_id": run,
            "dataset": "advertising",
            "model_type": "LogisticRegression",
            "created": iso(START),
            "train_score": 0.9757,
            "test_score": 0.97,
            "source": {"path": "data/advertising.csv"},
            "metrics": METRICS,
        }
        self.write(f"model/releases/{name}/model_summary.json", summary | more)
        self.write(f"model/releases/{name}/model_summary.txt", "Accuracy 0.9700\n")
        current = self.root / "model/current"
        current.unlink(missing_ok=True)
        current.symlink_to(f"releases/{name}")

    def mail(
        self,
        name: str = "1.M1P1.mailbox",
        *,
        subject: str = f"[ad-click] model published: {RUN}",
        text: str | None = "The model was published.",
        html: str | None = None,
        date: datetime = START,
    ) -> None:
        message = EmailMessage()
        message["Subject"], message["Date"] = subject, format_datetime(date)
        message["From"], message["To"] = "pipeline@example.com", "team@example.com"
        if text is not None:
            message.set_content(text)
        if html is not None and text is None:
            message.set_content(html, subtype="html")
        elif html is not None:
            message.add_alternative(html, subtype="html")
        self.raw_mail(name, message.as_bytes())

    def raw_mail(self, name: str, content: bytes) -> None:
        path = self.root / "mailbox/new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def build(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path / "shared_volume")
    builder.write(".ad-click-volume", "")
    return builder


@pytest.fixture
def volume(build: Builder) -> Volume:
    return Volume(build.root)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "index/index.sqlite")
    yield index
    close(index)


@pytest.fixture
def watch(volume: Volume, index: Index) -> Watch:
    """A watch that looks at the volume each time that it is asked to."""
    return Watch(volume, index, pause=0)


@pytest.fixture
def airflow() -> Iterator[AirflowServer]:
    server = AirflowServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Where templates are kept compiled, so that not each test compiles them."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture(scope="session")
def translations(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the catalogs, compiled as they stand now."""
    folder = tmp_path_factory.mktemp("translations")
    for source in (Path(monitor.__file__).parent / "translations").rglob("*.po"):
        target = folder / source.parent.parent.name / "LC_MESSAGES/messages.mo"
        target.parent.mkdir(parents=True)
        with source.open("rb") as catalog, target.open("wb") as file:
            write_mo(file, read_po(catalog))
    return str(folder)


@pytest.fixture
def serve(
    build: Builder, tmp_path: Path, compiled: FileSystemBytecodeCache, translations: str
) -> Iterator[Callable[..., FlaskClient]]:
    """Return a browser of a new monitor, with settings of its own: none of the environment."""
    indexes = []
    usual = SETTINGS | {
        "SHARED_VOLUME": build.root,
        "INDEX": str(tmp_path / "index"),
        "PAUSE": 0,
        "BABEL_TRANSLATION_DIRECTORIES": translations,
    }

    def open_browser(**settings: Any) -> FlaskClient:
        app = create_app(usual | settings)
        app.jinja_env.bytecode_cache = compiled
        watch = app.extensions["watch"]
        watch.patience = 60  # a busy machine: the first look sees all
        indexes.append(watch.index)
        return app.test_client()

    yield open_browser
    for index in indexes:
        close(index)


@pytest.fixture
def client(serve: Callable[..., FlaskClient]) -> FlaskClient:
    return serve()


@pytest.fixture
def poll() -> Callable[[FlaskClient], None]:
    """Let a browser's monitor ask Airflow now, as its sweeper does again and again."""

    def ask(client: FlaskClient) -> None:
        config = client.application.config
        asked = Airflow(config["AIRFLOW_API_URL"], config["AIRFLOW_VIEWER_PASSWORD"])
        Poller(asked, client.application.extensions["watch"].index).poll()

    return ask


@pytest.fixture
def page(client: FlaskClient) -> Callable[[str], str]:
    """Return a page's text by its address, with single spaces."""

    def read(address: str) -> str:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        return " ".join(answer.text.split())

    return read
