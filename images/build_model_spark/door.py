"""The door of load_data, as tasks hold their part of the rows to it: the same code, the same words.

A task gives the rows that are kept, and behind them one note: what it found, for the driver to put
together with what the others did.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from build_model_spark.splits import BETWEEN, MARK, ROW_BITS, Split, Splits, known_uri
from data_preprocessing.describe import Numbers, Values, start_column
from data_preprocessing.leakage import Part, Parts
from load_data.check import Batch, Checker
from load_data.column import Column, columns_of
from load_data.parquet import ParquetReader
from load_data.read import CsvReader
from load_data.table import Table
from load_data.violations import Violations
from separate_data.duplicates import mix
from stage import StageError, one_line

Batches = Iterator[pa.RecordBatch]
FOUND = ("rows_read", "rows", "first_place", "dropped", "missing", "classes")


@dataclass
class Note:
    """What a task found in its split."""

    split: Split
    violations: Violations
    table: dict[str, Any] = field(default_factory=dict)
    escaped: dict[str, int] = field(default_factory=dict)
    blank: int | None = None
    stopped: bool = False
    columns: dict[str, Numbers | Values] = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)


class Pieces:
    """Stands for load_data's Source where the content comes from Spark, line by line."""

    form = None

    def __init__(self, header: bytes, pieces: Iterator[bytes]) -> None:
        self.header = header
        self.pieces = pieces

    def find_encoding(self, _: str) -> tuple[str, bytes]:
        """Return UTF-8: nothing else is read in parts."""
        return "utf-8", b""

    def text_blocks(self, _: str) -> Iterator[bytes]:
        """Yield the header, then the lines."""
        if self.header:
            yield self.header
        yield from self.pieces


class Rows(Table):
    """Load_data's table, whose rows go on to Spark instead of into a file."""

    def __init__(
        self, columns: list[Column], contract: dict[str, Any], violations: Violations
    ) -> None:
        super().__init__(Path(), columns, contract, violations)
        self.ready: list[pa.Table] = []

    def flush(self) -> None:
        """Hand over what waits."""
        self.ready += self.waiting
        self.waiting = []

    def take(self) -> list[pa.Table]:
        """Return the rows that were handed over since."""
        self.flush()
        ready, self.ready = self.ready, []
        return ready


class RowsReader(ParquetReader):
    """Load_data's reader of Parquet, whose rows come from Spark."""

    def __init__(self, checker: Checker, schema: pa.Schema) -> None:
        """Refuse a schema that breaks the contract."""
        self.checker = checker
        self.violations = checker.violations
        self.violations.unit = "row"
        self.columns = checker.columns
        self.escaped = Counter()
        self.check_names(schema.names)
        wanted = {column.name for column in self.columns}
        self.unknown_columns = [one_line(n, 80) for n in schema.names if n not in wanted]
        self.left_out = self.check_types(schema)
        self.taken: Iterator[tuple[pa.RecordBatch, int]] = iter(())

    def batches(self) -> Iterator[Batch]:
        """Yield the rows, checked."""
        for rows, first in self.taken:
            yield self.read(rows, first)


@dataclass
class Door:
    """What each task is told: the contract, where splits begin, and the files' headers or names."""

    contract: dict[str, Any]
    features: list[str]
    target: str
    splits: Splits = field(default_factory=dict)
    headers: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def schema(self) -> pa.Schema:
        """Return what a task gives: the features, the target, each row's number, and a note.

        Columns are named by their places, for names of a contract may hold anything. ``bits`` are
        those by which duplicates_across of separate_data knows equal rows.
        """
        kinds = {column.name: column.arrow_type for column in columns_of(self.contract)}
        return pa.schema(
            [
                *((f"f{n}", kinds[name]) for n, name in enumerate(self.features)),
                *(("target", pa.int64()), ("row", pa.int64()), ("bits", pa.int64())),
                ("note", pa.binary()),
            ]
        )

    def check_lines(self, batches: Batches) -> Batches:
        """Yield the rows that lines of text hold; see ``with_heads`` of files."""
        first = next(batches, None)
        if first is None or not first.num_rows:
            return
        uri, start = first["head"][0].as_py().split(BETWEEN)
        split = self.splits[known_uri(uri), int(start)]
        violations = Violations("")
        checker = Checker(columns_of(self.contract), violations)
        pieces = texts(first, batches, begins=split.lines_before == 0)
        header = b"" if split.lines_before == 0 else self.headers[split.file]
        note = Note(split, violations)
        try:
            reader = CsvReader(Pieces(header, pieces), self.contract, checker)  # type: ignore[arg-type]
            if split.lines_before:
                reader.strict.line = split.lines_before + 1
            yield from self.pass_on(reader, checker.columns, note)
            note.blank, note.stopped = reader.strict.blank, reader.strict.stopped
            note.escaped = dict(reader.escaped)
        except StageError:
            if not violations:
                raise
        yield self.close(note)

    def check_rows(self, batches: Batches) -> Batches:
        """Yield the rows of a table; see ``with_row_heads`` of files."""
        first = next(batches, None)
        if first is None or not first.num_rows:
            return
        uri, start = first["head"][0].as_py().split(BETWEEN)
        split = self.splits[known_uri(uri), int(start)]
        violations = Violations("")
        checker = Checker(columns_of(self.contract), violations)
        note = Note(split, violations)

        def named() -> Iterator[tuple[pa.RecordBatch, int]]:
            row = 1 + split.lines_before
            for batch in chain([first], batches):
                yield batch.drop_columns(["head"]).rename_columns(self.names), row
                row += batch.num_rows

        try:
            schema = first.drop_columns(["head"]).rename_columns(self.names).schema
            reader = RowsReader(checker, schema)
            reader.taken = named()
            yield from self.pass_on(reader, checker.columns, note)
            note.escaped = dict(reader.escaped)
        except StageError:
            if not violations:
                raise
        yield self.close(note)

    def pass_on(self, reader: Any, columns: list[Column], note: Note) -> Batches:
        """Yield the rows that a reader lets in, and note what they hold."""
        rows = Rows(columns, self.contract, note.violations)
        count = 0
        for batch in reader.batches():
            rows.add(batch)
            for table in rows.take():
                self.describe(table, note)
                yield self.give(table, (note.split.order << ROW_BITS) + count)
                count += table.num_rows
        rows.background.shutdown()
        note.table = {name: getattr(rows, name) for name in FOUND}

    def describe(self, table: pa.Table, note: Note) -> None:
        """Note what data_preprocessing tells of the rows."""
        target = table[self.target]
        for name in table.column_names:
            column = note.columns.setdefault(name, start_column(table.schema.field(name).type))
            for chunk in table[name].chunks:
                column.add(chunk)
        for label in (0, 1):
            chosen = table.filter(pc.equal(target, label))
            for name in self.features:
                part = note.parts.setdefault(name, (Part(), Part()))[label]
                for chunk in chosen[name].chunks:
                    part.add(chunk)

    def give(self, table: pa.Table, first: int) -> pa.RecordBatch:
        """Return rows as they go on, the first of which has this number."""
        rows = table.select([*self.features, self.target]).combine_chunks().to_batches()[0]
        numbers = np.arange(first, first + rows.num_rows)
        bits = mix(rows.drop_columns([self.target])).view(np.int64)
        columns = [*rows.columns, pa.array(numbers), pa.array(bits)]
        columns.append(pa.nulls(rows.num_rows, pa.binary()))
        return pa.record_batch(columns, schema=self.schema())

    def close(self, note: Note) -> pa.RecordBatch:
        """Return the note as the last row."""
        for column in note.columns.values():
            if isinstance(column, Numbers) and column.waiting:
                column.count()
        schema = self.schema()
        nothing = [pa.nulls(1, field.type) for field in schema]
        nothing[-1] = pa.array([pickle.dumps(note)], pa.binary())
        return pa.record_batch(nothing, schema=schema)


def texts(first: pa.RecordBatch, rest: Batches, *, begins: bool) -> Iterator[bytes]:
    """Yield the text of batches of lines; ``begins`` says that a file does, perhaps with a mark."""
    text = text_of(first["line"])
    yield text.removeprefix(MARK) if begins else text
    for batch in rest:
        yield text_of(batch["line"])


def text_of(lines: pa.Array) -> bytes:
    """Return the lines, which stand in memory one behind the other already."""
    _, offsets, data = lines.buffers()
    if data is None or not len(lines):
        return b""
    width = 8 if pa.types.is_large_binary(lines.type) else 4
    ends = np.frombuffer(offsets, np.int64 if width == 8 else np.int32)
    start, end = ends[lines.offset], ends[lines.offset + len(lines)]
    return bytes(memoryview(data)[start:end])
