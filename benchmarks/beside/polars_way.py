"""The same work in one program of polars and scikit-learn, as someone who knows both writes it.

``python polars_way.py <file.csv> <contract.toml> <folder>`` does what the stages do, step by step:

- the file's sha256; all of its columns parsed as the contract's types, a cell that is none refused,
  and written as Parquet by polars' streaming engine; gaps, ranges and allowed values checked;
- the columns that the model needs as Parquet, and a profile of each column before and after;
- a stratified split, both parts as Parquet, and test rows that stand among the training rows;
- StandardScaler and LogisticRegression on float32; the stages' metrics and their five figures;
- the model published as a pickle, with a summary.

What it leaves out: which line breaks a rule, reports, progress, walls, and a resume at any step.
"""

import hashlib
import json
import pickle
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from sklearn import metrics
from sklearn.calibration import CalibrationDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from steps import Steps

mpl.use("Agg")
import matplotlib.pyplot as plt

TYPES = {"integer": pl.Int64, "number": pl.Float64, "text": pl.String}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 10
Columns = dict[str, dict[str, Any]]


def start_pipeline(source: Path) -> str:
    """Return the file's sha256."""
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_data(source: Path, columns: Columns, folder: Path) -> None:
    """CSV to Parquet, all columns; what the contract refuses ends the program."""
    schema = {name: TYPES[rules["type"]] for name, rules in columns.items()}
    wanted = pl.scan_csv(source, schema_overrides=schema).select(list(schema))
    wanted.sink_parquet(folder / "table.parquet", compression="zstd")
    table = pl.scan_parquet(folder / "table.parquet")
    broken = {
        name: (pl.col(name).is_null() | breaks(pl.col(name), rules)).sum()
        for name, rules in columns.items()
        if rules["role"] != "unused"
    }
    counts = table.select(**broken).collect(engine="streaming").row(0, named=True)
    if any(counts.values()):
        sys.exit(f"error: {source} breaks its contract: {counts}")


def breaks(column: pl.Expr, rules: dict[str, Any]) -> pl.Expr:
    """Return whether a value breaks the contract's limits."""
    found = pl.lit(value=False)
    if "minimum" in rules:
        found |= column < rules["minimum"]
    if "maximum" in rules:
        found |= column > rules["maximum"]
    if "allowed" in rules:
        found |= ~column.is_in(rules["allowed"])
    if rules["type"] == "number":
        found |= ~column.is_finite()
    return found


def data_preprocessing(columns: Columns, folder: Path) -> None:
    """Keep what the model needs, and describe each column before and after."""
    table = pl.scan_parquet(folder / "table.parquet")
    used = [name for name, rules in columns.items() if rules["role"] != "unused"]
    table.select(used).sink_parquet(folder / "features.parquet", compression="zstd")
    features = pl.scan_parquet(folder / "features.parquet")
    profile = {"before": describe(table), "after": describe(features)}
    (folder / "profile.json").write_text(json.dumps(profile))


def describe(table: pl.LazyFrame) -> dict[str, Any]:
    """Return counts, range, quantiles and most frequent values of each column."""
    told: dict[str, Any] = {}
    for name, kind in table.collect_schema().items():
        column = pl.col(name)
        asked = {"rows": pl.len(), "missing": column.null_count(), "distinct": column.n_unique()}
        if kind.is_numeric():
            asked |= {"minimum": column.min(), "maximum": column.max()}
            asked |= {"mean": column.mean(), "std": column.std(ddof=0)}
            asked |= {str(q): column.quantile(q, "linear") for q in QUANTILES}
        told[name] = table.select(**asked).collect(engine="streaming").row(0, named=True)
        frequent = table.group_by(name).len().top_k(TOP, by="len")
        told[name]["top"] = frequent.collect(engine="streaming").rows()
    return told


def separate_data(target: str, folder: Path) -> int:
    """Write both parts; return how many test rows have the features of a training row."""
    features = pl.read_parquet(folder / "features.parquet")
    numbers = np.arange(features.height)
    rows = train_test_split(numbers, test_size=0.3, random_state=42, stratify=features[target])
    train, test = (features[part] for part in rows)
    train.write_parquet(folder / "train.parquet", compression="zstd")
    test.write_parquet(folder / "test.parquet", compression="zstd")
    values = [name for name in features.columns if name != target]
    again: int = test.join(train.select(values), on=values, how="semi").height
    return again


def read_part(path: Path, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a part's features in float32, shape (rows, features), and its target."""
    part = pl.read_parquet(path)
    return part.drop(target).cast(pl.Float32).to_numpy(), part[target].to_numpy()


def build_model(target: str, folder: Path) -> None:
    """Fit."""
    classifier = LogisticRegression(random_state=42, max_iter=1000)
    model = make_pipeline(StandardScaler(), classifier)
    model.fit(*read_part(folder / "train.parquet", target))
    with (folder / "model.pkl").open("wb") as file:
        pickle.dump(model, file, protocol=5)


def evaluate_model(target: str, folder: Path) -> dict[str, Any]:
    """Metrics on the test rows, and the figures."""
    model = pickle.loads((folder / "model.pkl").read_bytes())
    train, train_truth = read_part(folder / "train.parquet", target)
    test, truth = read_part(folder / "test.parquet", target)
    probability = model.predict_proba(test)[:, 1]
    predicted = model.predict(test)
    measured = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "roc_auc": metrics.roc_auc_score(truth, probability),
        "average_precision": metrics.average_precision_score(truth, probability),
        "log_loss": metrics.log_loss(truth, probability),
        "brier_score": metrics.brier_score_loss(truth, probability),
        "precision": metrics.precision_score(truth, predicted),
        "recall": metrics.recall_score(truth, predicted),
        "f1": metrics.f1_score(truth, predicted),
        "confusion_matrix": metrics.confusion_matrix(truth, predicted).tolist(),
        "train_accuracy": model.score(train, train_truth),
        "positive_share": float(truth.mean()),
    }
    (folder / "metrics.json").write_text(json.dumps(measured))
    draw_figures(model, truth, probability, predicted, folder)
    return measured


def draw_figures(
    model: Pipeline,
    truth: np.ndarray,
    probability: np.ndarray,
    predicted: np.ndarray,
    folder: Path,
) -> None:
    """Write the five figures as SVG and PNG."""
    weights = model[-1].coef_[0]
    drawings: dict[str, Callable[[Axes], object]] = {
        "roc_curve": lambda ax: metrics.RocCurveDisplay.from_predictions(truth, probability, ax=ax),
        "precision_recall_curve": lambda ax: metrics.PrecisionRecallDisplay.from_predictions(
            truth, probability, ax=ax
        ),
        "calibration_curve": lambda ax: CalibrationDisplay.from_predictions(
            truth, probability, n_bins=10, strategy="quantile", ax=ax
        ),
        "confusion_matrix": lambda ax: metrics.ConfusionMatrixDisplay.from_predictions(
            truth, predicted, ax=ax, colorbar=False
        ),
        "coefficients": lambda ax: ax.barh(range(len(weights)), weights),
    }
    for name, draw in drawings.items():
        figure, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
        draw(ax)
        figure.savefig(folder / f"{name}.svg")
        figure.savefig(folder / f"{name}.png", dpi=120)
        plt.close(figure)


def model_summary(told: dict[str, Any], folder: Path) -> None:
    """Publish the model, with a summary of the run."""
    (folder / "model").mkdir()
    shutil.copy(folder / "model.pkl", folder / "model" / "model.pkl")
    (folder / "model" / "model_summary.json").write_text(json.dumps(told, indent=2))


def main() -> None:
    """Take the steps in order."""
    source, contract, folder = map(Path, sys.argv[1:4])
    columns = tomllib.loads(contract.read_text())["columns"]
    target = next(name for name, rules in columns.items() if rules["role"] == "target")
    steps = Steps()
    with steps.step("start_pipeline"):
        digest = start_pipeline(source)
    with steps.step("load_data"):
        load_data(source, columns, folder)
    with steps.step("data_preprocessing"):
        data_preprocessing(columns, folder)
    with steps.step("separate_data"):
        duplicates = separate_data(target, folder)
    with steps.step("build_model"):
        build_model(target, folder)
    with steps.step("evaluate_model"):
        measured = evaluate_model(target, folder)
    with steps.step("model_summary"):
        told = {"sha256": digest, "duplicate_rows_across": duplicates, "metrics": measured}
        model_summary(told, folder)
    steps.say(folder, measured)


if __name__ == "__main__":
    main()
