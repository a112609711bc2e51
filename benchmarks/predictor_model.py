"""A published model for the predictor's measurement, and rows to ask about."""

from __future__ import annotations

import hashlib
import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
from sklearn.pipeline import Pipeline

from build_model.formats import to_onnx, to_skops
from build_model.main import make_model
from http_client import Request
from model_summary.publish import locked, publish

DATA = Path(__file__).resolve().parents[1] / "shared_volume" / "data"
NAME = "logistic_regression_model"
TYPES = {"integer": pa.int64(), "number": pa.float64()}

Contract = dict[str, dict[str, Any]]


def publish_model(volume: Path) -> tuple[Pipeline, Contract]:
    """Publish a model of the bundled sample on a volume; return it and its features' rules."""
    columns = tomllib.loads((DATA / "advertising.toml").read_text())["columns"]
    (target,) = [name for name, rules in columns.items() if rules["role"] == "target"]
    features = {name: rules for name, rules in columns.items() if rules["role"] == "feature"}
    table = pyarrow.csv.read_csv(DATA / "advertising.csv")
    rows = pa.table({n: table[n].cast(TYPES[rules["type"]]) for n, rules in features.items()})
    told = {name: {"encoding": "scaled", "when_missing": "refuse"} for name in features}
    model = make_model(told, scaler="standard", C=1.0, max_iter=1000, random_state=42)
    model.fit(rows, table[target].to_numpy())
    names = list(features)
    contents = {f"{NAME}.skops": to_skops(model, names), f"{NAME}.onnx": to_onnx(model, names)}
    summary = {
        "run_id": "benchmark",
        "features": list(features),
        "target": target,
        "contract": {"columns": features | {target: columns[target]}},
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        },
    }
    contents["model_summary.json"] = json.dumps(summary).encode()
    folder = volume / "made"
    folder.mkdir(parents=True)
    (volume / "model").mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with locked(volume / "model"):
        publish(volume / "model", {name: folder / name for name in contents})
    return model, features


def draw_rows(features: Contract, count: int, seed: int) -> list[dict[str, Any]]:
    """Return rows that keep the contract, at random."""
    generator = random.Random(seed)

    def draw(rules: dict[str, Any]) -> Any:
        if "allowed" in rules:
            return generator.choice(rules["allowed"])
        least, most = rules.get("minimum", 0), rules.get("maximum", 80_000)
        value = generator.uniform(least, most)
        return round(value) if rules["type"] == "integer" else round(value, 2)

    return [{name: draw(rules) for name, rules in features.items()} for _ in range(count)]


def ask_predictor(rows: list[dict[str, Any]]) -> Request:
    """Return the predictor's request for some rows."""
    body = {"row": rows[0]} if len(rows) == 1 else {"rows": rows}
    return Request(f"predictor, {len(rows)} rows", "/v1/predict", body)


def ask_mlflow(rows: list[dict[str, Any]]) -> Request:
    """Return the request for the same rows to MLflow's scoring server."""
    columns = list(rows[0])
    split = {"columns": columns, "data": [list(row.values()) for row in rows]}
    return Request(f"MLflow, {len(rows)} rows", "/invocations", {"dataframe_split": split})
