"""The structure of a CSV file: what is taken, what is refused, and on which line."""

from __future__ import annotations

import csv
import io
import random

import pytest

from load_data.plain import is_plain, lines_are_short, quotes_are_plain
from load_data.strict import LONGEST_CELL, MOST_BROKEN

HEADER = "age,income,note,click\n"
ROW = "30,5.5,x,0\n"
GOOD = HEADER + ROW + "31,6.5,y,1\n"

# Files that are taken


def test_table_has_the_contracts_columns_and_types(door):
    table = door(GOOD)
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("age", "int64"),
        ("income", "double"),
        ("note", "string"),
        ("click", "int64"),
    ]
    assert table.to_pylist()[1] == {"age": 31, "income": 6.5, "note": "y", "click": 1}


SAME = {
    "no_last_newline": GOOD.removesuffix("\n"),
    "crlf": GOOD.replace("\n", "\r\n"),
    "cr": GOOD.replace("\n", "\r"),
    "mixed_line_ends": GOOD.replace("0\n", "0\r\n"),
    "bom": b"\xef\xbb\xbf" + GOOD.encode(),
    "utf16": GOOD.encode("utf-16"),
    "blank_end": GOOD + "\n\n\r\n",
    "quoted": GOOD.replace("30", '"30"'),
    "all_quoted": "\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in GOOD.splitlines()
    ),
    "signed": GOOD.replace("30", "+30").replace("5.5", "55e-1"),
    "blanks_around": GOOD.replace("30", " 30\t").replace("5.5", '"  5.5 "'),
    "leading_zeros": GOOD.replace("30", "0030"),
    "reordered": "click,note,income,age\n0,x,5.5,30\n1,y,6.5,31\n",
    "unknown_extra": "more,age,income,note,click\na,30,5.5,x,0\nb,31,6.5,y,1\n",
    "quoted_header": GOOD.replace("age", '"age"'),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_same_rows_written_otherwise_give_the_same_table(door, content):
    assert door(content).equals(door(GOOD))


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "§", "."])
def test_delimiter_is_the_contracts(door, delimiter):
    content = GOOD.replace(".5", "").replace(",", delimiter)
    assert door(content, delimiter=delimiter).equals(door(GOOD.replace(".5", "")))


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ('"a\nb"', "a\nb"),
        ('"a,b"', "a,b"),
        ('"say ""hi"""', 'say "hi"'),
        ("", ""),
        ('""', ""),
        (" \u00fc\u2028", " \u00fc\u2028"),
        ("a\0b\x1b[31m", "a\0b\x1b[31m"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ('5" x', '5" x'),
        ("x" * 200_000, "x" * 200_000),
        ("\U0001f600" * LONGEST_CELL, "\U0001f600" * LONGEST_CELL),
        ("NA", "NA"),
    ],
    ids=lambda text: text[:9],
)
def test_text_of_an_unused_column_is_kept_as_it_is(door, written, held):
    assert door(GOOD.replace("x", written))["note"][0].as_py() == held


def test_bytes_of_an_unused_column_that_are_no_text_are_escaped_and_counted(door):
    table = door((GOOD + "32,1,").encode() + b"caf\xe9\xff" + b",1\n")
    assert table["note"][2].as_py() == r"caf\xe9\xff"
    assert door.warnings == [
        "1 cells of the unused column 'note' hold bytes that are no UTF-8; they are kept escaped, "
        "as \\x and two digits"
    ]


def test_bytes_of_an_unknown_column_do_not_matter(door):
    header = b"\xff\xfa," + HEADER.encode()
    door(header + b"\xe9\0,30,1,x,0\nb,31,1,y,1\n")
    assert door.unknown_columns == [r"\xff\xfa"]
    assert door.warnings == []


def test_unknown_columns_are_named_safely(door):
    door("more\x1b[31m," + HEADER + "a," + ROW + "b,31,1,y,1\n")
    assert door.unknown_columns == [r"more\x1b[31m"]


def test_rows_are_read_across_blocks(door, monkeypatch):
    monkeypatch.setattr("load_data.source.BLOCK", 512)
    rows = [[n % 100, n / 4, f'"a\n{n}"' if n > 1500 else f"note {n}", n % 2] for n in range(3000)]
    text = HEADER + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in rows)
    table = door(text)
    assert table["income"].to_pylist() == [row[1] for row in rows]
    assert table["note"][2007].as_py() == "a\n2007"
    assert min(door.pieces.values()) > 5


# Files that are refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: holds no header; the file is empty"),
        ("\n\n", "line 1: holds no header; the file is empty"),
        ("\n" + GOOD, "line 1: is blank, but rows follow it"),
        (HEADER, "line 1: is the header, and no row follows it"),
        (HEADER + "\n\n", "line 1: is the header, and no row follows it"),
        (HEADER + ROW + "\n" + ROW, "line 3: is blank, but rows follow it"),
        (HEADER + ROW + "\n\n\r\n" + ROW, "line 3: is blank, but rows follow it"),
        (HEADER + "30,1,x\n", "line 2: has 3 cells, the header has 4"),
        (HEADER + "30,1,x,0,9\n", "line 2: has 5 cells, the header has 4"),
        (HEADER + "   \n", "line 2: has 1 cells, the header has 4"),
        (HEADER + ROW + '31,1,"x,0\n', "line 3: has a quoted cell that is never closed"),
        (
            HEADER + '30,1,"x,0\n31,1,"y",1\n',
            "line 2: has a quoted cell that goes on after its closing quote (seen on line 3)",
        ),
        (
            HEADER + f"30,1,{'x' * 1_048_577},0\n",
            "line 2: has a cell of more than 1048576 characters",
        ),
        (
            HEADER + f'30,1,"{"x" * 1_048_577}',
            "line 2: has a cell of more than 1048576 characters",
        ),
        (
            b"age\xff,income\n",
            "line 1, value 'age\\\\xff': holds the byte 0xff, which is no UTF-8; save it as UTF-8",
        ),
        (
            GOOD.encode("utf-16-le"),
            "line 1, value 'a\\\\x00g\\\\x00e\\\\x00': holds a NUL character; this is no text, or "
            "UTF-16 without a mark",
        ),
        (
            "age,income,note\n",
            "line 1, column 'click': this column is missing; found: age, income, note",
        ),
        (
            "Age,income,note,click\n",
            "line 1, column 'age': this column is missing; found: Age, income, note, click",
        ),
        ("age,age,income,note,click\n", "line 1, column 'age': names this column twice"),
        ("more,more," + HEADER, "line 1, column 'more': names this column twice"),
        (HEADER.replace(",", ";"), "column 'age': this column is missing; found: age;income;note"),
        ('age,"income\n' + ROW, "line 1: has a quoted cell that is never closed"),
        ('age,"in"come\n' + ROW, "line 1: has a quoted cell that goes on after its closing quote"),
        (GOOD + HEADER, "line 4: is the header once more"),
        (",".join(map(str, range(10_001))), "line 1: names 10001 columns; at most 10000 are read"),
        (HEADER + "x" * (17 * 2**20), "line 2: is a row of more than 16777216 bytes"),
        ("x" * (17 * 2**20), "line 1: is a row of more than 16777216 bytes"),
        (
            HEADER + "1,1," + '"' + "\n,x" * 10 + '",0\n' + "30;1;x;0\n",
            "line 13: has 1 cells, the header has 4",
        ),
        (
            HEADER + '30,1,"x,0\n31,1,y",1\n',
            "line 2: opens a quote that takes in the next lines, which are rows by themselves",
        ),
    ],
    ids=str,
)
def test_broken_structure_is_refused_with_its_line(door, content, message):
    text = door.refused(content)
    assert text.startswith("data/x.csv, line ")
    assert message in text


def test_value_that_spans_lines_is_no_row_by_itself(door):
    content = HEADER + '30,1,"x,0\nold,1,y",1\n' + ROW
    assert door(content)["note"][0].as_py() == "x,0\nold,1,y"


@pytest.mark.parametrize("column", ["income", "click"])
def test_byte_that_is_no_utf8_in_a_used_column_is_refused(door, column):
    cells = {"age": b"30", "income": b"1", "note": b"x", "click": b"0", column: b"5\xe9"}
    text = door.refused(GOOD.encode() + b",".join(cells.values()))
    assert text == (
        f"data/x.csv, line 4, column '{column}', value '5\\\\xe9': holds the byte 0xe9, which is "
        "no UTF-8; save it as UTF-8"
    )


def test_value_with_a_bad_byte_is_shown_wherever_it_stands(door):
    text = door.refused((GOOD + "30,1,x,0\n" * 3000).encode() + b"\xe9,1,x,0\n")
    assert "line 3004, column 'age', value '\\\\xe9'" in text


def test_byte_that_is_no_windows_1252_is_refused(door):
    columns = door.with_column("note", type="category", role="feature")
    content = (GOOD + "32,1,€,1\n").encode("windows-1252") + b"33,1,a\x81,1\n"
    text = door.refused(content, encoding="windows-1252", columns=columns)
    assert "line 5, column 'note', value 'a\\\\x81': holds the byte 0x81, which is no" in text
    assert text.endswith("which is no WINDOWS-1252")


def test_half_a_character_of_utf16_is_refused(door):
    columns = door.with_column("note", type="category", role="feature")
    content = GOOD.replace("x", "\ud800").encode("utf-16", "surrogatepass")
    text = door.refused(content, columns=columns)
    assert "line 2, column 'note'" in text
    assert text.endswith("holds half a character of UTF-16")


def test_line_is_counted_behind_a_quoted_newline(door):
    text = door.refused(HEADER + '30,1,"a\nb",0\nold,1,x,1\n')
    assert "line 4, column 'age', value 'old'" in text


def test_reading_goes_on_behind_a_broken_line(door):
    lines = ["30,1,x", "30,1,x,0,0", '30,1,"x,0', "30,1,x,0", '30,1,"x"y,0', "old,1,x,0"]
    text = door.refused(HEADER + "\n".join(lines) + "\n")
    assert "line 2: has 3 cells, the header has 4 (and 4 more" in text
    assert [violation.place for violation in door.violations.listed] == [2, 3, 4, 6, 7]


def test_lookalike_of_the_well_known_malformed_file_names_each_broken_line(door):
    """61 lines, 43 of them with a quote that is never closed, headers repeated inside."""
    broken = {n for n in range(2, 62) if n % 4 != 1}
    headers = {30, 45, 59}
    broken = set(sorted(broken - headers)[:43])
    assert len(broken) == 43
    lines = []
    for n in range(1, 62):
        quote = '"' if n in broken else ""
        row = f"{n},{n}.5,{quote}note {n},{n % 2}"
        lines.append(HEADER.strip() if n in headers | {1} else row)
    door.refused("\n".join(lines) + "\n")
    named = {violation.place for violation in door.violations.listed}
    assert broken <= named
    assert named <= broken | headers
    assert headers & named


def test_reading_stops_behind_1000_broken_lines(door):
    text = door.refused(HEADER + "1\n" * 5000)
    assert text == (
        f"data/x.csv, line 2: has 1 cells, the header has 4 (and {MOST_BROKEN} more, see "
        "validation.json)"
    )
    assert dict(door.violations.counts) == {
        "has 1 cells, the header has 4": 1000,
        "is behind 1000 broken lines; the rest of the file was not read": 1,
    }


def test_violations_of_structure_and_of_values_are_in_the_files_order(door):
    door.refused(HEADER + ROW + "old,1,x,0\n30,1\n30,x,x,5\n")
    found = [(violation.place, violation.column) for violation in door.violations.listed]
    assert found == [(3, "age"), (4, None), (5, "income"), (5, "click")]


def test_blank_line_is_no_row_even_where_every_cell_may_be_missing(door):
    columns = {
        name: {**rules, "missing": "drop"} for name, rules in door.contract["columns"].items()
    }
    rules = {"columns": columns, "max_dropped_share": 0.9}
    assert "line 4: is blank, but rows follow it" in door.refused(GOOD + "\n" + ROW, **rules)
    assert door(GOOD + "\n" * 9, **rules).num_rows == 2
    assert door.metrics["rows_dropped"] == 0


def test_line_of_a_row_that_is_too_long_is_told(door):
    assert "line 4: is a row of more than" in door.refused(GOOD + "x" * (17 * 2**20))
    assert "line 4: is a row of more than" in door.refused(GOOD + '1,1,"' + "x" * (17 * 2**20))
    assert "line 4: has a cell of more than" in door.refused(GOOD + '1,1,"' + "x\n" * (17 * 2**20))


# Made when a test needs them: some are large.
HOSTILE = {
    "millions_of_violations": lambda: HEADER + ",,,\n" * 3_000_000,
    "millions_of_bad_bytes": lambda: HEADER.encode() + b"\xe9,\xe9,\xe9,\xe9\n" * 1_000_000,
    "one_field_of_10_mb": lambda: GOOD + f"30,1,{'x' * 10**7},0\n",
    "endless_line": lambda: GOOD + "x" * (40 * 2**20),
    "200_000_columns": lambda: ",".join(f"c{n}" for n in range(200_000)) + "\n",
    "a_million_quotes": lambda: HEADER + '"' * 10**6,
    "a_million_lines_of_a_quote": lambda: HEADER + '"\n' * 10**6,
    "a_million_open_quotes": lambda: HEADER + '1,1,"x\n' * 10**6,
    "open_quote_before_much": lambda: GOOD + '30,1,"x,0\n' + ROW * 10**6,
    "50_million_blank_lines": lambda: GOOD + "\n" * 50_000_000 + ROW,
    "blank_lines_of_blanks": lambda: GOOD + " \n" * 10**6,
    "delimiters": lambda: HEADER + "," * (10 * 2**20),
    "nul": lambda: GOOD + "\0" * (10 * 2**20),
}


@pytest.mark.parametrize("make_content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_is_refused(door, make_content):
    door.refused(make_content())


# Two readers that agree


@pytest.mark.parametrize(
    ("piece", "plain"),
    [
        (b"1,2\n", True),
        (b"1,2\r\n3,4\n", True),
        (b"1,2\r3,4\n", False),
        (b"1,\0\n", False),
        (b"1,0x10\n", False),
        (b'1,"a"\n', True),
        (b'"1","a"\r\n"2","b"', True),
        (b'1,"a,b"\n', True),
        (b'1,""\n', True),
        (b'1,"a""b"\n', False),
        (b'1,"a\nb"\n', False),
        (b'1,a"b"\n', False),
        (b'1,"a"b\n', False),
        (b'1,"a\n2,"b\n', False),
        (b'1,"\n2,"\n', False),
        (b'1,","b","\n', False),
        (b'1,"a\n', False),
        (b'1,","\n', False),
        (b'1, "a"\n', False),
        (b"x" * 101, False),
        (b"1,2\n\n3,4\n", False),
        (b"1,2\n\r\n3,4\n", False),
        (b"\n1,2\n", False),
        (b"\r\n1,2\n", False),
    ],
)
def test_plain_piece_is_read_in_one_way_only(piece, plain):
    assert is_plain(piece, b",", 100, integers=True) is plain


def test_hexadecimal_text_is_plain_where_no_column_is_an_integer():
    assert is_plain(b"1,0x10\n", b",", 100, integers=False)


def test_long_line_is_found_wherever_it_stands():
    for lengths in ([100, 3], [3, 100], [3, 100, 3], [100] * 5):
        assert lines_are_short(b"".join(b"x" * n + b"\n" for n in lengths), 100)
    for lengths in ([101], [3, 101], [3, 101, 3], [250, 3], [100, 101]):
        assert not lines_are_short(b"".join(b"x" * n + b"\n" for n in lengths), 100)


def test_quotes_that_are_plain_are_read_by_all_alike():
    """Random pieces: what is called plain, Python's strict reader takes line by line."""
    random_pieces = random.Random(5)
    plain = 0
    for _ in range(20_000):
        piece = "".join(random_pieces.choices('",\nab', [3, 3, 1, 1, 1], k=12)).encode()
        if quotes_are_plain(piece, b","):
            plain += 1
            cells = list(csv.reader(io.StringIO(piece.decode(), newline=""), strict=True))
            assert len(cells) == len(piece.splitlines())
            assert not any('"' in cell for row in cells for cell in row)
    assert plain > 100


@pytest.mark.parametrize(
    ("content", "fast"),
    [
        (GOOD, True),
        (GOOD.replace("x", '"a,b"'), True),
        (GOOD.replace("x", '"a""b"'), False),
        (GOOD.replace("30", "0x1"), False),
        (GOOD.replace("30", "1e-400"), False),
        (GOOD.replace("x", "\0"), False),
        (GOOD.replace("\n", "\r"), False),
        (GOOD + "\n", False),
    ],
)
def test_fast_reader_takes_only_what_is_plain(door, content, fast):
    door.outcome(content)
    assert (door.pieces["read_fast"] > 0) is fast


def test_a_blank_piece_sends_the_next_one_to_the_strict_reader(door, monkeypatch):
    monkeypatch.setattr("load_data.source.BLOCK", 64)
    text = door.refused(GOOD + "\n" * 500 + ROW * 3)
    assert "line 4: is blank, but rows follow it" in text
