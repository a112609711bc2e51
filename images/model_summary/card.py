"""The model card: ``model_card.md``, what a person should know before they use the model.

It is written from the summary alone. A part that the summary does not hold is left out. Texts of
the data, names of columns and values, may hold anything, so each is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from model_summary.loading import describe_loading
from stage import Run, describe_file, one_line

CARD = "model_card.md"
METRICS = {
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier_score": "Brier score",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
# What begins markup, a link, a mention or a formula in CommonMark or in GitHub's kind of it.
MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$@:!]|(?<=www)\.", re.IGNORECASE)
LONGEST = 300
SOURCES = ("code", "dependencies")
NOTHING = "\N{EN DASH}"


def add_card(run: Run, summary: dict[str, Any], files: dict[str, Path]) -> None:
    """Write ``model_card.md``, and add it to what is published and to the summary's ``files``."""
    path = run.output(CARD)
    path.write_text(write_card(summary), encoding="utf-8")
    told = describe_file(path, path.parent)
    summary.setdefault("files", {})[CARD] = {key: told[key] for key in ("bytes", "sha256")}
    files[CARD] = path


def write_card(summary: dict[str, Any]) -> str:
    """Return the card for the content of ``model_summary.json``."""
    title = (
        f"# Model card: {escape(summary['dataset'])}\n\n"
        f"A {escape(summary['model_type'])} that predicts {escape(summary['target'])} from "
        f"{len(summary['features'])} features, made by run {escape(summary['run_id'])} at "
        f"{escape(summary['created'])}."
    )
    sections = {
        "Data": describe_data(summary),
        "Data contract": describe_contract(summary),
        "Metrics on the test rows": describe_metrics(summary["metrics"]),
        "Segments": describe_segments(summary["metrics"]),
        "Compared with the model before": describe_comparison(summary.get("comparison")),
        "Drift": describe_drift(summary.get("drift")),
        "Warnings": describe_warnings(summary),
        "Limits": describe_limits(summary),
        "Lineage": describe_lineage(summary),
        "How to load it": describe_loading(summary),
    }
    parts = [f"## {name}\n\n{content}" for name, content in sections.items() if content]
    return "\n\n".join([title, *parts]) + "\n"


def escape(value: Any) -> str:
    """Return a value as Markdown text: on one line, shortened, and with no markup in it."""
    return MARKUP.sub(lambda found: f"\\{found[0]}", one_line(str(value), LONGEST))


def number(value: Any, form: str = ".4f") -> str:
    """Return a number, a dash where there is none."""
    return NOTHING if value is None else format(value, form)


def between(interval: Any) -> str:
    """Return an interval, [low, high], in words."""
    return f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else NOTHING


def bullets(lines: Iterable[str]) -> str:
    """Return lines of Markdown as a list."""
    return "\n".join(f"- {line}" for line in lines)


def table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows of cells, which are Markdown, as a table; empty where there is no row."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(names)} |", "|" + " --- |" * len(names), *lines])


def describe_data(summary: dict[str, Any]) -> str:
    """Return which data the model was made of, and how they were divided."""
    source, split = summary["source"], summary["split"]
    by = f" by {escape(split['column'])}" if split.get("column") else ""
    parts = {
        "file": f"{escape(source['path'])}, sha256 {source['sha256'] or 'not known'}",
        "rows": f"{summary['rows']} kept, {summary['rows_dropped']} dropped",
        "split": f"{escape(split['kind'])}{by}",
    }
    for part, name in (("train", "training rows"), ("test", "test rows")):
        classes = summary[f"{part}_classes"].items()
        told = ", ".join(f"{count} of class {escape(label)}" for label, count in classes)
        parts[name] = f"{summary[f'{part}_rows']}: {told}"
    return bullets(f"{name}: {told}" for name, told in parts.items())


def describe_contract(summary: dict[str, Any]) -> str:
    """Return what each feature and the target may be."""
    columns = summary.get("contract", {}).get("columns", {})
    keys = ("role", "type", "unit")
    return table(
        ("column", *keys, "values"),
        (
            (escape(name), *(escape(rules.get(key, NOTHING)) for key in keys), limits(rules))
            for name, rules in columns.items()
        ),
    )


def limits(rules: dict[str, Any]) -> str:
    """Return the values that a column may have."""
    if "allowed" in rules:
        return escape(", ".join(map(str, rules["allowed"])))
    words = [
        f"at {word} {escape(rules[key])}"
        for key, word in (("minimum", "least"), ("maximum", "most"))
        if key in rules
    ]
    return ", ".join(words) or NOTHING


def describe_metrics(metrics: dict[str, Any]) -> str:
    """Return the metrics with their intervals, and what they have to be seen beside."""
    intervals = {"accuracy": metrics.get("accuracy_interval")} | metrics.get("intervals", {})
    level = f"{metrics['interval_level']:.0%} interval".replace("%", " %")
    measured = table(
        ("metric", "value", level),
        (
            (told, number(metrics[name]), between(intervals.get(name)))
            for name, told in METRICS.items()
            if name in metrics
        ),
    )
    beside = [
        f"accuracy of the majority class: {metrics['baseline_accuracy']:.4f}",
        f"log loss of always predicting the share of clicks: {metrics['baseline_log_loss']:.4f}",
        f"share of clicks: {metrics['positive_share']:.4f}",
    ]
    if "calibration_error" in metrics:
        beside.append(f"calibration error: {number(metrics['calibration_error'])}")
    if boosted := metrics.get("yardstick", {}).get("hist_gradient_boosting"):
        beside.append(
            f"gradient boosting on the same rows: accuracy {number(boosted.get('accuracy'))}, "
            f"ROC AUC {number(boosted.get('roc_auc'))}, log loss {number(boosted.get('log_loss'))}"
        )
    if crossed := metrics.get("cross_validation"):
        told = crossed["accuracy"]
        beside.append(
            f"accuracy in cross-validation: {told['mean']:.4f} with a standard deviation of "
            f"{told['std']:.4f} ({crossed['folds']} folds, {crossed['repeats']} repeats)"
        )
    return f"{measured}\n\n{bullets(beside)}"


def describe_segments(metrics: dict[str, Any]) -> str:
    """Return how the model does on each part of the test rows that the contract names."""
    return table(
        ("column", "segment", "rows", "clicks", "accuracy", "interval", "ROC AUC", "log loss"),
        (
            (
                *(escape(part["column"]), escape(part["segment"]), str(part["rows"])),
                *(number(part.get("positive_share"), ".1%"), number(part.get("accuracy"))),
                *(between(part.get("accuracy_interval")), number(part.get("roc_auc"))),
                number(part.get("log_loss")),
            )
            for part in metrics.get("segments") or []
        ),
    )


def describe_comparison(comparison: dict[str, Any] | None) -> str:
    """Return how the model did beside the one that was published before."""
    told = (comparison or {}).get("reason") or (comparison or {}).get("why_not")
    return escape(told) if told else ""


def describe_drift(drift: dict[str, Any] | None) -> str:
    """Return how far the data are from those that the model before was made of."""
    if not drift:
        return ""
    if drift.get("why_not"):
        return f"Not measured: {escape(drift['why_not'])}"
    measured = table(
        ("feature", "population stability index", "p", "drifted"),
        (
            (
                *(escape(part["column"]), number(part.get("psi"))),
                *(number(part.get("p_value"), ".2g"), "yes" if part.get("drifted") else "no"),
            )
            for part in drift.get("features") or []
        ),
    )
    return "\n\n".join(filter(None, [measured, bullets(map(escape, drift.get("warnings") or []))]))


def describe_warnings(summary: dict[str, Any]) -> str:
    """Return the stages' warnings."""
    told = summary["warnings"] | {"evaluate_model": summary["metrics"].get("warnings") or []}
    return bullets(
        f"{escape(stage)}: {escape(sentence)}" for stage, said in told.items() for sentence in said
    )


def describe_limits(summary: dict[str, Any]) -> str:
    """Return what the figures above do not say."""
    segments = summary["metrics"].get("segments")
    alike = (
        "Whether it does equally well for groups of people is known for the segments above alone."
        if segments
        else "Whether it does equally well for groups of people was not measured."
    )
    return bullets(
        (
            f"The figures are of {summary['test_rows']} test rows from the same file as the "
            "training rows. Of rows from elsewhere, or from another time, they say nothing.",
            "Rows outside of the data contract were not seen; a prediction for one is a guess.",
            "What goes with a click need not be what causes it.",
            alike,
        )
    )


def describe_lineage(summary: dict[str, Any]) -> str:
    """Return what made the model, stage by stage."""
    made = table(
        ("stage", "sha256 of its report", "code", "dependencies", "revision"),
        (
            (
                *(escape(part["stage"]), escape(part["report"])),
                *(escape((part.get("recipe") or {}).get(k, NOTHING)) for k in SOURCES),
                escape(part.get("revision") or NOTHING),
            )
            for part in summary.get("lineage", [])
        ),
    )
    model = f"sha256 of the model: {summary['model']['sha256']}"
    check = "make verify recomputes all of it, back to the data"
    return f"{bullets([model, check])}\n\n{made}"
