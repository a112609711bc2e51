"""Read CSV by the letter, with Python's csv in strict mode, and go on behind what is broken."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from load_data.violations import Violation

LONGEST_CELL = 2**20  # characters
MOST_BROKEN = 1000
UNCLOSED = "has a quoted cell that is never closed"
SWALLOWED = "opens a quote that takes in the next lines, which are rows by themselves"


class Header(NamedTuple):
    """The names of the first line, its size in bytes, its lines, and what is wrong with it."""

    names: list[str]
    size: int
    lines: int
    fault: str | None


def read_header(piece: bytes, delimiter: str, ended: bool) -> Header | None:
    """Return the header that a file's first piece begins with; None when it does not end there."""
    csv.field_size_limit(LONGEST_CELL)
    lines = piece.splitlines(keepends=True)
    reader = csv.reader(map(decode, lines), delimiter=delimiter, strict=True)
    names: list[str] = []
    fault = None
    try:
        names = next(reader, [])
    except csv.Error as error:
        if is_unclosed(error) and not ended:
            return None
        fault = describe(error, reader.line_num)
    if not names and lines and piece.strip(b"\r\n"):
        fault = fault or "is blank, but rows follow it"
    return Header(names, sum(map(len, lines[: reader.line_num])), reader.line_num, fault)


def decode(line: bytes) -> str:
    """Return a line as text; a byte that is no UTF-8 becomes a lone surrogate."""
    return line.decode("utf-8", "surrogateescape")


def is_unclosed(error: csv.Error) -> bool:
    """Tell whether the text ended inside a quoted cell."""
    return "unexpected end" in str(error)


def describe(error: csv.Error, line: int) -> str:
    """Return what breaks the CSV format, in words."""
    text = str(error)
    if "field larger" in text:
        return f"has a cell of more than {LONGEST_CELL} characters"
    if "expected after" in text:
        return f"has a quoted cell that goes on after its closing quote (seen on line {line})"
    if is_unclosed(error):
        return UNCLOSED
    return f"is no valid CSV: {text}"


class Rows(NamedTuple):
    """What a piece holds: its rows, their lines, what is wrong, and a record that is not whole."""

    rows: list[list[str]]
    lines: list[int]
    found: list[Violation]
    tail: bytes


class StrictReader:
    """Reads pieces of whole lines. Of a broken record, the first line is noted and left out.

    ``numbers`` are the places of cells that must be numbers; ``line`` is the line that the next
    piece begins with; ``blank`` the first of the blank lines before it. After 1000 broken records
    it has ``stopped``.
    """

    def __init__(self, delimiter: str, header: list[str], numbers: list[int], line: int) -> None:
        self.delimiter = delimiter
        self.header = header
        self.numbers = numbers
        self.line = line
        self.blank: int | None = None
        self.broken = 0

    @property
    def stopped(self) -> bool:
        """Whether reading goes no further, as too much is broken."""
        return self.broken > MOST_BROKEN

    def read(self, piece: bytes, ended: bool) -> Rows:
        """Return what a piece holds; ``ended`` says that nothing follows it."""
        if not piece.strip(b"\r\n"):  # millions of blank lines are quickly read
            self.blank = self.blank or self.line
            self.line += count_lines(piece)
            return Rows([], [], [], b"")
        lines = io.StringIO(decode(piece), newline="").readlines()
        rows = Rows([], [], [], b"")
        at = 0
        while at < len(lines) and not self.stopped:
            broken = self.read_records(lines, at, rows)
            if broken is None:
                at = len(lines)
            elif broken.rule == UNCLOSED and not ended:
                at = (broken.place or 0) - self.line
                tail = "".join(lines[at:]).encode("utf-8", "surrogateescape")
                self.line += at
                return rows._replace(tail=tail)
            else:
                self.note(broken, rows.found)
                at = (broken.place or 0) - self.line + 1
        self.line += at
        return rows

    def read_records(self, lines: list[str], at: int, rows: Rows) -> Violation | None:
        """Add the records from a line on to the rows, up to one that is broken; return that one."""
        reader = csv.reader(lines_from(lines, at), delimiter=self.delimiter, strict=True)
        width, start = len(self.header), at
        try:
            for row in reader:
                end = at + reader.line_num
                if not row:
                    self.blank = self.blank or self.line + start
                else:
                    if self.blank:
                        rule = "is blank, but rows follow it"
                        self.note(Violation(self.blank, None, None, rule), rows.found)
                        self.blank = None
                    if len(row) != width:
                        rule = f"has {len(row)} cells, the header has {width}"
                        return Violation(self.line + start, None, None, rule)
                    if end - start > 1 and self.are_rows(lines[start:end]):
                        return Violation(self.line + start, None, None, SWALLOWED)
                    if row[0] == self.header[0] and row == self.header:
                        rule = "is the header once more"
                        return Violation(self.line + start, None, None, rule)
                    rows.rows.append(row)
                    rows.lines.append(self.line + start)
                start = end
        except csv.Error as error:
            rule = describe(error, self.line + at + reader.line_num - 1)
            return Violation(self.line + start, None, None, rule)
        return None

    def note(self, violation: Violation, found: list[Violation]) -> None:
        """Note a broken record; the last one says that no more is read."""
        self.broken += 1
        if self.stopped:
            rule = f"is behind {MOST_BROKEN} broken lines; the rest of the file was not read"
            violation = violation._replace(rule=rule)
        found.append(violation)

    def are_rows(self, lines: list[str]) -> bool:
        """Tell whether each line of one record would be a row, were it not for the quotes.

        Then a quote is missing somewhere, and to take the record as it is would lose rows unseen.
        """
        for line in lines:
            cells = line.rstrip("\r\n").split(self.delimiter)
            if len(cells) != len(self.header):
                return False
            if not all(may_be_number(cells[place]) for place in self.numbers):
                return False
        return True


def may_be_number(cell: str) -> bool:
    """Tell whether a cell, whatever its quotes, holds a number or nothing."""
    return re.fullmatch(r"[0-9eE.+\-]*", cell.strip(' \t"')) is not None


def lines_from(lines: list[str], at: int) -> Iterator[str]:
    """Yield the lines from one on."""
    return (lines[number] for number in range(at, len(lines)))


def count_lines(blank: bytes) -> int:
    """Return the number of lines of blank lines, ended by LF, CR LF or CR."""
    return blank.count(b"\n") + blank.count(b"\r") - blank.count(b"\r\n")
