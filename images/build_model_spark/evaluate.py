"""The part of evaluate_model: the same measures, of counts that Spark makes where rows are many."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from sklearn.pipeline import Pipeline

from build_model_spark import collect
from build_model_spark.part import SAMPLE, Part
from evaluate_model.drawing import Drawing
from evaluate_model.evaluate import conclude, find_measures
from evaluate_model.scores import Scores, count_right, score


def evaluate(part: Part, separated: DataFrame, model: Pipeline, opened: dict[str, Any]) -> None:
    """Write ``metrics.json``, the figures and what evaluate_model compares; see there."""
    whole = {name: take_input(part, name) for name in ("train", "test")}
    part.check_inputs()
    features, target = opened["features"], opened["target"]
    with Drawing(part.output("figures/")) as drawing:
        with ExitStack() as opened_tables:
            train, test = (
                opened_tables.enter_context(pq.ParquetFile(part.input(f"{name}.parquet")))
                for name in whole
            )
            if whole["train"]:
                trained = count_right(model, train, features, target)
            else:
                counted = collect.score_rows(separated, model, features, test=False)
                trained = collect.count_right(counted)
            part.progress(0.4, "scoring the test rows")
            scores: Scores
            if whole["test"]:
                scores = score(model, test, features, target)
            else:
                scores = collect.score_rows(separated, model, features, test=True)
            known: Any = train if whole["train"] else too_large(trained[1])
            measured = find_measures(part, drawing, model, (known, test), scores, trained)
        conclude(part, drawing, model, measured)


def take_input(part: Part, name: str) -> bool:
    """Declare the rows of a part as an input; return whether they are all of them."""
    whole = (part.run_folder / "separate_data" / f"{name}.parquet").is_file()
    path = f"{name}.parquet" if whole else f"{SAMPLE}{name}.parquet"
    part.take("separate_data", path, like=f"{name}.parquet")
    return whole


def too_large(classes: np.ndarray) -> SimpleNamespace:
    """Return what stands for training rows that are not here: there are so many."""
    return SimpleNamespace(metadata=SimpleNamespace(num_rows=int(classes.sum())))
