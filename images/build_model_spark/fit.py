"""Fit scaling and logistic regression with MLlib, and leave the same scikit-learn Pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.ml.classification import LogisticRegression as Solver
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from build_model.encode import Features
from build_model.main import make_model
from build_model.out_of_core import is_union

# By how much of itself the loss may still fall when the fit is done.
TOLERANCE = 1e-12
SOLVER = "spark-l-bfgs"


def fit_model(
    train: DataFrame, columns: Features, parameters: dict[str, Any]
) -> tuple[Pipeline, Features, bool]:
    """Return what fit_in_memory of build_model does: the Pipeline, how features are encoded, and
    whether the fit converged.

    scikit-learn minimises ``C * sum(log loss) + |coef|^2 / 2``, MLlib ``mean(log loss) + regParam *
    |coef|^2 / 2``: with ``regParam = 1 / (C * rows)`` one is the other over ``C * rows``.
    MLlib's own standardisation is left out, which would change what the penalty weighs.
    """
    statistics = measure(train, len(columns))
    features: Features = {
        name: {
            "encoding": "scaled",
            "missing": 0,
            "when_missing": rules.get("missing", "refuse"),
            "constant": bool(least == most),
        }
        for (name, rules), least, most in zip(
            columns.items(), statistics["min"], statistics["max"], strict=True
        )
    }
    model = make_model(features, **parameters)
    fill_scaler(model["scale"], list(columns), statistics)
    inputs = [column for scaler in scalers_of(model) for column in scaled(scaler, len(columns))]
    found = solve(train, inputs, model["classify"], statistics["rows"])
    classify: LogisticRegression = model["classify"]
    classify.classes_ = np.array([0, 1])
    classify.coef_ = found.coefficients.toArray()[np.newaxis, :]
    classify.intercept_ = np.array([found.intercept])
    classify.n_features_in_ = len(inputs)
    iterations = len(found.summary.objectiveHistory) - 1
    classify.n_iter_ = np.array([iterations], np.int32)
    return model, features, iterations < classify.max_iter


def measure(train: DataFrame, features: int) -> dict[str, Any]:
    """Return the number of rows, and mean, variance, minimum and maximum, shape (features,)."""
    of = {"mean": sf.mean, "variance": sf.var_pop, "min": sf.min, "max": sf.max}
    asked = [
        made(sf.col(f"f{n}").cast("double")).alias(f"{name}{n}")
        for name, made in of.items()
        for n in range(features)
    ]
    row = train.agg(sf.count("*").alias("rows"), *asked).first()
    assert row, "an aggregate is one row"
    told = {name: np.array([row[f"{name}{n}"] for n in range(features)], float) for name in of}
    return {"rows": row.rows, **told}


def scalers_of(model: Pipeline) -> list[Any]:
    """Return the model's scalers, which give it their columns one behind the other."""
    scale = model["scale"]
    return [scaler for _, scaler in scale.transformer_list] if is_union(scale) else [scale]


def fill_scaler(scale: Any, names: list[str], statistics: dict[str, Any]) -> None:
    """Put what was measured into a scaler, as if it had been fitted to the rows.

    It is fitted to two rows that are as far apart, which makes all else that a scaler has.
    """
    least, most = statistics["min"], statistics["max"]
    ends = pa.table({name: [low, high] for name, low, high in zip(names, least, most, strict=True)})
    scale.fit(ends)
    scalers = [scaler for _, scaler in scale.transformer_list] if is_union(scale) else [scale]
    for scaler in scalers:
        if isinstance(scaler, MinMaxScaler):
            scaler.n_samples_seen_ = statistics["rows"]
        elif isinstance(scaler, StandardScaler):
            # Not what is left of rounding, of values that are all the same.
            variance = np.where(least == most, 0.0, statistics["variance"])
            scaler.mean_, scaler.var_ = statistics["mean"], variance
            scaler.scale_ = np.where(variance == 0, 1.0, np.sqrt(variance))
            scaler.n_samples_seen_ = np.int64(statistics["rows"])


def scaled(scaler: Any, features: int) -> list[Column]:
    """Return the columns that a scaler makes of the features."""
    values = [sf.col(f"f{n}").cast("double") for n in range(features)]
    if isinstance(scaler, MinMaxScaler):
        return [
            value * sf.lit(float(factor)) + sf.lit(float(shift))
            for value, factor, shift in zip(values, scaler.scale_, scaler.min_, strict=True)
        ]
    return [
        (value - sf.lit(float(mean))) / sf.lit(float(size))
        for value, mean, size in zip(values, scaler.mean_, scaler.scale_, strict=True)
    ]


def solve(train: DataFrame, inputs: list[Column], classify: LogisticRegression, rows: int) -> Any:
    """Return MLlib's fitted model."""
    names = [f"x{n}" for n in range(len(inputs))]
    columns = [column.alias(name) for column, name in zip(inputs, names, strict=True)]
    scaled_rows = train.select(*columns, sf.col("target").cast("double").alias("label"))
    vectors = VectorAssembler(inputCols=names, outputCol="features").transform(scaled_rows)
    solver = Solver(
        regParam=1 / (classify.C * rows),
        elasticNetParam=0.0,
        standardization=False,
        family="binomial",
        tol=TOLERANCE,
        maxIter=classify.max_iter,
    )
    return solver.fit(vectors.select("features", "label"))
