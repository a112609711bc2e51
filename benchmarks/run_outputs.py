"""What the stages of an invented run made and measured: the content of their output files."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from planned_run import PlannedRun

ROOT = Path(__file__).resolve().parent.parent
DATASET = "advertising"
MODEL = "logistic_regression_model.pkl"
FIGURES = (
    *("calibration_curve", "coefficients", "confusion_matrix"),
    *("precision_recall_curve", "roc_curve"),
)
RULE = "must be an integer"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
FIGURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300" role="img"><title>{name}</title>'
    '<path d="M40 260 H380 M40 260 V20" stroke="#222"/><path d="M40 260 Q60 40 380 30" fill="none" '
    'stroke="#0d6efd" stroke-width="2"/><text x="150" y="290">{name}</text></svg>\n'
)
SUMMARY = """\
Model
-----
  type                {model_type}
  scaling             {scaler}
  made by run         {run_id}
  at                  {created}

Data
----
  data set            {dataset} ({path})
  rows                {rows} kept, {rows_dropped} dropped
  training rows       {train_rows}
  test rows           {test_rows}

Score
-----
  accuracy on train   {train_score:.4f}
  accuracy on test    {test_score:.4f}

Published
---------
  why                 {reason}
"""

# Contents that many runs have in common are the same bytes in each of them.
Outputs = dict[str, bytes]


def outputs_of(run: PlannedRun, stage: str, moment: datetime) -> Outputs:
    """Return what a stage wrote at a moment, by path below the stage's folder."""
    if stage == "start_pipeline":
        return {"run.json": to_json(opening(run, moment))}
    if stage == "load_data":
        return {"table.parquet": table("table"), "validation.json": to_json(validation(run))}
    if stage == "evaluate_model":
        return {"metrics.json": to_json(run.metrics), **figures()}
    if stage == "model_summary":
        summary = summarise(run, moment)
        path = summary["source"]["path"]
        text = SUMMARY.format(**summary, path=path)
        return {"model_summary.txt": text.encode(), "model_summary.json": to_json(summary)}
    if stage == "end_pipeline":
        ended = {"ended": iso(moment), "run_seconds": seconds_since(run, moment), "removed": []}
        return {"end.json": to_json(ended)}
    return {
        "data_preprocessing": {
            "features.parquet": table("features"),
            "profile.json": to_json(profile(run.rows)),
        },
        "separate_data": {"train.parquet": table("train"), "test.parquet": table("test")},
        "build_model": {MODEL: b"stand-in for a fitted model"},
        "trigger_flask_api": {"monitor.json": to_json({"status": "running"})},
    }[stage]


def metrics_of(run: PlannedRun, stage: str, moment: datetime) -> dict[str, Any]:
    """Return what a stage's report says that it measured."""
    measured = run.metrics
    train, test = measured["train_rows"], measured["test_rows"]
    features, _, unused = columns()
    if stage == "model_summary":
        summary = summarise(run, moment)
        return {key: summary[key] for key in ("published", "reason", "train_score", "test_score")}
    return {
        "start_pipeline": {"source": run.source, "source_bytes": 86 * run.rows},
        "load_data": {
            "unknown_columns": [],
            "rows_read": run.rows,
            "rows": run.rows,
            "rows_dropped": 0,
            "dropped_by_reason": {},
            "columns": len(contract()["columns"]),
            "missing": {},
            "warnings": [],
        },
        "data_preprocessing": {
            "rows": run.rows,
            "features": len(features),
            "dropped_columns": unused,
            "classes": classes(run.rows),
            "warnings": [],
        },
        "separate_data": {
            "rows": run.rows,
            "split": "random",
            "train_rows": train,
            "test_rows": test,
            "train_classes": classes(train),
            "test_classes": classes(test),
            "duplicate_rows_across": 0,
            "warnings": [],
        },
        "build_model": {
            "rows": train,
            "model_type": "LogisticRegression",
            "scaler": run.parameters["scaler"],
            "inputs_of_model": len(features),
            "iterations": 8 + train % 9,
            "converged": True,
            "encodings": encodings(),
            "warnings": [],
        },
        "evaluate_model": {"rows": test, **measured},
        "trigger_flask_api": {"monitor_shows": "running"},
        "end_pipeline": {
            "published": True,
            "removed_runs": 0,
            "ended": iso(moment),
            "run_seconds": seconds_since(run, moment),
        },
    }[stage]


def opening(run: PlannedRun, moment: datetime) -> dict[str, Any]:
    """Return the content of run.json."""
    features, target, _ = columns()
    return {
        "run_id": run.run_id,
        "dataset": DATASET,
        "started": iso(moment),
        "source": data_file(run.source, run.rows),
        "contract": contract(),
        "features": features,
        "target": target,
        "time": None,
        "group": None,
        "parameters": {name: run.parameters[name] for name in ("dataset", "source")},
    }


def validation(run: PlannedRun) -> dict[str, Any]:
    """Return the content of validation.json."""
    refused = run.ending.code == 65
    cell = {"row": None, "column": "Age", "value": "thirty", "rule": RULE}
    cells = [{"line": line, **cell} for line in (7, 9)]
    return {
        "file": run.source,
        "valid": not refused,
        "rows_read": run.rows,
        "rows": None if refused else run.rows,
        "rows_dropped": None if refused else 0,
        "dropped_by_reason": {},
        "unknown_columns": None if refused else [],
        "violations": len(cells) if refused else 0,
        "violations_by_rule": {RULE: len(cells)} if refused else {},
        "first_violations": cells if refused else [],
    }


def summarise(run: PlannedRun, moment: datetime) -> dict[str, Any]:
    """Return the content of model_summary.json."""
    measured, gate = run.metrics, run.metrics["gate"]
    features, target, _ = columns()
    model = outputs_of(run, "build_model", moment)[MODEL]
    names = ("split", "test_size", "random_state", "stratify", "scaler", "C", "max_iter")
    return {
        "run_id": run.run_id,
        "dataset": DATASET,
        "source": data_file(run.source, run.rows),
        "model_type": "LogisticRegression",
        "scaler": run.parameters["scaler"],
        "parameters": {name: run.parameters[name] for name in names},
        "created": iso(moment),
        "features": features,
        "encodings": encodings(),
        "inputs_of_model": len(features),
        "target": target,
        "rows": run.rows,
        "rows_dropped": 0,
        "split": {"kind": "random", "column": None, "duplicate_rows_across": 0},
        "train_rows": measured["train_rows"],
        "test_rows": measured["test_rows"],
        "train_classes": classes(measured["train_rows"]),
        "test_classes": classes(measured["test_rows"]),
        "train_score": measured["train_accuracy"],
        "test_score": measured["accuracy"],
        "metrics": measured,
        "published": True,
        "reason": (
            f"the quality gate is met: accuracy {measured['accuracy']:.4f} (at least "
            f"{gate['min_accuracy']}), ROC AUC {measured['roc_auc']:.4f} (at least "
            f"{gate['min_roc_auc']}), log loss {measured['log_loss']:.4f} (below "
            f"{measured['baseline_log_loss']:.4f}, that of always predicting the share of "
            f"clicks), average precision {measured['average_precision']:.4f} (above the share "
            f"of clicks, {measured['positive_share']:.4f})"
        ),
        "warnings": {},
        "model": {
            "path": f"runs/{run.run_id}/build_model/{MODEL}",
            "bytes": len(model),
            "sha256": sha256(model),
        },
    }


@cache
def profile(rows: int) -> dict[str, Any]:
    """Return the content of profile.json."""
    described = {name: describe(rules, rows) for name, rules in contract()["columns"].items()}
    kept = {name: found for name, found in described.items() if found["role"] != "unused"}
    side = {"rows": rows, "classes": classes(rows)}
    return {"before": side | {"columns": described}, "after": side | {"columns": kept}}


def describe(rules: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return what a profile says of a column."""
    told = {"type": rules["type"], "role": rules["role"], "count": rows, "missing": 0}
    if rules["type"] == "text":
        top = [[f"value {place}", rows // place] for place in range(2, 12)]
        return told | {"distinct": min(rows, 200), "top": top}
    measures = {"minimum": 0, "maximum": 100, "mean": 50.25, "std": 28.8675}
    quantiles = {str(share): 100 * share for share in (0.05, 0.25, 0.5, 0.75, 0.95)}
    return told | {"distinct": 101} | measures | {"quantiles": quantiles}


def classes(rows: int) -> dict[str, int]:
    """Return how many rows of a part are of each class."""
    clicked = round(rows * 0.5067)
    return {"0": rows - clicked, "1": clicked}


@cache
def encodings() -> dict[str, Any]:
    """Return how build_model says that each feature is encoded."""
    told = {"encoding": "scaled", "missing": 0, "constant": False, "when_missing": "refuse"}
    return {name: dict(told) for name in columns()[0]}


@cache
def contract() -> dict[str, Any]:
    """Return the bundled data contract as run.json holds it, all defaults filled in."""
    path = f"data/{DATASET}.toml"
    content = (ROOT / "shared_volume" / path).read_bytes()
    told = tomllib.loads(content.decode()) | {"path": path}
    told |= {"missing_values": [""], "max_dropped_share": 0.0, "duplicates": "keep"}
    for rules in told["columns"].values():
        rules["missing"] = "refuse"
        if rules["role"] == "target":
            rules["positive"] = 1
    return told | {"bytes": len(content), "sha256": sha256(content)}


@cache
def columns() -> tuple[list[str], str, list[str]]:
    """Return the names of the features, of the target, and of the unused columns."""
    roles = {name: rules["role"] for name, rules in contract()["columns"].items()}
    features, targets, unused = (
        [name for name, role in roles.items() if role == wanted]
        for wanted in ("feature", "target", "unused")
    )
    return features, targets[0], unused


def data_file(path: str, rows: int) -> dict[str, Any]:
    """Return a data file as the reports name it."""
    return {"path": path, "bytes": 86 * rows, "sha256": sha256(path.encode())}


@cache
def table(name: str) -> bytes:
    """Return the stand-in for a table."""
    return f"PAR1 stand-in for {name}.parquet PAR1".encode()


@cache
def figures() -> Outputs:
    """Return small figures, each as SVG and as PNG."""
    drawn = {}
    for name in FIGURES:
        drawn[f"figures/{name}.png"] = PIXEL
        drawn[f"figures/{name}.svg"] = FIGURE.format(name=name.replace("_", " ")).encode()
    return drawn


def seconds_since(run: PlannedRun, moment: datetime) -> float:
    """Return the seconds from a run's start to a moment."""
    return round((moment - run.started).total_seconds(), 3)


def sha256(content: bytes) -> str:
    """Return a content's sha256 in hex."""
    return hashlib.sha256(content).hexdigest()


def to_json(content: Any) -> bytes:
    """Return JSON as the stages write it, on one line: Python breaks lines ten times as slowly."""
    return (json.dumps(content, ensure_ascii=False) + "\n").encode()


def iso(time: datetime) -> str:
    """Return a time, which is in UTC, as ISO 8601 with milliseconds."""
    return f"{time.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
