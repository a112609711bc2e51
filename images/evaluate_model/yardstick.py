"""What the model is held against: the majority class, gradient boosting, and its own training rows.

A score says little by itself. Gradient boosting shows what is there to be learned from these
features; cross-validation, on demand, how much of a score is the luck of one split.
"""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn import metrics
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

from evaluate_model.scores import Scores, score

# Training rows, and numbers of them, that are learned from here: more would tell little more.
MOST_ROWS = 200_000
MOST_NUMBERS = 2**23
# Below this many rows several threads wait for each other more than they work.
ROWS_FOR_THREADS = 20_000
SEED = 42
FOLDS = 5
MOST_CODES = 254
WORDS_WIDTH = 64


def is_small(train: pq.ParquetFile, features: list[str]) -> bool:
    """Tell whether the training rows can be learned from once more."""
    rows = train.metadata.num_rows
    return bool(rows <= MOST_ROWS and rows * len(features) <= MOST_NUMBERS)


def measure_boosting(
    model: Pipeline,
    train: pq.ParquetFile,
    test: pq.ParquetFile,
    features: list[str],
    target: str,
) -> dict[str, float]:
    """Return accuracy, ROC AUC and log loss on the test rows of gradient boosting with defaults."""
    rows = train.read([*features, target])
    with limit_threads(rows.num_rows):
        boosting = make_boosting(model)
        boosting.fit(rows.select(features), rows[target].to_numpy())
        scores = score(boosting, test, features, target)
    return measure_scores(scores)


def measure_scores(scores: Scores) -> dict[str, float]:
    """Return accuracy, ROC AUC and log loss."""
    rows = {"sample_weight": scores.weights}
    return {
        "accuracy": float(metrics.accuracy_score(scores.truth, scores.predicted, **rows)),
        "roc_auc": float(metrics.roc_auc_score(scores.truth, scores.probability, **rows)),
        "log_loss": float(metrics.log_loss(scores.truth, scores.probability, **rows)),
    }


def make_boosting(model: Pipeline) -> Pipeline:
    """Return an unfitted Pipeline that takes what the model takes, with gradient boosting in it.

    Numbers go to it as the model has them, for trees do not mind their scale. Texts, which the
    model has as sparse columns, become codes, and words a few dense columns.
    """
    # Only where it is wanted: what it imports takes as long as much of the other work.
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = clone(model)
    boosting.set_params(
        **{boosting.steps[-1][0]: HistGradientBoostingClassifier(random_state=SEED)}
    )
    first = boosting[0]
    if isinstance(first, ColumnTransformer):
        first.set_params(sparse_threshold=0)
        for _, transformer, _ in first.transformers:
            if not isinstance(transformer, Pipeline) or "open" not in transformer.named_steps:
                continue
            words = isinstance(transformer[-1], HashingVectorizer)
            narrow = transformer[-1].set_params(n_features=WORDS_WIDTH) if words else make_codes()
            transformer.set_params(**{transformer.steps[-1][0]: narrow})
    return boosting


def make_codes() -> OrdinalEncoder:
    """Return what gives each level of a category a number; an unknown one counts as missing."""
    return OrdinalEncoder(
        max_categories=MOST_CODES, handle_unknown="use_encoded_value", unknown_value=np.nan
    )


def limit_threads(rows: int) -> threadpool_limits:
    """Return the context in which so many rows are learned from."""
    return threadpool_limits(1 if rows < ROWS_FOR_THREADS else None)


def cross_validate(
    model: Pipeline, train: pq.ParquetFile, features: list[str], target: str, repeats: int
) -> dict[str, Any]:
    """Return mean and standard deviation of metrics over folds of the training rows.

    Each of ``FOLDS`` folds, drawn ``repeats`` times with equal shares of clicks, is held out once
    from a clone of the model.
    """
    from sklearn.model_selection import RepeatedStratifiedKFold
    from sklearn.model_selection import cross_validate as score_folds

    rows = train.read([*features, target])
    names = {"accuracy": "accuracy", "roc_auc": "roc_auc", "log_loss": "neg_log_loss"}
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=SEED)
    with limit_threads(rows.num_rows):
        found = score_folds(
            clone(model),
            rows.select(features),
            rows[target].to_numpy(),
            scoring=names,
            cv=folds,
            error_score="raise",
        )
    told: dict[str, Any] = {"folds": FOLDS, "repeats": repeats}
    for name in names:
        values = np.abs(found[f"test_{name}"])
        told[name] = {"mean": float(values.mean()), "std": float(values.std(ddof=1))}
    return told
