"""Cases about the header: names that are missing, doubled, near misses, too many."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tests.hostile.cases import PLAIN, Case, either, refused, same

TARGET = "Clicked on Ad"


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*missing(), *doubled(), *near_misses(), *order(), *extra(), *many()]


def missing() -> Iterator[Case]:
    """Columns of the contract that are not there."""
    for name in PLAIN.header:
        others = [other for other in PLAIN.header if other != name]
        yield Case(
            f"missing_{'_'.join(name.lower().split())}", f"the column {name} is missing",
            "either" if name in ("Ad Topic Line", "City", "Country", "Timestamp") else "refused",
            PLAIN.ordered(*others).text().encode(), column=name, line=1, says=("missing",),
        )  # fmt: skip
    yield refused(
        "missing_name_in_the_header", "the header lacks one name, the rows lack nothing",
        PLAIN.text().replace("Age,", "", 1), line=1, column="Age",
    )  # fmt: skip
    yield refused(
        "name_is_empty", "a feature's name is empty", PLAIN.renamed("Age", "").text(), line=1
    )
    yield refused(
        "all_names_empty", "the header is nothing but commas",
        PLAIN.text().replace(",".join(PLAIN.header), "," * 9), line=1,
    )  # fmt: skip
    yield refused(
        "names_are_numbers", "the columns are named 0 to 9",
        PLAIN.text().replace(",".join(PLAIN.header), ",".join("0123456789")), line=1,
    )  # fmt: skip
    yield refused(
        "other_data_altogether", "a file of other columns", "id,price\n1,2\n2,3\n", line=1
    )


def doubled() -> Iterator[Case]:
    """Columns of one name."""
    for name, what, column, cell in (
        ("feature_twice", "a feature is named twice, with other values", "Age", "20"),
        ("feature_twice_alike", "a feature is named twice, with the same values", "Male", "0"),
        ("target_twice", "the target is named twice", TARGET, "1"),
        ("unused_twice", "an unused column is named twice", "City", "Town"),
    ):
        sheet = PLAIN.with_column(column, cell, at=10)
        yield refused(name, what, sheet.text(), line=1, column=column)
    sheet = PLAIN.with_column("extra", "1").with_column("extra", "2")
    yield either("unknown_twice", "an unknown column is named twice", sheet.text(), line=1)
    yield refused(
        "name_three_times", "a feature is named three times",
        PLAIN.with_column("Age", "1").with_column("Age", "2").text(), line=1, column="Age",
    )  # fmt: skip
    yield refused(
        "renamed_by_pandas", "Age and Age.1, as a reader renames a double; Age is another's",
        PLAIN.renamed("Age", "Age.1").text(), line=1, column="Age",
    )  # fmt: skip


def near_misses() -> Iterator[Case]:
    """Names that differ from the contract's by what an eye overlooks."""
    for name, what, written in (
        ("lower_case", "the name is in lower case", "age"),
        ("upper_case", "the name is in upper case", "AGE"),
        ("space_before", "a space in front of the name", " Age"),
        ("space_after", "a space behind the name", "Age "),
        ("no_break_space_after", "a no-break space behind the name", "Age\u00a0"),
        ("zero_width_space_inside", "a zero width space in the name", "A\u200bge"),
        ("bom_inside", "a byte order mark in the name", "\ufeffAge"),
        ("soft_hyphen_inside", "a soft hyphen in the name", "A\u00adge"),
        ("cyrillic_letter", "a Cyrillic A in the name", "\u0410ge"),
        ("fullwidth_letters", "fullwidth letters", "\uff21\uff47\uff45"),
        ("turned_by_bidi", "the name is turned by a control character", "\u202eegA\u202c"),
        ("tab_inside", "a tab in the name", "A\tge"),
        ("newline_inside", "a quoted line feed in the name", '"Age\n"'),
        ("nul_inside", "a NUL in the name", "A\0ge"),
        ("quotes_inside", "quotes are part of the name", '"""Age"""'),
        ("single_quotes", "single quotes around the name", "'Age'"),
        ("backticks", "backticks around the name", "`Age`"),
        ("brackets", "brackets around the name", "[Age]"),
        ("with_a_unit", "the name with its unit", "Age (years)"),
        ("underscore_after", "an underscore behind the name", "Age_"),
        ("formula", "a formula", "=Age"),
        ("template", "a template", "{{ Age }}"),
        ("ansi", "a sequence that colours a terminal", "\x1b[31mAge\x1b[0m"),
        ("markup", "markup", "<b>Age</b>"),
        ("shell", "a shell's substitution", "$(Age)"),
        ("very_long", "a name of 50000 letters", "Age" * 17_000),
    ):
        column = None if name == "nul_inside" else "Age"
        yield refused(
            f"name_{name}", what, PLAIN.renamed("Age", written).text(), line=1, column=column
        )
    for name, what, written in (
        ("spaces_within", "two spaces within a name", "Clicked  on Ad"),
        ("underscores_within", "underscores for spaces in a name", "Clicked_on_Ad"),
        ("no_break_spaces_within", "no-break spaces in a name", "Clicked\u00a0on\u00a0Ad"),
    ):
        yield refused(
            f"name_{name}", what, PLAIN.renamed(TARGET, written).text(), line=1, column=TARGET
        )
    yield either(
        "name_in_another_normal_form", "an unknown column's name is decomposed",
        PLAIN.with_column(unicodedata.normalize("NFD", "\u00e9t\u00e9"), "1").text(),
    )  # fmt: skip
    yield either(
        "names_alike_in_two_normal_forms", "two unknown columns differ in normal form alone",
        PLAIN.with_column("\u00e9", "1").with_column("e\u0301", "2").text(), line=1,
    )  # fmt: skip
    yield either(
        "name_of_an_unused_column_differs", "an unused column has another name than expected",
        PLAIN.renamed("City", "Town").text(), line=1, column="City",
    )  # fmt: skip


def order() -> Iterator[Case]:
    """Columns in another order."""
    names = PLAIN.header
    yield same("reversed", "columns in reverse order", PLAIN.ordered(*reversed(names)).text())
    yield same("sorted", "columns sorted by name", PLAIN.ordered(*sorted(names)).text())
    yield same("target_first", "the target stands first", PLAIN.ordered(TARGET, *names[:-1]).text())
    swapped = list(names)
    swapped[1], swapped[2] = swapped[2], swapped[1]
    yield refused(
        "names_swapped", "the names of two columns are swapped, their cells not",
        PLAIN.text().replace(",".join(names), ",".join(swapped)), line=2, column="Age",
    )  # fmt: skip


def extra() -> Iterator[Case]:
    """Columns that the contract does not know."""
    for name, column, cell in (
        ("extra", "campaign", "spring"), ("extra_index", "Unnamed: 0", "7"),
        ("extra_target", "Clicked on Ad 2", "1"), ("extra_alike", "age", "x"),
        ("extra_formula", "=1+1", "=1+1"), ("extra_markup", "<script>alert(1)</script>", "<b>"),
        ("extra_template", "{{ 7*7 }}", "{% raw %}"), ("extra_shell", "$(reboot)", "`id`"),
        ("extra_ansi", "\x1b[2Jx", "\x1b]0;x\x07"), ("extra_bidi", "\u202eabc", "\u2066x"),
        ("extra_newline", '"a\nb"', '"c\nd"'), ("extra_quote", '"a""b"', '"c""d"'),
        ("extra_emoji", "\U0001f4a9", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("extra_path", "../../etc/passwd", "/dev/zero"),
        ("extra_dunder", "__class__", "__import__('os')"), ("extra_word", "index", "level_0"),
        ("extra_long", "x" * 10_000, "y" * 10_000),
    ):  # fmt: skip
        content = PLAIN.with_column(column, cell).text()
        yield same(name, f"an unknown column named {column[:40]!r}", content)
    yield either(
        "extra_without_a_name", "the first column has no name, as pandas writes its index",
        PLAIN.with_column("", "7").text(), line=1,
    )  # fmt: skip
    yield either(
        "extra_two_without_a_name", "two columns have no name",
        PLAIN.with_column("", "7").with_column("", "8").text(), line=1,
    )  # fmt: skip
    yield either(
        "extra_of_spaces", "a column is named by a space", PLAIN.with_column(" ", "7").text()
    )
    yield either("extra_nul", "a NUL in an unknown name", PLAIN.with_column("a\0b", "7").text())


def many() -> Iterator[Case]:
    """Columns in great numbers."""

    def wide(count: int, written: str, first: str = "x{}") -> bytes:
        names = ",".join(first.format(n) for n in range(count))
        cells = "," + ",".join([written] * count)
        header, *rows = PLAIN.lines()
        return "\n".join([f"{header},{names}", *(row + cells for row in rows)]).encode() + b"\n"

    for count in (1000, 200_000):
        yield either(
            f"columns_{count}", f"{count} unknown columns", lambda count=count: wide(count, "1"),
            heavy=True, line=1,
        )  # fmt: skip
    yield either(
        "columns_million_empty", "a million unknown columns with empty cells",
        lambda: wide(1_000_000, ""), heavy=True, line=1,
    )  # fmt: skip
    yield refused(
        "columns_200000_of_one_name", "200000 unknown columns of one name",
        lambda: wide(200_000, "1", "x"), heavy=True, line=1,
    )  # fmt: skip
    yield refused(
        "commas_million_in_the_header", "a header of a million commas",
        lambda: b"," * 1_000_000 + b"\n1\n", heavy=True, line=1,
    )  # fmt: skip
    yield refused(
        "commas_million_in_a_row", "a row of a million commas",
        lambda: PLAIN.text().encode() + b"," * 1_000_000, "cells", heavy=True, line=14,
    )  # fmt: skip
