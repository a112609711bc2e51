"""Cases about the data contract's own file; the data file beside it is the plain one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.hostile.cases import CONTRACTS, PLAIN, Case

TEXT = CONTRACTS["advertising"][0]
PLACE = "data/advertising.toml"


def cases() -> list[Case]:
    """Return the cases of this theme."""
    return [*harmless(), *typos(), *values(), *columns(), *no_toml(), *shop_rules(), *places()]


def with_contract(
    name: str, what: str, expected: str, content: str | bytes, *says: str, **more: object
) -> Case:
    """Return a case of another contract for the plain file."""
    written = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")

    def put(volume: Path) -> None:
        (volume / PLACE).write_bytes(written)

    return Case(f"contract_{name}", what, expected, place=put, arguments=(), says=says,
                **more)  # type: ignore[arg-type]  # fmt: skip


def bad(name: str, what: str, content: str | bytes, *says: str, **more: object) -> Case:
    """Return a case of a contract that is refused before the data is read."""
    return with_contract(name, what, "refused", content, *says, **more)


def at(old: str, new: str, text: str = TEXT) -> str:
    """Return the contract with its first ``old`` written otherwise."""
    assert old in text, old
    return text.replace(old, new, 1)


def first_changed(content: str) -> int | None:
    """Return the first line that is not the bundled contract's; None where one was taken out."""
    lines, plain = content.splitlines(), TEXT.splitlines()
    if len(lines) < len(plain):
        return None
    return next(n for n, line in enumerate(lines, 1) if line != plain[n - 1])


def harmless() -> Iterator[Case]:
    """Contracts written otherwise that say the same."""
    for name, what, content in (
        ("crlf", "CRLF", TEXT.replace("\n", "\r\n")),
        ("without_last_newline", "no line feed at the end", TEXT.rstrip("\n")),
        ("comments", "hostile comments", TEXT + "\n# <script>{{ 7*7 }}$(id)\u202e\n"),
        ("literal_quotes", "single quotes", TEXT.replace("user's", "users").replace('"', "'")),
        ("escapes", "a name in escapes", at('columns."Age"', 'columns."\\u0041ge"')),
        (
            "inline",
            "a column as an inline table",
            at(
                '[columns."Male"]\ntype = "integer"\nrole = "feature"\n'
                'unit = "1 for male, 0 for female"\nallowed = [0, 1]\n',
                "",
            ).replace(
                '[columns."Country"]',
                '[columns]\n"Male" = {type = "integer", role = "feature", allowed = [0, 1]}\n'
                '[columns."Country"]',
            ),
        ),
        ("float_limits", "limits as floats", TEXT.replace("maximum = 1440", "maximum = 1.44e3")),
        (
            "hostile_description",
            "a description of markup",
            at('description = "headline', 'description = "{{7*7}}<script>\\u001b[2J headline'),
        ),
        (
            "long_description",
            "a description of a megabyte",
            at('description = "headline', 'description = "' + "x" * 1_000_000),
        ),
        (
            "time_zone_free",
            "an unused column of another type",
            TEXT.replace(
                'type = "text"\nrole = "unused"\nunit', 'type = "number"\nrole = "unused"\nunit'
            ),
        ),
        ("spaces", "spaces everywhere", TEXT.replace(" = ", "   =   ")),
        (
            "limits_of_unused",
            "limits of an unused column",
            at('columns."City"]\ntype = "text"', 'columns."City"]\ntype = "integer"\nminimum = 5'),
        ),
        (
            "reversed",
            "columns in reverse order",
            TEXT[: TEXT.index("[columns")]
            + "\n".join(f"[columns{part}" for part in reversed(TEXT.split("[columns")[1:])),
        ),
        ("extreme_minimum", "the largest limits", at("minimum = 0", "minimum = -1.7e308")),
    ):
        yield with_contract(name, what, "same", content)
    yield with_contract("bom", "a byte order mark", "either", TEXT.encode("utf-8-sig"))


def typos() -> Iterator[Case]:
    """Keys and words that the format does not know."""
    for name, old, new in (
        ("key_of_a_column", "minimum = 0", "minimun = 0"),
        ("key_in_capitals", "minimum", "Minimum"),
        ("key_of_the_top", "delimiter", "delimeter"), ("path_misspelt", "path =", "pth ="),
        ("encoding_misspelt", "encoding =", "enconding ="), ("role_misspelt", "role =", "rolle ="),
        ("key_of_pandas", "minimum = 0", 'dtype = "int"'),
        ("key_with_a_dash", "minimum", "mini-mum"),
        ("key_quoted", "minimum = 0", '"min imum" = 0'), ("key_of_markup", "minimum = 0",
        '"<b>{{x}}</b>" = 0'), ("key_of_ansi", "minimum = 0", '"\\u001b[2J" = 0'),
        ("key_of_bidi", "minimum = 0", '"\\u202Ex" = 0'), ("key_empty", "minimum = 0", '"" = 0'),
        ("type_misspelt", 'type = "number"', 'type = "nubmer"'),
        ("type_in_capitals", 'type = "number"', 'type = "Number"'),
        ("type_of_sql", 'type = "number"', 'type = "float"'),
        ("role_plural", 'role = "feature"', 'role = "features"'),
        ("role_empty", 'role = "feature"', 'role = ""'),
    ):  # fmt: skip
        content = at(old, new)
        yield bad(
            f"typo_{name}", f"{old!r} is written {new!r}", content, line=first_changed(content)
        )


def values() -> Iterator[Case]:
    """Values of another type, or beyond reason."""
    for name, old, new in (
        ("minimum_text", "minimum = 0", 'minimum = "0"'), ("minimum_true", "minimum = 0",
        "minimum = true"), ("minimum_nan", "minimum = 0", "minimum = nan"),
        ("minimum_inf", "minimum = 0", "minimum = -inf"), ("minimum_list", "minimum = 0",
        "minimum = [0]"), ("minimum_date", "minimum = 0", "minimum = 2025-01-01"),
        ("minimum_huge", "minimum = 0", "minimum = 1e999"),
        ("minimum_above_maximum", "minimum = 0", "minimum = 5000"),
        ("maximum_nan", "maximum = 120", "maximum = nan"),
        ("allowed_empty", "allowed = [0, 1]", "allowed = []"),
        ("allowed_text", "allowed = [0, 1]", 'allowed = ["0", "1"]'),
        ("allowed_number", "allowed = [0, 1]", "allowed = 1"),
        ("allowed_nan", "allowed = [0, 1]", "allowed = [nan]"),
        ("allowed_bool", "allowed = [0, 1]", "allowed = [false, true]"),
        ("allowed_nested", "allowed = [0, 1]", "allowed = [[0, 1]]"),
        ("allowed_fraction", "allowed = [0, 1]", "allowed = [0.5]"),
        ("type_number", 'type = "integer"', "type = 1"), ("type_list", 'type = "integer"',
        'type = ["integer"]'), ("type_missing", 'type = "integer"\n', ""),
        ("type_table", 'type = "integer"', 'type = {a = "integer"}'),
        ("role_missing", 'role = "feature"\n', ""),
        ("role_true", 'role = "feature"', "role = true"),
        ("path_number", 'path = "data/advertising.csv"', "path = 5"),
        ("path_empty", 'path = "data/advertising.csv"', 'path = ""'),
        ("path_missing", 'path = "data/advertising.csv"\n', ""),
        ("path_parent", '"data/advertising.csv"', '"../../etc/passwd"'),
        ("path_absolute", '"data/advertising.csv"', '"/etc/passwd"'),
        ("path_nul", '"data/advertising.csv"', '"data/\\u0000.csv"'),
        ("delimiter_two", 'delimiter = ","', 'delimiter = ",,"'),
        ("delimiter_empty", 'delimiter = ","', 'delimiter = ""'),
        ("delimiter_quote", 'delimiter = ","', "delimiter = '\"'"),
        ("delimiter_newline", 'delimiter = ","', 'delimiter = "\\n"'),
        ("delimiter_nul", 'delimiter = ","', 'delimiter = "\\u0000"'),
        ("delimiter_number", 'delimiter = ","', "delimiter = 1"),
        ("delimiter_word", 'delimiter = ","', 'delimiter = "comma"'),
        ("delimiter_auto", 'delimiter = ","', 'delimiter = "auto"'),
        ("encoding_unknown", '"utf-8"', '"klingon"'), ("encoding_code", '"utf-8"', '"idna"'),
        ("encoding_rot13", '"utf-8"', '"rot13"'), ("encoding_utf7", '"utf-8"', '"utf-7"'),
        ("encoding_number", '"utf-8"', "8"), ("encoding_list", '"utf-8"', '["utf-8"]'),
        ("share_above_one", "\n[columns", "\nmax_dropped_share = 1.5\n[columns"),
        ("share_negative", "\n[columns", "\nmax_dropped_share = -0.1\n[columns"),
        ("share_nan", "\n[columns", "\nmax_dropped_share = nan\n[columns"),
        ("share_text", "\n[columns", '\nmax_dropped_share = "10%"\n[columns'),
        ("share_true", "\n[columns", "\nmax_dropped_share = true\n[columns"),
        ("duplicates_word", "\n[columns", '\nduplicates = "remove"\n[columns'),
        ("duplicates_true", "\n[columns", "\nduplicates = true\n[columns"),
        ("missing_values_word", "\n[columns", '\nmissing_values = "NA"\n[columns'),
        ("missing_values_number", "\n[columns", "\nmissing_values = [0]\n[columns"),
        ("missing_word", 'role = "feature"', 'role = "feature"\nmissing = "ignore"'),
        ("missing_true", 'role = "feature"', 'role = "feature"\nmissing = true'),
        ("encode_of_a_number", 'role = "feature"', 'role = "feature"\nencode = "one_hot"'),
        ("encode_word", 'role = "feature"', 'role = "feature"\nencode = "ordinal"'),
        ("positive_of_a_feature", 'role = "feature"', 'role = "feature"\npositive = 1'),
        ("unit_number", 'unit = "minutes a day"', "unit = 5"),
        ("description_list", 'role = "feature"', 'role = "feature"\ndescription = ["x"]'),
    ):  # fmt: skip
        content = at(old, new)
        yield bad(
            f"value_{name}",
            f"{old.strip()!r} is written {new.strip()!r}",
            content,
            line=first_changed(content),
        )


def columns() -> Iterator[Case]:
    """Columns and roles that make no sense together."""
    target = TEXT[TEXT.index('[columns."Clicked') :]
    for name, what, content in (
        ("none", "no column at all", TEXT[: TEXT.index("[columns")]),
        ("empty", "an empty table of columns", TEXT[: TEXT.index("[columns")] + "[columns]\n"),
        ("a_list", "a list of columns", 'path = "data/advertising.csv"\ncolumns = ["Age"]\n'),
        ("a_number", "columns is a number", 'path = "data/advertising.csv"\ncolumns = 3\n'),
        (
            "array_of_tables",
            "[[columns]]",
            TEXT.replace("[columns.", "[[columns.").replace('"]\n', '"]]\n'),
        ),
        (
            "column_is_a_word",
            "a column is a word",
            TEXT[: TEXT.index("[columns")] + '[columns]\nAge = "integer"\n',
        ),
        ("no_target", "no target", TEXT.replace('"target"', '"unused"')),
        ("two_targets", "two targets", TEXT + target.replace("Clicked", "Bought")),
        ("no_feature", "no feature", TEXT.replace('"feature"', '"unused"')),
        (
            "target_without_allowed",
            "the target has no allowed",
            TEXT.replace(target, target.replace("allowed = [0, 1]", "")),
        ),
        (
            "target_of_one_value",
            "the target allows one value",
            TEXT.replace(target, target.replace("[0, 1]", "[1]")),
        ),
        (
            "target_of_three_values",
            "the target allows three values",
            TEXT.replace(target, target.replace("[0, 1]", "[0, 1, 2]")),
        ),
        (
            "target_of_equal_values",
            "the target allows 1 and 1",
            TEXT.replace(target, target.replace("[0, 1]", "[1, 1]")),
        ),
        (
            "target_positive_elsewhere",
            "the positive value is not allowed",
            TEXT.replace(target, target + "positive = 2\n"),
        ),
        (
            "target_positive_text",
            "the positive value is a text",
            TEXT.replace(target, target + 'positive = "1"\n'),
        ),
        (
            "target_imputed",
            "a target that is imputed",
            TEXT.replace(target, target + 'missing = "impute"\n'),
        ),
        (
            "target_of_numbers",
            "a target of the type number",
            TEXT.replace(target, target.replace('"integer"', '"number"')),
        ),
        ("feature_of_time", "a feature of the type time", at('type = "number"', 'type = "time"')),
        (
            "two_times",
            "two time columns",
            TEXT.replace('type = "text"\nrole = "unused"', 'type = "time"\nrole = "time"'),
        ),
        (
            "two_groups",
            "two group columns",
            TEXT.replace('type = "text"\nrole = "unused"', 'type = "category"\nrole = "group"'),
        ),
        (
            "time_of_text",
            "a time column of the type text",
            TEXT.replace(
                'type = "text"\nrole = "unused"\nunit', 'type = "text"\nrole = "time"\nunit'
            ),
        ),
        (
            "range_of_a_category",
            "a category with a minimum",
            at('type = "number"', 'type = "category"'),
        ),
    ):
        yield bad(f"columns_{name}", what, content)
    yield bad(
        "columns_name_with_escapes",
        "a name of control characters, missing in the file",
        TEXT + '[columns."\\u001b[2J\\u202e\\n"]\ntype = "integer"\nrole = "feature"\n',
    )
    yield bad("columns_name_empty", "a column without a name",
              TEXT + '[columns.""]\ntype = "integer"\nrole = "feature"\n')  # fmt: skip
    yield bad("columns_name_very_long", "a name of 100000 letters, missing in the file",
              TEXT + f'[columns.{"x" * 100_000}]\ntype = "integer"\nrole = "feature"\n'
              )  # fmt: skip
    yield bad(
        "columns_50000",
        "50000 columns more than the file has",
        TEXT
        + "".join(f'[columns.x{n}]\ntype = "integer"\nrole = "feature"\n' for n in range(50_000)),
        heavy=True,
    )


def no_toml() -> Iterator[Case]:
    """Files that are no TOML."""
    deep = 100_000
    for name, what, content in (
        ("empty", "an empty file", b""), ("blank", "blank lines", b"\n\n\n"),
        ("yaml", "YAML", b"path: data/advertising.csv\ncolumns:\n  Age: integer\n"),
        ("json", "JSON", b'{"path": "data/advertising.csv"}'),
        ("csv", "CSV", PLAIN.text().encode()),
        ("ini", "an INI file", b"[columns.Age]\ntype: integer\n"), ("nul", "NUL", b"\0" * 100),
        ("latin1", "latin-1", at("headline", "\u00fcberschrift").encode("latin-1")),
        ("utf16", "UTF-16", TEXT.encode("utf-16")), ("utf16_le", "UTF-16 without a mark",
        TEXT.encode("utf-16-le")), ("random", "bytes", bytes(n * 197 % 251 for n in range(1000))),
        ("surrogate", "half a surrogate pair", TEXT.encode() + b"# \xed\xa0\x80\n"),
        ("unclosed_text", "a text that is not closed", at('"data/advertising.csv"', '"data/adv')),
        ("unclosed_table", "a table's name that is not closed", at('["'[0] + 'columns."Age"]',
        '[columns."Age"')), ("key_twice", "a key twice", at("delimiter", 'path = "x"\ndelimiter')),
        ("table_twice", "a column twice", TEXT + '[columns."Age"]\ntype = "integer"\n'),
        ("key_without_value", "a key without a value", at("minimum = 0", "minimum =")),
        ("value_without_key", "a value without a key", at("minimum = 0", "= 0")),
        ("bad_escape", "an escape that there is not", at("headline", "\\q headline")),
        ("python", "Python's words", at("minimum = 0", "minimum = None")),
        ("deep_lists", "a list in a list, 100000 deep", "x = " + "[" * deep + "]" * deep),
        ("deep_inline", "an inline table in an inline table", "x = " + "{a = " * 20_000 + "1"),
        ("long_number", "an integer of 10000 digits",
         at("minimum = 0", "minimum = " + "1" * 10_000)),
        ("ansi", "a line of escapes", "\x1b[2J\x1b]0;x\x07 = 1\n"), ("bidi", "a line that turns",
        "\u202e = 1\n"), ("merge", "marks of a conflict", "<<<<<<< HEAD\n" + TEXT),
    ):  # fmt: skip
        yield bad(f"toml_{name}", what, content)


def shop_rules() -> Iterator[Case]:
    """Rules of the newer keys."""
    text = CONTRACTS["shop"][0]
    for name, old, new in (
        ("positive_missing", 'positive = "yes"\n', ""),
        ("positive_in_capitals", 'positive = "yes"', 'positive = "Yes"'),
        ("time_imputed", 'role = "time"', 'role = "time"\nmissing = "impute"'),
        ("group_indicator", 'role = "group"', 'role = "group"\nmissing = "indicator"'),
        ("group_of_time", 'type = "category"\nrole = "group"', 'type = "time"\nrole = "group"'),
        ("allowed_numbers_of_texts", 'allowed = ["no", "yes"]', "allowed = [0, 1]"),
        ("encode_of_text", 'type = "text"\nrole = "feature"',
         'type = "text"\nrole = "feature"\nencode = "one_hot"'),
    ):  # fmt: skip
        content = at(old, new, text).replace("data/shop.csv", "data/advertising.csv")
        yield bad(f"shop_{name}", f"{old.strip()!r} is written {new!r}", content)


def places() -> Iterator[Case]:
    """Contracts that are no files."""

    def missing(volume: Path) -> None:
        (volume / PLACE).unlink()

    def folder(volume: Path) -> None:
        (volume / PLACE).unlink()
        (volume / PLACE).mkdir()

    def link(volume: Path) -> None:
        (volume / PLACE).unlink()
        (volume / PLACE).symlink_to("/etc/passwd")

    def huge(volume: Path) -> None:
        (volume / PLACE).write_bytes(TEXT.encode() + b"# " + b"x" * 200_000_000 + b"\n")

    for name, what, code, place in (
        ("missing", "there is no contract", 66, missing),
        ("folder", "the contract is a folder", 66, folder),
        ("link_out", "the contract is a link out of the volume", 2, link),
    ):
        yield Case(f"contract_{name}", what, "refused", place=place, arguments=(), code=code)
    yield bad("toml_deep_tables", "a table in a table, 100000 deep", "[" + "a." * 100_000 + "a]\n",
              heavy=True)  # fmt: skip
    yield Case("contract_huge", "a comment of 200 MB", "either", place=huge, arguments=(),
               heavy=True)  # fmt: skip
