"""Draft the data contract of a file: ``python3 -m load_data.draft_contract data/x.csv``.

Prints the contract, and on stderr what a person should look at. The file is read to its end, in
pieces, by the readers of load_data; nothing is written.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from load_data.check import Batch, Checker
from load_data.column import Column, columns_of
from load_data.column_facts import ColumnFacts, most_levels
from load_data.guesses import Draft, Guess, guess_contract
from load_data.reader import open_reader
from load_data.source import Source
from load_data.strict import LONGEST_CELL, read_header
from load_data.violations import Violations
from stage import (
    HERE,
    CommandLine,
    Contract,
    Run,
    StageError,
    as_stage_error,
    one_line,
    open_volume,
    option,
)

SCHEMA = "../../images/start_pipeline/data_contract.schema.json"
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "windows-1252", "latin-1")
SAMPLE_LINES = 200
SAMPLE_BYTES = 2**20
PIECE_BYTES = 64 * 2**20
LARGEST_CONTRACT = 4 * 2**20  # start_pipeline reads no larger one


def main(arguments: list[str]) -> int:
    """Print the draft and return the exit code: 0, 2 (arguments), 65 (refused) or 66 (no file)."""
    parser = CommandLine("draft_contract", description="Drafts the data contract of a file.")
    parser.add_argument("file", help="path of the data file on the shared volume")
    parser.add_argument(option("target"), help="the column to predict; else it is guessed")
    try:
        given = parser.parse_args(arguments)
        run = Run(Contract.load(HERE / "load_data"), open_volume(), "draft", {})
        path = run.add_input(given.file)
        text, checks = draft(path, run.relative(path), given.target)
    except Exception as error:
        refusal = as_stage_error(error)
        message = str(refusal).replace(", see validation.json", "")
        print(f"error: {one_line(message)}", file=sys.stderr)
        return refusal.code
    for check in checks:
        print(f"check: {one_line(check, 300)}", file=sys.stderr)
    sys.stdout.write(text)
    return 0


def draft(path: Path, name: str, target: str | None = None) -> tuple[str, list[str]]:
    """Return the contract's text for a file, and what a person should look at."""
    top, columns = read_facts(path, name)
    guessed = guess_contract(columns, target, name)
    lines = [*head_lines(name, top, columns[0].rows, guessed)]
    for column, guess in guessed.columns.items():
        lines += column_lines(column, guess)
    text = "".join(f"{line.text}\n" for line in lines)
    if len(text.encode()) > LARGEST_CONTRACT:
        raise StageError(65, f"{name}: its contract would be too large; name its columns shorter")
    checks = [f"line {n}, {line.about}" for n, line in enumerate(lines, 1) if line.about]
    return text, checks + refused_still(path, name, top, guessed)


# Reading


def read_facts(path: Path, name: str) -> tuple[dict[str, str], list[ColumnFacts]]:
    """Return what the contract says of the file as a whole, and what its columns hold."""
    with Source(path, name) as source:
        if source.form == "Parquet":
            with source.damage_refused():
                names = pq.read_schema(path).names
            return {}, gather(source, {}, names)
        marked = source.find_encoding("utf-8")[1]
    for encoding in ENCODINGS[:1] if marked else ENCODINGS:
        top = {"delimiter": ",", "encoding": encoding}
        with Source(path, name) as source:
            piece = next(source.text_blocks(encoding), b"")
        top["delimiter"] = find_delimiter(piece, name)
        header = read_header(piece, top["delimiter"], True)
        with Source(path, name) as source:
            if header and is_text(header.names) and (facts := gather(source, top, header.names)):
                return top, facts
    raise StageError(65, f"{name}: it holds bytes that are no UTF-8; save it as UTF-8")


def is_text(names: list[str]) -> bool:
    """Tell whether names are text, or hold bytes of another encoding."""
    return not any("\udc80" <= sign <= "\udcff" for name in names for sign in name)


def find_delimiter(piece: bytes, name: str) -> str:
    """Return what splits the lines that a file begins with: each into as many cells as the first.

    Of two that do, the one that makes more cells.
    """
    csv.field_size_limit(LONGEST_CELL)
    lines = piece[:SAMPLE_BYTES].decode("utf-8", "surrogateescape").splitlines(keepends=True)
    scores = {}
    for delimiter in DELIMITERS:
        widths = list(row_widths(lines[:SAMPLE_LINES], delimiter))
        if widths and widths[0] > 1:
            scores[delimiter] = (widths.count(widths[0]) / len(widths), widths[0])
    if not lines:
        raise StageError(65, f"{name}, line 1: holds no header; the file is empty")
    if not scores:
        rule = "no comma, semicolon, tab or bar splits the header into columns"
        raise StageError(65, f"{name}, line 1: {rule}")
    return max(scores, key=scores.__getitem__)


def row_widths(lines: list[str], delimiter: str) -> Iterator[int]:
    """Yield how many cells each row has, up to the first that is broken, maybe as it is cut off."""
    try:
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            if row:
                yield len(row)
    except csv.Error:
        return


def gather(source: Source, top: dict[str, str], names: list[str]) -> list[ColumnFacts]:
    """Return what the columns hold; nothing when cells are no text in the encoding.

    A column without a name, as pandas writes its index, is left out: no contract can name it.
    """
    if any("\0" in name for name in names):
        raise source.unreadable("the header holds a NUL character; this is no text")
    columns = [Column(name, "text", "unused") for name in names if name]
    if not columns:
        raise source.unreadable("the header names no column")
    facts = [ColumnFacts(column.name, most_levels(len(columns))) for column in columns]
    violations = Violations(source.name)
    reader = open_reader(source, top, Checker(columns, violations))
    for cells in large_pieces(reader.batches()):
        for column in facts:
            column.add(cells[column.name])
        if reader.escaped:
            return []
    if violations:
        raise violations.refusal()
    if not facts[0].rows:
        raise source.unreadable("holds a header, and no row follows it")
    return facts


def large_pieces(batches: Iterator[Batch]) -> Iterator[dict[str, pa.Array]]:
    """Yield the cells of many batches at a time: a file of many columns has few rows in each."""
    held: list[Batch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += sum(cells.nbytes for cells in batch.values.values())
        if size > PIECE_BYTES:
            yield joined(held)
            held, size = [], 0
    if held:
        yield joined(held)


def joined(batches: list[Batch]) -> dict[str, pa.Array]:
    """Return the cells of batches by column."""
    return {
        name: pa.concat_arrays([batch.values[name] for batch in batches])
        for name in batches[0].values
    }


def refused_still(path: Path, name: str, top: dict[str, str], guessed: Draft) -> list[str]:
    """Return why load_data would refuse the file by its own draft: hold the file to it."""
    rules = {column: guess.keys for column, guess in guessed.columns.items()}
    contract = {**top, "missing_values": guessed.missing_values, "columns": rules}
    violations = Violations(name)
    with Source(path, name) as source:
        reader = open_reader(source, contract, Checker(columns_of(contract), violations))
        for _ in reader.batches():
            pass
    return [f"load_data refuses the file as it is: {violations.refusal()}"] if violations else []


# Writing


class Line(NamedTuple):
    """A line of the contract, and what to check of it, in words that stand alone."""

    text: str
    about: str = ""


def head_lines(name: str, top: dict[str, str], rows: int, guessed: Draft) -> Iterator[Line]:
    """Yield the lines above the columns."""
    yield Line(f"#:schema {SCHEMA}")
    yield Line("#")
    yield Line(f"# Drafted from the {rows} rows of {one_line(name, 200)}.")
    yield Line("# What a person should look at ends in a comment that begins with check.")
    yield Line("")
    yield Line(f"path = {to_toml(name)}")
    for key, value in top.items():
        guessed_encoding = key == "encoding" and value != "utf-8"
        check = "guessed, as the file is no UTF-8" if guessed_encoding else ""
        yield key_line(key, value, check)
    if guessed.missing_values != [""]:
        check = "each counts as missing in all columns"
        yield key_line("missing_values", guessed.missing_values, check)
    if guessed.dropped_share:
        check = "rows without a target are left out"
        yield key_line("max_dropped_share", guessed.dropped_share, check)


def column_lines(column: str, guess: Guess) -> Iterator[Line]:
    """Yield the lines of one column."""
    yield Line("")
    yield Line(f"[columns.{to_toml(column)}]")
    for note in guess.notes:
        yield Line(f"# {one_line(note, 200)}")
    for key, value in guess.keys.items():
        yield key_line(key, value, guess.checks.get(key, ""), column)


def key_line(key: str, value: Any, check: str, column: str = "") -> Line:
    """Return the line of a key, with what to check of it."""
    text = f"{key} = {to_toml(value)}"
    if not check:
        return Line(text)
    where = f"column {one_line(repr(column), 80)}: " if column else ""
    shown = one_line(check, 200)
    return Line(f"{text}  # check: {shown}", f"{where}{one_line(text, 100)}: {shown}")


def to_toml(value: Any) -> str:
    """Return a text, a number or a list of them as TOML writes it, which is nearly as JSON does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
