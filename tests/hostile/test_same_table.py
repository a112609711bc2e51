"""Any table, written in any allowed dialect, is read as the same table; a bad cell never is.

What hypothesis tries is derived from the test's name and code alone (derandomize), so that a change
is never blamed for an example that chance found elsewhere, and nothing needs to be kept between
runs. `make fuzz` tries others at each run, and more of them: FUZZ_EXAMPLES says how many.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.hostile import door
from tests.hostile.tables import (
    LINE_END,
    PLAIN,
    Written,
    bad_cells,
    dialects,
    packed,
    parquet,
    records,
    tables,
    text_of,
)

from stage import one_line

SEARCH = int(os.environ.get("FUZZ_EXAMPLES", "0"))
tried = settings(
    max_examples=SEARCH or 150,
    derandomize=not SEARCH,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# Pieces of a file end where its blocks do: small blocks try every place.
BLOCKS = st.sampled_from((1, 3, 64, 4 * 2**20))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of all examples are written, one over the other."""
    return tmp_path_factory.mktemp("tables")


def read(folder: Path, content: bytes, table: Written, delimiter: str, block: int) -> pa.Table:
    """Read a file by the door, in blocks of some bytes."""
    with mock.patch("load_data.source.BLOCK", block):
        contract = {**table.contract, "delimiter": delimiter}
        found, metrics = door.read_and_count(folder, content, contract)
    assert metrics["rows_read"] == table.rows
    assert metrics["rows_dropped"] == table.rows - found.num_rows
    return found


@tried
@given(table=tables(), data=st.data(), block=BLOCKS)
def test_any_dialect_gives_the_same_table(
    folder: Path, table: Written, data: st.DataObject, block: int
) -> None:
    dialect = data.draw(dialects(len(table.values) + len(table.unknown)))
    event(f"packing {dialect.packing}")
    content = packed(text_of(records(table, dialect), dialect), dialect)
    plain = packed(text_of(records(table, PLAIN), PLAIN), PLAIN)
    found = read(folder, content, table, dialect.delimiter, block)
    assert found.to_pydict() == table.expected()
    assert found.equals(read(folder, plain, table, ",", 4 * 2**20))


@tried
@given(table=tables(), data=st.data())
def test_parquet_gives_the_same_table(folder: Path, table: Written, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(table.values) + len(table.unknown))))
    codec = data.draw(st.sampled_from(("none", "snappy", "gzip", "zstd")))
    content = parquet(table, tuple(order), codec, data.draw(st.integers(1, 6)))
    found = read(folder, content, table, ",", 4 * 2**20)
    assert found.to_pydict() == table.expected()
    plain = packed(text_of(records(table, PLAIN), PLAIN), PLAIN)
    assert found.equals(read(folder, plain, table, ",", 4 * 2**20))


@tried
@given(table=tables(), data=st.data(), block=BLOCKS)
def test_one_bad_cell_is_refused_at_its_line_and_column(
    folder: Path, table: Written, data: st.DataObject, block: int
) -> None:
    names = list({**table.values, **table.unknown})
    dialect = data.draw(dialects(len(names)))
    used = [name for name in names if name in table.values
            and table.contract["columns"][name]["role"] != "unused"]  # fmt: skip
    column, row = data.draw(st.sampled_from(used)), data.draw(st.integers(0, table.rows - 1))
    bad = data.draw(bad_cells(table.contract["columns"][column]))
    values = {name: list(cells) for name, cells in table.values.items()}
    values[column][row] = bad
    broken = Written(table.contract, values, table.unknown)
    written = records(broken, dialect)
    content = packed(text_of(written, dialect), dialect)
    line = 1 + len(LINE_END.findall(dialect.end.join(written[: row + 1]) + dialect.end))
    contract = {**table.contract, "delimiter": dialect.delimiter}
    with mock.patch("load_data.source.BLOCK", block):
        said = door.refusal(folder, content, contract)
    assert said is not None, f"taken: {bad!r} in {column!r}"
    assert f"line {line}, column {one_line(column)!r}" in said
