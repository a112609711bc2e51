"""Read a CSV file strictly: each row has one cell a column, and each cell knows its line."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load_data.check import Violations

LONGEST_CELL = 100_000
CONTROL = re.compile("[\x00\udc80-\udcff]")


@dataclass(frozen=True)
class Cells:
    """The file's cells as text, column by column, and each row's line (the header is line 1)."""

    columns: dict[str, list[str]]
    lines: list[int]
    unknown_columns: list[str]


def read_cells(path: Path, contract: dict[str, Any], violations: Violations) -> Cells:
    """Return the cells of the contract's columns; a broken structure is refused (65).

    The file is UTF-8, with or without a byte order mark. Its columns may stand in any order; those
    that the contract does not know are left out by name.
    """
    # A byte that is no UTF-8 becomes a lone surrogate here, so that its line can be told.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = read_rows(file, contract["delimiter"], violations)
        header_line, header = next(rows, (1, []))
        wanted = list(contract["columns"])
        check_header(header, header_line, wanted, violations)
        places = [header.index(column) for column in wanted]
        cells: list[list[str]] = [[] for _ in wanted]
        lines = []
        for line, row in rows:
            check_row(row, header, line, violations)
            lines.append(line)
            for column, place in zip(cells, places, strict=True):
                column.append(row[place])
    if not lines:
        violations.refuse(header_line, None, None, "is the header, and no row follows it")
    unknown = [column for column in header if column not in wanted]
    return Cells(dict(zip(wanted, cells, strict=True)), lines, unknown)


def read_rows(file: Any, delimiter: str, violations: Violations) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line that it starts on; blank lines at the end are no rows."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    start, blank = 1, 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            violations.refuse(start, None, None, describe(error, reader.line_num))
        if row is None:
            return
        if not row:
            blank = blank or start
        elif blank:
            violations.refuse(blank, None, None, "is blank, but rows follow it")
        else:
            yield start, row
        start = reader.line_num + 1


def describe(error: csv.Error, line: int) -> str:
    """Return what breaks the CSV format, in words."""
    text = str(error)
    if "field larger" in text:
        return f"has a cell of more than {LONGEST_CELL} characters"
    if "expected after" in text:
        return f"has a quoted cell that goes on after its closing quote (seen on line {line})"
    if "unexpected end" in text:
        return "has a quoted cell that is never closed"
    return f"is no valid CSV: {text}"


def describe_byte(character: str) -> str:
    """Return what is wrong with a character that no text file holds."""
    if character == "\0":
        return "holds a NUL character; this is no text file"
    return f"holds the byte 0x{ord(character) - 0xDC00:02x}, which is no UTF-8; save it as UTF-8"


def check_header(header: list[str], line: int, wanted: list[str], violations: Violations) -> None:
    """Refuse a header that lacks a column of the contract, or names one twice."""
    if not header:
        violations.refuse(line, None, None, "holds no header; the file is empty")
    check_row(header, header, line, violations)
    for column in header:
        if header.count(column) > 1:
            violations.refuse(line, column, None, "names this column twice")
    if missing := [column for column in wanted if column not in header]:
        found = ", ".join(header)
        violations.refuse(line, missing[0], None, f"this column is missing; found: {found}")


def check_row(row: list[str], header: list[str], line: int, violations: Violations) -> None:
    """Refuse a row that has not one cell a column, or a cell with a byte that no text holds."""
    if len(row) != len(header):
        violations.refuse(line, None, None, f"has {len(row)} cells, the header has {len(header)}")
    for column, cell in zip(header, row, strict=True):
        if found := CONTROL.search(cell):
            violations.refuse(line, column, cell, describe_byte(found[0]))
