"""Fit the model: one scikit-learn Pipeline that takes raw rows."""

import pickle
import warnings
from typing import Any

import pyarrow.parquet as pq
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from stage import Run, log, run_script

SCALERS = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "minmax+standard": lambda: FeatureUnion(
        [("minmax", MinMaxScaler()), ("standard", StandardScaler())]
    ),
}


def run(run: Run) -> dict[str, Any]:
    """Write ``logistic_regression_model.pkl``, fitted on the training rows alone."""
    *features, target = run.columns("train.parquet")
    train = pq.read_table(run.input("train.parquet"))

    model = make_model(**run.parameters)
    run.progress(0.1, f"fitting on {train.num_rows} rows")
    with warnings.catch_warnings(record=True, category=ConvergenceWarning) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(train.select(features), train[target].to_numpy())
    if caught:
        log.warning("the solver did not converge in %d iterations", run.parameters["max_iter"])

    with run.output("logistic_regression_model.pkl").open("wb") as file:
        pickle.dump(model, file, protocol=5)
    classifier = model["classify"]
    return {
        "rows": train.num_rows,
        "model_type": type(classifier).__name__,
        "scaler": run.parameters["scaler"],
        "inputs_of_model": int(classifier.n_features_in_),
        "iterations": int(classifier.n_iter_.max()),
        "converged": not caught,
    }


def make_model(*, scaler: str, C: float, max_iter: int, random_state: int) -> Pipeline:
    """Return the unfitted Pipeline: the scaler, then logistic regression with an L2 penalty."""
    return Pipeline(
        [
            ("scale", SCALERS[scaler]()),
            ("classify", LogisticRegression(C=C, max_iter=max_iter, random_state=random_state)),
        ]
    )


if __name__ == "__main__":
    run_script(__file__)
