"""The part of load_data: the files' rows, held to the contract by tasks and kept by Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from build_model_spark.door import Door, Note, Pieces
from build_model_spark.files import (
    File,
    check_forms,
    find_files,
    find_splits,
    read_lines,
    with_heads,
)
from build_model_spark.notes import FilesViolations, put_together, read_notes
from build_model_spark.part import Part
from load_data.check import Checker
from load_data.column import columns_of
from load_data.read import CsvReader

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
    violations = FilesViolations(source)
    metrics: dict[str, Any] = {}
    try:
        files = find_files(session, part, source)
        check_forms(files, opened["contract"], violations)
        loaded = check(part, session, opened, files, violations, metrics)
    finally:
        part.write_json("validation.json", violations.report(metrics))
    part.metrics = metrics
    return loaded


def check(
    part: Part,
    session: SparkSession,
    opened: dict[str, Any],
    files: list[File],
    violations: FilesViolations,
    metrics: dict[str, Any],
) -> Loaded:
    """Return the rows, after all of them were looked at; ``metrics`` has what was found."""
    contract = opened["contract"]
    lines = read_lines(session, files)
    part.progress(0.05, f"counting the lines of {len(files)} files")
    splits, headers = find_splits(lines, files, violations)
    metrics["unknown_columns"] = check_headers(contract, files, headers, violations)
    door = Door(contract, opened["features"], opened["target"], headers, splits)
    kinds = ", ".join(f"{field.name} {KINDS[str(field.type)]}" for field in door.schema())
    checked = with_heads(lines).mapInArrow(door.check_lines, kinds)
    checked = checked.persist(StorageLevel.MEMORY_AND_DISK)
    part.progress(0.2, f"checking {sum(split.lines for split in splits.values())} lines")
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
