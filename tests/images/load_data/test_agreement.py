"""The fast and the strict reader agree on every cell, wherever the file is cut into blocks."""

from __future__ import annotations

import csv
import gzip
import io
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from load_data import read, source
from load_data.read import CsvReader

HEADER = "age,income,note,click\n"
quick = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TRICKY = [
    *("", " ", "0x1F", "nan", "inf", "1e400", "1e-400", "-0", "+7", " 7 ", "007", "9" * 18),
    *("9" * 19, "1e999", "0e-999", "1_0", "\u0663", '"7"', '" 7"', "NA", "-999", " -999", "-999.0"),
]
numbers = st.one_of(
    st.integers(0, 120).map(str),
    st.floats(0, 1e6).map(repr),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.text("0123456789+-.eExXnaif_ \t", max_size=6),
    st.sampled_from(TRICKY),
)
notes = st.one_of(
    st.text("ab,\"'\n\r\t \0\u00e9\u2028=", max_size=8),
    st.sampled_from(["", '"', '""', '"a"', '"a,b"', '"a""b"', '"a\nb"', "2016-03-27", "age"]),
)
clicks = st.sampled_from(["0", "1", "0", "1", "0", "1", "2", "", '"1"'])
good = st.builds(
    "{},{!r},{},{}".format, st.integers(0, 120), st.floats(0, 1e9), st.just("x"), st.integers(0, 1)
)
lines = st.one_of(
    good,
    good,
    st.builds("{},{},{},{}".format, numbers, numbers, notes, clicks),
    st.sampled_from(["", " ", ",,,", "1,2,x", "1,2,x,0,0", HEADER.strip(), '1,2,"x,0']),
)
line_ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
texts = st.lists(st.tuples(lines, line_ends).map("".join), min_size=1, max_size=25).map("".join)
blocks = st.sampled_from([40, 100, 256, 1024, 4 * 2**20])
parts = st.sampled_from([30, 100, 2**20])


def outcome(door, content: bytes, **changes: Any) -> tuple[Any, ...]:
    """Return all that a reader makes of a file."""
    found = door.outcome(content, **changes)
    counts = [n for key, n in door.metrics.items() if key != "rows"]
    rows = found if isinstance(found, str) else repr(found.to_pydict())
    return rows, door.violations.listed, counts, door.warnings


# One line that may be read in two ways, or breaks a rule, among lines that are sound.
odd_lines = st.one_of(
    st.builds("{},1,x,0".format, numbers),
    st.builds("30,{},x,0".format, numbers),
    st.builds("30,1,{},0".format, notes),
    st.builds("30,1,x,{}".format, st.sampled_from(TRICKY)),
    st.sampled_from(["", " ", ",,,", "1,2,x", HEADER.strip(), '1,2,"x,0', "1,2,x\r1,2,x,0"]),
)
odd_texts = st.builds(
    lambda before, odd, end, after: (
        "".join(f"{line}\n" for line in before) + odd + end + "".join(f"{line}\n" for line in after)
    ),
    st.lists(good, max_size=4),
    odd_lines,
    line_ends,
    st.lists(good, max_size=4),
)


@quick
@given(
    text=st.one_of(odd_texts, odd_texts, texts),
    size=blocks,
    part=parts,
    junk=st.sampled_from([b"", b"\xe9", b"\xff\0"]),
)
def test_readers_agree_whatever_the_blocks(door, text, size, part, junk):
    columns = door.with_column("income", missing="impute")
    rules = {"columns": columns, "missing_values": ["", "NA", "-999"]}
    content = (HEADER + text).encode().replace(b"'", junk)
    whole = source.BLOCK
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "BLOCK", size)
        patch.setattr(read, "STRICT_PIECE", part)
        mixed = outcome(door, content, **rules)
        patch.setattr(source, "BLOCK", whole)
        patch.setattr(read, "STRICT_PIECE", 2**20)
        patch.setattr(CsvReader, "read_fast", lambda self, piece: None)
        strict = outcome(door, content, **rules)
    assert mixed == strict


@quick
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 120),
            st.floats(0, allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
            st.integers(0, 1),
        ),
        min_size=2,
        max_size=40,
    ),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    pack=st.sampled_from([bytes, gzip.compress, lambda c: pa.compress(c, "zstd", asbytes=True)]),
    order=st.permutations(range(4)),
    size=blocks,
)
def test_table_written_in_any_dialect_gives_the_same_table(
    door, rows, delimiter, quoting, line_end, encoding, pack, order, size
):
    rows = [*rows, (1, 1.0, "x", 0), (1, 1.0, "x", 1)]
    names = HEADER.strip().split(",")
    if any("\r" in note for _, _, note, _ in rows):
        quoting = csv.QUOTE_ALL  # Python before 3.13 leaves a CR alone unquoted, which ends a row
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow([names[place] for place in order])
    writer.writerows([[row[place] for place in order] for row in rows])
    expected = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "BLOCK", size)
        table = door(pack(written.getvalue().encode(encoding)), delimiter=delimiter)
    assert table.to_pydict() == expected

    file = io.BytesIO()
    pq.write_table(table.select(order), file)
    assert door(file.getvalue()).equals(table)
