"""What the model goes by: the classifier's weights, or what each feature is worth to it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn import metrics
from sklearn.base import TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from evaluate_model.drawing import Weights
from stage import one_line

LONGEST_NAME = 40
MOST_ROWS = 10_000
FEWEST_ROWS = 200
MOST_NUMBERS = 2**23
SEED = 42


def find_weights(model: Pipeline, test: pq.ParquetFile, target: str, most: int) -> Weights:
    """Return the largest weights of the classifier; trees have none but importances."""
    if hasattr(model[-1], "coef_"):
        unit = "weight (log-odds per unit of the scaled feature)"
        return Weights("Coefficients", unit, largest_weights(model, most))
    unit = "rise of the log loss when the feature's values are shuffled"
    with threadpool_limits(1):  # of so few rows several threads wait for each other
        bars = largest_importances(model, test, target, most)
    return Weights("Permutation importance", unit, bars)


def largest_importances(
    model: Pipeline, test: pq.ParquetFile, target: str, most: int
) -> list[tuple[str, float]]:
    """Return each feature's importance: by how much the log loss rises without its order.

    It is measured on the first test rows, fewer where there are many features. (scikit-learn's own
    ``permutation_importance`` takes no pyarrow Table.)
    """
    features = [name for name in test.schema_arrow.names if name != target]
    rows = min(MOST_ROWS, max(FEWEST_ROWS, MOST_NUMBERS // len(features) ** 2))
    table = pa.Table.from_batches([next(test.iter_batches(rows))])
    truth, order = table[target].to_numpy(), np.random.default_rng(SEED).permutation(len(table))

    def find_loss(shown: pa.Table) -> float:
        chance = model.predict_proba(shown.select(features))
        return float(metrics.log_loss(truth, chance, labels=[0, 1]))

    own = find_loss(table)
    bars = []
    for place, name in enumerate(table.column_names):
        if name != target:
            shuffled = table.set_column(place, table.field(place), table[name].take(order))
            bars.append((one_line(name, LONGEST_NAME), find_loss(shuffled) - own))
    return sorted(bars, key=lambda bar: -abs(bar[1]))[:most]


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
