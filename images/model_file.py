"""Read a model that is no pickle: which files hold one, what may be in them, how rows are scored.

A pickle is a program, which runs when it is read. ONNX is a graph of numbers, and of a skops file
only the types of a closed list are made. Each is read here, by whoever scores rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# The formats that rows are scored from, the first that a model has.
ONNX = "logistic_regression_model.onnx"
SKOPS = "logistic_regression_model.skops"
FORMATS = {"onnx": ONNX, "skops": SKOPS}
# All types that a model's skops file may hold beside those of scikit-learn's estimators, of numpy
# and of Python that skops itself knows to be harmless.
TRUSTED = (
    "numpy.dtype",
    "numpy.ravel",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
# The names of the ONNX graph's input and of its output, shapes (rows, features) and (rows, 2).
ROWS, PROBABILITIES = "rows", "probabilities"

Score = Callable[[pa.Table], np.ndarray]


class ModelFileError(ValueError):
    """A file holds no model that can be read; the message says why, as the end of a sentence."""


def open_model(path: Path, threads: int = 1) -> Score:
    """Return the function that scores a table: the probability of a click of each row.

    The table has the features by name, in any order; what the function returns has shape (rows,).
    Raises ModelFileError.
    """
    return open_onnx(path, threads) if path.suffix == ".onnx" else open_skops(path)


def open_onnx(path: Path, threads: int = 1) -> Score:
    """Return what ``open_model`` does, of an ONNX file; its metadata names the features."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it tells its makers of what it does
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        features = json.loads(session.get_modelmeta().custom_metadata_map["features"])
    except Exception as error:  # onnxruntime raises a type of its own for each fault
        raise ModelFileError(f"is no ONNX model of this project: {first_line(error)}") from None

    def score(rows: pa.Table) -> np.ndarray:
        columns = [pc.cast(rows[name], pa.float64(), safe=False).to_numpy() for name in features]
        (chances,) = session.run([PROBABILITIES], {ROWS: np.column_stack(columns)})
        click: np.ndarray = chances[:, 1]
        return click

    return score


def open_skops(path: Path) -> Score:
    """Return what ``open_model`` does, of a skops file."""
    model = load_skops(path.read_bytes())
    features = list(model.feature_names_in_)

    def score(rows: pa.Table) -> np.ndarray:
        click: np.ndarray = model.predict_proba(rows.select(features))[:, 1]
        return click

    return score


def load_skops(content: bytes) -> Pipeline:
    """Return the Pipeline that the bytes of a skops file hold.

    A type outside of the closed list, which is held against what the file names before anything of
    it is made, is a ModelFileError.
    """
    import skops.io
    from sklearn.pipeline import Pipeline

    try:
        found = skops.io.get_untrusted_types(data=content)
        if strange := sorted(set(found) - set(TRUSTED)):
            raise ModelFileError(f"holds the type {strange[0]}, which no model of this project has")
        model: Any = skops.io.loads(content, trusted=list(TRUSTED))
    except ModelFileError:
        raise
    except Exception as error:  # a damaged file fails in as many ways as it has parts
        raise ModelFileError(f"is no skops file of this project: {first_line(error)}") from None
    if not isinstance(model, Pipeline):
        raise ModelFileError(f"holds a {type(model).__name__}, which is no Pipeline")
    return model


def first_line(error: Exception) -> str:
    """Return the beginning of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
