"""Read a CSV file in pieces of whole lines, by two readers that agree on every cell.

The fast one is Arrow's. It takes a piece only when nothing in it could be read in two ways and
every cell meets the contract. Any other piece goes to the strict one, which knows each cell's line
and names whatever is wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from load_data.check import Batch, Checker
from load_data.column import Broken, Column, alike
from load_data.plain import holds_pair, is_plain
from load_data.source import Source
from load_data.strict import LONGEST_CELL, StrictReader, read_header
from load_data.violations import LISTED, Violations
from stage import one_line

LONGEST_RECORD = 16 * 2**20
MOST_COLUMNS = 10_000
FAST_CHUNK = 2**20
STRICT_PIECE = 2**20  # as lists of Python's, cells take many times their size
NO_TEXT = re.compile("[\udc80-\udcff]")  # what bytes that are no UTF-8 become
# Without one of these in it, no number is too small for a float, which ends at 5e-324.
TINY_NUMBER = re.compile(rb"[eE]-0*[1-9][0-9]|0{300}")


class Lines:
    """The content of a text file in pieces of whole lines."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.exhausted = False
        self.next = b""  # whole lines that are taken first, by themselves
        self.rest = b""  # what comes before the next block

    @property
    def ended(self) -> bool:
        """Whether nothing follows what was taken."""
        return self.exhausted and not self.next

    def take(self) -> bytes:
        """Return the next whole lines, some MB of them; empty at the end of the file.

        A line of more than 16 MiB is a ValueError.
        """
        if self.next:
            piece, self.next = self.next, b""
            return piece
        parts, size, self.rest = [self.rest], len(self.rest), b""
        for block in self.blocks:
            if cut := last_line_end(block):
                self.rest = block[cut:]
                return b"".join([*parts, block[:cut]])
            parts.append(block)
            size += len(block)
            if size > LONGEST_RECORD:
                raise ValueError
        self.exhausted = True
        return b"".join(parts)


def last_line_end(block: bytes) -> int:
    """Return where the last whole line of a block ends, 0 when none does.

    A CR at the block's end may be the first half of CR LF.
    """
    return block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, max(0, len(block) - 1)) + 1


class CsvReader:
    """Reads the rows of a CSV file; what is wrong with them is noted."""

    def __init__(self, source: Source, contract: dict[str, Any], checker: Checker) -> None:
        said: str = contract.get("encoding", "utf-8")
        self.encoding = source.find_encoding(said)[0]
        self.delimiter: str = contract.get("delimiter", ",")
        self.lines = Lines(source.text_blocks(said))
        self.checker = checker
        self.violations: Violations = checker.violations
        self.columns: list[Column] = checker.columns
        self.missing_values = self.columns[0].missing_values
        self.escaped: Counter[str] = Counter()
        self.strict_size = STRICT_PIECE
        self.header = self.read_header()
        wanted = {column.name for column in self.columns}
        self.unknown_columns = [
            one_line(printable(name), 80) for name in self.header if name not in wanted
        ]
        self.places = {column.name: self.header.index(column.name) for column in self.columns}
        self.options = self.fast_options()

    def batches(self) -> Iterator[Batch]:
        """Yield the file's rows, in its order, checked."""
        while piece := self.take(self.strict.line):
            batch = self.read_fast(piece)
            yield self.read_strict(piece) if batch is None else batch
            if self.strict.stopped:
                break

    def take(self, line: int) -> bytes:
        """Return the next whole lines, of which ``line`` is the first."""
        try:
            return self.lines.take()
        except ValueError:
            self.violations.refuse(
                line, None, None, f"is a row of more than {LONGEST_RECORD} bytes"
            )

    def warnings(self) -> list[str]:
        """Return sentences about what was taken, but not as it stands in the file."""
        return [
            f"{cells} cells of the unused column {name!r} hold bytes that are no "
            f"{self.encoding.upper()}; they are kept escaped, as \\x and two digits"
            for name, cells in self.escaped.items()
            if cells
        ]

    # The header

    def read_header(self) -> list[str]:
        """Return the names of the header; one that lacks a column, or names one twice, is refused.

        Leaves the lines behind it to be taken.
        """
        piece = self.take(1)
        while (header := read_header(piece, self.delimiter, self.lines.ended)) is None:
            self.lines.rest = piece + self.lines.rest
            piece = self.take(1)
        self.lines.next = piece[header.size :]
        if header.fault:
            self.violations.refuse(1, None, None, header.fault)
        names = header.names
        self.check_header(names)
        numbers = [names.index(column.name) for column in self.columns if column.numeric]
        self.strict = StrictReader(self.delimiter, names, numbers, 1 + header.lines)
        return names

    def check_header(self, names: list[str]) -> None:
        """Refuse a header that is none, lacks a column of the contract, or names one twice."""
        refuse = self.violations.refuse
        if not names:
            refuse(1, None, None, "holds no header; the file is empty")
        if len(names) > MOST_COLUMNS:
            refuse(1, None, None, f"names {len(names)} columns; at most {MOST_COLUMNS} are read")
        counts = Counter(names)
        if twice := [name for name in counts if counts[name] > 1]:
            refuse(1, one_line(printable(twice[0]), 80), None, "names this column twice")
        if missing := [column.name for column in self.columns if column.name not in counts]:
            for name in names:
                if "\0" in name:
                    rule = "holds a NUL character; this is no text, or UTF-16 without a mark"
                    refuse(1, None, printable(name), rule)
                if byte := NO_TEXT.search(name):
                    refuse(1, None, printable(name), describe_byte(byte[0], self.encoding))
            found = one_line(printable(", ".join(names)), 300)
            refuse(1, missing[0], None, f"this column is missing; found: {found}")

    # The fast reader

    def fast_options(self) -> dict[str, Any]:
        """Return how Arrow reads a piece: exactly the contract's columns, nothing guessed."""
        types = {c.name: c.arrow_type if c.numeric else pa.string() for c in self.columns}
        names = [name if name in types else f"\0{place}" for place, name in enumerate(self.header)]
        return {
            "read_options": pa_csv.ReadOptions(column_names=names, block_size=FAST_CHUNK),
            "convert_options": pa_csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                null_values=list(self.missing_values),
                strings_can_be_null=False,
            ),
        }

    def read_fast(self, piece: bytes) -> Batch | None:
        """Return the rows of a piece, or None when the strict reader must say what it holds."""
        strict = self.strict
        if strict.blank or not self.delimiter.isascii():
            return None
        quoted = b'"' in piece
        integers = any(column.type == "integer" for column in self.columns if column.numeric)
        if not is_plain(piece, self.delimiter.encode(), LONGEST_CELL, integers):
            return None
        parse = pa_csv.ParseOptions(
            delimiter=self.delimiter,
            quote_char='"' if quoted else False,
            ignore_empty_lines=False,
        )
        try:
            table = pa_csv.read_csv(pa.py_buffer(piece), parse_options=parse, **self.options)
        except pa.ArrowException:
            return None
        lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
        cells = {name: table[name].combine_chunks() for name in table.column_names}
        if table.num_rows != lines or self.is_doubtful(piece, cells):
            return None
        batch = self.checker.check_whole(cells, range(strict.line, strict.line + lines))
        if batch is not None:
            strict.line += lines
        return batch

    def is_doubtful(self, piece: bytes, cells: dict[str, pa.Array]) -> bool:
        """Tell whether Arrow may have read a number other than the contract's rules do.

        It reads a number too small for a float as 0, and knows a missing value only when it is
        written without blanks around it.
        """
        numbers = [cells[column.name] for column in self.columns if column.numeric]
        zeros = any(
            pa.types.is_floating(n.type) and pc.any(pc.equal(n, 0)).as_py() for n in numbers
        )
        if zeros and may_be_tiny(piece) and TINY_NUMBER.search(piece):
            return True
        missing = [float(m) for m in self.missing_values if is_float(m)]
        return any(pc.any(pc.equal(*alike(n, m))).as_py() for m in missing for n in numbers)

    # The strict reader

    def read_strict(self, piece: bytes) -> Batch:
        """Return the first rows of a piece after noting whatever is wrong with them.

        The rest of it is left to be taken. A row that does not fit into a part of the piece is read
        again with more of it.
        """
        cut = len(piece)
        if cut > self.strict_size:
            cut = last_line_end(piece[: self.strict_size]) or cut
        part, self.lines.next = piece[:cut], piece[cut:]
        rows, lines, found, tail = self.strict.read(part, self.lines.ended)
        self.strict_size = STRICT_PIECE if len(tail) < len(part) else 2 * self.strict_size
        if len(tail) > LONGEST_RECORD:
            self.violations.refuse(
                self.strict.line, None, None, f"is a row of more than {LONGEST_RECORD} bytes"
            )
        if self.lines.next:
            self.lines.next = tail + self.lines.next
        else:
            self.lines.rest = tail + self.lines.rest
        cells = {name: [row[place] for row in rows] for name, place in self.places.items()}
        before: dict[str, Broken] = {}
        if not is_utf8(part):
            before = {c.name: self.escape_bytes(c, cells[c.name]) for c in self.columns}
        arrays = {name: pa.array(column, pa.string()) for name, column in cells.items()}
        return self.checker.check(arrays, lines, found, before)

    def escape_bytes(self, column: Column, cells: list[str]) -> Broken:
        """Escape the bytes that are no text; return which cells had any, if the column is used."""
        rows: dict[str, list[int]] = {}  # by the first byte that is none
        escaped = 0
        for row, cell in enumerate(cells):
            if not cell.isascii() and (found := NO_TEXT.search(cell)):
                rows.setdefault(found[0], []).append(row)
                # Of those that refuse the file, no more are shown than are listed.
                kept = not column.used or escaped < LISTED
                cells[row] = printable(cell) if kept else ""
                escaped += 1
        if not column.used:
            if escaped:
                self.escaped[column.name] += escaped
            return []
        numbers = np.arange(len(cells))
        return [
            (pa.array(np.isin(numbers, some)), describe_byte(byte, self.encoding))
            for byte, some in rows.items()
        ]


def may_be_tiny(piece: bytes) -> bool:
    """Tell, at little cost, whether TINY_NUMBER may be found."""
    return any(holds_pair(piece, e, b"-") for e in (b"e", b"E")) or b"0" * 300 in piece


def is_utf8(piece: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_float(text: str) -> bool:
    """Tell whether a missing value reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def printable(text: str) -> str:
    r"""Return text with the bytes in it that are no text escaped: ``caf\xe9``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe_byte(character: str, encoding: str) -> str:
    """Return what is wrong with a character that stands for a byte that is no text."""
    if encoding.startswith("utf-16"):
        return "holds half a character of UTF-16"
    advice = "; save it as UTF-8" if encoding == "utf-8" else ""
    byte = ord(character) - 0xDC00
    return f"holds the byte 0x{byte:02x}, which is no {encoding.upper()}{advice}"
