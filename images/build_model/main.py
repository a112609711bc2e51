"""Fit the model: one scikit-learn Pipeline that takes raw rows."""

import pickle
import warnings
from typing import Any

import pyarrow.parquet as pq
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from build_model.encode import Features, describe_features, make_encoder
from stage import Run, data_refused, log, run_script

SCALERS = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "minmax+standard": lambda: FeatureUnion(
        [("minmax", MinMaxScaler()), ("standard", StandardScaler())]
    ),
}


def run(run: Run) -> dict[str, Any]:
    """Write ``logistic_regression_model.pkl``, fitted on the training rows alone."""
    *names, target = run.columns("train.parquet")
    columns = run.read_json("start_pipeline/run.json")["contract"]["columns"]
    train = pq.read_table(run.input("train.parquet"))
    features = describe_features(train, {name: columns[name] for name in names})
    if all(told["encoding"] == "left_out" for told in features.values()):
        raise data_refused("no feature has a value in the training rows; nothing is to be learned")

    model = make_model(features, **run.parameters)
    run.progress(0.1, f"fitting on {train.num_rows} rows")
    with warnings.catch_warnings(record=True, category=ConvergenceWarning) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(train.select(names), train[target].to_numpy())

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
        "encodings": features,
        "warnings": find_warnings(features, run.parameters["max_iter"] if caught else None),
    }


def make_model(
    features: Features, *, scaler: str, C: float, max_iter: int, random_state: int
) -> Pipeline:
    """Return the unfitted Pipeline: scaled or encoded features, then logistic regression.

    ``features`` tells of each feature its ``encoding`` and what is done ``when_missing``. Its
    penalty is L2. Where each feature is a number that is always there, the scaler is all it takes.
    """
    scale = SCALERS[scaler]()
    classify = LogisticRegression(C=C, max_iter=max_iter, random_state=random_state)
    first = ("scale", scale) if is_plain(features) else ("encode", make_encoder(features, scale))
    return Pipeline([first, ("classify", classify)])


def is_plain(features: Features) -> bool:
    """Tell whether each feature is a number that is always there."""
    return all(
        told["encoding"] == "scaled" and told["when_missing"] in ("refuse", "drop")
        for told in features.values()
    )


def find_warnings(features: Features, iterations: int | None) -> list[str]:
    """Return what people should know of the fit; ``iterations`` were too few, or None."""
    found = []
    for name, told in features.items():
        if told["encoding"] == "left_out":
            found.append(f"{name!r} has no value in the training rows; the model does without it")
        elif told["constant"]:
            found.append(f"{name!r} has the same value in all training rows, which teaches nothing")
    if iterations:
        found.append(f"the solver did not converge in {iterations} iterations")
    for sentence in found:
        log.warning("%s", sentence)
    return found


if __name__ == "__main__":
    run_script(__file__)
