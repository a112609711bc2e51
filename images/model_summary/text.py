"""The summary as a page of text."""

from typing import Any


def write_summary(summary: dict[str, Any]) -> str:
    """Return ``model_summary.txt`` for the content of ``model_summary.json``."""
    metrics = summary["metrics"]
    low, high = metrics["accuracy_interval"]
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
            "sha256": summary["source"]["sha256"],
            "rows": f"{summary['rows']} kept, {summary['rows_dropped']} dropped",
            "features": ", ".join(summary["features"]),
            "target": summary["target"],
            "training rows": describe_part(summary, "train"),
            "test rows": describe_part(summary, "test"),
        },
        "Score": {
            "accuracy on train": f"{summary['train_score']:.4f}",
            "accuracy on test": f"{summary['test_score']:.4f}",
            "difference": f"{summary['train_score'] - summary['test_score']:+.4f} (train - test)",
            f"{metrics['interval_level']:.0%} interval": f"{low:.4f} to {high:.4f} (test)",
            "majority class": f"{metrics['baseline_accuracy']:.4f} (test)",
        },
        "Metrics on the test rows": {
            "ROC AUC": f"{metrics['roc_auc']:.4f}",
            "log loss": f"{metrics['log_loss']:.4f}",
            "Brier score": f"{metrics['brier_score']:.4f}",
            "precision": f"{metrics['precision']:.4f}",
            "recall": f"{metrics['recall']:.4f}",
            "F1": f"{metrics['f1']:.4f}",
        },
        "Quality gate": {
            "accuracy": f"at least {gate['min_accuracy']}",
            "ROC AUC": f"at least {gate['min_roc_auc']}",
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
    return "\n\n".join(parts) + "\n"


def describe_part(summary: dict[str, Any], part: str) -> str:
    """Return a part's size, its share of all rows and its class counts, in words."""
    rows = summary[f"{part}_rows"]
    share = rows / (summary["train_rows"] + summary["test_rows"])
    classes = ", ".join(f"{n} of class {c}" for c, n in summary[f"{part}_classes"].items())
    return f"{rows} ({share:.1%}): {classes}"


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


def align(rows: dict[str, str]) -> str:
    """Return names and values in two columns."""
    return "\n".join(f"  {name:20}{value}" for name, value in rows.items())
