"""What must hold for any bytes that the door is given, by a reader that is simple instead of fast.

The first byte of an input says how it is read (the size of blocks, the delimiter, whether a header
and good rows stand in front), the others are the file. Nothing but a refusal may be raised; a table
has the contract's types and ranges; and its rows are those that Python's csv reads of the text.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
from tests.hostile import door

from stage import StageError

ALL_MAY_BE_MISSING = 32  # the bit that takes the second contract
BLOCKS = (1, 7, 64, 4 * 2**20)
DELIMITERS = (",", ";", "\t", "|")
COLUMNS: dict[str, dict[str, Any]] = {
    "age": {"type": "integer", "role": "feature", "minimum": 0, "maximum": 120},
    "spent": {"type": "number", "role": "feature", "missing": "impute"},
    "device": {"type": "category", "role": "feature"},
    "when": {"type": "time", "role": "time"},
    "note": {"type": "text", "role": "unused"},
    "click": {"type": "integer", "role": "target", "allowed": [0, 1]},
}
LENIENT = {
    name: rules | {"missing": "drop" if name in ("when", "click") else "impute"}
    for name, rules in COLUMNS.items()
}
HEADER = "age,spent,device,when,note,click\n"
TEXT = HEADER + "30,5.5,phone,2025-03-01,x,0\n31,6.5e1,desk,2025-03-02T10:00:00,y,1\n"
ROWS_ONLY = 16  # the bit of the first byte that puts a header and two good rows in front
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))


def check_input(content: bytes) -> None:
    """Read one input as a file; whatever is wrong with the door is raised."""
    how, file = (content[0], content[1:]) if content else (0, b"")
    contract = {"columns": COLUMNS, "delimiter": DELIMITERS[how >> 2 & 3]}
    if how & ALL_MAY_BE_MISSING:
        contract |= {"columns": LENIENT, "max_dropped_share": 1.0}
    if how & ROWS_ONLY:
        file = (TEXT + "{}").replace(",", contract["delimiter"]).encode().replace(b"{}", file)
    try:
        with mock.patch("load_data.source.BLOCK", BLOCKS[how & 3]):
            table, metrics = door.read_and_count(FOLDER, file, contract)
    except StageError as refusal:
        check_refusal(refusal)
        return
    check_types(table, contract["columns"])
    if (rows := simple_rows(file, contract["delimiter"])) is not None:
        assert metrics["rows_read"] == len(rows), metrics
        assert metrics["rows_dropped"] == len(rows) - table.num_rows, metrics
        check_rows(table, rows, contract["columns"])


def check_refusal(refusal: StageError) -> None:
    """A refusal is 65, one line, and names the file."""
    assert refusal.code == 65, refusal
    assert str(refusal).startswith(door.NAME), refusal
    assert str(refusal).isprintable(), repr(str(refusal))


def check_types(table: pa.Table, columns: dict[str, dict[str, Any]]) -> None:
    """A table has the contract's columns, and no value that the contract refuses."""
    assert table.column_names == list(COLUMNS)
    kinds = [str(kind) for kind in table.schema.types]
    times = ("timestamp[us]", "timestamp[us, tz=UTC]")
    assert kinds[:3] == ["int64", "double", "string"], kinds
    assert kinds[3] in times, kinds
    assert kinds[4:] == ["string", "int64"], kinds
    assert table.num_rows >= 2
    assert all(age is None or 0 <= age <= 120 for age in table["age"].to_pylist())
    assert set(table["click"].to_pylist()) == {0, 1}
    for name, rules in columns.items():
        assert (
            rules.get("missing", "refuse") in ("impute", "indicator") or not table[name].null_count
        )


def simple_rows(file: bytes, delimiter: str) -> list[dict[str, str]] | None:
    """Return a plain file's rows as Python's csv reads them; None for one that is not plain."""
    if file.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK", b"PAR", *magics())):
        return None
    try:
        if file.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = file.decode("utf-16")
        else:
            text = file.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    read = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header, *rows = read
        while rows and not rows[-1]:
            del rows[-1]
    except (csv.Error, ValueError):
        raise AssertionError(f"taken, but no CSV: {text!r}") from None
    assert all(len(row) == len(header) for row in rows), "taken, but the rows are ragged"
    return [dict(zip(header, row, strict=True)) for row in rows]


def magics() -> list[bytes]:
    """Return the first bytes of skippable frames of zstd."""
    return [bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16)]


def check_rows(
    table: pa.Table, rows: list[dict[str, str]], columns: dict[str, dict[str, Any]]
) -> None:
    """The table's rows are those of the simple reader, none more, none less, none changed."""
    if columns is LENIENT:
        rows = [row for row in rows if all(row[name].strip(" \t") for name in ("when", "click"))]
    assert table.num_rows == len(rows), (table.num_rows, rows)
    for found, row in zip(table.to_pylist(), rows, strict=True):
        assert found["device"] == (row["device"] if row["device"].strip(" \t") else None), row
        assert found["note"] == row["note"], (found, row)
        for name in ("age", "click"):
            written = row[name].strip(" \t")
            if found[name] is None:
                assert not written, (found, row)
                continue
            assert re.fullmatch(r"[+-]?[0-9]+", written), (found, row)
            assert found[name] == int(written), (found, row)
        spent = row["spent"].strip(" \t")
        expected = float(spent) if spent else None
        assert found["spent"] == expected, (found, row)
        assert not expected or "_" not in spent, (found, row)
        significant = re.split("[eE]", spent)[0]
        assert expected != 0 or not re.search("[1-9]", significant), (found, row)
