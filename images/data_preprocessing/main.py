"""Keep the columns that later stages use; describe each, and warn of what gives the target away."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batches import open_writer, read_batches
from data_preprocessing.describe import describe_table
from data_preprocessing.leakage import find_warnings
from stage import Run, StageError, data_refused, run_script

TELL_SECONDS = 1.0

log = logging.getLogger(__name__)


def run(run: Run) -> dict[str, Any]:
    """Write ``features.parquet``: the rows of ``table.parquet``, unused columns gone.

    ``profile.json`` describes each column of both tables.
    """
    opened = run.read_json("run.json")
    if opened.get("purpose") == "predict":
        raise StageError(2, f"run {run.run_id} was started to predict; start another one to train")
    columns, features, target = run.columns("table.parquet"), opened["features"], opened["target"]
    table, kept = run.input("table.parquet"), run.output("features.parquet")
    available = pq.read_schema(table).names
    if missing := [column for column in columns if column not in available]:
        raise data_refused(f"{run.relative(table)} has no column {missing[0]!r}")
    copy_columns(table, columns, kept)

    rules = opened["contract"]["columns"]
    before = describe_table(table, rules, target, part_of(run, 0.1, 0.8))
    # No row is left out here: what is told of a column holds after as before.
    after = {**before, "columns": {name: before["columns"][name] for name in columns}}
    profile = {"before": before, "after": after}
    # Without line breaks and indents, which would double the file of a wide table.
    compact = json.dumps(profile, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    run.output("profile.json").write_text(f"{compact}\n", encoding="utf-8")
    run.progress(0.8, "looking for features that give the target away")
    warnings = find_warnings(kept, after, features, target)
    for warning in warnings:
        log.warning("%s", warning)

    return {
        "rows": after["rows"],
        "features": len(features),
        "dropped_columns": [column for column in available if column not in columns],
        "classes": after["classes"],
        "warnings": warnings,
    }


def part_of(run: Run, start: float, end: float) -> Callable[[float], None]:
    """Return what tells how far the describing of a table is, which is this part of the work."""
    told = time.monotonic()

    def tell(share: float) -> None:
        nonlocal told
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            run.progress(start + share * (end - start), "describing the columns")

    return tell


def copy_columns(source: Path, columns: list[str], target: Path) -> None:
    """Copy columns of a table, in this order, a row group at a time."""
    with pq.ParquetFile(source) as table:
        schema = table.schema_arrow
        kept = pa.schema([schema.field(name) for name in columns])
        with open_writer(target, kept) as writer:
            for batch in read_batches(table, columns):
                writer.write_batch(batch.cast(kept))


if __name__ == "__main__":
    run_script(__file__)
