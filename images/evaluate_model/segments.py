"""How well the model does on parts of the rows, by the columns that the contract calls segments."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.pipeline import Pipeline

from batches import map_in_threads, read_batches
from evaluate_model.intervals import find_share
from evaluate_model.scores import MOST_IN_FULL, predict
from stage import one_line

MOST_SEGMENTS = 20
LONGEST_NAME = 60
MISSING = "missing"
OTHERS = "other values"
# A warning is a false one this often. Of many rows also what matters to nobody is beyond chance.
CHANCE = 0.01
LEAST_GAP = 0.02

# Each segment's name, and the rows that are in it: a mask of shape (rows,).
Segments = Iterator[tuple[str, np.ndarray]]


def measure_segments(
    model: Pipeline,
    table: pq.ParquetFile,
    rules: dict[str, dict[str, Any]],
    target: str,
    measured: dict[str, Any],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the metrics of each segment, and a warning for each that is predicted badly.

    ``measured`` holds the metrics of all test rows, ``rules`` are those of the features in the data
    contract. Of a table of more rows than ``MOST_IN_FULL`` only so many are looked at, at even
    distances.
    """
    cuts = {name: rule["segment"] for name, rule in rules.items() if rule.get("segment")}
    if not cuts:
        return [], []
    truth, probability, columns = sample(model, table, list(rules), target, list(cuts))
    level, told, promised = measured["interval_level"], [], []
    for column, cut in cuts.items():
        for name, rows in divide(columns[column], cut):
            told.append(
                {"column": column, "segment": one_line(name, LONGEST_NAME)}
                | measure_segment(truth[rows], probability[rows], level)
            )
            promised.append(promise(probability[rows]))
    kept = measured["accuracy"] / promise(probability)
    return told, find_warnings(told, [kept * accuracy for accuracy in promised])


def sample(
    model: Pipeline, table: pq.ParquetFile, features: list[str], target: str, kept: list[str]
) -> tuple[np.ndarray, np.ndarray, pa.Table]:
    """Return classes and probabilities of rows, each of shape (rows,), and their ``kept`` columns.

    The rows are all of them, or of many every second, third and so on.
    """
    step = -(-table.metadata.num_rows // MOST_IN_FULL)

    def choose() -> Iterator[pa.Table]:
        first = 0
        for batch in read_batches(table, [*features, target]):
            chosen = np.arange(-first % step, batch.num_rows, step)
            first += batch.num_rows
            if len(chosen):
                yield pa.Table.from_batches([batch]).take(chosen)

    def look(rows: pa.Table) -> tuple[np.ndarray, np.ndarray, pa.Table]:
        probability = model.predict_proba(rows.select(features))[:, 1]
        return rows[target].to_numpy(), probability, rows.select(kept)

    truth, probability, columns = zip(*map_in_threads(look, choose()), strict=True)
    return np.concatenate(truth), np.concatenate(probability), pa.concat_tables(columns)


def divide(column: pa.ChunkedArray, cut: bool | list[float]) -> Segments:
    """Yield the segments of a column that hold rows: by its values, or between boundaries."""
    missing = column.is_null().to_numpy()
    yield from cut_at(column, missing, cut) if isinstance(cut, list) else by_value(column)
    if missing.any():
        yield MISSING, missing


def cut_at(column: pa.ChunkedArray, missing: np.ndarray, cut: list[float]) -> Segments:
    """Yield the rows below the first boundary, from it to below the second, and so on."""
    values = column.to_numpy()
    names = [f"below {cut[0]}"]
    names += [f"{low} to below {high}" for low, high in pairwise(cut)]
    names += [f"{cut[-1]} and above"]
    place = np.searchsorted(cut, values, side="right")
    for number, name in enumerate(names):
        rows = (place == number) & ~missing
        if rows.any():
            yield name, rows


def by_value(column: pa.ChunkedArray) -> Segments:
    """Yield the rows of each value, in the values' order; those of rare ones together."""
    counts = pc.value_counts(column.drop_null())
    order = pc.sort_indices(counts.field("counts"), [("", "descending")])
    common = counts.field("values").take(order[:MOST_SEGMENTS]).sort()
    for value in common:
        yield str(value), pc.fill_null(pc.equal(column, value), False).to_numpy()
    if len(counts) > MOST_SEGMENTS:
        known = pc.is_in(column, value_set=common)
        yield OTHERS, pc.and_not(column.is_valid(), known).to_numpy()


def measure_segment(truth: np.ndarray, probability: np.ndarray, level: float) -> dict[str, Any]:
    """Return a segment's metrics; its ROC AUC is None where it holds one class only."""
    rows, right = len(truth), int(np.count_nonzero(predict(probability) == truth))
    both = 0 < np.count_nonzero(truth) < rows
    return {
        "rows": rows,
        "positive_share": float(truth.mean()),
        "accuracy": right / rows,
        "accuracy_interval": find_share(right, rows, level),
        "roc_auc": float(metrics.roc_auc_score(truth, probability)) if both else None,
        "log_loss": float(metrics.log_loss(truth, probability, labels=[0, 1])),
    }


def promise(probability: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the accuracy that the probabilities of rows promise, if they are true."""
    return float(np.average(np.maximum(probability, 1 - probability), weights=weights))


def is_below(accuracy: float, rows: int, promised: float, chance: float) -> bool:
    """Tell whether an accuracy on so many rows is below the promised one, beyond chance."""
    if promised - accuracy < LEAST_GAP:
        return False
    right = round(accuracy * rows)
    found = binomtest(right, rows, min(promised, 1.0), alternative="less")
    return bool(found.pvalue < chance)


def find_warnings(segments: list[dict[str, Any]], expected: list[float]) -> list[str]:
    """Return a sentence for each segment of which the model knows less than of the others.

    ``expected`` are the accuracies that its probabilities promise there, less what it keeps of its
    promises on all rows. The more segments there are, the less likely by chance each must be.
    """
    warnings = []
    for told, accuracy in zip(segments, expected, strict=True):
        if is_below(told["accuracy"], told["rows"], accuracy, CHANCE / len(segments)):
            warnings.append(
                f"of {told['column']!r} {told['segment']} the model knows less than of other rows: "
                f"accuracy {told['accuracy']:.4f} on {told['rows']} test rows, where its "
                f"probabilities let expect {accuracy:.4f}"
            )
    return warnings
