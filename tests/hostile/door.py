"""The door as tests call it: a file and a contract in, a table or the refusal out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from load_data.main import read_and_check
from load_data.source import Source, UnreadableError
from load_data.violations import Violations
from stage import StageError

NAME = "data/x.csv"


@dataclass
class Opened:
    """What the door sees of a run: where its table goes."""

    folder: Path

    def output(self, name: str) -> Path:
        """Return where an output goes."""
        return self.folder / name

    def progress(self, fraction: float, message: str) -> None:
        """Say nothing."""


def read(folder: Path, content: bytes, contract: dict[str, Any]) -> pa.Table:
    """Return the table of a file's content, or raise the refusal, as load_data does."""
    return read_and_count(folder, content, contract)[0]


def read_and_count(
    folder: Path, content: bytes, contract: dict[str, Any]
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table of a file's content and the metrics of the report.

    ``contract`` is as it stands in run.json.
    """
    path = folder / "x.csv"
    path.write_bytes(content)
    violations = Violations(NAME)
    try:
        with Source(path, NAME) as source:
            run: Any = Opened(folder)
            metrics = read_and_check(run, source, contract, violations, {})
    except UnreadableError as error:
        violations.refuse(None, None, None, error.rule)
    return pq.read_table(folder / "table.parquet"), metrics


def refusal(folder: Path, content: bytes, contract: dict[str, Any]) -> str | None:
    """Return the sentence of the refusal, or None for a file that is taken."""
    try:
        read(folder, content, contract)
    except StageError as error:
        if error.code != 65:
            raise
        return str(error)
    return None
