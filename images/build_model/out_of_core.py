"""Fit scaling and logistic regression to more rows than memory holds, in passes over the table."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit
from sklearn.base import TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from threadpoolctl import threadpool_limits

from batches import map_in_threads, read_batches
from stage import Run

# Rows of a block: with its few columns it stays in a processor's cache.
BLOCK = 2**14
# The length of the gradient of the mean loss at which the fit is done.
TOLERANCE = 1e-6


class Matrix:
    """Scaled rows and their classes as 32-bit floats in a file, column by column in each block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shapes: list[tuple[int, int]] = []

    @property
    def inputs(self) -> int:
        """The number of columns without that of the classes."""
        return self.shapes[0][0] - 1

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(rows for _, rows in self.shapes)

    def add(self, columns: np.ndarray) -> None:
        """Write more rows, shape (inputs + 1, rows): the last column is that of the classes."""
        with self.path.open("ab") as file:
            for start in range(0, columns.shape[1], BLOCK):
                block = columns[:, start : start + BLOCK].astype(np.float32)
                block.tofile(file)
                self.shapes.append(block.shape)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield columns, shape (inputs + 1, rows), the last one of ones; and classes (rows,)."""
        with self.path.open("rb") as file:
            for width, rows in self.shapes:
                columns = np.fromfile(file, np.float32, width * rows).reshape(width, rows)
                columns = columns.astype(float)
                truth = columns[-1].copy()
                columns[-1] = 1
                yield columns, truth


def fit_in_passes(
    model: Pipeline, table: pq.ParquetFile, names: list[str], target: str, run: Run
) -> tuple[bool, dict[str, bool]]:
    """Fit the steps ``scale`` and ``classify`` to a table of numbers that are always there.

    The coefficients are those that scikit-learn's own solver approaches: both minimise
    ``C * sum(log loss) + |coef|^2 / 2``. Meanwhile the run's scratch folder takes 4 bytes for each
    number. Returns whether the fit converged, and of each feature whether all its values are the
    same.
    """
    classify: LogisticRegression = model["classify"]
    constant = fit_scaler(model["scale"], table, names)
    run.progress(0.2, "scaling")
    with tempfile.NamedTemporaryFile(dir=run.scratch) as file:
        matrix = write_scaled(model["scale"], table, names, target, Path(file.name))
        passes = itertools.count(1)

        def tell() -> None:
            number = next(passes)
            run.progress(0.3 + 0.7 * (1 - 0.9**number), f"pass {number} over the scaled rows")

        # A block is too small for several threads: they would wait for each other.
        with threadpool_limits(1):
            found = minimise_loss(matrix, classify.C, classify.max_iter, tell)
    classify.classes_ = np.array([0, 1])
    classify.coef_ = found.x[np.newaxis, :-1]
    classify.intercept_ = found.x[-1:]
    classify.n_features_in_ = matrix.inputs
    classify.n_iter_ = np.array([found.nit], np.int32)
    return bool(found.success), constant


def fit_scaler(scale: TransformerMixin, table: pq.ParquetFile, names: list[str]) -> dict[str, bool]:
    """Fit the scaler; return of each feature whether all its values are the same."""
    scalers = [scaler for _, scaler in scale.transformer_list] if is_union(scale) else [scale]
    least, most = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for rows in read_tables(table, names):
        for scaler in scalers:
            scaler.partial_fit(rows)
        ends = [pc.min_max(column) for column in rows.columns]
        least = np.minimum(least, [end["min"].as_py() for end in ends])
        most = np.maximum(most, [end["max"].as_py() for end in ends])
    return dict(zip(names, (least == most).tolist(), strict=True))


def is_union(scale: TransformerMixin) -> bool:
    """Tell whether a scaler is several side by side."""
    return isinstance(scale, FeatureUnion)


def write_scaled(
    scale: TransformerMixin, table: pq.ParquetFile, names: list[str], target: str, path: Path
) -> Matrix:
    """Write the scaled rows of a table and their classes."""

    def scale_rows(rows: pa.Table) -> np.ndarray:
        scaled = scale.transform(rows.select(names))
        return np.vstack([scaled.T, rows[target].to_numpy()])

    matrix = Matrix(path)
    for columns in map_in_threads(scale_rows, read_tables(table, [*names, target])):
        matrix.add(columns)
    return matrix


def read_tables(table: pq.ParquetFile, names: list[str]) -> Iterator[pa.Table]:
    """Yield the columns' rows as tables, which scikit-learn takes with the names of the columns."""
    return (pa.Table.from_batches([batch]) for batch in read_batches(table, names))


def minimise_loss(
    matrix: Matrix, C: float, max_iter: int, tell: Callable[[], None]
) -> OptimizeResult:
    """Return what scipy's trust-region method finds; ``x`` is the weights, then the intercept.

    What is minimised is the objective of ``fit_in_passes`` over ``C`` and the number of rows.
    The penalty does not hold for the intercept.
    """
    strength = np.full(matrix.inputs + 1, 1 / (C * matrix.rows))
    strength[-1] = 0
    known: dict[bytes, Any] = {}

    def look(weights: np.ndarray) -> Any:
        """Return loss, gradient and Hessian, of one pass over the rows."""
        key = weights.tobytes()
        if key not in known:
            known.clear()
            tell()
            known[key] = add_up(matrix, weights, strength)
        return known[key]

    # Where the radius does not bind, this is Newton's method.
    options: Any = {"maxiter": max_iter, "gtol": TOLERANCE, "initial_trust_radius": 100}
    found: OptimizeResult = minimize(  # type: ignore[call-overload]  # scipy's own types are too narrow
        lambda weights: look(weights)[0],
        np.zeros(matrix.inputs + 1),
        jac=lambda weights: look(weights)[1],
        hess=lambda weights: look(weights)[2],
        method="trust-exact",
        options=options,
    )
    return found


def add_up(matrix: Matrix, weights: np.ndarray, strength: np.ndarray) -> Any:
    """Return the mean loss with its penalty, its gradient and its Hessian at these weights."""
    loss, gradient = 0.0, np.zeros_like(weights)
    hessian = np.zeros((len(weights), len(weights)))
    for columns, truth in matrix.blocks():
        log_odds = weights @ columns
        probability = expit(log_odds)
        # log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which no large x overflows.
        softplus = np.maximum(log_odds, 0) + np.log1p(np.exp(-np.abs(log_odds)))
        loss += softplus.sum() - truth @ log_odds
        gradient += columns @ (probability - truth)
        hessian += (columns * (probability * (1 - probability))) @ columns.T
    return (
        loss / matrix.rows + strength @ weights**2 / 2,
        gradient / matrix.rows + strength * weights,
        hessian / matrix.rows + np.diag(strength),
    )
