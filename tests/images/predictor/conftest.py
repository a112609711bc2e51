"""Published models for the predictor's tests, laid out by model_summary's own publish."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import skops.io
from flask.testing import FlaskClient
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from build_model.formats import to_onnx
from build_model.main import make_model
from model_summary.publish import locked, publish
from predictor import create_app

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "shared_volume" / "data"
CONFIG = ROOT / "images" / "predictor" / "gunicorn.conf.py"
MODEL = "logistic_regression_model"
ROW = {
    "Daily Time Spent on Site": 68.95,
    "Age": 35,
    "Area Income": 61833.9,
    "Daily Internet Usage": 256.09,
    "Male": 0,
}


class Poison:
    """What a pickle may hold: it runs a command where it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@dataclass
class Publisher:
    """A shared volume on which models are published, each with a pickle that is poisoned."""

    volume: Path
    models: dict[str, Pipeline] = field(default_factory=dict)

    @property
    def mark(self) -> Path:
        """A folder that is there when a pickle was loaded."""
        return self.volume / "poisoned"

    def publish(
        self,
        run_id: str = "first",
        *,
        algorithm: str = "logistic_regression",
        scaler: str = "standard",
        C: float = 1.0,
        formats: tuple[str, ...] = ("skops", "onnx"),
        columns: dict[str, dict[str, Any]] | None = None,
        damage: str = "",
        **summary: Any,
    ) -> Pipeline:
        """Train a model on the bundled data, publish it and return it.

        ``columns`` change the contract's rules of features; the file whose name ends in ``damage``
        is changed after its hash was taken.
        """
        contract = read_contract(columns or {})
        features = [name for name, rules in contract.items() if rules["role"] == "feature"]
        model = train(contract, features, algorithm, scaler, C)
        self.models[run_id] = model
        contents = {f"{MODEL}.pkl": pickle.dumps(Poison(self.mark))}
        if "skops" in formats:
            contents[f"{MODEL}.skops"] = skops.io.dumps(model)
        if "onnx" in formats:
            contents[f"{MODEL}.onnx"] = to_onnx(model, features)
        told = {
            "run_id": run_id,
            "features": features,
            "target": "Clicked on Ad",
            "contract": {"columns": contract},
            "files": {
                name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in contents.items()
            },
            **summary,
        }
        contents["model_summary.json"] = json.dumps(told).encode()
        folder = self.volume / "runs" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for name, content in contents.items():
            files[name] = folder / name
            spoilt = damage and name.endswith(damage)
            files[name].write_bytes(content[:-1] + b"?" if spoilt else content)
        with locked(self.volume / "model"):
            publish(self.volume / "model", files)
        return model

    def app(self) -> FlaskClient:
        """Return a client of a service that has looked once, without a thread."""
        app = create_app(self.volume)
        app.extensions["watch"].look()
        return app.test_client()


def read_contract(changes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the used columns of the bundled contract as run.json has them, some rules changed."""
    columns = tomllib.loads((DATA / "advertising.toml").read_text())["columns"]
    used = {name: rules for name, rules in columns.items() if rules["role"] != "unused"}
    defaults = {"missing": "refuse"}
    for name, rules in used.items():
        used[name] = defaults | rules | changes.get(name, {})
    used["Clicked on Ad"].setdefault("positive", 1)
    return used


def train(
    contract: dict[str, dict[str, Any]],
    features: list[str],
    algorithm: str,
    scaler: str,
    C: float,
) -> Pipeline:
    """Return a Pipeline fitted on the bundled sample, in the contract's types."""
    table = pyarrow.csv.read_csv(DATA / "advertising.csv")
    kinds = {"integer": pa.int64(), "number": pa.float64()}
    rows = pa.table({name: table[name].cast(kinds[contract[name]["type"]]) for name in features})
    told = {
        name: {"encoding": "scaled", "when_missing": contract[name]["missing"]} for name in features
    }
    model = make_model(told, scaler=scaler, C=C, max_iter=1000, random_state=42)
    if algorithm == "hist_gradient_boosting":
        model = Pipeline([model.steps[0], ("classify", HistGradientBoostingClassifier(max_iter=5))])
    return model.fit(rows, table["Clicked on Ad"].to_numpy())


def by_scikit_learn(model: Pipeline, rows: list[dict[str, Any]]) -> list[float]:
    """Return the probabilities that the model itself gives."""
    names = list(model.feature_names_in_)
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    probabilities: list[float] = np.asarray(model.predict_proba(table))[:, 1].tolist()
    return probabilities


@pytest.fixture
def published(tmp_path: Path) -> Publisher:
    """A volume on which nothing is published yet."""
    volume = tmp_path / "shared_volume"
    (volume / "model").mkdir(parents=True)
    return Publisher(volume)


@dataclass
class Server:
    """A real gunicorn on this machine."""

    port: int
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        headers = {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture
def server(published: Publisher, tmp_path: Path) -> Iterator[Server]:
    """The predictor served as its image serves it, on a volume without a model.

    It ends well, its worker too, and has met no error of its own.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gunicorn = [str(Path(sys.executable).parent / "gunicorn"), "--config", str(CONFIG)]
    log = tmp_path / "gunicorn.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*gunicorn, f"--bind=127.0.0.1:{port}", "predictor:create_app()"],
            env={**os.environ, "SHARED_VOLUME": str(published.volume)},
            stderr=errors,
        )
    server = Server(port, process)
    while True:
        assert process.poll() is None, log.read_text()
        try:
            server.ask("/live")
            break
        except OSError:
            time.sleep(0.1)
    yield server
    process.terminate()
    assert process.wait(60) == 0
    said = log.read_text()
    assert not [word for word in ("Traceback", "SIGABRT", "SIGKILL") if word in said], said
