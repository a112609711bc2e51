"""Fit the model: one scikit-learn Pipeline that takes raw rows, whatever the algorithm."""

import pickle
import warnings
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from threadpoolctl import threadpool_limits

from build_model.boosting import ENCODERS, find_width, make_boosting
from build_model.encode import NUMERIC, Features, describe_features, make_encoder
from build_model.formats import write_formats
from build_model.out_of_core import fit_in_passes
from stage import Run, data_refused, log, run_script

SCALERS = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "minmax+standard": lambda: FeatureUnion(
        [("minmax", MinMaxScaler()), ("standard", StandardScaler())]
    ),
}
# What is done with missing cells so that the training rows have none.
ALWAYS_THERE = ("refuse", "drop")
# Numbers of the training rows that are held in memory, eight bytes and several copies of each.
MOST_IN_MEMORY = 2**22
# Numbers that gradient boosting may hold, in several copies too.
MOST_IN_TREES = 2**24
# The out-of-core solver holds the square of the number of features.
WIDEST = 1000
BOOSTING = "hist_gradient_boosting"
# Of fewer rows several threads that grow trees wait for each other more than they work.
ROWS_FOR_THREADS = 20_000


def run(run: Run) -> dict[str, Any]:
    """Write the model, fitted on the training rows alone: a pickle, and what is safer to read."""
    *names, target = run.columns("train.parquet")
    contract = run.read_json("start_pipeline/run.json")["contract"]["columns"]
    columns = {name: contract[name] for name in names}
    with pq.ParquetFile(run.input("train.parquet")) as table:
        rows = table.metadata.num_rows
        run.progress(0.1, f"fitting on {rows} rows")
        trees = run.parameters["algorithm"] == BOOSTING
        if trees:
            check_trees(rows, columns)
        fit = fit_out_of_core if not trees and is_large(rows, columns) else fit_in_memory
        model, features, converged = fit(table, columns, target, run)

    with run.output("logistic_regression_model.pkl").open("wb") as file:
        pickle.dump(model, file, protocol=5)
    run.progress(0.9, "writing the other formats")
    formats, missing = write_formats(model, names, run.output)
    classifier = model["classify"]
    return {
        "rows": rows,
        "model_type": type(classifier).__name__,
        "scaler": run.parameters["scaler"],
        "inputs_of_model": int(classifier.n_features_in_),
        "solver": name_solver(classifier, fit is fit_out_of_core),
        "iterations": int(np.max(classifier.n_iter_)),
        "converged": converged,
        "encodings": features,
        "formats": formats,
        "formats_missing": missing,
        "warnings": find_warnings(features, None if converged else run.parameters["max_iter"]),
    }


def name_solver(classifier: ClassifierMixin, out_of_core: bool) -> str:
    """Return what found the model's numbers; trees are grown."""
    return "trust-exact" if out_of_core else getattr(classifier, "solver", "trees")


def check_trees(rows: int, columns: Features) -> None:
    """Refuse (65) more rows than gradient boosting can hold in this stage's memory."""
    if rows * find_width(columns) > MOST_IN_TREES:
        raise data_refused(
            f"{rows} training rows of {len(columns)} features are more than gradient boosting can "
            "hold in this stage's memory; use algorithm logistic_regression, which takes any "
            "number of rows, or a file of fewer rows"
        )


def is_large(rows: int, columns: Features) -> bool:
    """Tell whether rows are fitted out of core: many, of numbers that are always there.

    ``columns`` are the features' rules of the data contract.
    """
    plain = all(
        rules["type"] in NUMERIC and rules.get("missing", "refuse") in ALWAYS_THERE
        for rules in columns.values()
    )
    return plain and rows * len(columns) > MOST_IN_MEMORY and len(columns) <= WIDEST


def fit_in_memory(
    table: pq.ParquetFile, columns: Features, target: str, run: Run
) -> tuple[Pipeline, Features, bool]:
    """Return the fitted Pipeline, how each feature is encoded, and whether the fit converged."""
    train = table.read()
    features = describe_features(train, columns)
    if all(told["encoding"] == "left_out" for told in features.values()):
        raise data_refused("no feature has a value in the training rows; nothing is to be learned")
    model = make_model(features, **run.parameters)
    small_trees = run.parameters["algorithm"] == BOOSTING and train.num_rows < ROWS_FOR_THREADS
    with (
        warnings.catch_warnings(record=True, category=ConvergenceWarning) as caught,
        threadpool_limits(1 if small_trees else None),
    ):
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(train.select(list(columns)), train[target].to_numpy())
    return model, features, not caught


def fit_out_of_core(
    table: pq.ParquetFile, columns: Features, target: str, run: Run
) -> tuple[Pipeline, Features, bool]:
    """Return what ``fit_in_memory`` does, of any number of rows."""
    features: Features = {
        name: {"encoding": "scaled", "missing": 0, "when_missing": rules.get("missing", "refuse")}
        for name, rules in columns.items()
    }
    model = make_model(features, **run.parameters)
    converged, constant = fit_in_passes(model, table, list(columns), target, run)
    for name, told in features.items():
        told["constant"] = constant[name]
    return model, features, converged


def make_model(
    features: Features,
    *,
    scaler: str,
    C: float,
    max_iter: int,
    random_state: int,
    algorithm: str = "logistic_regression",
) -> Pipeline:
    """Return the unfitted Pipeline: scaled or encoded features, then the classifier.

    ``features`` tells of each feature its ``encoding`` and what is done ``when_missing``. The
    penalty of logistic regression is L2; gradient boosting has scikit-learn's defaults. Where each
    feature is a number that is always there, the scaler is all it takes.
    """
    scale, trees = SCALERS[scaler](), algorithm == BOOSTING
    encode = make_encoder(features, scale, ENCODERS if trees else None)
    if trees:  # which take no sparse columns
        encode.set_params(sparse_threshold=0)
        classify = make_boosting(random_state)
    else:
        classify = LogisticRegression(C=C, max_iter=max_iter, random_state=random_state)
    first = ("scale", scale) if is_plain(features) else ("encode", encode)
    return Pipeline([first, ("classify", classify)])


def is_plain(features: Features) -> bool:
    """Tell whether each feature is a number that is always there."""
    return all(
        told["encoding"] == "scaled" and told["when_missing"] in ALWAYS_THERE
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
