"""What comes to the driver: rows of the parts in their order, and counts of what the model says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf
from sklearn.pipeline import Pipeline

from batches import ROWS, open_writer
from evaluate_model.scores import Scores, count, predict


def count_parts(separated: DataFrame) -> dict[str, dict[str, int]]:
    """Return how many rows of each class the parts hold, by the class as text."""
    told: dict[str, dict[str, int]] = {"train": {}, "test": {}}
    for row in separated.groupBy("test", "target").count().orderBy("test", "target").collect():
        told["test" if row.test else "train"][str(row.target)] = row["count"]
    return told


def count_duplicates(separated: DataFrame) -> int:
    """Return how many test rows have the features of some training row, by 64 bits of theirs."""
    by_bits = separated.groupBy("bits").agg(
        sf.sum(sf.col("test").cast("long")).alias("tests"), sf.count("*").alias("rows")
    )
    row = by_bits.where("tests > 0 and rows > tests").agg(sf.sum("tests").alias("found")).first()
    return int(row.found or 0) if row else 0


def draw_numbers(rows: int, most: int) -> np.ndarray:
    """Return the places of the rows that draw_rows of evaluate_model takes, shape (most,)."""
    drawn = np.random.default_rng(42).choice(rows, most, replace=False, shuffle=False)
    drawn.sort()
    return drawn


def write_rows(rows: DataFrame, path: Path, features: list[str], target: str) -> None:
    """Write rows in the order of the files as one table, which must fit into memory."""
    columns = [f"f{n}" for n in range(len(features))]
    table = rows.select(*columns, "target", "row").toArrow().sort_by("row").drop_columns(["row"])
    table = table.rename_columns([*features, target])
    kinds = [pa.field(field.name, field.type) for field in table.schema]
    schema = pa.schema(kinds)
    with open_writer(path, schema) as writer:
        for batch in table.cast(schema).combine_chunks().to_batches(ROWS):
            writer.write_batch(batch)


def take_every(separated: DataFrame, step: int, *, test: bool) -> DataFrame:
    """Return every step-th row of a part."""
    return take(separated, lambda places: places % step == 0, test=test)


def take_drawn(separated: DataFrame, drawn: np.ndarray, *, test: bool) -> DataFrame:
    """Return the rows of a part at these places in it, which rise."""
    shared = separated.sparkSession.sparkContext.broadcast(drawn)

    def chosen(places: np.ndarray) -> np.ndarray:
        low, high = np.searchsorted(shared.value, [places[0], places[-1] + 1])
        mask = np.zeros(len(places), bool)
        mask[shared.value[low:high] - places[0]] = True
        return mask

    return take(separated, chosen, test=test)


def take(
    separated: DataFrame, chosen: Callable[[np.ndarray], np.ndarray], *, test: bool
) -> DataFrame:
    """Return the rows of a part that are ``chosen`` by their places in it, shape (rows,)."""
    part = separated.where(sf.col("test") == test)
    starts = first_places(part)

    def choose(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        place = None
        for batch in batches:
            if not batch.num_rows:
                continue
            if place is None:
                place = starts[batch["row"][0].as_py()]
            mask = chosen(np.arange(place, place + batch.num_rows))
            place += batch.num_rows
            if mask.any():
                yield batch.filter(pa.array(mask))

    kinds = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in part.schema)
    return part.mapInArrow(choose, kinds)


def first_places(part: DataFrame) -> dict[int, int]:
    """Return by the number of each partition's first row how many rows of the part are before."""
    found = (
        part.groupBy(sf.spark_partition_id().alias("partition"))
        .agg(sf.min("row").alias("first"), sf.count("*").alias("rows"))
        .orderBy("first")
        .collect()
    )
    places, before = {}, 0
    for row in found:
        places[row["first"]] = before
        before += row["rows"]
    return places


def score_rows(separated: DataFrame, model: Pipeline, features: list[str], *, test: bool) -> Scores:
    """Return the counts of rows by class and rounded probability, as score of evaluate_model."""
    shared = separated.sparkSession.sparkContext.broadcast(model)

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scores = count(score_batches(shared.value, batches, features))
        assert scores.weights is not None
        yield pa.record_batch(
            {"truth": scores.truth, "probability": scores.probability, "rows": scores.weights}
        )

    names = [*(f"f{n}" for n in range(len(features))), "target"]
    counted = separated.where(sf.col("test") == test).select(*names)
    counted = counted.mapInArrow(look, "truth long, probability double, rows double")
    added = counted.groupBy("truth", "probability").agg(sf.sum("rows").alias("rows")).toArrow()
    added = added.sort_by([("truth", "ascending"), ("probability", "ascending")])
    return Scores(*(added[name].to_numpy() for name in ("truth", "probability", "rows")))


def score_batches(
    model: Pipeline, batches: Iterator[pa.RecordBatch], features: list[str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield true classes and probabilities of a click, each of shape (rows,)."""
    for batch in batches:
        if batch.num_rows:
            rows = pa.Table.from_batches([batch]).rename_columns([*features, "\0target"])
            chance = model.predict_proba(rows.select(features))[:, 1]
            yield rows["\0target"].to_numpy(), chance


def count_right(scores: Scores) -> tuple[int, np.ndarray]:
    """Return how many rows are predicted right, and how many are of each class, shape (2,)."""
    assert scores.weights is not None
    right = scores.weights[predict(scores.probability) == scores.truth].sum()
    classes = np.bincount(scores.truth, scores.weights, 2).astype(int)
    return int(right), classes
