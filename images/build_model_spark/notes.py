"""What tasks found, put together as if one had looked at all rows."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from build_model_spark.door import Door, Note, Rows
from build_model_spark.splits import File
from data_preprocessing.describe import Values, heaviest
from load_data.column import columns_of
from load_data.violations import SHOWN, Violation, Violations
from stage import one_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Notes are put together by so many tasks before they come to the driver.
MERGERS = 16
BLANK = "is blank, but rows follow it"


class FilesViolations(Violations):
    """The violations of several files, each with its file's name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.source = name
        self.files: list[str] = []

    def add(self, listed: list[Violation], counts: Counter[str] | None = None) -> None:
        """Note violations of the file that is named now."""
        super().add(listed, counts)
        self.files += [self.name] * (len(self.listed) - len(self.files))

    def refusal(self) -> Any:
        """Return the refusal, which names the file of the first violation."""
        self.name = self.files[0]
        return super().refusal()

    def report(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return the content of ``validation.json``; of a folder, each violation's file too."""
        told = super().report(metrics) | {"file": self.source}
        for violation, file in zip(told["first_violations"], self.files, strict=True):
            if file != self.source:
                violation["file"] = file
        return told


@dataclass
class Found:
    """What all tasks found: the table's counts, and what data_preprocessing tells of its rows."""

    table: Rows
    counts: list[int]  # rows that are kept, by split
    escaped: Counter[str] = field(default_factory=Counter)
    about: Note | None = None


def read_notes(checked: DataFrame) -> list[Note]:
    """Return the tasks' notes in the order of their splits; one holds what all tell of columns."""
    notes = checked.where("note is not null").select("note").coalesce(MERGERS)
    rows = notes.mapInArrow(merge_notes, "note binary").collect()
    return sorted((pickle.loads(row.note) for row in rows), key=lambda note: note.split.order)


def merge_notes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield notes of which only the first tells of columns, for all of them."""
    first = None
    for note in (pickle.loads(text) for batch in batches for text in batch["note"].to_pylist()):
        if first is None:
            first = note
            continue
        merge_columns(first, note)
        yield pa.record_batch({"note": pa.array([pickle.dumps(note)], pa.binary())})
    if first is not None:
        yield pa.record_batch({"note": pa.array([pickle.dumps(first)], pa.binary())})


def merge_columns(note: Note, other: Note) -> None:
    """Add to a note what another tells of columns, and take it from there."""
    for name, column in other.columns.items():
        if name in note.columns:
            note.columns[name].merge(column)  # type: ignore[arg-type]
        else:
            note.columns[name] = column
    for name, parts in other.parts.items():
        if name in note.parts:
            for mine, more in zip(note.parts[name], parts, strict=True):
                mine.merge(more)
        else:
            note.parts[name] = parts
    other.columns, other.parts = {}, {}


def put_together(
    notes: list[Note], door: Door, files: list[File], violations: FilesViolations
) -> Found:
    """Return what the notes tell; what breaks the contract is added to ``violations``."""
    table = Rows(columns_of(door.contract), door.contract, violations)
    found = Found(table, [0] * (1 + max((note.split.order for note in notes), default=-1)))
    blank: dict[int, int] = {}
    for note in notes:
        add_violations(note, files, violations, blank)
        found.escaped.update(note.escaped)
        for name, value in note.table.items():
            if name in ("rows_read", "rows"):
                setattr(table, name, getattr(table, name) + value)
            elif name != "first_place":
                getattr(table, name).update(value)
        if table.first_place is None:
            table.first_place = note.table.get("first_place")
        found.counts[note.split.order] = note.table.get("rows", 0)
        if found.about is None:
            found.about = note
        else:
            merge_columns(found.about, note)
    violations.name = violations.source
    return found


def add_violations(
    note: Note, files: list[File], violations: FilesViolations, blank: dict[int, int]
) -> None:
    """Add a note's violations; ``blank`` has each file's first blank line that no row followed."""
    violations.name = files[note.split.file].name
    violations.unit = note.violations.unit
    rows = note.table.get("rows_read", 0)
    line = blank.get(note.split.file)
    if line and (rows or note.violations):
        violations.add([Violation(line, None, None, BLANK)])
        del blank[note.split.file]
    if note.violations:
        violations.add(note.violations.listed, note.violations.counts)
    if note.blank:
        blank.setdefault(note.split.file, note.blank)


def describe(about: Note, door: Door, rows: int) -> dict[str, Any]:
    """Return what describe_table of data_preprocessing does, of what the tasks counted.

    Of texts of which there are too many different ones to count, the most frequent are not told:
    they would take one more pass over the files.
    """
    columns = {}
    for name, rules in door.contract["columns"].items():
        column = about.columns[name]
        told = {"count": column.total, "missing": rows - column.total, **column.describe()}
        if isinstance(column, Values):
            top = heaviest(column.counts.rows) if column.counts.whole else []
            told["top"] = [[one_line(value, SHOWN), times] for value, times in top]
        columns[name] = {"type": rules["type"], "role": rules["role"]} | told
    target = about.columns[door.target]
    counts = dict(zip(target.values.tolist(), target.rows.tolist(), strict=True))  # type: ignore[union-attr]
    classes = {label: int(counts.get(int(label), 0)) for label in ("0", "1")}
    return {"rows": rows, "classes": classes, "columns": columns}
