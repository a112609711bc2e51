"""Cases about Parquet files, whose cells have types of their own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.hostile.cases import CONTRACTS, COUNTS, PLAIN, Case, either, refused, same

FILE = "hostile.parquet"
NUMBERS = ("Daily Time Spent on Site", "Area Income", "Daily Internet Usage")
INTEGERS = ("Age", "Male", "Clicked on Ad")
TARGET = "Clicked on Ad"


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*whole(), *other_types(), *values(), *shapes(), *broken(), *shop_tables()]


def table() -> pa.Table:
    """Return the plain file's rows with the types that a careful writer gives them."""
    columns: dict[str, Any] = {}
    for place, name in enumerate(PLAIN.header):
        cells = [row[place] for row in PLAIN.rows]
        if name in NUMBERS:
            columns[name] = pa.array(map(float, cells))
        elif name in INTEGERS:
            columns[name] = pa.array(map(int, cells))
        else:
            columns[name] = pa.array(cells)
    return pa.table(columns)


def parquet(content: pa.Table, **options: Any) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(content, buffer, **options)
    return buffer.getvalue()


def changed(name: str, change: Callable[[pa.Array], Any]) -> pa.Table:
    """Return the table with one column made anew from itself."""
    rows = table()
    place = rows.column_names.index(name)
    return rows.set_column(place, name, change(rows[name].combine_chunks()))


def with_value(name: str, value: Any, kind: pa.DataType | None = None) -> pa.Table:
    """Return the table with another value in row 4 of a column."""

    def change(cells: pa.Array) -> pa.Array:
        values = cells.to_pylist()
        return pa.array([*values[:3], value, *values[4:]], kind or cells.type)

    return changed(name, change)


def cast(name: str, kind: pa.DataType) -> pa.Table:
    """Return the table with one column of another type."""
    return changed(name, lambda cells: cells.cast(kind))


def whole() -> Iterator[Case]:
    """The same rows, written in every way that Parquet has."""
    rows = table()
    yield same("parquet", "Parquet", lambda: parquet(rows), file=FILE)
    yield same("parquet_named_csv", "Parquet named .csv", lambda: parquet(rows))
    for codec in ("snappy", "gzip", "brotli", "zstd", "lz4", "none"):
        yield same(f"parquet_{codec}", f"Parquet compressed by {codec}",
                   lambda codec=codec: parquet(rows, compression=codec), file=FILE)  # fmt: skip
    for version in ("1.0", "2.4", "2.6"):
        yield same(f"parquet_version_{version}", f"format version {version}",
                   lambda version=version: parquet(rows, version=version), file=FILE)  # fmt: skip
    yield same("parquet_row_groups", "a row group a row",
               lambda: parquet(rows, row_group_size=1), file=FILE)  # fmt: skip
    yield same("parquet_no_statistics", "no statistics, no dictionary",
               lambda: parquet(rows, write_statistics=False, use_dictionary=False), file=FILE,
               )  # fmt: skip
    yield same("parquet_data_page_2", "data pages of version 2",
               lambda: parquet(rows, data_page_version="2.0"), file=FILE)  # fmt: skip
    yield same("parquet_reversed", "columns in reverse order",
               lambda: parquet(rows.select(rows.column_names[::-1])), file=FILE)  # fmt: skip
    yield same("parquet_extra", "a column that the contract does not know",
               lambda: parquet(rows.append_column("extra", [list(range(12))])), file=FILE,
               )  # fmt: skip
    yield same("parquet_of_pandas", "what pandas writes, with an index",
               lambda: parquet(pa.Table.from_pandas(rows.to_pandas().set_index("City")
                                                    .reset_index().iloc[:, :])), file=FILE,
               )  # fmt: skip
    yield same("parquet_metadata", "hostile metadata",
               lambda: parquet(rows.replace_schema_metadata({"pandas": "{{7*7}}", "x": "\x1b[2J"})),
               file=FILE)  # fmt: skip


def other_types() -> Iterator[Case]:
    """Columns of another type than the contract's, whose values are the contract's."""
    for name, column, kind in (
        ("int8_ages", "Age", pa.int8()), ("int32_ages", "Age", pa.int32()),
        ("uint64_ages", "Age", pa.uint64()), ("int64_target", TARGET, pa.int64()),
        ("uint8_target", TARGET, pa.uint8()), ("int8_flag", "Male", pa.int8()),
        ("large_string_unused", "City", pa.large_string()),
        ("binary_unused", "City", pa.binary()), ("view_unused", "City", pa.string_view()),
    ):  # fmt: skip
        yield same(f"parquet_{name}", f"{column} is {kind}",
                   lambda column=column, kind=kind: parquet(cast(column, kind)), file=FILE,
                   )  # fmt: skip
    for name, column in (("ages", "Age"), ("topics", "Ad Topic Line"), ("targets", TARGET)):
        yield same(f"parquet_dictionary_{name}", f"{column} is a dictionary",
                   lambda column=column: parquet(
                       changed(column, lambda cells: cells.dictionary_encode())), file=FILE,
                   )  # fmt: skip
    for name, column, kind in (
        ("float_ages", "Age", pa.float64()), ("float32_ages", "Age", pa.float32()),
        ("float_targets", TARGET, pa.float64()), ("string_ages", "Age", pa.string()),
        ("string_incomes", "Area Income", pa.string()), ("string_targets", TARGET, pa.string()),
        ("bool_targets", TARGET, pa.bool_()), ("bool_flags", "Male", pa.bool_()),
        ("float32_incomes", "Area Income", pa.float32()), ("half_ages", "Age", pa.float16()),
        ("decimal_incomes", "Area Income", pa.decimal128(20, 4)),
        ("decimal_ages", "Age", pa.decimal128(20, 0)), ("binary_ages", "Age", None),
    ):  # fmt: skip
        yield either(
            f"parquet_{name}", f"{column} is {kind or 'binary'}, each value one of the contract's",
            lambda column=column, kind=kind: parquet(
                cast(column, kind) if kind else
                changed(column, lambda cells: cells.cast(pa.string()).cast(pa.binary()))),
            column=column, file=FILE,
        )  # fmt: skip
    for name, kind in (
        ("timestamps", pa.timestamp("us")), ("dates", pa.date32()), ("durations", pa.duration("s")),
        ("times", pa.time64("us")),
    ):  # fmt: skip
        yield refused(f"parquet_ages_are_{name}", f"Age is {kind}",
                      lambda kind=kind: parquet(changed("Age", lambda cells: pa.array(
                          cells.to_pylist() if kind != pa.date32() else cells.cast(pa.int32()),
                          pa.int64() if kind != pa.date32() else None).cast(kind))),
                      column="Age", file=FILE)  # fmt: skip
    yield refused("parquet_ages_are_null", "Age has the type null",
                  lambda: parquet(changed("Age", lambda cells: pa.nulls(len(cells)))),
                  column="Age", file=FILE)  # fmt: skip
    for name, value in (("lists", [1]), ("structs", {"a": 1}), ("maps", [("a", 1)])):
        kind = pa.map_(pa.string(), pa.int64()) if name == "maps" else None
        yield refused(f"parquet_ages_are_{name}", f"Age is nested: {name}",
                      lambda value=value, kind=kind: parquet(
                          changed("Age", lambda cells: pa.array([value] * len(cells), kind))),
                      column="Age", file=FILE)  # fmt: skip
        yield same(f"parquet_unused_{name}", f"an unused column is nested: {name}",
                   lambda value=value, kind=kind: parquet(
                       changed("City", lambda cells: pa.array([value] * len(cells), kind))),
                   file=FILE)  # fmt: skip
    for name, kind in (("numbers", pa.float64()), ("dates", pa.date32()), ("bools", pa.bool_()),
                       ("nulls", pa.null()), ("timestamps", pa.timestamp("ns", "UTC")),
                       ):  # fmt: skip
        yield same(f"parquet_unused_{name}", f"an unused column is {kind}",
                   lambda kind=kind: parquet(changed("City", lambda cells: pa.array(
                       [None] * len(cells), kind))), file=FILE)  # fmt: skip


def values() -> Iterator[Case]:
    """Values that break the contract."""
    for name, column, value, kind in (
        ("null_age", "Age", None, None), ("null_income", "Area Income", None, None),
        ("null_target", TARGET, None, None), ("null_flag", "Male", None, None),
        ("nan_income", "Area Income", float("nan"), None),
        ("inf_income", "Area Income", float("inf"), None),
        ("minus_inf_income", "Area Income", float("-inf"), None),
        ("nan_age", "Age", float("nan"), pa.float64()), ("age_with_fraction", "Age", 33.5,
        pa.float64()), ("age_of_1e300", "Age", 1e300, pa.float64()), ("age_below", "Age", -1, None),
        ("age_above", "Age", 121, None), ("age_beyond_int64", "Age", 2**63, pa.uint64()),
        ("target_two", TARGET, 2, None), ("target_half", TARGET, 0.5, pa.float64()),
        ("target_minus", TARGET, -1, None), ("flag_two", "Male", 2, None),
        ("income_below", "Area Income", -0.01, None),
    ):  # fmt: skip
        yield refused(f"parquet_{name}", f"{column} holds {value} in row 4",
                      lambda column=column, value=value, kind=kind: parquet(
                          with_value(column, value, kind)), row=4, column=column, file=FILE,
                      )  # fmt: skip
    for name, written in (("word", "thirty"), ("empty", ""), ("na", "NA"),
                          ("comma", "3,3"), ("underscore", "3_3"), ("fullwidth", "\uff13\uff13"),
                          ("formula", "=1+1"), ("ansi", "\x1b[31m")):  # fmt: skip

        def ages(written: str = written) -> bytes:
            cells = changed(
                "Age",
                lambda cells: pa.array(
                    [written if n == 3 else str(30 + n) for n in range(len(cells))]
                ),
            )
            return parquet(cells)

        yield refused(f"parquet_string_age_{name}", f"Age is a string and holds {written!r}",
                      ages, column="Age", file=FILE)  # fmt: skip
    yield either("parquet_string_age_padded", "Age is a string and holds ' 33'",
                 lambda: parquet(changed("Age", lambda cells: pa.array(
                     [f" {30 + n}" for n in range(len(cells))]))), column="Age", file=FILE,
                 )  # fmt: skip
    for name, number, kind in (
        ("int64", 2**53 + 1, pa.int64()), ("decimal", Decimal(2**53 + 1), pa.decimal128(20, 0)),
        ("decimal256", Decimal(10**18 - 1), pa.decimal256(50, 0)), ("text", str(2**53 + 1),
        pa.string()), ("uint64", 2**53 + 1, pa.uint64()),
    ):  # fmt: skip
        columns = dict(zip(("count", "click"), zip(*COUNTS.rows, strict=True), strict=True))
        counts = pa.array([number, *(type(number)(n) for n in columns["count"][1:])], kind)
        clicks = pa.array([int(n) for n in columns["click"]])
        yield same(f"parquet_beyond_double_{name}", f"an integer beyond 2^53 that is {kind}",
                   lambda counts=counts, clicks=clicks: parquet(
                       pa.table({"count": counts, "click": clicks})), contract="counts",
                   file=FILE, holds=((0, "count", int(number)),))  # fmt: skip
    yield refused("parquet_decimal_age_with_fraction", "Age is a decimal and holds 33.5",
                  lambda: parquet(changed("Age", lambda cells: pa.array(
                      [Decimal("33.5")] * len(cells), pa.decimal128(10, 1)))),
                  column="Age", file=FILE)  # fmt: skip
    yield refused("parquet_one_class", "every target is 1",
                  lambda: parquet(changed(TARGET, lambda cells: pa.array([1] * len(cells)))),
                  column=TARGET, file=FILE)  # fmt: skip
    yield refused("parquet_bad_in_a_late_row_group", "a bad value in the tenth row group",
                  lambda: parquet(changed("Age", lambda cells: pa.array(
                      [200 if n == 9 else 30 for n in range(len(cells))])), row_group_size=1),
                  row=10, column="Age", file=FILE)  # fmt: skip
    for name, text in (("nul", "a\0b"), ("ansi", "\x1b[2J"), ("bidi", "\u202ex"), ("null", None),
                       ("long", "x" * 200_000)):  # fmt: skip
        yield same(f"parquet_unused_text_{name}", "an unused cell holds what may harm a reader",
                   lambda text=text: parquet(with_value("City", text)), file=FILE)  # fmt: skip


def shapes() -> Iterator[Case]:
    """Files without rows, without columns, with columns twice."""
    rows = table()
    yield refused("parquet_no_rows", "no row", lambda: parquet(rows.slice(0, 0)), file=FILE)
    yield refused("parquet_one_row", "one row", lambda: parquet(rows.slice(0, 1)), file=FILE,
                  column=TARGET)  # fmt: skip
    yield refused("parquet_no_columns", "no column", lambda: parquet(pa.table({})), file=FILE)
    yield refused("parquet_missing_column", "a feature is missing",
                  lambda: parquet(rows.drop_columns("Age")), column="Age", file=FILE)  # fmt: skip
    yield refused("parquet_target_missing", "the target is missing",
                  lambda: parquet(rows.drop_columns(TARGET)), column=TARGET, file=FILE)  # fmt: skip
    for column in ("Age", TARGET, "City"):
        make = either if column == "City" else refused
        yield make(f"parquet_twice_{column.split()[0].lower()}", f"two columns named {column}",
                   lambda column=column: parquet(rows.append_column(column, rows[column])),
                   column=column, file=FILE)  # fmt: skip
    yield refused("parquet_lower_case", "a name in lower case", lambda: parquet(
        rows.rename_columns(["age" if n == "Age" else n for n in rows.column_names])),
        column="Age", file=FILE)  # fmt: skip
    for name, column in (("dotted", "a.b"), ("empty", ""), ("ansi", "\x1b[2J"), ("nul", "a\0b"),
                         ("bidi", "\u202ex"), ("list_element", "Age.list.element")):  # fmt: skip
        make = either if name in ("empty", "nul") else same
        yield make(f"parquet_extra_{name}", f"an unknown column named {column!r}",
                   lambda column=column: parquet(
                       rows.append_column(column, [["x"] * 12])), file=FILE)  # fmt: skip
    yield either("parquet_struct_with_a_name_inside", "a struct whose field is named Age",
                 lambda: parquet(rows.append_column("x", [[{"Age": 1}] * 12])), file=FILE,
                 )  # fmt: skip
    yield either("parquet_5000_columns", "5000 unknown columns", lambda: parquet(
        pa.table({**dict(zip(rows.column_names, rows.columns, strict=True)),
                  **{f"x{n}": pa.array([n % 100] * 12, pa.int8()) for n in range(5000)}})),
        file=FILE, heavy=True)  # fmt: skip
    yield refused(
        "parquet_bomb",
        "four million equal rows in a few kilobytes, a bad one at the end",
        bomb,
        column="Age",
        row=4_000_004,
        file=FILE,
        heavy=True,
    )


def bomb() -> bytes:
    """Return a small Parquet file of four million rows, one of the last of which is bad."""
    block = table().take(pa.array([n % 12 for n in range(1_000_000)], pa.int32()))
    one = pa.table({name: pa.array([block[name][0].as_py()] * 1_000_000) for name in
                    block.column_names})  # fmt: skip
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, one.schema, compression="zstd") as writer:
        for _ in range(4):
            writer.write_table(one)
        writer.write_table(with_value("Age", 121))
    return buffer.getvalue()


def broken() -> Iterator[Case]:
    """Files that are not whole."""
    content = parquet(table(), write_page_checksum=True)
    size = len(content)
    for name, what, bad in (
        ("cut", "cut in the middle", content[: size // 2]),
        ("without_its_end", "the last four bytes are missing", content[:-4]),
        ("without_its_start", "the first four bytes are missing", content[4:]),
        ("magic_only", "the magic number and nothing else", b"PAR1"),
        ("magic_twice", "the magic number, twice", b"PAR1PAR1"),
        ("empty_footer", "a footer of no length", b"PAR1" + bytes(4) + b"PAR1"),
        ("huge_footer", "a footer longer than the file", content[:-8] + b"\xff\xff\xff\x7fPAR1"),
        ("bad_footer", "a footer of zeros", content[:-300] + bytes(292) + content[-8:]),
        ("bad_pages", "pages of zeros", content[:4] + bytes(1500) + content[1504:]),
        ("encrypted", "an encrypted footer", b"PARE" + content[4:-4] + b"PARE"),
        ("with_bytes_behind", "bytes behind the end", content + b"\n"),
        ("twice", "two files, one behind the other", content + content),
        ("of_newlines", "line ends were converted", content.replace(b"\n", b"\r\n")),
        ("of_text", "read and written as text", content.decode("utf-8", "replace").encode("utf-8")),
    ):
        make = either if name in ("twice", "of_newlines") else refused
        yield make(f"parquet_{name}", what, bad, file=FILE)
    for step in range(24):
        at = 4 + step * (size - 12) // 24
        yield either(f"parquet_byte_changed_{step}", "one byte is changed",
                     content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :], file=FILE,
                     )  # fmt: skip


def shop_tables() -> Iterator[Case]:
    """Times and categories."""
    sheet = CONTRACTS["shop"][1]
    columns = {name: [row[place] for row in sheet.rows] for place, name in enumerate(sheet.header)}
    moments = [datetime.fromisoformat(text) for text in columns["when"]]
    typed = {
        **columns,
        "when": pa.array(moments, pa.timestamp("us")),
        "age": pa.array(map(int, columns["age"])),
        "spent": pa.array(map(float, columns["spent"])),
    }

    def shop(**other: Any) -> Callable[[], bytes]:
        return lambda: parquet(pa.table({**typed, **other}))

    yield same("parquet_shop", "times, categories and words", shop(), contract="shop", file=FILE)
    for unit in ("s", "ms", "ns"):
        yield same(f"parquet_time_{unit}", f"times in {unit}",
                   shop(when=pa.array(moments, pa.timestamp(unit))), contract="shop", file=FILE,
                   )  # fmt: skip
    yield same("parquet_category_dictionary", "a category that is a dictionary",
               shop(device=pa.array(columns["device"]).dictionary_encode()), contract="shop",
               file=FILE)  # fmt: skip
    yield either("parquet_time_text", "times are text", shop(when=columns["when"]),
                 contract="shop", file=FILE, column="when")  # fmt: skip
    aware = [moment.replace(tzinfo=UTC) for moment in moments]
    yield same("parquet_time_utc", "times in UTC", shop(when=pa.array(aware)), contract="shop",
               file=FILE, holds=tuple((n, "when", t) for n, t in enumerate(aware)))  # fmt: skip
    yield either("parquet_category_integers", "a category of integers",
                 shop(device=pa.array(range(12))), contract="shop", file=FILE, column="device",
                 holds=tuple((n, "device", str(n)) for n in range(12)))  # fmt: skip
    yield refused("parquet_category_bytes", "a category of bytes that are no UTF-8",
                  shop(device=pa.array([b"caf\xe9"] * 12)), contract="shop", file=FILE,
                  column="device")  # fmt: skip
    yield refused("parquet_time_null", "a time is null",
                  shop(when=pa.array([*moments[:3], None, *moments[4:]], pa.timestamp("us"))),
                  contract="shop", file=FILE, row=4, column="when")  # fmt: skip
    yield refused("parquet_category_null", "a category is null",
                  shop(device=[*columns["device"][:3], None, *columns["device"][4:]]),
                  contract="shop", file=FILE, row=4, column="device")  # fmt: skip
    yield refused("parquet_target_other_word", "the target holds another word",
                  shop(bought=[*columns["bought"][:3], "Yes", *columns["bought"][4:]]),
                  contract="shop", file=FILE, row=4, column="bought")  # fmt: skip
