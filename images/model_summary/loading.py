"""How to load the model in five lines, in each format that it was written in."""

from __future__ import annotations

from typing import Any

STEM = "logistic_regression_model"
# The types of models' skops files that skops does not know to be harmless; images/model_file.py
# reads by the same list. Logistic regression over numbers has none of them.
TRUSTED = [
    "numpy.dtype",
    "numpy.ravel",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
INTRODUCTION = (
    "From the shared volume's folder. A pickle is a program that runs when it is loaded: load one "
    "only where you trust the volume. The other formats run nothing."
)


def describe_loading(summary: dict[str, Any]) -> str:
    """Return Markdown with five lines of Python for each format that the model has."""
    formats = {"pickle": load_pickle(summary)}
    if f"{STEM}.skops" in summary.get("files", {}):
        formats["skops"] = load_skops(summary)
    if f"{STEM}.onnx" in summary.get("files", {}):
        formats["ONNX"] = load_onnx(summary)
    parts = [f"### {name}\n\n```python\n{lines}\n```" for name, lines in formats.items()]
    return "\n\n".join([INTRODUCTION, *parts])


def load_pickle(summary: dict[str, Any]) -> str:
    """Return the lines for the pickle, which joblib reads as well as Python's own module."""
    return f"""\
import joblib
import pandas
model = joblib.load("model/{STEM}.pkl")
rows = pandas.read_parquet({rows_of(summary)!r})
print(model.predict_proba(rows[model.feature_names_in_])[:, 1])"""


def load_skops(summary: dict[str, Any]) -> str:
    """Return the lines for skops, which makes the types that are named and no others."""
    encodings = summary.get("encodings", {}).values()
    plain = all(told["encoding"] == "scaled" and not told["missing"] for told in encodings)
    trusted = [] if plain and summary["model_type"] == "LogisticRegression" else TRUSTED
    return f"""\
import pandas
import skops.io
model = skops.io.load("model/{STEM}.skops", trusted={trusted!r})
rows = pandas.read_parquet({rows_of(summary)!r})
print(model.predict_proba(rows[model.feature_names_in_])[:, 1])"""


def load_onnx(summary: dict[str, Any]) -> str:
    """Return the lines for ONNX, whose graph takes the features in their order."""
    return f"""\
import onnxruntime
import pandas
model = onnxruntime.InferenceSession("model/{STEM}.onnx")
rows = pandas.read_parquet({rows_of(summary)!r})[{summary["features"]!r}]
print(model.run(["probabilities"], {{"rows": rows.to_numpy("float64")}})[0][:, 1])"""


def rows_of(summary: dict[str, Any]) -> str:
    """Return the path of some rows to try the model on: published beside it, or the run's own."""
    published = "reference.parquet" in summary.get("files", {})
    run = summary["run_id"]
    return "model/reference.parquet" if published else f"runs/{run}/separate_data/test.parquet"
