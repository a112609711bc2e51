"""Read a Parquet file by the rules that hold for the cells of a CSV file."""

from __future__ import annotations

import re
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from load_data.check import Batch, Checker
from load_data.column import (
    LARGE_INTEGER,
    LARGEST_INTEGER,
    NO_INTEGER,
    Broken,
    Column,
    either,
    without,
)
from load_data.source import BOMB_BYTES, BOMB_RATIO, Source
from load_data.strict import LONGEST_CELL
from load_data.violations import Violation
from stage import one_line

MEMORY = 768 * 2**20
BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 2**20
MOST_COLUMNS = 10_000
LONG = f"has a cell of more than {LONGEST_CELL} characters"


@contextmanager
def faults_refused(source: Source) -> Iterator[None]:
    """Refuse a file that is damaged, or that asks for more memory than any table needs.

    What a page says that it unpacks to is taken at once, so that a few bytes could ask for all.
    """
    limit, highest = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    used = int(re.search(r"VmData:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, highest))
    try:
        with source.damage_refused():
            yield
    except MemoryError:
        rule = f"the Parquet file takes more than {MEMORY >> 20} MiB of memory to read"
        raise source.unreadable(rule) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))


class ParquetReader:
    """Reads the rows of a Parquet file; what is wrong with them is noted, by row from 1."""

    def __init__(self, source: Source, checker: Checker) -> None:
        self.source = source
        self.checker = checker
        self.violations = checker.violations
        self.violations.unit = "row"
        self.columns = checker.columns
        self.escaped: Counter[str] = Counter()
        with faults_refused(source):
            schema = pq.read_schema(source.path)
            texts = [field.name for field in schema if is_text(field.type)]
            # Texts stay coded: one long text in a million rows is held once.
            self.file = pq.ParquetFile(
                source.path,
                read_dictionary=texts,
                buffer_size=2**20,
                pre_buffer=False,
                page_checksum_verification=True,
            )
        self.check_names(schema.names)
        self.check_size()
        wanted = {column.name for column in self.columns}
        self.unknown_columns = [one_line(n, 80) for n in schema.names if n not in wanted]
        self.left_out = self.check_types(schema)

    def check_names(self, names: list[str]) -> None:
        """Refuse a file that lacks a column of the contract, or has two of one name."""
        refuse = self.violations.refuse
        if len(names) > MOST_COLUMNS:
            refuse(None, None, None, f"has {len(names)} columns; at most {MOST_COLUMNS} are read")
        counts = Counter(names)
        if twice := [name for name in counts if counts[name] > 1]:
            refuse(None, one_line(twice[0], 80), None, "there are two columns of this name")
        if missing := [column.name for column in self.columns if column.name not in counts]:
            found = one_line(", ".join(names), 300)
            refuse(None, missing[0], None, f"this column is missing; found: {found}")

    def check_size(self) -> None:
        """Refuse a file that says to unpack to far more than it is."""
        about = self.file.metadata
        unpacked = about.num_rows * len(self.columns)
        unpacked += sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
        if unpacked > max(BOMB_BYTES, BOMB_RATIO * self.source.size):
            raise self.source.unreadable(
                f"unpacks to over {BOMB_RATIO} times its size; no table does that"
            )

    def check_types(self, schema: pa.Schema) -> list[str]:
        """Refuse used columns of a foreign type; return the unused ones that have no text."""
        left_out = []
        for column in self.columns:
            kind = schema.field(column.name).type
            if column.used and not fits(column, kind):
                rule = f"the file says its type is {one_line(str(kind), 80)}, the contract says "
                self.violations.add([Violation(None, column.name, None, rule + column.type)])
            elif not column.used and (pa.types.is_nested(kind) or not has_text(kind)):
                left_out.append(column.name)
        if self.violations:
            raise self.violations.refusal()
        return left_out

    def batches(self) -> Iterator[Batch]:
        """Yield the file's rows, in its order, checked."""
        names = [column.name for column in self.columns if column.name not in self.left_out]
        row = 1
        with faults_refused(self.source):
            # Threads would each take memory of their own, and gain little.
            for whole in self.file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                whole.validate()
                for part in small_parts(whole):
                    yield self.read(part, row)
                    row += part.num_rows

    def read(self, rows: pa.RecordBatch, first: int) -> Batch:
        """Return the batch of checked rows, the first of which has the number ``first``."""
        places = range(first, first + rows.num_rows)
        cells, shown, before = {}, {}, {}
        for column in self.columns:
            if column.name in self.left_out:
                cells[column.name] = pa.array([""] * rows.num_rows, pa.string())
                continue
            found = self.to_cells(column, rows[column.name])
            shown[column.name], values, before[column.name] = found
            cells[column.name] = values if column.used else pc.fill_null(values, "")
        return self.checker.check(cells, places, before=before, shown=shown)

    def to_cells(self, column: Column, array: pa.Array) -> tuple[pa.Array, pa.Array, Broken]:
        """Return a column's cells as they are shown, as they are checked, and their faults.

        They are checked as texts or as values of the column's type; a fault leaves none.
        """
        if is_text(array.type):
            return self.to_texts(column, array)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        broken: Broken = []
        if not column.used or column.type in ("category", "text"):
            values = array.cast(pa.string())
        elif pa.types.is_decimal(array.type):
            # As text it is exact; zeros behind the point leave it whole.
            values = array.cast(pa.string())
            if column.type == "integer":
                values = pc.replace_substring_regex(values, r"\.0+$", "")
        elif column.type == "integer":
            values, broken = to_integers(array)
        elif column.type == "number":
            values = array.cast(pa.float64(), safe=False)
        else:
            values, broken = to_times(array)
        return array, values, broken

    def to_texts(self, column: Column, array: pa.Array) -> tuple[pa.Array, pa.Array, Broken]:
        """Return texts; bytes that are no UTF-8 are escaped, and refused in a used column."""
        coded = pa.types.is_dictionary(array.type)
        texts, long, bad = read_texts(array.dictionary if coded else array)
        if coded:  # each text is looked at once, however often it stands in the column
            texts, long, bad = (found.take(array.indices) for found in (texts, long, bad))
        if not column.used:
            if escaped := pc.sum(bad).as_py():
                self.escaped[column.name] += escaped
            return texts, texts, [(long, LONG)]
        broken = [(long, LONG), (bad, "holds bytes that are no UTF-8")]
        return texts, without(texts, either(long, bad)), broken

    def warnings(self) -> list[str]:
        """Return sentences about what was taken, but not as it stands in the file."""
        return [
            *(
                f"{cells} cells of the unused column {name!r} hold bytes that are no UTF-8; they "
                "are kept escaped, as \\x and two digits"
                for name, cells in self.escaped.items()
            ),
            *(
                f"the unused column {name!r} holds no texts and no numbers; it is left empty"
                for name in self.left_out
            ),
        ]


def read_texts(array: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return texts, bytes that are no UTF-8 escaped; which are too long; which had such bytes.

    What is far too long is left out before anything is made of it.
    """
    data = array.cast(pa.large_binary())
    long = either(pc.greater(pc.binary_length(data), 4 * LONGEST_CELL))
    if pc.any(long).as_py():
        data = without(data, long)
    bad = pa.array(np.zeros(len(data), bool))
    try:
        texts = data.cast(pa.string())
    except pa.ArrowInvalid:
        cells = [None if cell is None else escape(cell) for cell in data.to_pylist()]
        texts = pa.array(cells, pa.string())
        bad = either(pc.not_equal(texts.cast(pa.large_binary()), data))
    return texts, either(long, pc.greater(pc.utf8_length(texts), LONGEST_CELL)), bad


def escape(cell: bytes) -> str:
    r"""Return bytes as text; one that is no UTF-8 as ``\xe9``."""
    return cell.decode("utf-8", "backslashreplace")


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type's values are texts, or bytes, which old writers make of texts."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    kinds = pa.types
    return any(
        of(kind)
        for of in (
            *(kinds.is_string, kinds.is_large_string, kinds.is_string_view),
            *(kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view),
        )
    )


def has_text(kind: pa.DataType) -> bool:
    """Tell whether Arrow can write a type's values as text."""
    try:
        pa.nulls(1, kind).cast(pa.string())
    except pa.ArrowException:
        return is_text(kind)
    return True


def fits(column: Column, kind: pa.DataType) -> bool:
    """Tell whether values of a type can be those of a used column."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kinds = pa.types
    numeric = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)
    return (
        is_text(kind)
        or kinds.is_null(kind)
        or (column.type in ("integer", "number") and numeric)
        or (
            column.type in ("category", "text")
            and (kinds.is_integer(kind) or kinds.is_boolean(kind))
        )
        or (column.type == "time" and (kinds.is_timestamp(kind) or kinds.is_date(kind)))
    )


def to_integers(array: pa.Array) -> tuple[pa.Array, Broken]:
    """Return whole numbers of any number type; what is not whole, or too large, is a fault."""
    if not pa.types.is_integer(array.type):
        numbers = array.cast(pa.float64(), safe=False)
        broken = pc.or_(pc.invert(pc.is_finite(numbers)), pc.not_equal(pc.floor(numbers), numbers))
        large = pc.greater(pc.abs(numbers), float(LARGEST_INTEGER))
    else:
        broken = pa.array(np.zeros(len(array), bool))
        numbers = array
        large = (
            pc.greater(array, pa.scalar(LARGEST_INTEGER, pa.uint64()))
            if array.type == pa.uint64()
            else broken
        )
    values = without(numbers, either(broken, large)).cast(pa.int64())
    return values, [(broken, NO_INTEGER), (large, LARGE_INTEGER)]


def to_times(array: pa.Array) -> tuple[pa.Array, Broken]:
    """Return times to the microsecond, in UTC when they have a zone."""
    zone = getattr(array.type, "tz", None)
    values = array.cast(pa.timestamp("us", "UTC" if zone else None), safe=False)
    if getattr(array.type, "unit", "us") != "ns":
        return values, []
    finer = pc.not_equal(values.cast(array.type, safe=False), array)
    return without(values, finer), [(finer, "the time is finer than a microsecond")]


def small_parts(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows in parts whose texts, written out, are not too large for memory."""
    sizes = np.full(rows.num_rows, 8)
    for column in rows.columns:
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary).fill_null(0)
            found = lengths.take(pc.fill_null(column.indices, 0)) if len(lengths) else None
            sizes += 0 if found is None else found.to_numpy(zero_copy_only=False)
        elif is_text(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    part = np.cumsum(sizes, dtype=np.int64) // BATCH_BYTES
    starts = np.concatenate([[0], np.flatnonzero(np.diff(part)) + 1, [rows.num_rows]])
    for start, end in pairwise(starts):
        yield rows.slice(int(start), int(end - start))
