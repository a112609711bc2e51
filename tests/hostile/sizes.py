"""Cases about size: many lines, long lines, many rows."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.cases import PLAIN, Case, either, refused, same

LINES = PLAIN.lines()
HEADER = LINES[0].encode() + b"\n"
ROWS = "\n".join(LINES[1:]).encode() + b"\n"


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*lines(), *long_lines(), *many_rows(), *unused()]


def lines() -> Iterator[Case]:
    """Line ends in great numbers."""
    many = 50_000_000
    yield refused("newlines_50_million", "50 million line ends and nothing else",
                  lambda: b"\n" * many, heavy=True)  # fmt: skip
    yield refused("crs_50_million", "50 million carriage returns", lambda: b"\r" * many, heavy=True)
    yield same("newlines_50_million_behind", "50 million line ends behind the rows",
               lambda: HEADER + ROWS + b"\n" * many, heavy=True)  # fmt: skip
    yield either("newlines_50_million_among", "50 million line ends among the rows",
                 lambda: HEADER + ROWS[:200] + b"\n" * many + ROWS, heavy=True)  # fmt: skip
    yield either("newlines_50_million_in_front", "50 million line ends in front of the header",
                 lambda: b"\n" * many + HEADER + ROWS, heavy=True, line=1)  # fmt: skip
    yield either("newlines_10_million_quoted", "an unused, quoted cell of 10 million line ends",
                 lambda: PLAIN.cell(5, "City", "@").text().encode().replace(
                     b"@", b'"' + b"\n" * 10_000_000 + b'"'), line=5, heavy=True)  # fmt: skip
    yield refused("ones_in_lines", "10 million lines that hold 1",
                  lambda: HEADER + b"1\n" * 10_000_000, line=2, heavy=True)  # fmt: skip
    yield refused("commas_in_lines", "a million rows of empty cells",
                  lambda: HEADER + b",,,,,,,,,\n" * 1_000_000, line=2, heavy=True)  # fmt: skip
    yield refused("quotes_in_lines", "10 million lines of two quotes",
                  lambda: HEADER + b'""\n' * 10_000_000, line=2, heavy=True)  # fmt: skip


def long_lines() -> Iterator[Case]:
    """Bytes without a line end."""
    size = 100_000_000
    for name, byte in (
        ("zeros", b"\0"), ("letters", b"x"), ("quotes", b'"'), ("spaces", b" "), ("digits", b"1"),
        ("ff", b"\xff"), ("continuation", b"\x80"),
    ):  # fmt: skip
        yield refused(f"line_of_100_mb_of_{name}", f"100 MB of {name} and no line end",
                      lambda byte=byte: byte * size, heavy=True)  # fmt: skip
    yield refused("line_of_100_mb_behind_the_rows", "the last line is 100 MB long",
                  lambda: HEADER + ROWS + b"x" * size, heavy=True)  # fmt: skip
    yield refused("line_of_quoted_pairs", "a row of ten million quoted cells",
                  lambda: HEADER + b'"x",' * 10_000_000, line=2, heavy=True)  # fmt: skip
    yield refused("utf16_of_100_mb", "100 MB of one UTF-16 letter",
                  lambda: b"\xff\xfe" + b"x\0" * (size // 2), heavy=True)  # fmt: skip


def many_rows() -> Iterator[Case]:
    """Rows in great numbers, each of them bad, or one of them."""
    bad = ROWS.replace(b",30,", b",old,")
    yield refused("bad_rows_25000", "300000 rows, a twelfth of them bad",
                  lambda: HEADER + bad * 25_000, "24999", line=2, column="Age", heavy=True,
                  )  # fmt: skip
    yield refused("bad_row_behind_a_million", "a bad row behind a million good ones",
                  lambda: HEADER + ROWS * 83_334 + bad, line=1_000_010, column="Age", heavy=True,
                  )  # fmt: skip
    yield refused("header_again_behind_a_million", "the header once more behind a million rows",
                  lambda: HEADER + ROWS * 83_334 + HEADER + ROWS, line=1_000_010, heavy=True,
                  )  # fmt: skip


def unused() -> Iterator[Case]:
    """Much in unused columns."""
    text = b"x" * 200_000
    yield same("unused_200_kb_in_each_row", "an unused cell of 200 kB in each row",
               lambda: with_city(b'"' + text + b'"'), heavy=True)  # fmt: skip
    yield same("unused_100_kb_of_quotes_in_each_row", "an unused cell of doubled quotes",
               lambda: with_city(b'"' + b'""' * 50_000 + b'"'), heavy=True)  # fmt: skip
    yield either("unused_5_mb_in_each_row", "an unused cell of 5 MB in each row",
                 lambda: with_city(text * 25), heavy=True)  # fmt: skip


def with_city(cell: bytes) -> bytes:
    """Return the plain file with another text in each row's unused city."""
    sheet = PLAIN
    for line in range(2, 14):
        sheet = sheet.cell(line, "City", "@")
    return sheet.text().encode().replace(b"@", cell)
