"""Cases about rows: quotes, line ends, blank lines, numbers of cells, what is no row at all."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.cases import CONTRACTS, PLAIN, Case, either, refused, same

LINES = PLAIN.lines()
TEXT = PLAIN.text()
HEADER, FIRST = LINES[0], LINES[1]
TOPIC = "Ad Topic Line"
ROW = LINES[6]  # line 7


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [
        *quotes(), *well_known(), *swallowed(), *numbers_of_cells(), *blank_lines(),
        *line_ends(), *strangers(), *delimiters(), *quoted(), *little(),
    ]  # fmt: skip


def with_line(line: int, text: str) -> str:
    """Return the plain file with one line written otherwise."""
    return "\n".join([*LINES[: line - 1], text, *LINES[line:]]) + "\n"


def with_topic(line: int, written: str) -> str:
    """Return the plain file with the text of one row, in an unused column, written otherwise."""
    return PLAIN.cell(line, TOPIC, written).text()


def quotes() -> Iterator[Case]:
    """Quotes that are not closed, doubled wrongly, or stand where none may."""
    yield refused(
        "quote_unclosed_in_last_line", "the last line opens a quote that nothing closes",
        with_topic(13, '"Plain line 11'), "quote", line=13,
    )  # fmt: skip
    yield refused(
        "quote_unclosed_in_first_row", "a quote opened on line 2 is never closed",
        with_topic(2, '"Plain line 0'), "quote", line=2,
    )  # fmt: skip
    yield refused(
        "quote_unclosed_in_the_middle", "a quote opened on line 6 is never closed",
        with_topic(6, '"Plain line 4'), "quote", line=6,
    )  # fmt: skip
    yield refused(
        "quote_unclosed_in_header", "the header opens a quote that nothing closes",
        TEXT.replace("Ad Topic Line", '"Ad Topic Line'), "quote", line=1,
    )  # fmt: skip
    yield refused(
        "quote_unclosed_as_last_character", "the file ends in a quote that opens a cell",
        TEXT + '"', line=14,
    )  # fmt: skip
    yield refused(
        "quote_closed_too_early", "text goes on after the closing quote",
        with_topic(7, '"Plain" line 5'), "quote", line=7,
    )  # fmt: skip
    yield refused(
        "quote_not_doubled_inside", "quotes inside of a quoted cell are not doubled",
        with_topic(7, '"say "hello" now"'), "quote", line=7,
    )  # fmt: skip
    yield refused(
        "quote_escaped_by_backslash", "a quote inside of a quoted cell is escaped by a backslash",
        with_topic(7, r'"say \"hello\" now"'), "quote", line=7,
    )  # fmt: skip
    yield refused(
        "quote_then_space", "a space stands between the closing quote and the comma",
        with_topic(7, '"Plain line 5" '), "quote", line=7,
    )  # fmt: skip
    yield refused(
        "quote_around_a_whole_row", "each row is one quoted cell, as some tools export",
        "\n".join([HEADER, *(f'"{line}"' for line in LINES[1:])]) + "\n", line=2,
    )  # fmt: skip
    yield refused(
        "quote_around_every_line", "header and rows are one quoted cell each",
        "\n".join(f'"{line}"' for line in LINES) + "\n", line=1,
    )  # fmt: skip
    yield refused(
        "quote_opened_on_each_line", "every row opens a quote and closes none",
        "\n".join([HEADER, *(f'"{line}' for line in LINES[1:])]) + "\n", line=2,
    )  # fmt: skip
    yield refused(
        "quotes_typographic_with_commas", "typographic quotes do not keep a comma inside",
        with_topic(7, "\u201cPlain, line\u201d"), "cells", line=7,
    )  # fmt: skip
    yield refused(
        "quotes_single_with_commas", "single quotes do not keep a comma inside",
        with_topic(7, "'Plain, line'"), "cells", line=7,
    )  # fmt: skip
    yield same(
        "quote_in_the_middle_of_an_unquoted_cell", "a quote inside of an unquoted, unused cell",
        with_topic(7, 'a 5" screen'),
    )  # fmt: skip
    yield same("quote_alone_doubled", "an unused cell is one doubled quote", with_topic(7, '""""'))
    yield same("quoted_empty_text", "an unused cell is quoted and empty", with_topic(7, '""'))
    yield same(
        "quoted_text_with_doubled_quotes", "doubled quotes in an unused cell",
        with_topic(7, '"say ""hello"", now"'),
    )  # fmt: skip
    yield refused(
        "quoted_number_with_doubled_quotes", "a number inside of doubled quotes",
        PLAIN.cell(5, "Age", '"""33"""').text(), line=5, column="Age",
    )  # fmt: skip
    yield refused(
        "quote_inside_of_a_number", "a quote stands after a number",
        PLAIN.cell(5, "Age", '33"').text(), line=5,
    )  # fmt: skip


def well_known() -> Iterator[Case]:
    """The pattern of a widely copied malformed file: 61 lines, 43 with an unclosed quote."""
    row = PLAIN.rows[0]
    for name, every in (("well_known_pattern", 20), ("well_known_pattern_one_header", 100)):
        lines = [HEADER]
        for n in range(60):
            cells = [f"{40 + n}.5", *row[1:4], f"Plain line {n}", *row[5:9], str(n % 2)]
            if n < 43:
                cells[0] = f'"{cells[0]}'
            lines.append(HEADER if n % every == every - 1 else ",".join(cells))
        yield refused(
            name, "61 lines, 43 with a quote that is never closed, headers among the rows",
            "\n".join(lines) + "\n", line=2,
        )  # fmt: skip
    mixed = [HEADER]
    for n in range(60):
        start = f"{40 + n}.5,{30 + n % 30},{41000 + n}.5,{100 + n}.5"
        text = f'"Plain line {n}' if n % 60 < 43 else f"Plain line {n}"
        mixed.append(HEADER if n in (50, 55) else f"{start},{text},Town,0,Norland,2025,{n % 2}")
    yield refused(
        "well_known_pattern_in_the_text", "43 of 61 lines open a quote in the unused text column",
        "\n".join(mixed) + "\n", line=2,
    )  # fmt: skip
    lines = [HEADER]
    for n in range(60):
        start = f"{40 + n}.5,{30 + n % 30},{41000 + n}.5,{100 + n}.5"
        text = f'"Plain line {n}' if n % 2 == 0 else f'Plain line {n}"'
        lines.append(f"{start},{text},Town,0,Norland,2025,{(n // 2) % 2}")
    yield refused(
        "well_known_pattern_paired", "every second line opens a quote, the next one ends it",
        "\n".join(lines) + "\n", line=2,
    )  # fmt: skip


def swallowed() -> Iterator[Case]:
    """A quote opened on one row and closed on a later one, so that rows vanish into a text."""
    for name, last in (("two_rows_in_a_quote", 6), ("five_rows_in_a_quote", 9)):
        sheet = PLAIN.cell(5, TOPIC, '"Plain line 3').cell(last, TOPIC, 'Plain line"')
        yield refused(
            name, "a quote left open on line 5 and one too many later make rows one long text",
            sheet.text(), line=5,
        )  # fmt: skip
    sheet = PLAIN.cell(5, "Timestamp", '"2025').cell(8, "Timestamp", '2025"')
    yield refused(
        "rows_in_a_quote_of_the_timestamp", "the same in another unused column", sheet.text(),
        line=5,
    )  # fmt: skip
    yield same(
        "newline_in_a_quoted_text", "an unused cell holds a line feed",
        with_topic(7, '"Plain\nline 5"'),
    )  # fmt: skip
    yield same(
        "newlines_and_commas_in_a_quoted_text", "an unused cell holds lines with some commas",
        with_topic(7, '"Plain,\n, line\r\n5\n"'),
    )  # fmt: skip
    yield same(
        "blank_lines_in_a_quoted_text", "an unused cell holds blank lines",
        with_topic(7, '"\n\n\nPlain\n\n"'),
    )  # fmt: skip
    yield refused(
        "line_is_counted_behind_a_quoted_newline", "a bad cell behind a text of three lines",
        with_topic(3, '"a\nb\nc"').replace("49.25,33", "49.25,old"),
        line=7, column="Age",
    )  # fmt: skip


def numbers_of_cells() -> Iterator[Case]:
    """Rows that have not one cell a column."""
    short, long = ROW.rpartition(",")[0], f"{ROW},1"
    for name, what, line in (
        ("cell_missing_at_the_end", "a row lacks its last cell", short),
        ("cell_missing_at_the_start", "a row lacks its first cell", ROW.partition(",")[2]),
        ("cell_too_many", "a row has a cell too many", long),
        ("cell_empty_too_many", "a row has an empty cell too many", f"{ROW},"),
        ("row_of_one_cell", "a row is one word", "word"),
        ("row_of_delimiters", "a row is nothing but one comma too few", "," * 8),
        ("row_twice_on_a_line", "two rows stand on one line", f"{ROW},{ROW}"),
        ("row_cut_in_two", "a line break stands in the middle of a row", ROW.replace("Town", "\n")),
        ("comma_in_an_unquoted_text", "a comma in a text that is not quoted",
         ROW.replace("Plain line", "Plain, line")),
    ):  # fmt: skip
        yield refused(name, what, with_line(7, line), "cells", line=7)
    yield refused(
        "row_of_empty_cells", "a row is nothing but commas", with_line(7, "," * 9), line=7
    )
    yield refused("last_row_cut_off", "the file ends in the middle of a row", TEXT[:-40], line=13)
    yield refused(
        "last_row_cut_off_in_a_number", "the last row lacks its last cells",
        TEXT.rpartition("\n73.25,41")[0] + "\n73.2", "cells", line=13,
    )  # fmt: skip
    yield refused(
        "every_row_with_a_comma_more", "each row, not the header, ends in a comma",
        "\n".join([HEADER, *(f"{line}," for line in LINES[1:])]) + "\n", "cells", line=2,
    )  # fmt: skip
    yield either(
        "every_line_with_a_comma_more", "header and rows end in a comma: a column without a name",
        "\n".join(f"{line}," for line in LINES) + "\n", line=1,
    )  # fmt: skip
    yield refused(
        "header_with_a_comma_more", "the header, not the rows, ends in a comma",
        TEXT.replace(HEADER, f"{HEADER},"),
    )  # fmt: skip


def blank_lines() -> Iterator[Case]:
    """Lines without a cell."""
    for name, what, end in (
        ("blank_line_at_the_end", "one blank line at the end", "\n"),
        ("blank_lines_at_the_end", "many blank lines at the end", "\n" * 1000),
        ("blank_lines_of_all_kinds_at_the_end", "blank lines of several kinds", "\n\r\n\n\r\n"),
    ):
        yield same(name, what, TEXT + end)
    yield either("blank_line_at_the_start", "the header is on line 2", "\n" + TEXT, line=1)
    yield either(
        "blank_line_after_the_header", "a blank line stands below the header",
        with_line(1, f"{HEADER}\n"), "blank", line=2,
    )  # fmt: skip
    yield either(
        "blank_line_among_the_rows", "a blank line stands among the rows",
        with_line(7, f"\n{ROW}"), "blank", line=7,
    )  # fmt: skip
    lenient = CONTRACTS["lenient"][1].text()
    for name, end in (("", "\n" * 30), ("_crlf", "\r\n" * 30)):
        yield same(
            f"blank_lines_at_the_end_where_all_may_be_missing{name}",
            "blank lines at the end are no rows of missing values", lenient + end,
            contract="lenient",
        )  # fmt: skip
    yield refused(
        "blank_line_among_the_rows_where_all_may_be_missing",
        "a blank line is no row of missing values", lenient.replace("\n", "\n\n", 5), "blank",
        contract="lenient",
    )  # fmt: skip
    yield Case(
        "row_of_empty_cells_where_all_may_be_missing", "a row of empty cells is dropped, counted",
        "same", (lenient + "," * 7 + "\n").encode(), contract="lenient", dropped=1,
    )  # fmt: skip
    yield either("spaces_at_the_end", "the last line is three spaces", TEXT + "   \n", line=14)
    yield either("tab_at_the_end", "the last line is a tab", TEXT + "\t", line=14)
    yield refused("spaces_among_the_rows", "a line is three spaces", with_line(7, "   "), line=7)
    yield refused("quoted_nothing_among_the_rows", 'a line is ""', with_line(7, '""'), line=7)


def line_ends() -> Iterator[Case]:
    """Lines that end in other ways."""
    yield same("crlf", "CRLF", PLAIN.text("\r\n"))
    yield same("crlf_without_the_last", "CRLF, none at the end", PLAIN.text("\r\n", last=False))
    yield same("no_final_newline", "no line feed at the end", PLAIN.text(last=False))
    yield same("cr_only", "CR alone, as old Macintoshes wrote", PLAIN.text("\r"))
    yield same(
        "mixed_line_ends", "LF, CRLF by turns",
        "".join(line + ("\n", "\r\n")[n % 2] for n, line in enumerate(LINES)),
    )  # fmt: skip
    yield either(
        "mixed_line_ends_with_cr", "LF, CRLF, CR by turns",
        "".join(line + ("\n", "\r\n", "\r")[n % 3] for n, line in enumerate(LINES)),
    )  # fmt: skip
    yield either("crcrlf", "CR CR LF, of a text mode written twice", PLAIN.text("\r\r\n"))
    yield either("lfcr", "LF CR", PLAIN.text("\n\r"))
    yield refused("line_separator", "rows end in U+2028", PLAIN.text("\u2028"), line=1)
    yield refused("next_line", "rows end in U+0085", PLAIN.text("\u0085"), line=1)
    yield refused("vertical_tab", "rows end in a vertical tab", PLAIN.text("\v"), line=1)
    yield refused("form_feed", "rows end in a form feed", PLAIN.text("\f"), line=1)
    yield refused("backslash_n", "rows end in a backslash and an n", PLAIN.text("\\n"), line=1)
    yield same(
        "separators_in_unused_text", "U+2028, U+0085, VT and FF in an unused cell",
        with_topic(7, "a\u2028b\u0085c\vd\fe"),
    )  # fmt: skip
    yield same(
        "crlf_in_a_quoted_text", "a quoted cell holds CRLF in a file of LF",
        with_topic(7, '"a\r\nb"'),
    )  # fmt: skip
    yield same("cr_in_a_quoted_text", "a quoted cell holds CR", with_topic(7, '"a\rb"'))
    yield refused(
        "cr_in_an_unquoted_number", "a CR stands in a number", PLAIN.cell(5, "Age", "3\r3").text(),
        line=5,
    )  # fmt: skip
    yield either("ctrl_z_at_the_end", "DOS' end of file, 0x1a", TEXT + "\x1a", line=14)


def strangers() -> Iterator[Case]:
    """Lines that are no rows."""
    for name, what, line in (
        ("total_row", "a row of totals at the end", "Total,390,504000,1998,,,6,,,6"),
        ("total_row_with_commas", "a total in front, the rest empty", "Total,,,,,,,,,"),
        ("comment_at_the_end", "a comment at the end", "# exported by a tool"),
        ("footer_with_a_count", "a database client's footer", "(12 rows)"),
        ("footer_rows_affected", "another client's footer", "12 rows affected."),
        ("ellipsis_row", "an ellipsis of a shortened print", "...,...,...,...,...,...,...,...,..."),
        ("markdown_rule", "a rule of a table in Markdown", "|---|---|---|"),
        ("html_at_the_end", "a page's end", "</body></html>"),
        ("sql_at_the_end", "a statement", "INSERT INTO ads VALUES (1, 2);"),
        ("null_row", "a row of NULL", ",".join(["NULL"] * 10)),
    ):
        yield refused(name, what, TEXT + line + "\n", line=14)
    for name, what, line in (
        ("comment_at_the_start", "a comment in front of the header", "# exported by a tool"),
        ("title_at_the_start", "a title in front of the header", "Advertising 2025"),
        ("title_padded_at_the_start", "a title padded with commas", "Advertising,,,,,,,,,"),
        ("sep_line_of_excel", "the line sep=, which Excel knows", "sep=,"),
        ("xml_declaration", "an XML declaration", '<?xml version="1.0"?>'),
        ("types_above_the_header", "the first line names types", "float,int,float,float,str"),
    ):
        yield refused(name, what, f"{line}\n{TEXT}", line=1)
    yield refused(
        "comment_among_the_rows", "a comment among the rows", with_line(7, "# a note"), line=7
    )
    yield refused(
        "header_repeated", "the header stands once more among the rows", with_line(7, HEADER),
        line=7,
    )  # fmt: skip
    yield refused("file_twice", "the file, header and all, follows itself", TEXT + TEXT, line=14)
    yield refused(
        "header_repeated_by_turns", "the header stands above each row",
        "".join(f"{HEADER}\n{line}\n" for line in LINES[1:]), line=3,
    )  # fmt: skip
    yield refused(
        "units_below_the_header", "a row of units follows the header",
        with_line(1, f"{HEADER}\nminutes,years,dollars,minutes,,,,,,"), line=2,
    )  # fmt: skip
    yield refused(
        "conflict_marker", "marks of a merge conflict",
        with_line(7, f"<<<<<<< HEAD\n{ROW}\n=======\n{ROW}\n>>>>>>> other"), line=7,
    )  # fmt: skip
    yield refused("json_file", "JSON", '[{"Age": 35, "Male": 1}]\n', line=1)
    yield refused("json_lines", "JSON, one object a line", '{"Age": 35}\n{"Age": 36}\n', line=1)
    yield refused(
        "html_page", "a page that says 404", "<!DOCTYPE html>\n<html>404</html>\n", line=1
    )
    yield refused(
        "git_lfs_pointer", "a pointer of Git LFS instead of the file",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", line=1,
    )  # fmt: skip


def delimiters() -> Iterator[Case]:
    """Delimiters other than the contract's, or more than one."""
    for name, delimiter in (
        ("semicolons", ";"), ("tabs", "\t"), ("pipes", "|"), ("colons", ":"), ("spaces", " "),
        ("unit_separators", "\x1f"), ("fullwidth_commas", "\uff0c"), ("double_commas", ",,"),
    ):  # fmt: skip
        yield refused(
            f"{name}_for_commas", "another delimiter than the contract's throughout",
            PLAIN.delimited(delimiter).text(), line=1,
        )  # fmt: skip
    yield refused(
        "delimiter_changes", "from line 7 on the delimiter is another",
        "\n".join([*LINES[:6], *(line.replace(",", ";") for line in LINES[6:])]) + "\n",
        line=7,
    )  # fmt: skip
    yield refused(
        "delimiter_changes_below_the_header", "the header has commas, the rows semicolons",
        "\n".join([HEADER, *(line.replace(",", ";") for line in LINES[1:])]) + "\n", line=2,
    )  # fmt: skip
    yield refused(
        "delimiter_changes_within_a_row", "one comma of one row is a semicolon",
        with_line(7, ROW.replace(",", ";", 1)), line=7,
    )  # fmt: skip
    yield same(
        "other_delimiters_in_unused_text", "semicolons, tabs and pipes in an unused cell",
        with_topic(7, "a;b\tc|d"),
    )  # fmt: skip
    for contract in ("semicolon", "tab", "pipe"):
        sheet = CONTRACTS[contract][1]
        yield same(f"contract_with_{contract}", "the contract's delimiter", sheet.text(),
                   contract=contract)  # fmt: skip
        yield refused(
            f"commas_for_{contract}", "commas, where the contract names another delimiter",
            sheet.delimited(",").text(), line=1, contract=contract,
        )  # fmt: skip
    semicolon = CONTRACTS["semicolon"][1]
    yield refused(
        "semicolon_with_decimal_commas", "semicolons and decimal commas, as in half of Europe",
        semicolon.cell(5, "spent", "3,5").text(), line=5, column="spent", contract="semicolon",
    )  # fmt: skip
    yield same(
        "commas_in_unused_text_of_semicolons", "a comma is a text's own where it delimits nothing",
        semicolon.cell(5, "note", "a, b").text(), contract="semicolon",
    )  # fmt: skip


def quoted() -> Iterator[Case]:
    """Cells that are quoted though they need not be."""
    yield same("all_quoted", "each cell is quoted", PLAIN.each(lambda cell: f'"{cell}"').text())
    yield same(
        "all_quoted_crlf", "each cell is quoted, CRLF",
        PLAIN.each(lambda cell: f'"{cell}"').text("\r\n"),
    )  # fmt: skip
    yield same(
        "header_quoted", "the header's names are quoted",
        TEXT.replace(HEADER, ",".join(f'"{name}"' for name in PLAIN.header)),
    )  # fmt: skip
    yield same("number_quoted", "one number is quoted", PLAIN.cell(5, "Age", '"33"').text())
    yield same(
        "target_quoted", "the target's cells are quoted",
        PLAIN.cell(5, "Clicked on Ad", '"1"').text(),
    )  # fmt: skip
    yield refused(
        "single_quoted_numbers", "numbers stand in single quotes",
        PLAIN.cell(5, "Age", "'33'").text(), line=5, column="Age",
    )  # fmt: skip


def little() -> Iterator[Case]:
    """Files with next to nothing in them."""
    yield refused("empty_file", "no byte at all", b"", "empty")
    yield refused("one_newline", "one line feed", b"\n", line=1)
    yield refused("newlines_only", "a thousand line feeds", b"\n" * 1000)
    yield refused("spaces_only", "spaces", b"    ", line=1)
    yield refused("spaces_and_newlines_only", "spaces and line feeds", b"  \n  \n", line=1)
    yield refused("one_nul", "one NUL", b"\0")
    yield refused("nuls_only", "a page of NULs, as a crash leaves a file", b"\0" * 4096)
    yield refused("one_comma", "one comma", b",", line=1)
    yield refused("one_quote", "one quote", b'"', line=1)
    yield refused("bom_only", "a byte order mark and nothing else", b"\xef\xbb\xbf")
    yield refused("bom_utf16_only", "a UTF-16 byte order mark and nothing else", b"\xff\xfe")
    yield refused("header_only", "a header and no row", HEADER + "\n")
    yield refused("header_only_without_newline", "a header, no line feed", HEADER)
    yield refused("header_and_blank_lines", "a header and blank lines", HEADER + "\n\n\n")
    yield refused("rows_without_header", "the header is missing", "\n".join(LINES[1:]), line=1)
    yield refused(
        "one_row", "one row, so one class", f"{HEADER}\n{FIRST}\n", "class", column="Clicked on Ad"
    )
