"""Score the rows of a new data file with the published model, which is never unpickled."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from batches import ROW, map_in_threads, open_writer, read_batches
from model_file import FORMATS, ModelFileError, Score, open_model
from stage import Run, StageError, data_refused, run_script

SCHEMA = pa.schema([("row", pa.int64()), ("probability", pa.float64()), ("predicted", pa.int8())])
ALWAYS_THERE = ("refuse", "drop")  # what the model was told to do about missing cells
SAY_EVERY = 1.5  # seconds
AGAIN = "train and publish one: make run"


def run(run: Run) -> dict[str, Any]:
    """Write ``predictions.parquet`` and ``.csv``, one row for each row of ``table.parquet``.

    A model whose file is not the one that was published is refused (65), and so is one that was
    learned from other features than the run's contract has.
    """
    opened = run.read_json("run.json")
    if opened.get("purpose") != "predict":
        message = f"run {run.run_id} was started to train; start one with --purpose predict"
        raise StageError(2, message)
    summary = read_summary(run)
    check_features(summary, opened)
    model, score = find_model(run, summary)
    schema = SCHEMA.with_metadata({f"model_{key}": text for key, text in model.items()})

    clicks, total, said = 0, 0.0, time.monotonic()
    with (
        pq.ParquetFile(run.input("table.parquet")) as table,
        open_writer(run.output("predictions.parquet"), schema) as parquet,
        pa_csv.CSVWriter(run.output("predictions.csv"), SCHEMA) as csv,
    ):
        rows, done = table.metadata.num_rows, 0
        for batch in predict_batches(table, summary, score):
            parquet.write_batch(batch)
            csv.write_batch(batch)
            done += batch.num_rows
            clicks += int(batch["predicted"].to_numpy().sum())
            total += float(batch["probability"].to_numpy().sum())
            if time.monotonic() > said + SAY_EVERY:
                said = time.monotonic()
                run.progress(done / rows, f"{done} rows scored")
    return {
        "rows": rows,
        "predicted_clicks": clicks,
        "mean_probability": total / rows,
        "model": model,
    }


def read_summary(run: Run) -> dict[str, Any]:
    """Return the summary of the published model; without one the stage ends in 66."""
    try:
        summary: dict[str, Any] = run.read_json("model_summary.json")
    except FileNotFoundError:
        raise StageError(66, f"no model is published on the shared volume; {AGAIN}") from None
    return summary


def check_features(summary: dict[str, Any], opened: dict[str, Any]) -> None:
    """Refuse (65) a model that was learned from other features than the contract has, or types."""
    columns = opened["contract"]["columns"]
    now = {name: columns[name]["type"] for name in opened["features"]}
    learned = summary.get("contract", {}).get("columns", {})
    then = {
        name: learned[name]["type"] if name in learned else now.get(name, "a feature")
        for name in summary["features"]
    }
    if then != now:
        name = next(name for name in [*then, *now] if then.get(name) != now.get(name))
        raise data_refused(
            f"{opened['contract']['path']} has not the features of the published model (of run "
            f"{summary['run_id']}): {name!r} is {now.get(name, 'no feature')} there, "
            f"{then.get(name, 'no feature')} to the model; name its dataset, or {AGAIN}"
        )


def find_model(run: Run, summary: dict[str, Any]) -> tuple[dict[str, str], Score]:
    """Return what is told of the published model, and the function that scores rows with it.

    The files are those beside the summary that was read, so that a model that is published
    meanwhile changes nothing.
    """
    release = run.input("model_summary.json").parent
    published = summary.get("files", {})
    name = next((name for name in FORMATS.values() if name in published), None)
    if name is None:
        raise StageError(
            66,
            f"the published model (of run {summary['run_id']}) is a pickle alone, which is not "
            f"loaded to predict, as it may run anything; publish one with {' or '.join(FORMATS)}",
        )
    path = run.relative(release / name)
    file = run.add_input(path)
    sha256 = published[name]["sha256"]
    if run.inputs[path]["sha256"] != sha256:
        raise data_refused(f"{path} is not the file that was published (its sha256); {AGAIN}")
    try:
        score = open_model(file)
    except ModelFileError as error:
        raise data_refused(f"{path} {error}; {AGAIN}") from None
    return {"run_id": summary["run_id"], "file": name, "sha256": sha256}, score


def predict_batches(
    table: pq.ParquetFile, summary: dict[str, Any], score: Score
) -> Iterator[pa.RecordBatch]:
    """Yield what is predicted of the table's rows, in their order, batch by batch."""
    encodings = summary["encodings"]
    needed = [name for name in encodings if encodings[name]["when_missing"] in ALWAYS_THERE]

    def predict(batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in needed:
            if batch[name].null_count:
                row = batch[ROW].filter(batch[name].is_null())[0]
                raise data_refused(
                    f"row {row}, column {name!r}: the value is missing, and the published model "
                    "was learned from rows that all have one"
                )
        probability = score(pa.Table.from_batches([batch]))
        # As scikit-learn's predict has it, and evaluate_model.
        predicted = (probability > 0.5).astype(np.int8)
        return pa.record_batch([batch[ROW], probability, predicted], schema=SCHEMA)

    return map_in_threads(predict, read_batches(table, [ROW, *summary["features"]]))


if __name__ == "__main__":
    run_script(__file__)
