"""The reader that fits a data file, by what its first bytes say it is."""

from __future__ import annotations

from typing import Any

from load_data.check import Checker
from load_data.parquet import ParquetReader
from load_data.read import CsvReader
from load_data.source import Source


def open_reader(
    source: Source, contract: dict[str, Any], checker: Checker
) -> CsvReader | ParquetReader:
    """Return the reader of the source's rows; a header that breaks the contract is refused."""
    if source.form == "Parquet":
        return ParquetReader(source, checker)
    return CsvReader(source, contract, checker)
