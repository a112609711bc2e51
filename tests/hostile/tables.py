"""Random tables, and every way in which the contract allows to write one."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import assume
from hypothesis import strategies as st

LINE_END = re.compile("\r\n|\r|\n")
DELIMITERS = (",", ";", "\t", "|", "^")
MISSING = ("", "NA")
ARROW = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.string(),
    "text": pa.string(),
    "time": pa.timestamp("us"),
}
# Any character that a text can hold, with those that a reader of CSV minds more often.
MINDED = st.sampled_from(
    [*",;\t|^\"\r\n '\\=+-@#0e.", "\ufeff", "\u2028", "\x85", "\x1a", "\u202e"]
)
CHARACTERS = st.one_of(MINDED, st.characters(exclude_categories=["Cs"]))
ANY_TEXT = st.text(CHARACTERS, max_size=12)
USED_TEXT = ANY_TEXT.filter(lambda text: "\0" not in text and text.strip(" \t") not in MISSING)
NAMES = st.text(CHARACTERS, min_size=1, max_size=8).filter(
    lambda name: "\0" not in name and not name.startswith("\ufeff")
)
POLICIES = {
    "feature": ("refuse", "impute", "indicator", "drop"),
    "target": ("refuse", "drop"),
    "time": ("refuse", "drop"),
    "group": ("refuse", "drop"),
    "unused": ("refuse",),
}
# Written as numbers are, but too large or too small for one.
NO_DOUBLES = ("1e400", "1" * 400, "1e-400", f"0.{'0' * 330}1", f"0.{'0' * 250}1e-99")
VALUES = {
    "integer": st.integers(-(10**18) + 1, 10**18 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "category": USED_TEXT,
    "text": USED_TEXT,
    "time": st.datetimes(),
}


@dataclass(frozen=True)
class Written:
    """A table: its contract, its columns' values, and the columns that the contract lacks."""

    contract: dict[str, Any]
    values: dict[str, list[Any]]
    unknown: dict[str, list[str]]

    def expected(self) -> dict[str, list[Any]]:
        """Return what the door must make of it: the rows that are kept, the target as 0 and 1."""
        rules = self.contract["columns"]
        drop = [v for name, v in self.values.items() if rules[name]["missing"] == "drop"]
        kept = [row for row in range(self.rows) if all(v[row] is not None for v in drop)]
        found = {name: [values[row] for row in kept] for name, values in self.values.items()}
        return {**found, self.target: [int(v == "yes") for v in found[self.target]]}

    @property
    def target(self) -> str:
        """The target's name."""
        roles = self.contract["columns"]
        return next(name for name, rules in roles.items() if rules["role"] == "target")

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.values[self.target])


@st.composite
def tables(draw: st.DrawFn) -> Written:
    """Draw a table of any columns: features of each type, a target, and whatever else."""
    kinds = draw(st.lists(st.sampled_from(("integer", "number", "category", "text")), min_size=1,
                          max_size=4))  # fmt: skip
    columns = [{"type": kind, "role": "feature"} for kind in kinds]
    columns += [{"type": "category", "role": "target", "allowed": ["no", "yes"]}]
    if draw(st.booleans()):
        columns.append({"type": "time", "role": "time"})
    if draw(st.booleans()):
        columns.append({"type": draw(st.sampled_from(("category", "integer"))), "role": "group"})
    unused = draw(st.integers(0, 2))
    columns += [{"type": "text", "role": "unused"}] * unused
    unknown = draw(st.integers(0, 2))
    names = draw(st.lists(NAMES, unique=True, min_size=len(columns) + unknown,
                          max_size=len(columns) + unknown))  # fmt: skip
    rows = draw(st.integers(2, 6))
    lenient = draw(st.booleans())  # then a blank line could be taken for a row
    contract: dict[str, Any] = {
        "missing_values": list(MISSING), "max_dropped_share": 1.0, "columns": {},
    }  # fmt: skip
    values = {}
    for name, rules in zip(names, columns, strict=False):
        policies = POLICIES[str(rules["role"])]
        missing = draw(st.sampled_from(policies[1:] or policies if lenient else policies))
        contract["columns"][name] = {**rules, "missing": missing, "positive": "yes"}
        values[name] = draw(cells_of(rules, rows, missing != "refuse"))
    extra = st.lists(ANY_TEXT, min_size=rows, max_size=rows)
    table = Written(contract, values, {name: draw(extra) for name in names[len(columns) :]})
    assume(len(set(table.expected()[table.target])) == 2)
    return table


def cells_of(rules: dict[str, Any], rows: int, gaps: bool) -> st.SearchStrategy[list[Any]]:
    """Return the strategy of a column's values; a target has both answers."""
    if rules["role"] == "target":
        answer = st.sampled_from(("no", "yes", None) if gaps else ("no", "yes"))
        answers = st.lists(answer, min_size=rows, max_size=rows)
        return answers.filter(lambda found: {"no", "yes"} <= set(found))
    value = ANY_TEXT if rules["role"] == "unused" else VALUES[rules["type"]]
    value = st.one_of(value, st.none()) if gaps else value
    return st.lists(value, min_size=rows, max_size=rows)


@dataclass(frozen=True)
class Dialect:
    """One way to write a table as CSV; each leaves every value unambiguous."""

    delimiter: str
    quoting: str
    end: str
    encoding: str
    packing: str
    order: tuple[int, ...]
    blank: int
    final: bool
    missing: str
    spelling: str


@st.composite
def dialects(draw: st.DrawFn, columns: int) -> Dialect:
    """Draw a dialect for a table of so many columns."""
    return Dialect(
        delimiter=draw(st.sampled_from(DELIMITERS)),
        quoting=draw(st.sampled_from(("minimal", "all", "texts", "some"))),
        end=draw(st.sampled_from(("\n", "\r\n", "\r"))),
        encoding=draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "utf-16-be"))),
        packing=draw(st.sampled_from(tuple(PACKINGS))),
        order=tuple(draw(st.permutations(range(columns)))),
        blank=draw(st.sampled_from((0, 1, 7))),
        final=draw(st.booleans()),
        missing=draw(st.sampled_from(MISSING)),
        spelling=draw(st.sampled_from(("plain", "signed", "exponent", "padded"))),
    )


PLAIN = Dialect(",", "minimal", "\n", "utf-8", "none", (), 0, True, "", "plain")


def spell(value: Any, dialect: Dialect) -> str:
    """Return a value as a cell's text."""
    if value is None:
        return dialect.missing
    if isinstance(value, datetime):
        return value.isoformat(" " if dialect.spelling == "padded" else "T")
    if isinstance(value, str):
        return value
    text = repr(value)
    if dialect.spelling == "exponent" and isinstance(value, float):
        text = f"{value:.17E}"
    if dialect.spelling == "signed" and not text.startswith("-"):
        text = f"+{text}"
    return f" {text}\t" if dialect.spelling == "padded" and dialect.delimiter != "\t" else text


def quote(text: str, value: Any, dialect: Dialect, first: bool) -> str:
    """Return a cell as it is written, in quotes where the dialect or its content wants them."""
    must = any(c in text for c in (dialect.delimiter, '"', "\r", "\n"))
    # A line of one empty cell would be blank; a mark in front of the first would be the file's.
    must = must or (first and (not text or text.startswith("\ufeff")))
    wants = (
        dialect.quoting == "all"
        or (dialect.quoting == "texts" and isinstance(value, str))
        or (dialect.quoting == "some" and len(text) % 2 == 0)
    )
    return '"' + text.replace('"', '""') + '"' if must or wants else text


def records(table: Written, dialect: Dialect) -> list[str]:
    """Return the header and the rows as they are written, without line ends."""
    columns = {**table.values, **table.unknown}
    names = list(columns)
    order = dialect.order or tuple(range(len(names)))
    lines = [[(names[place], names[place]) for place in order]]
    for row in range(table.rows):
        cells = [columns[names[place]][row] for place in order]
        lines.append([(spell(value, dialect), value) for value in cells])
    written = [
        dialect.delimiter.join(quote(text, value, dialect, not n) for n, (text, value) in
                               enumerate(line))
        for line in lines
    ]  # fmt: skip
    header, *rows = ([text for text, _ in line] for line in lines)
    assume(header not in rows)
    for record in written:
        assume(not takes_in_rows(record, dialect.delimiter, len(names)))
    return written


def takes_in_rows(record: str, delimiter: str, width: int) -> bool:
    """Tell whether each line of a record looks like a row: then nobody knows what was meant."""
    lines = LINE_END.split(record)
    return len(lines) > 1 and any(line.count(delimiter) == width - 1 for line in lines)


def text_of(written: list[str], dialect: Dialect) -> str:
    """Return the file's text."""
    text = dialect.end.join(written)
    return text + dialect.end * (dialect.final + dialect.blank * dialect.final)


def packed(text: str, dialect: Dialect) -> bytes:
    """Return the file's bytes."""
    if dialect.encoding == "utf-16-be":
        content = b"\xfe\xff" + text.encode("utf-16-be")
    else:
        content = text.encode(dialect.encoding)
    return PACKINGS[dialect.packing](content)


def zipped(content: bytes) -> bytes:
    """Return a zip file of one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", content)
    return buffer.getvalue()


def in_members(content: bytes) -> bytes:
    """Return three gzip members."""
    third = len(content) // 3
    parts = (content[:third], content[third : 2 * third], content[2 * third :])
    return b"".join(gzip.compress(part) for part in parts)


PACKINGS = {
    "none": bytes,
    "gzip": gzip.compress,
    "members": in_members,
    "zstd": lambda content: pa.Codec("zstd").compress(content, asbytes=True),
    "zip": zipped,
}


def parquet(table: Written, order: tuple[int, ...], codec: str, rows: int) -> bytes:
    """Return the table as a Parquet file."""
    columns: dict[str, Any] = {}
    for name, values in table.values.items():
        columns[name] = pa.array(values, ARROW[table.contract["columns"][name]["type"]])
    columns |= table.unknown
    names = list(columns)
    buffer = io.BytesIO()
    ordered = pa.table({names[place]: columns[names[place]] for place in order})
    pq.write_table(ordered, buffer, compression=codec, row_group_size=rows)
    return buffer.getvalue()


def bad_cells(rules: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return the strategy of texts that are no value of a used column."""
    kind = rules["type"]
    if rules["role"] == "target":
        return ANY_TEXT.filter(lambda text: text.strip(" \t") not in (*MISSING, "no", "yes"))
    if kind in ("category", "text"):
        return st.builds("{}\0{}".format, ANY_TEXT, ANY_TEXT)
    number = r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*"
    pattern = {
        "integer": r"[ \t]*[+-]?[0-9]{1,18}[ \t]*", "number": number, "time": r"[ \t]*\d{4}-.*"
    }[kind]  # fmt: skip
    typical = st.sampled_from(
        ["1,5", "1.5.5", "NaN", "inf", "-", "1_000", "0x10", "1e400", "\uff13", "\u0663", "5%",
         "$5", "=1+1", "true", "n/a", "1 000", "1e", ".", "5\0", "5\n", "\u20035", "1" * 400,
         "2025-02-30", "1e-400", "0." + "0" * 330 + "1", "0." + "0" * 250 + "1e-99"]
    )  # fmt: skip
    texts = st.one_of(typical, ANY_TEXT)
    return texts.filter(
        lambda text: (text in NO_DOUBLES or not re.fullmatch(pattern, text) or
                      (kind == "time" and text == "2025-02-30"))
        and text.strip(" \t") not in MISSING
    )  # fmt: skip
