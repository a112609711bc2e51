"""The summary as a page of text."""

from typing import Any

from model_summary.evidence import (
    describe_interval,
    describe_metric,
    describe_segments,
    describe_yardsticks,
)
from stage import one_line

LONGEST_LINE = 4000


def write_summary(summary: dict[str, Any]) -> str:
    """Return ``model_summary.txt`` for the content of ``model_summary.json``."""
    metrics = summary["metrics"]
    gate = metrics["gate"]
    sections = {
        "Model": {
            "type": summary["model_type"],
            "scaling": summary["scaler"],
            "made by run": summary["run_id"],
            "at": summary["created"],
            "parameters": ", ".join(f"{k} {v}" for k, v in summary["parameters"].items()),
        },
        "Data": {
            "data set": f"{summary['dataset']} ({summary['source']['path']})",
            "sha256": summary["source"]["sha256"] or "not known",
            "rows": f"{summary['rows']} kept, {summary['rows_dropped']} dropped",
            "features": ", ".join(summary["features"]),
            "inputs of the model": describe_encodings(summary),
            "target": summary["target"],
            "split": describe_split(summary["split"]),
            "training rows": describe_part(summary, "train"),
            "test rows": describe_part(summary, "test"),
        },
        "Score": {
            "accuracy on train": f"{summary['train_score']:.4f}",
            "accuracy on test": f"{summary['test_score']:.4f}",
            "difference": f"{summary['train_score'] - summary['test_score']:+.4f} (train - test)",
            f"{metrics['interval_level']:.0%} interval": (
                f"{describe_interval(metrics['accuracy_interval'])} (test)"
            ),
            **describe_yardsticks(metrics),
        },
        f"Metrics on the test rows, with {metrics['interval_level']:.0%} intervals": {
            "ROC AUC": describe_metric(metrics, "roc_auc"),
            "average precision": (
                f"{describe_metric(metrics, 'average_precision')} (share of clicks "
                f"{metrics['positive_share']:.4f})"
            ),
            "log loss": (
                f"{describe_metric(metrics, 'log_loss')} (always predicting the share of clicks: "
                f"{metrics['baseline_log_loss']:.4f})"
            ),
            "Brier score": describe_metric(metrics, "brier_score"),
            "precision": describe_metric(metrics, "precision"),
            "recall": describe_metric(metrics, "recall"),
            "F1": describe_metric(metrics, "f1"),
            "calibration": describe_calibration(metrics["calibration"]),
            "calibration error": f"{metrics['calibration_error']:.4f} on average",
        },
        "Quality gate": {
            "accuracy": f"at least {gate['min_accuracy']}",
            "ROC AUC": f"at least {gate['min_roc_auc']}",
            "log loss": f"below {metrics['baseline_log_loss']:.4f}",
            "average precision": f"above {metrics['positive_share']:.4f}",
            "passed": "yes" if gate["passed"] else "no",
        },
        "Published": {
            "published": "yes" if summary["published"] else "no",
            "why": summary["reason"],
            "model": f"{summary['model']['bytes']} bytes, sha256 {summary['model']['sha256']}",
        },
    }
    parts = [f"{title}\n{'-' * len(title)}\n{align(rows)}" for title, rows in sections.items()]
    parts.insert(4, describe_confusion(metrics["confusion_matrix"]))
    if metrics["segments"]:
        parts.insert(5, describe_segments(metrics["segments"]))
    if summary["warnings"]:
        parts.append(describe_warnings(summary["warnings"]))
    return "\n\n".join(parts) + "\n"


def describe_part(summary: dict[str, Any], part: str) -> str:
    """Return a part's size, its share of all rows and its class counts, in words."""
    rows = summary[f"{part}_rows"]
    share = rows / (summary["train_rows"] + summary["test_rows"])
    classes = ", ".join(f"{n} of class {c}" for c, n in summary[f"{part}_classes"].items())
    return f"{rows} ({share:.1%}): {classes}"


def describe_encodings(summary: dict[str, Any]) -> str:
    """Return how many inputs the model has, and which features are more than scaled numbers."""
    encoded = [
        describe_encoding(name, told)
        for name, told in summary["encodings"].items()
        if told["encoding"] != "scaled" or told["missing"]
    ]
    width = str(summary["inputs_of_model"])
    return f"{width}: {', '.join(encoded)}, other features scaled" if encoded else width


def describe_encoding(name: str, told: dict[str, Any]) -> str:
    """Return how one feature is encoded, in words."""
    words = [told["encoding"].replace("_", " ")]
    if "levels" in told:
        words.append(f"{told['levels']} levels")
    if told["missing"]:
        words.append(f"{told['missing']} missing ({told['when_missing']})")
    return f"{name} ({', '.join(words)})"


def describe_split(split: dict[str, Any]) -> str:
    """Return how the rows were separated, in words."""
    if split["kind"] == "time":
        return f"by time ({split['column']}): the test rows are those from {split['boundary']} on"
    if split["kind"] == "group":
        return (
            f"by group ({split['column']}): {split['train_groups']} groups to train, "
            f"{split['test_groups']} to test"
        )
    return "at random"


def describe_calibration(calibration: list[dict[str, Any]]) -> str:
    """Return predicted and observed shares of clicks where they are lowest and highest."""
    first, last = calibration[0], calibration[-1]
    return (
        f"lowest of {len(calibration)} bins "
        f"predicted {first['predicted']:.4f}, observed {first['observed']:.4f}, highest "
        f"predicted {last['predicted']:.4f}, observed {last['observed']:.4f}"
    )


def describe_confusion(matrix: list[list[int]]) -> str:
    """Return the confusion matrix, [[tn, fp], [fn, tp]], as a small table."""
    width = max(len(str(count)) for row in matrix for count in row)
    lines = [
        f"  {'':16}predicted 0  predicted 1",
        *(
            f"  {f'truly {truth}':16}{row[0]:>{max(width, 11)}}  {row[1]:>{max(width, 11)}}"
            for truth, row in enumerate(matrix)
        ),
    ]
    return "Confusion matrix\n----------------\n" + "\n".join(lines)


def describe_warnings(warnings: dict[str, list[str]]) -> str:
    """Return the stages' warnings, one a line."""
    lines = [align({stage: told}) for stage, sentences in warnings.items() for told in sentences]
    return "Warnings\n--------\n" + "\n".join(lines)


def align(rows: dict[str, str]) -> str:
    """Return names and values in two columns, each on one line whatever it holds."""
    return "\n".join(f"  {name:20}{one_line(told, LONGEST_LINE)}" for name, told in rows.items())
