"""A data file that is read by load_data as a stage would, without the stage around it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from load_data.check import Checker
from load_data.column import columns_of
from load_data.reader import open_reader
from load_data.source import Source, UnreadableError
from load_data.table import Table
from load_data.violations import Violations
from stage import StageError

CONTRACT = """
[columns.age]
type = "integer"
role = "feature"
minimum = 0
maximum = 120
[columns.income]
type = "number"
role = "feature"
minimum = 0
[columns.note]
type = "text"
role = "unused"
[columns.click]
type = "integer"
role = "target"
allowed = [0, 1]
"""
HEADER = "age,income,note,click\n"
ROW = "30,5.5,x,0\n"
GOOD = HEADER + ROW + "31,6.5,y,1\n"


@dataclass
class Door:
    """Reads a file's content by a contract; what came of it is kept."""

    folder: Path
    contract: dict[str, Any]
    pieces: dict[str, int] = field(default_factory=dict)
    violations: Violations = field(default_factory=lambda: Violations("data/x.csv"))
    metrics: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)

    def __call__(self, content: str | bytes, **changes: Any) -> pa.Table:
        """Return the table of the rows that are kept; ``changes`` are keys of the contract."""
        path = self.folder / "x.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.violations = Violations("data/x.csv")
        contract = {**self.contract, **changes}
        try:
            with Source(path, "data/x.csv") as source:
                self.read(source, contract)
        except UnreadableError as error:
            self.violations.refuse(None, None, None, error.rule)
        return pq.read_table(self.folder / "table.parquet")

    def read(self, source: Source, contract: dict[str, Any]) -> None:
        columns = columns_of(contract)
        reader = open_reader(source, contract, Checker(columns, self.violations))
        self.unknown_columns = reader.unknown_columns
        self.pieces = count_calls(reader, "read_fast", "read_strict")
        table = Table(self.folder / "table.parquet", columns, contract, self.violations)
        try:
            for batch in reader.batches():
                table.add(batch)
            if self.violations:
                raise self.violations.refusal()
            table.finish()
        finally:
            table.close()
            self.metrics, self.warnings = table.metrics(), reader.warnings()

    def outcome(self, content: str | bytes, **changes: Any) -> pa.Table | str:
        """Return the table, or the sentence that refuses the content; all else is raised."""
        try:
            return self(content, **changes)
        except StageError as error:
            return str(error)

    def refused(self, content: str | bytes, **changes: Any) -> str:
        """Return the sentence that refuses a content, which must be one safe line."""
        with pytest.raises(StageError) as raised:
            self(content, **changes)
        assert raised.value.code == 65
        assert str(raised.value).isprintable()
        return str(raised.value)

    def with_column(self, name: str, **rules: Any) -> dict[str, Any]:
        """Return the contract's columns, one of them changed."""
        columns = self.contract["columns"]
        return {**columns, name: {**columns.get(name, {}), **rules}}


def count_calls(reader: Any, *names: str) -> dict[str, int]:
    """Count how often methods of a reader give a batch."""
    counts = dict.fromkeys(names, 0)

    def counted(name, method):
        def call(*arguments):
            found = method(*arguments)
            counts[name] += found is not None
            return found

        return call

    for name in names:
        if hasattr(reader, name):
            setattr(reader, name, counted(name, getattr(reader, name)))
    return counts


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path, tomllib.loads(CONTRACT))
