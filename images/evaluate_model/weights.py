"""The weights of the classifier, each with the name of the input that it weighs."""

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from stage import one_line

LONGEST_NAME = 40


def largest_weights(model: Pipeline, most: int) -> list[tuple[str, float]]:
    """Return names and weights of the classifier's inputs, in log-odds per unit of the input.

    Where there are more than ``most``, the largest come alone, in order of their size.
    """
    names, weights = input_names(model), model[-1].coef_[0]
    places = np.arange(len(weights))
    if len(weights) > most:
        places = np.argsort(-np.abs(weights), kind="stable")[:most]
    return [(one_line(names[place], LONGEST_NAME), float(weights[place])) for place in places]


def input_names(model: Pipeline) -> list[str]:
    """Return the name of each input of the classifier: a feature's, or what is made of it."""
    first = model[0]
    if not isinstance(first, ColumnTransformer):
        return list(first.get_feature_names_out(model.feature_names_in_))
    names = [""] * model[-1].n_features_in_
    for step, transformer, columns in first.transformers_:
        place = first.output_indices_[step]
        if transformer != "drop":
            names[place] = output_names(transformer, columns, place.stop - place.start)
    return names


def output_names(transformer: TransformerMixin, columns: list[str], width: int) -> list[str]:
    """Return names of what a transformer makes of columns; what is hashed has only a number."""
    try:
        names = transformer.get_feature_names_out(np.array(columns, dtype=object))
    except AttributeError:
        return [f"{columns[0]} # {number}" for number in range(width)]
    # scikit-learn's name for "is missing", and what stands for a missing cell among the levels.
    flag = "missingindicator_"
    return [
        f"{name.removeprefix(flag)} = missing" if name.startswith(flag) else name.replace("\0", "")
        for name in names
    ]
