"""The published model at work: probabilities by ONNX or scikit-learn, and what each feature adds.

The pickle is never opened. A skops file is loaded with a closed list of types, so that it holds
data and nothing that runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

# Else ONNX Runtime tells its maker of each process and model that it loads. It has to be said
# before the import, which starts the thread that sends.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import pyarrow as pa
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from model_file import ONNX, SKOPS, ModelFileError, first_line, load_skops

from .published import Release, UnusableError
from .rows import Fields

ARROW = {"integer": pa.int64(), "number": pa.float64()}
FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}

Values = list[list[Any]]


class Scorer(Protocol):
    """Whatever gives rows their probability of a click."""

    def score(self, values: Values) -> list[float]:
        """Return a probability for each row; one call of the model, however many they are."""


@dataclass(frozen=True)
class Model:
    """A published model, loaded. ``file`` is what scores, and ``sha256`` that file's."""

    run_id: str
    file: str
    sha256: str
    fields: Fields
    classes: tuple[Any, Any]
    scorer: Scorer
    explainer: Explainer | None
    why_not: str | None

    @property
    def identity(self) -> dict[str, str]:
        """What answers name the model by."""
        return {"run_id": self.run_id, "sha256": self.sha256, "file": self.file}


def load_model(release: Release) -> Model:
    """Load what is published, or raise UnusableError where it cannot be used."""
    fields = Fields(release.columns)
    skops_hash, onnx_hash = release.sha256(SKOPS), release.sha256(ONNX)
    pipeline = open_pipeline(release) if skops_hash else None
    scorer: Scorer
    if onnx_hash:
        file, sha256 = ONNX, onnx_hash
        scorer = OnnxScorer(release.read(ONNX), len(fields.columns))
    elif pipeline is not None and skops_hash:
        file, sha256 = SKOPS, skops_hash
        scorer = SkopsScorer(pipeline, fields)
    else:
        raise UnusableError(
            f"run {release.run_id} published neither {ONNX} nor {SKOPS}, and the pickle is never "
            "loaded: run the pipeline once more"
        )
    explainer, why_not = make_explainer(pipeline, fields)
    return Model(release.run_id, file, sha256, fields, release.classes, scorer, explainer, why_not)


def open_pipeline(release: Release) -> Pipeline:
    """Return the model of the published skops file, which holds no type but known ones."""
    try:
        return load_skops(release.read(SKOPS))
    except ModelFileError as problem:
        raise UnusableError(f"{SKOPS} of run {release.run_id} {problem}") from None


class OnnxScorer:
    """A model that takes one matrix of plain numbers, run by ONNX Runtime on one thread."""

    def __init__(self, content: bytes, width: int) -> None:
        """Load the file; ``width`` is the number of features."""
        options = onnxruntime.SessionOptions()
        # A call is some microseconds: threads would wait for each other longer, and each spins.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as problem:  # onnxruntime's own have no common class
            raise UnusableError(f"{ONNX} cannot be loaded: {first_line(problem)}") from None
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        fits = len(inputs) == 1 and inputs[0].type in FLOATS and inputs[0].shape[1:] == [width]
        found = [told.name for told in outputs if told.type in FLOATS and told.shape[1:] == [2]]
        if not fits or len(found) != 1:
            raise UnusableError(
                f"{ONNX} does not take one matrix of {width} numbers and give two probabilities"
            )
        self.input, self.type, self.outputs = inputs[0].name, FLOATS[inputs[0].type], found

    def score(self, values: Values) -> list[float]:
        """Return a probability for each row."""
        with np.errstate(over="ignore"):  # what is too large for the model becomes infinite
            matrix = np.array(values, self.type)
        (probabilities,) = self.session.run(self.outputs, {self.input: matrix})
        clicks: list[float] = probabilities[:, 1].tolist()
        return clicks


class SkopsScorer:
    """A model of scikit-learn, for all that ONNX has no words for."""

    def __init__(self, pipeline: Pipeline, fields: Fields) -> None:
        self.pipeline = pipeline
        self.fields = fields

    def score(self, values: Values) -> list[float]:
        """Return a probability for each row."""
        table = make_table(values, self.fields)
        clicks: list[float] = self.pipeline.predict_proba(table)[:, 1].tolist()
        return clicks


@dataclass(frozen=True)
class Explainer:
    """What each feature adds to the log odds: coefficient times scaled value, summed by feature.

    ``weights`` has a row for each input of the classifier and a column for each feature: the
    input's coefficient where the input is made of that feature, else 0.
    """

    fields: Fields
    prepare: Pipeline
    weights: np.ndarray
    intercept: float

    def explain(self, values: Values) -> list[dict[str, Any]]:
        """Return of each row the intercept, each feature's contribution and their sum."""
        inputs = self.prepare.transform(make_table(values, self.fields))
        contributions = np.asarray(inputs @ self.weights)
        return [
            {
                "log_odds": self.intercept + sum(row),
                "intercept": self.intercept,
                "contributions": dict(zip(self.fields.columns, row, strict=True)),
            }
            for row in contributions.tolist()
        ]


def make_explainer(
    pipeline: Pipeline | None, fields: Fields
) -> tuple[Explainer | None, str | None]:
    """Return what explains the model, or None and why there is none."""
    if pipeline is None:
        return None, f"this model was published without {SKOPS}, which holds its coefficients"
    classifier = pipeline[-1]
    if not isinstance(classifier, LogisticRegression):
        return None, f"a {type(classifier).__name__} is no sum of what each feature adds"
    names = list(fields.columns)
    owners = inputs_to_features(pipeline[0], names, classifier.coef_.shape[1])
    weights = np.zeros((len(owners), len(names)))
    weights[np.arange(len(owners)), [names.index(name) for name in owners]] = classifier.coef_[0]
    return Explainer(fields, pipeline[:-1], weights, float(classifier.intercept_[0])), None


def inputs_to_features(first: Any, names: list[str], width: int) -> list[str]:
    """Return the feature that each input of the classifier is made of.

    A step that takes several features gives each of them one input, in their order, and does so
    once or several times; whatever a step makes of one feature alone is that feature's.
    """
    if not isinstance(first, ColumnTransformer):
        return names * (width // len(names))
    owners = [""] * width
    for step, _, columns in first.transformers_:
        place = first.output_indices_[step]
        if size := place.stop - place.start:
            owners[place] = list(columns) * (size // len(columns))
    return owners


def make_table(values: Values, fields: Fields) -> pa.Table:
    """Return rows as the table that the model was fitted on had them."""
    columns = zip(*values, strict=True)
    return pa.table(
        {
            name: pa.array(column, ARROW.get(rules["type"], pa.string()))
            for (name, rules), column in zip(fields.columns.items(), columns, strict=True)
        }
    )
