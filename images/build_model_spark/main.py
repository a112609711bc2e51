"""Do the work from load_data to evaluate_model with Spark, by those stages' own code.

This stage stands for five others, and is the only one that imports others: each rule and formula
has one home. Spark holds the rows; what comes to the driver does not grow with them.
"""

import json
import pickle
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from sklearn.pipeline import Pipeline

from build_model.encode import NUMERIC
from build_model.formats import write_formats
from build_model.main import ALWAYS_THERE, find_warnings
from build_model_spark import collect
from build_model_spark.door import Door
from build_model_spark.draw import draw_test, read_target, with_part
from build_model_spark.evaluate import evaluate
from build_model_spark.fit import SOLVER, fit_model
from build_model_spark.load import Loaded, load
from build_model_spark.notes import describe
from build_model_spark.part import SAMPLE, Part, clear_parts, part_of
from build_model_spark.session import open_session
from data_preprocessing.leakage import judge_features
from evaluate_model.challenge import MOST_REFERENCE
from evaluate_model.scores import MOST_IN_FULL
from evaluate_model.yardstick import MOST_NUMBERS, MOST_ROWS
from separate_data.main import find_warnings as find_part_warnings
from separate_data.main import refuse_one_class
from stage import Run, StageError, data_refused, log, run_script

# Rows in which data_preprocessing looks for an id among values that are too many to count.
FIRST_ROWS = 2**16


def run(run: Run) -> dict[str, Any]:
    """Leave what the five stages would: reports, figures, metrics and the model."""
    opened = run.read_json("run.json")
    check_opened(run, opened)
    clear_parts(run)
    with open_session(run) as session:
        with part_of(run, "load_data", 0.02, 0.4) as part:
            loaded = load(part, session, opened)
        with part_of(run, "data_preprocessing", 0.4, 0.45) as part:
            preprocess(part, loaded, opened)
        with part_of(run, "separate_data", 0.45, 0.65) as part:
            separated = separate(part, loaded)
        with part_of(run, "build_model", 0.65, 0.85) as part:
            model = build(part, separated, opened)
        with part_of(run, "evaluate_model", 0.85, 1.0) as part:
            evaluate(part, separated, model, opened)
            return {"rows": sum(loaded.counts), **part.metrics}


def check_opened(run: Run, opened: dict[str, Any]) -> None:
    """Refuse what this way has not: runs that predict (2), and contracts of more than numbers."""
    if opened.get("purpose") == "predict":
        raise StageError(2, f"run {run.run_id} was started to predict; start another one to train")
    contract = opened["contract"]
    other = "Spark learns from numbers that are always there; use the DAG ml_pipeline_advertising"
    for name, rules in contract["columns"].items():
        if rules["role"] in ("unused", "target"):
            continue
        if rules["role"] != "feature" or rules["type"] not in NUMERIC:
            kind = (
                rules["type"] if rules["role"] == "feature" else f"column of role {rules['role']}"
            )
            raise data_refused(f"{contract['path']}: column {name!r} is a {kind}; {other}")
        if rules.get("missing", "refuse") not in ALWAYS_THERE:
            raise data_refused(f"{contract['path']}: column {name!r} may have no value; {other}")
    if contract["columns"][opened["target"]]["type"] not in NUMERIC:
        raise data_refused(f"{contract['path']}: the target is no number; {other}")
    if contract.get("duplicates", "keep") != "keep":
        raise data_refused(
            f"{contract['path']}: duplicates = {contract['duplicates']!r} takes all rows at one "
            "place, which Spark's tasks are not; use the DAG ml_pipeline_advertising"
        )


def preprocess(part: Part, loaded: Loaded, opened: dict[str, Any]) -> None:
    """Write ``profile.json`` of what the tasks counted, and warn of what tells too much."""
    part.check_inputs()
    door, contract = loaded.door, opened["contract"]["columns"]
    kept = [*door.features, door.target]
    before = describe(loaded.about, door, sum(loaded.counts))
    after = {**before, "columns": {name: before["columns"][name] for name in kept}}
    compact = json.dumps(
        {"before": before, "after": after},
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    part.output("profile.json").write_text(f"{compact}\n", encoding="utf-8")
    assert part.scratch, "parts are made while the stage works"
    first = part.scratch / "first.parquet"
    collect.write_rows(loaded.rows.where(f"row < {FIRST_ROWS}"), first, door.features, door.target)
    with pq.ParquetFile(first) as table:
        warnings = judge_features(table, after, [loaded.about.parts], len(door.features))
    for warning in warnings:
        log.warning("%s", warning)
    part.metrics = {
        "rows": after["rows"],
        "features": len(door.features),
        "dropped_columns": [name for name in contract if name not in kept],
        "classes": after["classes"],
        "warnings": warnings,
    }


def separate(part: Part, loaded: Loaded) -> DataFrame:
    """Return the rows with the part that each is of; write those of a part that are few enough."""
    part.check_inputs()
    parameters = part.parameters
    target = read_target(loaded.rows, loaded.counts)
    part.progress(0.3, f"drawing the test rows of {len(target)}")
    asked = {name: parameters[name] for name in ("test_size", "random_state", "stratify")}
    draw = draw_test(target, **asked)
    separated = with_part(loaded.rows, draw, loaded.counts).persist(StorageLevel.MEMORY_AND_DISK)
    classes = collect.count_parts(separated)
    part.progress(0.6, "looking for rows of both parts")
    part.metrics = metrics = {
        "rows": len(target),
        "split": "random",
        **{f"{name}_rows": sum(found.values()) for name, found in classes.items()},
        **{f"{name}_classes": found for name, found in classes.items()},
        "duplicate_rows_across": collect.count_duplicates(separated),
    }
    refuse_one_class(metrics)
    metrics["warnings"] = find_part_warnings(metrics, parameters["test_size"])
    part.progress(0.8, "writing the rows that others look at")
    write_parts(part, separated, loaded.door, metrics)
    return separated


def write_parts(part: Part, separated: DataFrame, door: Door, metrics: dict[str, Any]) -> None:
    """Write both parts for who looks at single rows: whole if they are few, else some of them.

    They are those that evaluate_model would look at: training rows drawn at random, and test rows
    at even distances.
    """
    for name, most in (("train", most_train(door)), ("test", MOST_IN_FULL)):
        rows, test = metrics[f"{name}_rows"], name == "test"
        if rows <= most:
            path, chosen = f"{name}.parquet", separated.where(f"test = {test}")
        else:
            path = f"{SAMPLE}{name}.parquet"
            step = -(-rows // MOST_IN_FULL)
            drawn = collect.draw_numbers(rows, MOST_REFERENCE)
            chosen = (
                collect.take_every(separated, step, test=True)
                if test
                else collect.take_drawn(separated, drawn, test=False)
            )
        part.leave(SAMPLE if path.startswith(SAMPLE) else path)
        collect.write_rows(chosen, part.output(path), door.features, door.target)


def most_train(door: Door) -> int:
    """Return how many training rows gradient boosting is fitted to."""
    return min(MOST_ROWS, MOST_NUMBERS // len(door.features))


def build(part: Part, separated: DataFrame, opened: dict[str, Any]) -> Pipeline:
    """Write the model in each format that it has; see build_model."""
    part.check_inputs()
    columns = {name: opened["contract"]["columns"][name] for name in opened["features"]}
    model, features, converged = fit_model(separated.where("not test"), columns, part.parameters)
    with part.output("logistic_regression_model.pkl").open("wb") as file:
        pickle.dump(model, file, protocol=5)
    part.progress(0.9, "writing the other formats")
    formats, missing = write_formats(model, list(columns), part.output)
    classifier = model["classify"]
    part.metrics = {
        "rows": int(separated.where("not test").count()),
        "model_type": type(classifier).__name__,
        "scaler": part.parameters["scaler"],
        "inputs_of_model": int(classifier.n_features_in_),
        "solver": SOLVER,
        "iterations": int(np.max(classifier.n_iter_)),
        "converged": converged,
        "encodings": features,
        "formats": formats,
        "formats_missing": missing,
        "warnings": find_warnings(features, None if converged else part.parameters["max_iter"]),
    }
    return model


if __name__ == "__main__":
    run_script(__file__)
