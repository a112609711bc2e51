"""The part of load_data: the files' rows, held to the contract by tasks and kept by Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from build_model_spark.door import Door, Note, Pieces, RowsReader
from build_model_spark.files import (
    check_forms,
    find_files,
    find_row_splits,
    find_splits,
    read_lines,
    read_tables,
    with_heads,
    with_row_heads,
)
from build_model_spark.notes import FilesViolations, put_together, read_notes
from build_model_spark.part import Part
from build_model_spark.splits import File
from load_data.check import Checker
from load_data.column import columns_of
from load_data.read import CsvReader
from stage import data_refused

KINDS = {"int64": "long", "double": "double", "binary": "binary"}


@dataclass
class Loaded:
    """The rows that the contract lets in, how many each split has, and what is told of columns."""

    rows: DataFrame
    counts: list[int]
    door: Door
    about: Note


def load(part: Part, session: SparkSession, opened: dict[str, Any]) -> Loaded:
    """Hold the rows to the contract; ``validation.json`` lists what breaks it (65)."""
    part.parameters["dataset"] = opened["dataset"]
    part.check_inputs()
    source = opened["source"]["path"]
    take_source(part, opened["source"])
    violations = FilesViolations(source)
    metrics: dict[str, Any] = {}
    try:
        files = find_files(session, part, source)
        form = check_forms(files, opened["contract"], violations)
        loaded = check(part, session, opened, files, form, violations, metrics)
    finally:
        part.write_json("validation.json", violations.report(metrics))
    part.metrics = metrics
    return loaded


def take_source(part: Part, source: dict[str, Any]) -> None:
    """Record the data as an input; a file that has changed since the run started is refused (65).

    The files of a folder were recorded by start_pipeline, and are not read once more for it.
    """
    if source["sha256"] and not source.get("files"):
        part.add_input(source["path"])
        if part.inputs[source["path"]]["sha256"] != source["sha256"]:
            raise data_refused(
                f"{source['path']} has changed since the run started; start a new run"
            )


def check(
    part: Part,
    session: SparkSession,
    opened: dict[str, Any],
    files: list[File],
    form: str,
    violations: FilesViolations,
    metrics: dict[str, Any],
) -> Loaded:
    """Return the rows, after all of them were looked at; ``metrics`` has what was found."""
    contract = opened["contract"]
    door = Door(contract, opened["features"], opened["target"])
    kinds = ", ".join(f"{field.name} {KINDS[str(field.type)]}" for field in door.schema())
    files_named = "1 file" if len(files) == 1 else f"{len(files)} files"
    part.progress(0.05, f"counting the rows of {files_named}")
    if form == "text":
        lines = read_lines(session, files)
        door.splits, door.headers = find_splits(lines, files, violations)
        metrics["unknown_columns"] = check_headers(contract, files, door.headers, violations)
        checked = with_heads(lines).mapInArrow(door.check_lines, kinds)
    else:
        tables = read_tables(session, files)
        metrics["unknown_columns"] = check_schema(tables, contract, violations)
        names = [column.name for column in columns_of(contract)]
        door.splits, door.names = find_row_splits(tables, files), names
        checked = with_row_heads(tables, names).mapInArrow(door.check_rows, kinds)
    checked = checked.persist(StorageLevel.MEMORY_AND_DISK)
    part.progress(0.2, f"checking {sum(split.lines for split in door.splits.values())} rows")
    found = put_together(read_notes(checked), door, files, violations)
    metrics |= found.table.metrics()
    if violations:
        raise violations.refusal()
    found.table.finish()
    assert found.about, "a table of rows has notes"
    metrics["warnings"] = [
        f"{cells} cells of the unused column {name!r} hold bytes that are no UTF-8; they are kept "
        "escaped, as \\x and two digits"
        for name, cells in found.escaped.items()
        if cells
    ]
    return Loaded(checked.where("note is null").drop("note"), found.counts, door, found.about)


def check_headers(
    contract: dict[str, Any], files: list[File], headers: list[bytes], violations: FilesViolations
) -> list[str]:
    """Return the columns of the files that the contract does not name; each header is checked."""
    unknown: dict[str, None] = {}
    for file, header in zip(files, headers, strict=True):
        violations.name = file.name
        checker = Checker(columns_of(contract), violations)
        reader = CsvReader(Pieces(header, iter(())), contract, checker)  # type: ignore[arg-type]
        unknown |= dict.fromkeys(reader.unknown_columns)
    violations.name = violations.source
    return list(unknown)


def check_schema(
    tables: DataFrame, contract: dict[str, Any], violations: FilesViolations
) -> list[str]:
    """Return the columns of Parquet files that the contract does not name; types are checked."""
    schema = to_arrow_schema(tables.schema)
    return RowsReader(Checker(columns_of(contract), violations), schema).unknown_columns
