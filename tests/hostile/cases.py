"""What a hostile case is, and the plain files and contracts that the cases are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "shared_volume" / "data" / "advertising.toml"

# What no case may ever bring about; test_corpus.py looks for each.
NEVER = (
    "a crash (70), or any other exit code than the one expected",
    "a traceback in the log",
    "a control character or one that turns the direction of text in what is printed",
    "a message of more than one line",
    "a row that is neither kept nor counted as dropped",
    "a value in the table that the file does not hold",
    "a changed file outside of the run's own folder: data, contract, published model",
    "a violation that is counted but not listed while fewer than 1000 are",
    "more than 1 GiB of memory, or more than 30 s",
)


@dataclass(frozen=True)
class Case:
    """One file, or one thing around it, that is wrong or only looks so.

    ``content`` is put to ``data/<file>`` on the volume and given to the stages as ``--source``;
    ``place`` instead makes whatever is needed below the volume's root. ``holds`` is what differs
    from the plain file's table: row (from 0), column, value; ``without`` are its rows that are not
    in the table, ``dropped`` is how many rows the report says were left out.
    """

    name: str
    what: str
    expected: Literal["same", "refused", "either"]
    content: bytes | Callable[[], bytes] = b""
    contract: str = "advertising"
    says: tuple[str, ...] = ()
    line: int | None = None
    row: int | None = None
    column: str | None = None
    code: int = 65
    file: str = "hostile.csv"
    holds: tuple[tuple[int, str, Any], ...] = ()
    without: tuple[int, ...] = ()
    dropped: int = 0
    place: Callable[[Path], None] | None = None
    arguments: tuple[str, ...] | None = None
    heavy: bool = False
    theme: str = field(default="", compare=False)

    def bytes(self) -> bytes:
        """Return the content of the case's file; the same at each call."""
        return self.content if isinstance(self.content, bytes) else self.content()

    def put(self, volume: Path) -> None:
        """Put what the case is about on the volume, whose data folder has contract and data."""
        if self.place:
            self.place(volume)
        else:
            (volume / "data" / self.file).write_bytes(self.bytes())

    def command_line(self) -> tuple[str, ...]:
        """Return the arguments of the stages that open and read the file."""
        if self.arguments is not None:
            return self.arguments
        return ("--dataset", self.contract, "--source", f"data/{self.file}")

    def describe(self) -> dict[str, Any]:
        """Return the case's entry in the manifest."""
        entry: dict[str, Any] = {
            "name": self.name,
            "theme": self.theme,
            "what": self.what,
            "contract": self.contract,
            "expected": self.expected,
        }
        if self.expected != "same":
            where = {"line": self.line, "row": self.row, "column": self.column}
            entry["exit_code"] = self.code
            entry |= {key: value for key, value in where.items() if value is not None}
            entry["says"] = list(self.says)
        if self.heavy:
            entry["heavy"] = True
        return entry


def same(name: str, what: str, content: Any = b"", **more: Any) -> Case:
    """Return a case that must give the plain file's table."""
    return Case(name, what, "same", encoded(content), **more)


def refused(name: str, what: str, content: Any = b"", *says: str, **more: Any) -> Case:
    """Return a case that must be refused, with words that the message holds."""
    return Case(name, what, "refused", encoded(content), says=says, **more)


def either(name: str, what: str, content: Any = b"", *says: str, **more: Any) -> Case:
    """Return a case that may be taken, then with the plain file's table, or refused."""
    return Case(name, what, "either", encoded(content), says=says, **more)


def encoded(content: Any) -> Any:
    """Return text as UTF-8; bytes and makers of bytes as they are."""
    return content.encode() if isinstance(content, str) else content


@dataclass(frozen=True)
class Sheet:
    """A file's cells as they are written, so with their quotes; the header is line 1."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    delimiter: str = ","

    def text(self, end: str = "\n", *, last: bool = True) -> str:
        """Return the file's text."""
        lines = [self.delimiter.join(cells) for cells in (self.header, *self.rows)]
        return end.join(lines) + (end if last else "")

    def lines(self) -> list[str]:
        """Return the file's lines; the header is the first."""
        return self.text().splitlines()

    def cell(self, line: int, column: str, written: str) -> Sheet:
        """Return the sheet with one cell written otherwise."""
        place = self.header.index(column)
        cells = list(self.rows[line - 2])
        cells[place] = written
        rows = list(self.rows)
        rows[line - 2] = tuple(cells)
        return replace(self, rows=tuple(rows))

    def each(self, write: Callable[[str], str]) -> Sheet:
        """Return the sheet with each cell, also the header's, written otherwise."""
        rows = tuple(tuple(write(cell) for cell in row) for row in self.rows)
        return replace(self, header=tuple(map(write, self.header)), rows=rows)

    def renamed(self, old: str, new: str) -> Sheet:
        """Return the sheet with one name in its header written otherwise."""
        return replace(self, header=tuple(new if name == old else name for name in self.header))

    def ordered(self, *names: str) -> Sheet:
        """Return the sheet with these columns only, in this order."""
        places = [self.header.index(name) for name in names]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, header=names, rows=rows)

    def with_column(self, name: str, cell: str, at: int = 0) -> Sheet:
        """Return the sheet with one more column, each cell of which is the same."""

        def insert(cells: tuple[str, ...], new: str) -> tuple[str, ...]:
            return (*cells[:at], new, *cells[at:])

        rows = tuple(insert(row, cell) for row in self.rows)
        return replace(self, header=insert(self.header, name), rows=rows)

    def delimited(self, delimiter: str) -> Sheet:
        """Return the sheet with another delimiter."""
        return replace(self, delimiter=delimiter)


def plain_advertising() -> Sheet:
    """Return twelve invented rows of the bundled contract's columns, written without a quote."""
    header = (
        *("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage"),
        *("Ad Topic Line", "City", "Male", "Country", "Timestamp", "Clicked on Ad"),
    )
    rows = tuple(
        (
            *(f"{40.25 + 3 * n}", f"{30 + n}", f"{41000 + 1250.5 * n}", f"{110.5 + 11 * n}"),
            *(f"Plain line {n}", f"Town {n}", f"{n % 2}", "Norland"),
            *(f"2025-03-{n + 1:02} 10:00:00", f"{(n // 2) % 2}"),
        )
        for n in range(12)
    )
    return Sheet(header, rows)


def plain_shop(delimiter: str = ",") -> Sheet:
    """Return twelve invented rows of the contract ``shop``, which has every type and role."""
    header = ("when", "visitor", "device", "age", "spent", "words", "note", "bought")
    rows = tuple(
        (
            *(f"2025-03-{n + 1:02}T10:00:00", f"v{n % 5}", ("phone", "desk", "3")[n % 3]),
            *(f"{20 + n}", f"{0.5 + n}", f"red shoes {n}", f"note {n}"),
            "yes" if n % 3 == 1 else "no",
        )
        for n in range(12)
    )
    return Sheet(header, rows, delimiter)


SHOP = """path = "data/{name}.csv"
delimiter = {delimiter}
encoding = "{encoding}"
{more}
[columns.when]
type = "time"
role = "time"
{when}
[columns.visitor]
type = "category"
role = "group"
{visitor}
[columns.device]
type = "category"
role = "feature"
{device}
[columns.age]
type = "integer"
role = "feature"
minimum = 0
maximum = 120
{age}
[columns.spent]
type = "number"
role = "feature"
{spent}
[columns.words]
type = "text"
role = "feature"
{words}
[columns.note]
type = "text"
role = "unused"
[columns.bought]
type = "category"
role = "target"
allowed = ["no", "yes"]
positive = "yes"
{bought}
"""


PLACES = ("more", "when", "visitor", "device", "age", "spent", "words", "bought")


def shop(name: str, delimiter: str = ",", encoding: str = "utf-8", **more: str) -> str:
    """Return a contract over the columns of ``plain_shop``; ``more`` are lines for its places."""
    lines = dict.fromkeys(PLACES, "") | more
    written = '"\\t"' if delimiter == "\t" else f'"{delimiter}"'
    return SHOP.format(name=name, delimiter=written, encoding=encoding, **lines)


GAPS = {"age": 'missing = "impute"', "spent": 'missing = "drop"', "device": 'missing = "indicator"'}
LENIENT = {**GAPS, "device": 'missing = "impute"', "bought": 'missing = "drop"',
           "when": 'missing = "drop"', "visitor": 'missing = "drop"',
           "words": 'missing = "impute"'}  # fmt: skip
COUNTS = Sheet(("count", "click"), tuple((str(n), str(n % 2)) for n in range(12)))
COUNT = """path = "data/counts.csv"
[columns.count]
type = "integer"
role = "feature"
[columns.click]
type = "integer"
role = "target"
allowed = [0, 1]
"""
# Each contract's text and its plain file's; a case that gives the same table gives this file's.
CONTRACTS: dict[str, tuple[str, Sheet, str]] = {
    "advertising": (BUNDLED.read_text(encoding="utf-8"), plain_advertising(), "utf-8"),
    "counts": (COUNT, COUNTS, "utf-8"),
    "shop": (shop("shop"), plain_shop(), "utf-8"),
    "semicolon": (shop("semicolon", ";"), plain_shop(";"), "utf-8"),
    "tab": (shop("tab", "\t"), plain_shop("\t"), "utf-8"),
    "pipe": (shop("pipe", "|"), plain_shop("|"), "utf-8"),
    "latin": (shop("latin", encoding="latin-1"), plain_shop(), "latin-1"),
    "windows": (shop("windows", encoding="windows-1252"), plain_shop(), "cp1252"),
    "wide": (shop("wide", encoding="utf-16"), plain_shop(), "utf-16"),
    "gaps": (
        shop("gaps", more='missing_values = ["", "NA"]\nmax_dropped_share = 0.25', **GAPS),
        plain_shop(),
        "utf-8",
    ),
    "gapless": (shop("gapless", more='missing_values = ["NA"]', **GAPS), plain_shop(), "utf-8"),
    "lenient": (shop("lenient", more="max_dropped_share = 1.0", **LENIENT), plain_shop(), "utf-8"),
    "strict": (shop("strict", more='duplicates = "refuse"'), plain_shop(), "utf-8"),
    "once": (
        shop("once", more='duplicates = "drop"\nmax_dropped_share = 0.25'),
        plain_shop(),
        "utf-8",
    ),
}
PLAIN = plain_advertising()


def bad_cell(name: str, column: str, written: str, *says: str, **more: Any) -> Case:
    """Return a case of one cell, on line 5, that must be refused at its place."""
    sheet = CONTRACTS[more.get("contract", "advertising")][1]
    what = more.pop("what", f"{column} holds {shown(written)}")
    content = sheet.cell(5, column, written).text().encode("utf-8", "surrogatepass")
    return refused(name, what, content, *says, line=5, column=column, **more)


def good_cell(name: str, column: str, written: str, value: Any, **more: Any) -> Case:
    """Return a case of one cell, on line 5, that must be taken as this value."""
    sheet = CONTRACTS[more.get("contract", "advertising")][1]
    what = more.pop("what", f"{column} holds {shown(written)}")
    holds = ((3, column, value),)
    return same(name, what, sheet.cell(5, column, written).text(), holds=holds, **more)


def shown(written: str) -> str:
    """Return a cell's text, shortened, as the manifest shows it."""
    text = written.encode("unicode_escape").decode()
    return text if len(text) <= 60 else f"{text[:60]}... ({len(written)} characters)"
