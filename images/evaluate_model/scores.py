"""What the model says of a table's rows, read batch by batch: in full of few rows, rounded of many.

A row counts as a predicted click where its probability is above one half, as ``predict`` has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from batches import map_in_threads, read_batches

MOST_IN_FULL = 2**20
# A 32-bit float has 24 bits of precision, of which this many are kept: 4 digits of a probability.
KEPT_BITS = 16
DROPPED_BITS = 24 - KEPT_BITS
LARGEST_KEY = int(np.float32(1).view(np.uint32)) >> DROPPED_BITS


@dataclass(frozen=True)
class Scores:
    """The true classes of rows and the probabilities of a click, each of shape (entries,).

    An entry is a row; where there are ``weights``, it stands for so many rows.
    """

    truth: np.ndarray
    probability: np.ndarray
    weights: np.ndarray | None = None

    @property
    def predicted(self) -> np.ndarray:
        """The predicted classes, shape (entries,)."""
        return predict(self.probability)


def predict(probability: np.ndarray) -> np.ndarray:
    """Return the predicted classes; both arrays have shape (rows,)."""
    return (probability > 0.5).astype(np.int8)


def row_losses(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the rows' log losses, whose mean is the metric; all arrays have shape (rows,).

    As in scikit-learn no probability counts as less than what a float can tell from 0.
    """
    of_truth = np.where(truth == 1, probability, 1 - probability)
    losses: np.ndarray = -np.log(np.clip(of_truth, np.finfo(float).eps, 1))
    return losses


def score(model: Pipeline, table: pq.ParquetFile, features: list[str], target: str) -> Scores:
    """Score all rows of a table.

    Of more rows than ``MOST_IN_FULL`` the probabilities are rounded to ``KEPT_BITS`` bits and
    counted: metrics of ranks move by some 1e-5 at most, and memory does not grow with the rows.
    """
    parts = score_batches(model, table, features, target)
    if table.metadata.num_rows > MOST_IN_FULL:
        return count(parts)
    truth, probability = zip(*parts, strict=True)
    return Scores(np.concatenate(truth), np.concatenate(probability))


def score_batches(
    model: Pipeline, table: pq.ParquetFile, features: list[str], target: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return the true classes and the probabilities of a click, each of shape (rows,)."""

    def score_batch(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        rows = pa.Table.from_batches([batch])
        return rows[target].to_numpy(), model.predict_proba(rows.select(features))[:, 1]

    return map_in_threads(score_batch, read_batches(table, [*features, target]))


def count(parts: Iterator[tuple[np.ndarray, np.ndarray]]) -> Scores:
    """Return how many rows of each class have each rounded probability."""
    counts = np.zeros((2, LARGEST_KEY + 1), np.uint32)
    for truth, probability in parts:
        # Cut before it becomes a 32-bit float, which would be the nearest one, over one half too.
        cut = (probability.view(np.int64) >> 29 << 29).view(float)
        keys = cut.astype(np.float32).view(np.uint32) >> DROPPED_BITS
        for label in (0, 1):
            found, rows = np.unique(keys[truth == label], return_counts=True)
            counts[label, found] += rows.astype(np.uint32)
    truth, keys = np.nonzero(counts)
    # The middle of what a key stands for: it is on the same side of one half.
    middle = (keys.astype(np.uint32) << DROPPED_BITS) + (1 << DROPPED_BITS - 1)
    probability = np.minimum(middle.view(np.float32).astype(float), 1.0)
    return Scores(truth, probability, counts[truth, keys].astype(float))


def count_right(
    model: Pipeline, table: pq.ParquetFile, features: list[str], target: str
) -> tuple[int, np.ndarray]:
    """Return how many rows are predicted right, and how many are of each class, shape (2,)."""
    right, classes = 0, np.zeros(2, int)
    for truth, probability in score_batches(model, table, features, target):
        right += int(np.count_nonzero(predict(probability) == truth))
        classes += np.bincount(truth, minlength=2)
    return right, classes
