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
from evaluate_model.challenge import challenge
from evaluate_model.evaluate import MOST_WEIGHTS, find_curves, judge, measure
from evaluate_model.evidence import gather_evidence
from evaluate_model.figures import draw_figures
from evaluate_model.scores import Scores, count_right, score
from evaluate_model.weights import find_weights
from stage import StageError


def evaluate(part: Part, separated: DataFrame, model: Pipeline, opened: dict[str, Any]) -> None:
    """Write ``metrics.json``, the figures and what evaluate_model compares; see there."""
    whole = {name: take_input(part, name) for name in ("train", "test")}
    part.check_inputs()
    features, target = opened["features"], opened["target"]
    with ExitStack() as opened_tables:
        train, test = (
            opened_tables.enter_context(pq.ParquetFile(part.input(f"{name}.parquet")))
            for name in whole
        )
        if whole["train"]:
            train_right, train_classes = count_right(model, train, features, target)
        else:
            counted = collect.score_rows(separated, model, features, test=False)
            train_right, train_classes = collect.count_right(counted)
        part.progress(0.4, "scoring the test rows")
        scores: Scores
        if whole["test"]:
            scores = score(model, test, features, target)
        else:
            scores = collect.score_rows(separated, model, features, test=True)
        curves = find_curves(scores)
        measured = measure(scores, curves, train_right, train_classes)
        part.progress(0.5, "finding out how far the metrics can be trusted")
        known: Any = train if whole["train"] else too_large(train_classes)
        measured |= gather_evidence(part, model, known, test, scores, measured)
        weights = find_weights(model, test, target, MOST_WEIGHTS)
    limits = {name: part.parameters[name] for name in ("min_accuracy", "min_roc_auc")}
    measured["gate"] = judge(measured, **limits)
    part.write_json("metrics.json", measured)
    part.progress(0.8, "drawing the figures")
    draw_figures(**curves, measured=measured, weights=weights, folder=part.output("figures/"))
    part.progress(0.9, "comparing with the published model")
    challenged = challenge(part, model)
    challenged["warnings"] = [*measured.get("warnings", []), *challenged["warnings"]]
    part.metrics = {"rows": measured["test_rows"], **measured, **challenged}
    if not measured["gate"]["passed"]:
        raise StageError(80, "; ".join(measured["gate"]["reasons"]))


def take_input(part: Part, name: str) -> bool:
    """Declare the rows of a part as an input; return whether they are all of them."""
    whole = (part.run_folder / "separate_data" / f"{name}.parquet").is_file()
    path = f"{name}.parquet" if whole else f"{SAMPLE}{name}.parquet"
    part.take("separate_data", path, like=f"{name}.parquet")
    return whole


def too_large(classes: np.ndarray) -> SimpleNamespace:
    """Return what stands for training rows that are not here: there are so many."""
    return SimpleNamespace(metadata=SimpleNamespace(num_rows=int(classes.sum())))
