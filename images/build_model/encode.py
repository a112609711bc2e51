"""How features that are not plain numbers reach the model: the first step of its Pipeline.

All that is fitted here is scikit-learn's, with functions of numpy, narwhals (which scikit-learn
itself needs) and Python: the model is unpickled, and scores raw rows, where this code is not.
"""

import copy
from collections.abc import Callable
from operator import methodcaller
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

NUMERIC = ("integer", "number")
MOST_ONE_HOT = 100
HASHED_WIDTH = 4096
# What stands for a missing cell; no cell of a text file holds a NUL.
MISSING = "\0missing"
WORD = rf"(?u)\b\w\w+\b|{MISSING}"  # scikit-learn's own pattern, or a cell that is missing

# What turns a column of texts into cells that are never missing, whatever kind of table it is of.
OPENING: dict[str, Any] = {
    "open": nw.from_native,
    "fill": methodcaller("select", nw.all().cast(nw.String).fill_null(MISSING)),
    "cells": methodcaller("to_numpy"),
}
# What an encoder names its columns by, where that is a function too: the class's own way.
NAMES_OF: dict[type, dict[str, str]] = {OneHotEncoder: {"feature_name_combiner": "concat"}}

Features = dict[str, dict[str, Any]]


def describe_features(train: pa.Table, columns: Features) -> Features:
    """Return how each feature is encoded, and what of it the training rows hold.

    ``columns`` are the features' rules of the data contract. A feature without any value in the
    training rows is left out: there is nothing to learn from, and nothing to fill in.
    """
    features = {}
    for name, rules in columns.items():
        column = train[name]
        told: dict[str, Any] = {"encoding": "left_out", "missing": column.null_count}
        if column.null_count < len(column):
            told = choose_encoding(column, rules) | {"missing": column.null_count}
            told["constant"] = not column.null_count and is_constant(column)
        features[name] = told | {"when_missing": rules.get("missing", "refuse")}
    return features


def choose_encoding(column: pa.ChunkedArray, rules: dict[str, Any]) -> dict[str, Any]:
    """Return a feature's encoding: scaled, words, or one_hot or hashing with its levels."""
    if rules["type"] in NUMERIC:
        return {"encoding": "scaled"}
    if rules["type"] == "text":
        return {"encoding": "words"}
    levels = pc.count_distinct(column).as_py()
    chosen = "one_hot" if levels <= MOST_ONE_HOT else "hashing"
    return {"encoding": rules.get("encode") or chosen, "levels": levels}


def is_constant(column: pa.ChunkedArray) -> bool:
    """Tell whether all values are the same."""
    ends = pc.min_max(column).as_py()
    return bool(ends["min"] == ends["max"])


def make_encoder(
    features: Features,
    scaler: TransformerMixin,
    encoders: dict[str, Callable[[], TransformerMixin]] | None = None,
) -> ColumnTransformer:
    """Return the unfitted encoder of raw rows: a pyarrow Table or a pandas DataFrame.

    ``features`` is what ``describe_features`` returns; ``encoders`` are ``ENCODERS`` if none. A
    category that the training rows do not hold counts as none of theirs. A number that is missing
    although the contract refuses it is left for the classifier: logistic regression refuses it too.
    """
    numbers = [name for name, told in features.items() if told["encoding"] == "scaled"]
    filled = [n for n in numbers if features[n]["when_missing"] in ("impute", "indicator")]
    indicated = [n for n in numbers if features[n]["when_missing"] == "indicator"]
    fill = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", scaler)])
    steps: list[tuple[str, TransformerMixin, list[str]]] = [
        ("numbers", scaler, [name for name in numbers if name not in filled]),
        ("filled_numbers", fill, filled),
        ("missing_numbers", MissingIndicator(features="all", error_on_new=False), indicated),
    ]
    for place, (name, told) in enumerate(features.items()):
        if told["encoding"] in ENCODERS:
            # By its place: a column's name may hold what scikit-learn keeps for itself.
            encoder = (encoders or ENCODERS)[told["encoding"]]()
            steps.append((f"column_{place}", make_text_encoder(encoder, **told), [name]))
    return ColumnTransformer([step for step in steps if step[2]])


def make_text_encoder(
    encoder: TransformerMixin, encoding: str, when_missing: str, **_: object
) -> Pipeline:
    """Return the unfitted encoder of one column of texts, which ends in this one."""
    steps = [(name, function(call)) for name, call in OPENING.items()]
    if when_missing == "impute" and encoding != "words":
        most_frequent = SimpleImputer(missing_values=MISSING, strategy="most_frequent")
        steps.append(("impute", most_frequent))
    if encoding == "words":
        steps.append(("row", function(np.ravel)))
    return Pipeline([*steps, ("encode", encoder)])


def without_functions(model: Pipeline) -> Pipeline:
    """Return a copy of a fitted model that scikit-learn's own classes alone make up.

    Its steps that call functions, which a file that is safe to read does not hold, fill in what is
    missing; here an imputer does. Of a pyarrow Table whose categories are texts the copy says the
    same as the model, which takes more: a DataFrame, or categories that are numbers.
    """
    copied: Pipeline = copy.deepcopy(model)
    if "encode" not in copied.named_steps:
        return copied
    encoder = copied["encode"]
    for transformers in (encoder.transformers, encoder.transformers_):
        for _, step, (name, *_) in transformers:
            if isinstance(step, Pipeline) and step.steps[0][0] == "open":
                fill = SimpleImputer(
                    missing_values=None, strategy="constant", fill_value=MISSING
                ).fit(pa.table({name: [MISSING]}))
                step.steps[: len(OPENING)] = [("fill", fill)]
                step["encode"].set_params(**NAMES_OF.get(type(step["encode"]), {}))
                # Where an object stood in memory, which would differ in each file.
                vars(step["encode"]).pop("_stop_words_id", None)
    return copied


def function(call: Any) -> FunctionTransformer:
    """Return a step that calls a function, and keeps the column's name."""
    return FunctionTransformer(call, feature_names_out="one-to-one")


ENCODERS: dict[str, Callable[[], TransformerMixin]] = {
    "one_hot": lambda: OneHotEncoder(
        handle_unknown="ignore", feature_name_combiner="{} = {}".format
    ),
    # Each row is one text, the cell, whatever it holds. Without alternating signs a weight says
    # what it says of a level that is not hashed: above 0 for more clicks.
    "hashing": lambda: FeatureHasher(HASHED_WIDTH, input_type="string", alternate_sign=False),
    "words": lambda: HashingVectorizer(
        n_features=HASHED_WIDTH, token_pattern=WORD, alternate_sign=False
    ),
}
