"""A Parquet file is read by the rules that hold for a CSV file, and names the row."""

from __future__ import annotations

import io
import random
import re
import resource
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEADER = "age,income,note,click\n"
GOOD = HEADER + "30,5.5,x,0\n31,6.5,y,1\n"
COLUMNS = {"age": [30, 31], "income": [5.5, 6.5], "note": ["x", "y"], "click": [0, 1]}


def parquet(columns=None, schema=None, **options) -> bytes:
    """Return a file of the good columns, some of them others."""
    arrays = {**COLUMNS, **(columns or {})}
    table = arrays if isinstance(arrays, pa.Table) else pa.table(arrays)
    return write(table, **options)


def write(table: pa.Table, **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


SAME = {
    "as_written": parquet(),
    "small_integers": parquet({"age": pa.array([30, 31], pa.int8())}),
    "unsigned": parquet({"age": pa.array([30, 31], pa.uint64())}),
    "whole_floats": parquet({"age": [30.0, 31.0], "click": [0.0, 1.0]}),
    "float32": parquet({"income": pa.array([5.5, 6.5], pa.float32())}),
    "decimal": parquet({"income": [Decimal("5.50"), Decimal("6.50")]}),
    "decimal_integer": parquet({"age": [Decimal("30.0"), Decimal("31.0")]}),
    "texts": parquet({"age": [" 30", "+31"], "income": ["5.5", "65e-1"], "click": ["0", "1"]}),
    "large_texts": parquet({"note": pa.array(["x", "y"], pa.large_string())}),
    "bytes": parquet({"note": [b"x", b"y"], "age": [b"30", b"31"]}),
    "coded": parquet({name: pa.array(v).dictionary_encode() for name, v in COLUMNS.items()}),
    "reordered": write(pa.table({name: COLUMNS[name] for name in reversed(COLUMNS)})),
    "unknown_extra": parquet({"more": [[1], [2]], "evil": [{"a": 1}, {"a": 2}]}),
    "zstd": parquet(compression="zstd", data_page_version="2.0", use_dictionary=False),
    "row_groups": parquet(row_group_size=1),
    "brotli": parquet(compression="brotli"),
    "checksums": parquet(write_page_checksum=True),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_same_rows_stored_otherwise_give_the_same_table(door, content):
    assert door(content).equals(door(GOOD))


def test_unknown_columns_are_named_safely(door):
    door(parquet({"m\x1b": [1, 2]}))
    assert door.unknown_columns == [r"m\x1b"]


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("age", [30, None, 31], "the value is missing"),
        ("age", [30.0, 30.5, 31.0], "the value is not an integer"),
        ("age", pa.array([30.0, float("nan"), 31.0]), "the value is not an integer"),
        ("age", [30.0, 1e300, 31.0], "the value is too large for an integer"),
        ("age", [30, 10**18, 31], "the value is too large for an integer"),
        ("age", pa.array([30, 2**64 - 1, 31], pa.uint64()), "is too large for an integer"),
        ("age", [30, 121, 31], "the value is above the maximum 120"),
        ("age", ["30", "old", "31"], "the value is not an integer"),
        ("age", ["30", "", "31"], "the value is missing"),
        ("age", ["30", "30.0", "31"], "the value is not an integer"),
        ("age", [b"30", b"\xff", b"31"], "holds bytes that are no UTF-8"),
        ("age", ["1", "x" * (2**20 + 1), "1"], "has a cell of more than 1048576 characters"),
        ("income", [1.0, None, 1.0], "the value is missing"),
        ("income", pa.array([1.0, float("nan"), 1.0]), "the value is not a number"),
        ("income", [1.0, float("inf"), 1.0], "the value is not a number"),
        ("income", [1.0, -1.0, 1.0], "the value is below the minimum 0"),
        ("income", ["1", "nan", "1"], "the value is not a number"),
        ("click", [0, 2, 1], "the value is none of 0, 1"),
        ("click", [0, None, 1], "the value is missing"),
    ],
)
def test_value_that_breaks_its_columns_rules_is_refused(door, column, values, rule):
    columns = {"age": [1, 2, 3], "income": [1, 2, 3], "note": list("abc"), "click": [0, 1, 1]}
    text = door.refused(write(pa.table({**columns, column: values})))
    assert text.startswith(f"data/x.csv, row 2, column {column!r}")
    assert text.endswith(rule)
    listed = door.violations.report({})["first_violations"]
    assert [(entry["line"], entry["row"]) for entry in listed] == [(None, 2)]


def test_row_is_counted_across_row_groups(door):
    ages = [n % 100 for n in range(200_000)]
    ages[150_000] = 999
    clicks = [0, 1] * 100_000
    table = pa.table({"age": ages, "income": ages, "note": ["x"] * 200_000, "click": clicks})
    text = door.refused(write(table, row_group_size=7000))
    assert "row 150001, column 'age', value '999'" in text


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("age", [True, False], "bool"),
        ("age", [[1], [2]], "list<element: int64>"),
        ("age", [{"a": 1}, {"a": 2}], "struct<a: int64>"),
        ("income", [date(2020, 1, 1)] * 2, "date32[day]"),
        ("click", [False, True], "bool"),
    ],
)
def test_used_column_of_a_foreign_type_is_refused(door, column, values, kind):
    text = door.refused(parquet({column: values}))
    assert text.startswith(
        f"data/x.csv, column {column!r}: the file says its type is {kind}, the contract says "
    )


def test_missing_values_are_left_out_and_kept_as_in_a_csv(door):
    columns = door.with_column("age", missing="drop")
    columns["income"]["missing"] = "impute"
    content = {"age": [30, None, 31], "income": [1.0, 2.0, None], "note": list("abc")}
    table = write(pa.table({**content, "click": [0, 0, 1]}))
    text = HEADER + "30,1,a,0\n,2,b,0\n31,,c,1\n"
    rules = {"columns": columns, "max_dropped_share": 0.5}
    assert door(table, **rules).equals(door(text, **rules))
    assert door.metrics["missing"] == {"age": 1, "income": 1}


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([3, -1], ["3", "-1"]),
        ([True, False], ["true", "false"]),
        (["a\n", "b"], ["a\n", "b"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_category_is_a_text(door, values, texts):
    columns = door.with_column("note", type="category", role="feature")
    assert door(parquet({"note": values}), columns=columns)["note"].to_pylist() == texts


def test_category_of_floats_is_refused(door):
    columns = door.with_column("note", type="category", role="feature")
    text = door.refused(parquet({"note": [1.0, 2.0]}), columns=columns)
    assert "column 'note': the file says its type is double, the contract says category" in text


def test_target_may_be_true_and_false(door):
    columns = door.with_column("click", type="category", allowed=["true", "false"], positive="true")
    table = door(parquet({"click": [False, True]}), columns=columns)
    assert table["click"].to_pylist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([None, "y"], ["", "y"]),
        ([None, 3], ["", "3"]),
        ([1.5, float("nan")], ["1.5", "nan"]),
        ([False, True], ["false", "true"]),
        ([b"caf\xe9", b"y"], [r"caf\xe9", "y"]),
        ([[1], [2]], ["", ""]),
        ([{"a": 1}, None], ["", ""]),
        (pa.nulls(2), ["", ""]),
        ([date(2020, 1, 2), date(2020, 1, 3)], ["2020-01-02", "2020-01-03"]),
        (pa.array([1, 2], pa.duration("s")), ["1", "2"]),
    ],
)
def test_unused_column_of_any_type_is_kept_as_text(door, values, texts):
    table = door(parquet({"note": values}))
    assert str(table["note"].type) == "string"
    assert table["note"].to_pylist() == texts


def test_what_is_not_kept_of_an_unused_column_is_told(door):
    door(parquet({"note": [b"caf\xe9", b"y"]}))
    assert "1 cells of the unused column 'note' hold bytes that are no UTF-8" in door.warnings[0]
    door(parquet({"note": [[1], [2]]}))
    assert door.warnings == [
        "the unused column 'note' holds no texts and no numbers; it is left empty"
    ]


def naive(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([naive(2020, 1, 2, 3, 4, 5, 6)] * 2, naive(2020, 1, 2, 3, 4, 5, 6)),
        ([datetime(2020, 1, 2, tzinfo=UTC)] * 2, datetime(2020, 1, 2, tzinfo=UTC)),
        ([date(2020, 1, 2)] * 2, naive(2020, 1, 2)),
        (["2020-01-02T03:00"] * 2, naive(2020, 1, 2, 3)),
        (np.array(["2020-01-02", "2020-01-02"], "datetime64[ns]"), naive(2020, 1, 2)),
    ],
)
def test_time_of_any_resolution_is_taken(door, values, held):
    columns = door.with_column("note", type="time", role="time")
    table = door(parquet({"note": values}), columns=columns)
    assert table["note"].to_pylist() == [held] * 2


def test_time_that_would_be_cut_is_refused(door):
    columns = door.with_column("note", type="time", role="time")
    content = parquet({"note": np.array([0, 1], "datetime64[ns]")})
    text = door.refused(content, columns=columns)
    assert text.startswith("data/x.csv, row 2, column 'note'")
    assert text.endswith("the time is finer than a microsecond")


def test_one_long_text_in_many_rows_is_read(door):
    count = 5000
    table = pa.table(
        {
            "age": [30] * count,
            "income": [1.0] * count,
            "note": pa.DictionaryArray.from_arrays(pa.array([0] * count), ["x" * 200_000]),
            "click": [0, 1] * (count // 2),
        }
    )
    kept = door(write(table))
    assert kept.num_rows == count


def test_decimal_keeps_each_digit(door):
    columns = door.with_column("age", maximum=10**18)
    ages = [Decimal("9007199254740993.0"), Decimal("-0.0")]
    assert door(parquet({"age": ages}), columns=columns)["age"].to_pylist() == [2**53 + 1, 0]
    text = door.refused(parquet({"age": [Decimal("30.5"), Decimal("31.0")]}))
    assert text.endswith("row 1, column 'age', value '30.5': the value is not an integer")


# Files that are refused as a whole


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            write(pa.table({"age": [1], "income": [1], "note": ["x"]})),
            "data/x.csv, column 'click': this column is missing; found: age, income, note",
        ),
        (
            write(pa.Table.from_arrays([pa.array([1])] * 2, names=["age", "age"])),
            "data/x.csv, column 'age': there are two columns of this name",
        ),
        (
            write(pa.table({f"c{n}": pa.nulls(0) for n in range(10_001)})),
            "data/x.csv: has 10001 columns; at most 10000 are read",
        ),
        (write(pa.table(COLUMNS).slice(0, 0)), "data/x.csv: holds no row"),
        (
            parquet({"click": [1, 1]}),
            "data/x.csv, row 1, column 'click': every row holds the value 1; both classes are "
            "needed",
        ),
    ],
    ids=["missing", "twice", "columns", "empty", "one_class"],
)
def test_file_as_a_whole_is_refused(door, content, sentence):
    assert door.refused(content) == sentence


def test_file_that_is_cut_off_anywhere_is_refused(door):
    whole = parquet()
    for size in range(8, len(whole), 37):
        assert "Parquet file" in door.refused(whole[:size])


def test_file_with_changed_bytes_is_refused_or_read_never_a_crash(door):
    """Each byte of the footer, and bytes at random of the rest."""
    whole = parquet({"note": ["x" * 50, "y" * 50]}, compression="zstd", write_page_checksum=True)
    rng = random.Random(9)
    places = [*range(len(whole) - 700, len(whole) - 4), *rng.sample(range(8, len(whole)), 300)]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= rng.randrange(1, 256)
        taken = door.outcome(bytes(changed))
        assert isinstance(taken, pa.Table) or taken.isprintable()


def test_rows_of_nothing_are_a_bomb(door):
    count = 120 * 2**20 // 4
    table = pa.table({name: pa.nulls(count) for name in COLUMNS})
    assert "unpacks to over 200 times its size" in door.refused(write(table))


def zigzag(number: int, size: int = 0) -> bytes:
    """Return a number as Parquet's metadata spells it, in at least ``size`` bytes."""
    number *= 2
    spelled = bytearray()
    while number or not spelled or len(spelled) < size:
        spelled.append(number & 127 | 128)
        number >>= 7
    spelled[-1] &= 127
    return bytes(spelled)


def test_page_that_takes_more_memory_than_the_file_says_is_refused(door):
    """The metadata say 1000 bytes; the page says, and unpacks to, over 1 GiB."""
    long = pa.array([bytes(1100 * 2**20)], pa.large_binary())
    columns = {"age": [1], "income": [1], "note": long, "click": [0]}
    whole = write(
        pa.table(columns), compression="zstd", use_dictionary=False, write_statistics=False
    )
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    about = pq.ParquetFile(io.BytesIO(whole)).metadata.row_group(0)
    end = whole[footer:]
    for said in (about.total_byte_size, about.column(2).total_uncompressed_size):
        assert end.count(zigzag(said)) == 1
        end = end.replace(zigzag(said), zigzag(1000, len(zigzag(said))))
    del long, columns, about
    before = resource.getrlimit(resource.RLIMIT_DATA)
    text = door.refused(whole[:footer] + end)
    assert re.search("malloc of size|takes more than 768 MiB of memory", text)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
