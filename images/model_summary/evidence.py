"""How far the metrics can be trusted, in words: intervals, yardsticks, segments."""

from typing import Any

from stage import one_line

WIDEST_NAME = 40
BOOSTING = "hist_gradient_boosting"


def describe_interval(interval: list[float]) -> str:
    """Return an interval in words."""
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def describe_metric(metrics: dict[str, Any], name: str) -> str:
    """Return a metric with its interval."""
    return f"{metrics[name]:.4f}, {describe_interval(metrics['intervals'][name])}"


def describe_yardsticks(metrics: dict[str, Any]) -> dict[str, str]:
    """Return what the accuracy is to be held against, each with its name."""
    told = {"majority class": f"{metrics['baseline_accuracy']:.4f} (test)"}
    if boosting := metrics["yardstick"][BOOSTING]:
        told["gradient boosting"] = (
            f"{boosting['accuracy']:.4f} (test), ROC AUC {boosting['roc_auc']:.4f}, log loss "
            f"{boosting['log_loss']:.4f}"
        )
    if folds := metrics["cross_validation"]:
        names = {"accuracy": "accuracy", "roc_auc": "ROC AUC", "log_loss": "log loss"}
        values = ", ".join(
            f"{words} {folds[name]['mean']:.4f} ± {folds[name]['std']:.4f}"
            for name, words in names.items()
        )
        told["cross-validation"] = (
            f"{values} (train, {folds['folds']} folds, drawn {folds['repeats']} times)"
        )
    return told


def describe_segments(segments: list[dict[str, Any]]) -> str:
    """Return the metrics of each segment as a table, a line a segment."""
    names = [one_line(f"{told['column']} {told['segment']}", WIDEST_NAME) for told in segments]
    width = max(map(len, names))
    lines = [f"  {'':{width}}     rows  clicks  accuracy  interval          ROC AUC  log loss"]
    for name, told in zip(names, segments, strict=True):
        area = "-" if told["roc_auc"] is None else f"{told['roc_auc']:.4f}"
        lines.append(
            f"  {name:{width}}{told['rows']:>9}  {told['positive_share']:.4f}    "
            f"{told['accuracy']:.4f}  {describe_interval(told['accuracy_interval'])}   {area:>6}"
            f"    {told['log_loss']:.4f}"
        )
    return "Segments of the test rows\n-------------------------\n" + "\n".join(lines)
