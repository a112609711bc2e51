"""Write the summary of the run, and publish its model unless it is worse than the published one."""

from pathlib import Path
from typing import Any

from model_summary.card import add_card
from model_summary.decide import decide, find_same
from model_summary.history import append
from model_summary.publish import confirm, locked, publish, published_summary
from model_summary.text import write_summary
from stage import Run, describe_file, run_script, timestamp

MODEL = "logistic_regression_model.pkl"
SUMMARIES = ("model_summary.txt", "model_summary.json")
WARNING_STAGES = (
    *("load_data", "data_preprocessing", "separate_data", "build_model"),
    "evaluate_model",
)


def run(run: Run) -> dict[str, Any]:
    """Write ``model_summary.txt`` and ``.json``, and publish both with the model, or refuse to.

    The model has met the gate: the metrics of one that has not are refused as an input, because
    evaluate_model did not succeed. To refuse a model is no failure; the summary says why. One that
    is published already, as another run made the same, is not published anew.
    """
    files = find_files(run)
    summary, model = summarise(run, files), run.volume / "model"
    with locked(model):
        former = published_summary(model)
        rule, sha256 = run.parameters["publish"], summary["model"]["sha256"]
        same_as = find_same(summary, former, model / "current") if rule == "if_not_worse" else None
        accepted, comparison = decide(summary["comparison"], rule, former, sha256, same_as)
        gate = explain(summary["metrics"])
        summary["published"], summary["same_as"] = accepted, same_as
        summary["reason"] = "; ".join(
            filter(None, [gate, comparison] if accepted else [comparison])
        )
        add_card(run, summary, files)
        run.write_json("model_summary.json", summary)
        run.output("model_summary.txt").write_text(write_summary(summary), encoding="utf-8")
        if accepted and not same_as:
            publish(model, files | {name: run.output(name) for name in SUMMARIES})
        elif not accepted:
            confirm(model)
            append(model, "refused", summary, previous=former.get("run_id"))
    keys = ("published", "same_as", "reason", "train_score", "test_score")
    verdict = summary["comparison"]["verdict"]
    return {key: summary[key] for key in keys} | {"verdict": verdict}


def find_files(run: Run) -> dict[str, Path]:
    """Return what is published beside the summaries: the inputs that ``publishes`` names."""
    files = {}
    for name in (Path(path).name for path in run.contract.publishes):
        if any(declared.endswith(f"/{name}") for declared in run.inputs):
            files[name] = run.input(f"/{name}")
    return files


def summarise(run: Run, files: dict[str, Path]) -> dict[str, Any]:
    """Return the content of ``model_summary.json`` but for the decision; ``files`` by name."""
    opened = run.read_json("start_pipeline/run.json")
    loaded = run.read_json("load_data/report.json")["metrics"]
    separated = run.read_json("separate_data/report.json")
    built = run.read_json("build_model/report.json")
    metrics = run.read_json("metrics.json")
    return {
        "run_id": run.run_id,
        "dataset": opened["dataset"],
        "source": opened["source"],
        "model_type": built["metrics"]["model_type"],
        "scaler": built["metrics"]["scaler"],
        "parameters": {**separated["parameters"], **built["parameters"]},
        "created": timestamp(),
        "features": opened["features"],
        "encodings": built["metrics"]["encodings"],
        "inputs_of_model": built["metrics"]["inputs_of_model"],
        "target": opened["target"],
        "rows": loaded["rows"],
        "rows_dropped": loaded["rows_dropped"],
        "contract": {"columns": describe_columns(opened)},
        "split": describe_split(opened, separated["metrics"]),
        "parts": describe_parts(separated),
        "train_rows": metrics["train_rows"],
        "test_rows": metrics["test_rows"],
        "train_classes": separated["metrics"]["train_classes"],
        "test_classes": separated["metrics"]["test_classes"],
        "train_score": metrics["train_accuracy"],
        "test_score": metrics["accuracy"],
        "metrics": metrics,
        "comparison": run.read_json("comparison.json"),
        "drift": run.read_json("drift.json"),
        "warnings": gather_warnings(run),
        "model": describe_file(run.input(MODEL), run.volume),
        "files": {name: describe_published(path) for name, path in files.items()},
        "lineage": describe_lineage(run),
    }


def describe_published(path: Path) -> dict[str, Any]:
    """Return a file's size in bytes and its sha256."""
    told = describe_file(path, path.parent)
    return {key: told[key] for key in ("bytes", "sha256")}


def describe_columns(opened: dict[str, Any]) -> dict[str, Any]:
    """Return the data contract's rules for the features and the target."""
    columns = opened["contract"]["columns"]
    return {name: columns[name] for name in (*opened["features"], opened["target"])}


def describe_parts(separated: dict[str, Any]) -> dict[str, str]:
    """Return the sha256 of the training and the test rows, by which a later run knows them."""
    return {Path(entry["path"]).stem: entry["sha256"] for entry in separated["outputs"]}


def describe_split(opened: dict[str, Any], separated: dict[str, Any]) -> dict[str, Any]:
    """Return how the rows were separated, and by which column."""
    kind = separated["split"]
    keys = ("boundary", "groups", "train_groups", "test_groups", "duplicate_rows_across")
    told = {key: separated[key] for key in keys if key in separated}
    return {"kind": kind, "column": opened.get(kind), **told}


def explain(metrics: dict[str, Any]) -> str:
    """Return in a sentence why the model is accepted."""
    gate = metrics["gate"]
    return (
        f"the quality gate is met: accuracy {metrics['accuracy']:.4f} (at least "
        f"{gate['min_accuracy']}), ROC AUC {metrics['roc_auc']:.4f} (at least "
        f"{gate['min_roc_auc']}), log loss {metrics['log_loss']:.4f} (below "
        f"{metrics['baseline_log_loss']:.4f}, that of always predicting the share of clicks), "
        f"average precision {metrics['average_precision']:.4f} (above the share of clicks, "
        f"{metrics['positive_share']:.4f})"
    )


def gather_warnings(run: Run) -> dict[str, list[str]]:
    """Return the sentences of each stage that warned."""
    told = {
        stage: run.read_json(f"{stage}/report.json")["metrics"].get("warnings")
        for stage in WARNING_STAGES
    }
    return {stage: warnings for stage, warnings in told.items() if warnings}


def describe_lineage(run: Run) -> list[dict[str, Any]]:
    """Return of each stage before this one its report's sha256, recipe and code revision.

    Whoever knows the sha256 of this summary can check by it all that the model came from.
    """
    lineage = []
    for path, entry in run.inputs.items():
        stage = run.maker(path)
        if stage and path.endswith("/report.json"):
            report = run.read_json(f"{stage}/report.json")
            told = {key: report.get(key) for key in ("recipe", "revision")}
            lineage.append({"stage": stage, "report": entry["sha256"], **told})
    return lineage


if __name__ == "__main__":
    run_script(__file__)
