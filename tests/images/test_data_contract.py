"""The data contract: what the format takes, and the one sentence on each way to break it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage import StageError
from start_pipeline.data_contract import SCHEMA_FILE, read_contract
from start_pipeline.toml_lines import KeyLines, TooDeepError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads(SCHEMA_FILE.read_text())
TARGET = """[columns.Clicked]
type = "integer"
role = "target"
allowed = [0, 1]
"""
GOOD = f"""path = "data/x.csv"

[columns."Time on Site"]
type = "number"
role = "feature"
minimum = 0

{TARGET}"""
MUCH = """
[columns.Browser]
type = "category"
role = "feature"
missing = "indicator"
encode = "hashing"
[columns.Said]
type = "text"
role = "feature"
[columns.When]
type = "time"
role = "time"
missing = "drop"
[columns.User]
type = "text"
role = "group"
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes):
        path = tmp_path / "x.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_contract(path, "data/x.toml")

    return read


@pytest.fixture
def refuse(read):
    """Reads a contract that must be refused, and returns the one sentence."""

    def refuse(text: str | bytes) -> str:
        with pytest.raises(StageError) as raised:
            read(text)
        assert raised.value.code == 65
        return str(raised.value)

    return refuse


# What is read


def test_defaults_are_filled_in(read):
    assert read(GOOD) == {
        "path": "data/x.csv",
        "delimiter": ",",
        "encoding": "utf-8",
        "missing_values": [""],
        "max_dropped_share": 0,
        "duplicates": "keep",
        "drift": {"psi": 0.2, "p_value": 0.001},
        "columns": {
            "Time on Site": {
                "type": "number",
                "role": "feature",
                "minimum": 0,
                "missing": "refuse",
            },
            "Clicked": {
                "type": "integer",
                "role": "target",
                "allowed": [0, 1],
                "missing": "refuse",
                "positive": 1,
            },
        },
    }


def test_what_is_said_is_kept(read):
    top = """description = "d"
delimiter = "\\t"
encoding = "windows-1252"
missing_values = ["", "NA"]
max_dropped_share = 0.25
duplicates = "refuse"
"""
    contract = read(top + GOOD + MUCH)
    assert {key: contract[key] for key in tomllib.loads(top)} == tomllib.loads(top)
    assert contract["columns"]["Browser"] == {
        "type": "category",
        "role": "feature",
        "missing": "indicator",
        "encode": "hashing",
    }
    assert contract["columns"]["When"]["missing"] == "drop"


def test_limits_of_drift_that_are_not_said_have_their_defaults(read):
    contract = read(GOOD + "\n[drift]\npsi = 0.5\n")
    assert contract["drift"] == {"psi": 0.5, "p_value": 0.001}


def test_bundled_contract_has_the_five_features_and_the_target(data_volume):
    name = "data/advertising.toml"
    columns = read_contract(data_volume.path / name, name)["columns"]
    features = [column for column, rules in columns.items() if rules["role"] == "feature"]
    assert features == [
        *("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male"),
    ]
    assert columns["Clicked on Ad"] == {
        "type": "integer",
        "role": "target",
        "unit": "1 for a click, 0 for none",
        "allowed": [0, 1],
        "missing": "refuse",
        "positive": 1,
    }


@pytest.mark.parametrize(
    ("kind", "allowed", "positive"),
    [
        ("category", '["no", "yes"]', '"yes"'),
        ("text", '["0", "1"]', '"1"'),
        ("integer", "[2, 1]", "2"),
        ("integer", "[-1, 1]", "1"),
    ],
)
def test_target_holds_two_values_of_its_type(read, kind, allowed, positive):
    text = GOOD.replace('"integer"', f'"{kind}"').replace("[0, 1]", allowed)
    target = read(f"{text}positive = {positive}")["columns"]["Clicked"]
    assert target["positive"] == json.loads(positive)
    assert target["allowed"] == json.loads(allowed)


@pytest.mark.parametrize(
    "rules",
    [
        'type = "category"\nrole = "feature"\nallowed = ["3", ""]\nencode = "one_hot"',
        'type = "number"\nrole = "feature"\nminimum = -1e300\nmaximum = 1\nallowed = [0, 0.5]',
        'type = "integer"\nrole = "feature"\nminimum = 3\nmaximum = 3\nmissing = "impute"',
        'type = "text"\nrole = "feature"\nmissing = "drop"',
        'type = "integer"\nrole = "time"\nmissing = "drop"',
        'type = "number"\nrole = "time"\nmissing = "refuse"',
        'type = "integer"\nrole = "group"\nmissing = "drop"',
        'type = "category"\nrole = "group"',
        'type = "number"\nrole = "feature"\nsegment = [-1.5, 0, 30]',
        'type = "integer"\nrole = "feature"\nsegment = [3]',
        'type = "category"\nrole = "feature"\nsegment = true',
        'type = "number"\nrole = "feature"\nsegment = false',
        'type = "time"\nrole = "unused"',
        # What a column that was taken out of use still says does no harm.
        'type = "category"\nrole = "unused"\nencode = "one_hot"\nmissing = "impute"\npositive = 2',
    ],
)
def test_column_may_be(read, rules):
    assert "Other" in read(f"{GOOD}\n[columns.Other]\n{rules}\n")["columns"]


@pytest.mark.parametrize("delimiter", [r"\t", ";", "|", ":", "^", r"\u0001"])
def test_delimiter_may_be(read, delimiter):
    assert read(f'delimiter = "{delimiter}"\n{GOOD}')["delimiter"] == json.loads(f'"{delimiter}"')


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('[columns."Time on Site"]', "[ 'columns' . 'Time on Site' ]#]"),
        lambda text: text.replace("minimum = 0", '"minimum" = 0 # maximum = -1'),
        lambda text: text.replace("[0, 1]", "[\n0, # no\n1, # yes\n]"),
    ],
)
def test_way_of_writing_does_not_matter(read, change):
    assert read(change(GOOD)) == read(GOOD)


def test_inline_tables_and_dotted_keys_are_read(read):
    text = """path = "data/x.csv"
columns."Time on Site" = { type = "number", role = "feature", minimum = 0 }
columns.Clicked.type = "integer"
columns.Clicked.role = "target"
columns.Clicked.allowed = [0, 1]
"""
    assert read(text) == read(GOOD)


# What is refused


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # a typo
        (
            "minimum",
            "minimun",
            "6: column 'Time on Site': unknown key 'minimun'; did you mean 'min",
        ),
        (
            "minimum",
            "Minimum",
            "6: column 'Time on Site': unknown key 'Minimum'; did you mean 'min",
        ),
        ("path", "pth", "1: unknown key 'pth'; did you mean 'path'?"),
        (
            "minimum",
            "delimiter",
            "6: column 'Time on Site': unknown key 'delimiter'; it stands abo",
        ),
        ("path", "role = 'x'\npath", "1: unknown key 'role'; it stands in a column"),
        ("path", "zzz = 'x'\npath", "1: unknown key 'zzz'; known are description, path, delimiter"),
        ("columns.C", "column.C", "8: unknown key 'column'; did you mean 'columns'?"),
        (
            '"Time on Site"',
            "Time.Site",
            "3: column 'Time': unknown key 'Site'; quote a column's na",
        ),
        ('"Time on Site"', "Time on Site", "3: no valid TOML: Expected ']' at the end of a table "),
        # a value of the wrong kind
        (
            '"number"',
            '"nubmer"',
            "4: column 'Time on Site': type is 'nubmer'; it must be one of inte",
        ),
        (
            '"number"',
            '"NUMBER"',
            "4: column 'Time on Site': type is 'NUMBER'; it must be one of integer",
        ),
        (
            '"number"',
            "3",
            "4: column 'Time on Site': type is 3; it must be one of integer, number, c",
        ),
        (
            '"feature"',
            '"features"',
            "5: column 'Time on Site': role is 'features'; it must be one of",
        ),
        ('type = "integer"', "", "8: column 'Clicked': type is missing"),
        ('role = "feature"', "", "3: column 'Time on Site': role is missing"),
        (
            "minimum = 0",
            'minimum = "0"',
            "6: column 'Time on Site': minimum must be a number, not a te",
        ),
        (
            "minimum = 0",
            "minimum = true",
            "6: column 'Time on Site': minimum must be a number, not a b",
        ),
        (
            "minimum = 0",
            "minimum = []",
            "6: column 'Time on Site': minimum must be a number, not a list",
        ),
        ("minimum = 0", "minimum = 2020-01-01", "minimum must be a number, not a date or a time"),
        ("minimum = 0", "minimum = 20:10:00", "minimum must be a number, not a date or a time"),
        (
            "minimum = 0",
            "minimum = nan",
            "6: column 'Time on Site': minimum must be a finite number",
        ),
        (
            "minimum = 0",
            "maximum = inf",
            "6: column 'Time on Site': maximum must be a finite number",
        ),
        (
            "minimum = 0",
            "maximum = 1e999",
            "6: column 'Time on Site': maximum must be a finite numb",
        ),
        (
            "minimum = 0",
            f"minimum = -{2**63 + 1}",
            "6: column 'Time on Site': minimum must be a fini",
        ),
        (
            "minimum = 0",
            f"minimum = 1{'0' * 400}",
            "6: column 'Time on Site': minimum must be a fini",
        ),
        (
            "minimum = 0",
            "unit = 3",
            "6: column 'Time on Site': unit must be a text, not an integer",
        ),
        ("minimum = 0", "allowed = []", "6: column 'Time on Site': allowed must hold at least one"),
        (
            "minimum = 0",
            "allowed = 3",
            "6: column 'Time on Site': allowed must be a list, not an in",
        ),
        (
            "minimum = 0",
            "allowed = [1, 1.0]",
            "6: column 'Time on Site': allowed holds a value twice",
        ),
        (
            "minimum = 0",
            "allowed = [[1]]",
            "a value of allowed must be a number or a text, not a li",
        ),
        (
            "minimum = 0",
            "allowed = [true]",
            "a value of allowed must be a number or a text, not a bo",
        ),
        (
            "minimum = 0",
            'missing = "skip"',
            "6: column 'Time on Site': missing is 'skip'; it must be",
        ),
        (
            "minimum = 0",
            'encode = "onehot"',
            "encode is 'onehot'; it must be one of one_hot, hashing;",
        ),
        (
            "[0, 1]",
            "[0, 1]\npositive = true",
            "12: column 'Clicked': positive must be an integer or",
        ),
        ("path", "delimiter = ';;'\npath", "1: delimiter must be one character, no quote"),
        ("path", "delimiter = ''\npath", "1: delimiter must be one character, no quote"),
        ("path", "delimiter = '\"'\npath", "1: delimiter must be one character, no quote"),
        ("path", 'delimiter = "\\n"\npath', "1: delimiter must be one character, no quote"),
        ("path", "delimiter = 1\npath", "1: delimiter must be a text, not an integer"),
        (
            "path",
            'encoding = "cp1252"\npath',
            "1: encoding is 'cp1252'; it must be one of utf-8, ut",
        ),
        ("path", 'encoding = "UTF8"\npath', "windows-1252; did you mean 'utf-8'?"),
        ("path", 'missing_values = "NA"\npath', "1: missing_values must be a list, not a text"),
        (
            "path",
            "missing_values = [0]\npath",
            "1: a value of missing_values must be a text, not an",
        ),
        ("path", "max_dropped_share = 2\npath", "1: max_dropped_share must be at most 1"),
        ("path", "max_dropped_share = -0.1\npath", "1: max_dropped_share must be at least 0"),
        ("[columns", "[drift]\npsi = -1\n[columns", "3: a value of drift must be at least 0"),
        (
            "[columns",
            "[drift]\np_value = nan\n[columns",
            "4: drift: p_value must be a finite number",
        ),
        (
            "[columns",
            "[drift]\nps = 1\n[columns",
            "4: unknown key 'ps'; did you mean 'psi'?",
        ),
        ("path", "max_dropped_share = nan\npath", "1: max_dropped_share must be a finite number"),
        ("path", 'duplicates = "dropp"\npath', "keep, drop, refuse; did you mean 'drop'?"),
        # the path
        ('path = "data/x.csv"', "", 'x.toml: path is missing; write path = "data/<file>.csv"'),
        ("data/x.csv", "", "1: path must not be empty"),
        ('"data/x.csv"', "3", "1: path must be a text, not an integer"),
        (
            "data/x.csv",
            "../x.csv",
            "1: path '../x.csv' leaves the shared volume; name a file inside",
        ),
        ("data/x.csv", "a/../../x.csv", "1: path 'a/../../x.csv' leaves the shared volume"),
        ("data/x.csv", "/etc/passwd", "1: path '/etc/passwd' leaves the shared volume"),
        ("data/x.csv", "x\\u0000", "1: path 'x\\x00' leaves the shared volume"),
        # what does not go together
        (
            "minimum = 0",
            "minimum = 5\nmaximum = 4",
            "6: column 'Time on Site': minimum is above max",
        ),
        (
            "minimum = 0",
            'allowed = ["a"]',
            "6: column 'Time on Site': allowed holds 'a', which is not",
        ),
        (
            "minimum = 0",
            "allowed = [nan]",
            "6: column 'Time on Site': allowed holds nan, which is no",
        ),
        (
            "[0, 1]",
            "[0, 1.5]",
            "11: column 'Clicked': allowed holds 1.5, which is not an integer of",
        ),
        (
            "[0, 1]",
            "[0, 1.0]",
            "11: column 'Clicked': allowed holds 1.0, which is not an integer of",
        ),
        ("[0, 1]", f"[0, {2**63}]", "which is not an integer of at most 64 bits"),
        (
            '"number"',
            '"time"',
            "6: column 'Time on Site': minimum is for an integer or a number, not f",
        ),
        (
            '"number"',
            '"text"',
            "6: column 'Time on Site': minimum is for an integer or a number, not f",
        ),
        (
            "minimum = 0",
            'encode = "hashing"',
            "6: column 'Time on Site': encode is for a feature of",
        ),
        (
            "minimum = 0",
            "positive = 1",
            "6: column 'Time on Site': positive is for the target only, n",
        ),
        # segments
        (
            "minimum = 0",
            "segment = true",
            "6: column 'Time on Site': segment = true is for few values, not for type number; write"
            " its boundaries, segment = [30, 40]",
        ),
        (
            "minimum = 0",
            "segment = [3, 2]",
            "6: column 'Time on Site': the boundaries of segment must be finite numbers that rise",
        ),
        ("minimum = 0", "segment = [1, inf]", "segment must be finite numbers that rise"),
        ("minimum = 0", "segment = []", "6: column 'Time on Site': segment must hold at least one"),
        (
            "minimum = 0",
            "segment = [1, 1]",
            "6: column 'Time on Site': segment holds a value twice",
        ),
        (
            "minimum = 0",
            'segment = ["a"]',
            "6: column 'Time on Site': a value of segment must be a number, not a text",
        ),
        (
            "minimum = 0",
            "segment = 3",
            "6: column 'Time on Site': segment must be true or false or a list, not an integer",
        ),
        (
            "[0, 1]",
            "[0, 1]\nsegment = true",
            "12: column 'Clicked': segment is for a feature, which test rows have, not for a tar",
        ),
        # the target
        (
            '"integer"',
            '"number"',
            "9: column 'Clicked': a target is of type integer, category or te",
        ),
        ('"integer"', '"time"', "11: column 'Clicked': allowed is not for type time"),
        (
            "allowed = [0, 1]",
            "",
            "8: column 'Clicked': the target needs its two values: allowed = [0",
        ),
        (
            "[0, 1]",
            "[1]",
            "11: column 'Clicked': the target needs its two values: allowed = [0, 1]",
        ),
        (
            "[0, 1]",
            "[0, 1, 2]",
            "11: column 'Clicked': the target needs its two values: allowed = [0",
        ),
        ("[0, 1]", "[2, 3]", "8: column 'Clicked': positive is by default 1; it must be 2 or 3"),
        (
            "[0, 1]",
            "[0, 1]\npositive = 2",
            "12: column 'Clicked': positive is 2; it must be 0 or 1",
        ),
        (
            "[0, 1]",
            '[0, 1]\npositive = "1"',
            "12: column 'Clicked': positive is '1'; it must be 0 or",
        ),
        (
            "[0, 1]",
            "[0, 1]\npositive = 1.0",
            "12: column 'Clicked': positive is 1.0; it must be 0 or",
        ),
        (
            "[0, 1]",
            '[0, 1]\nmissing = "impute"',
            "12: column 'Clicked': missing is impute; of a targ",
        ),
        (
            '"integer"',
            '"category"',
            "11: column 'Clicked': allowed holds 0, which is not a text, as",
        ),
        (
            '"target"',
            '"unused"',
            'x.toml: no column has the role target; write role = "target" in one',
        ),
        (
            '"feature"',
            '"unused"',
            'x.toml: no column has the role feature; write role = "feature" in',
        ),
    ],
)
def test_contract_that_breaks_the_format_is_refused_with_its_line(refuse, old, new, message):
    assert old in GOOD
    said = refuse(GOOD.replace(old, new, 1))
    start = "data/x.toml, line " if message[0].isdigit() else ""
    assert start + message in said


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            'type = "time"\nrole = "feature"',
            "14: column 'When': a feature is of type integer, number",
        ),
        ('type = "text"\nrole = "time"', "14: column 'When': a time is of type time, integer or"),
        (
            'type = "time"\nrole = "group"',
            "14: column 'When': a group is of type integer, number",
        ),
        (
            'type = "time"\nrole = "time"\nmissing = "impute"',
            "16: column 'When': missing is impute",
        ),
        ('type = "text"\nrole = "group"\nmissing = "indicator"', "of a group it must be refuse or"),
        ('type = "text"\nrole = "feature"\nencode = "hashing"', "16: column 'When': encode is for"),
        (
            'type = "text"\nrole = "unused"\nallowed = [3]',
            "16: column 'When': allowed holds 3, whi",
        ),
        ('type = "time"\nrole = "time"\nallowed = ["2020-01-01"]', "allowed is not for type time"),
    ],
)
def test_role_that_does_not_go_with_type_or_missing_is_refused(refuse, rules, message):
    assert message in refuse(f"{GOOD}\n[columns.When]\n{rules}\n")


@pytest.mark.parametrize(
    ("role", "kind"), [("target", "integer"), ("time", "time"), ("group", "text")]
)
def test_second_column_of_a_role_is_refused(refuse, role, kind):
    names = ("Clicked", "B") if role == "target" else ("A", "B")
    table = '[columns.{}]\ntype = "{}"\nrole = "{}"\n'
    more = "" if role == "target" else table.format("A", kind, role)
    more += table.format("B", kind, role) + ("allowed = [0, 1]" if role == "target" else "")
    said = refuse(GOOD + more)
    line = (GOOD + more).split("\n").index("[columns.B]") + 3
    assert said == (
        f"data/x.toml, line {line}: column 'B': "
        f"only one column can have the role {role}, and '{names[0]}' has it"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path = ", "data/x.toml, line 1: no valid TOML: Invalid value"),
        (
            GOOD + "[columns.Clicked]",
            "line 12: no valid TOML: Cannot declare ('columns', 'Clicked')",
        ),
        (GOOD + "type = 'text'", "data/x.toml, line 12: no valid TOML: Cannot overwrite a value"),
        (GOOD + "unit = [1,", "data/x.toml, line 12: no valid TOML: Invalid value"),
        (GOOD + "\xa0", "data/x.toml, line 12: no valid TOML: Invalid statement"),
        (b"a = 1\npath = '\xff'", "line 2: the byte 0xff is no UTF-8; save the file as UTF-8"),
        (GOOD.encode("utf-16"), "data/x.toml, line 1: the byte 0xff is no UTF-8; save the file as"),
        (GOOD.encode("utf-16-le"), "data/x.toml, line 1: no valid TOML: Expected '=' after a key"),
        ("", 'data/x.toml: path is missing; write path = "data/<file>.csv"'),
        ('path = "x"', "data/x.toml: there is no [columns.<name>]; describe each column"),
        ('path = "x"\ncolumns = 3', "line 2: columns must be a table, not an integer"),
        ('path = "x"\ncolumns = {}', "line 2: columns must hold at least one"),
        ('path = "x"\n[[columns]]', "data/x.toml, line 2: columns must be a table, not a list"),
        ('path = "x"\n[columns]\nAge = 3', "line 3: column 'Age': this must be a table, not an in"),
        (
            GOOD + '[columns.""]',
            'data/x.toml, line 12: a column needs a name; write [columns."<nam',
        ),
        (GOOD + '[columns."a\\u0000"]', 'line 12: a column needs a name; write [columns."<name>"]'),
        (f"a = {'9' * 5000}\n{GOOD}", "no valid TOML: a number has more than 4300 digits"),
    ],
)
def test_text_that_is_no_contract_is_refused(refuse, text, message):
    assert message in refuse(text)


def test_column_named_without_quotes_is_told_how_to_write_it(refuse):
    said = refuse(GOOD.replace('"Time on Site"', "Time on Site"))
    assert said.endswith('; quote the name of the column: [columns."Time on Site"]')


def test_typo_is_told_before_what_follows_of_it(refuse):
    said = refuse(GOOD.replace("type =", "tipe =", 1).replace("minimum = 0", 'minimum = "0"'))
    assert said.endswith("line 4: column 'Time on Site': unknown key 'tipe'; did you mean 'type'?")


# The right line


def test_same_key_in_another_column_is_not_named_by_mistake(refuse):
    lines = (GOOD + MUCH + "minimum = 3\n").split("\n")
    said = refuse("\n".join(lines))
    assert f"line {lines.index('minimum = 3') + 1}: column 'User': minimum is for" in said


@pytest.mark.parametrize(
    "before",
    [
        'description = """\n[columns.Clicked]\npositive = 3\n"""\n',
        "description = '''\n[columns.Clicked]\npositive = 3 \" \n'''\n",
        "# [columns.Clicked] \" '\n# positive = 3\n",
        'missing_values = [\n  "[columns.Clicked]", # ]\n  "positive = 3",\n]\n',
        "description = 'a\\'\r\n\r\n",
    ],
)
def test_line_is_that_of_the_key_whatever_looks_like_it_before(refuse, before):
    text = f"{before}{GOOD}positive = 3\n"
    assert f"data/x.toml, line {text.count(chr(10))}: column 'Clicked': positive is" in refuse(text)


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("columns.A = { type = 'text', role = 'feature', minimum = 3 }", 2),
        ("columns.A.type = 'text'\ncolumns.A.role = 'feature'\ncolumns.A.minimum = 3", 4),
        ("columns.A.type = 'text'\ncolumns.A.unit = 'without a role'", 2),
        ("columns = { 'A' = {role = 'feature', type = 'text', minimum = 3 }, B = {} }", 2),
        ("[columns]\nA.role = 'feature'\nA = 3", 4),
        ("[columns]\n  [columns.'A'] # }\n  role = 'feature'\n\n  minimum = 3\n type = 'text'", 6),
        ('[columns]\n"\\u0041".role = "feature"\nA.type = "text"\n"A".minimum = 3', 5),
    ],
)
def test_line_is_found_however_the_key_is_written(refuse, rules, line):
    assert f", line {line}: " in refuse(f"path = 'x'\n{rules}")


NAMES = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=6, unique_by=lambda pair: pair[0]))
def test_each_key_has_its_line_whatever_the_names(pairs):
    names = [f"k{number}" for number in range(len(pairs))]
    text = "".join(
        f"[columns.{quoted(column)}] # {quoted(noise)}\n{key} = {quoted(noise)}\n"
        for key, (column, noise) in zip(names, pairs, strict=True)
    )
    assert list(tomllib.loads(text)["columns"]) == [column for column, _ in pairs]
    found = KeyLines.of(text)
    for number, (key, (column, _)) in enumerate(zip(names, pairs, strict=True)):
        assert found["columns", column] == 2 * number + 1
        assert found["columns", column, key] == 2 * number + 2


def quoted(text: str) -> str:
    return (
        '"'
        + "".join(
            f"\\U{ord(sign):08x}"
            if sign in '"\\\n\r\0' or ord(sign) < 32 or ord(sign) == 127
            else sign
            for sign in text
        )
        + '"'
    )


@given(st.text(st.sampled_from("[]{}=,.\"'#\\\n ab1"), max_size=60))
def test_any_text_is_read_for_its_lines_without_an_error(text):
    for key, line in KeyLines.of(text).items():
        assert key
        assert 1 <= line <= text.count("\n") + 1


# Hostile contracts: one sentence, quickly


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\\nb", r"'a\nb'"),
        ("a'b", '"a\'b"'),
        ('a\\"b', "'a\"b'"),
        ("$(touch /tmp/x)", "'$(touch /tmp/x)'"),
        ("<script>", "'<script>'"),
        ("{features}", "'{features}'"),
        ("\\u001b[31m", r"'\x1b[31m'"),
        ("x" * 500, f"'{'x' * 78}…"),
    ],
)
def test_name_of_a_column_is_shown_safely(refuse, name, shown):
    said = refuse(f'{GOOD}[columns."{name}"]\ntype = 3\n')
    assert said == f"data/x.toml, line 13: column {shown}: role is missing" or shown in said
    assert said.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 500_000,
        "a = " + "{a = " * 100_000,
        "a." * 200_000 + "a = 1",
        "[" + "a." * 100_000 + "a]",
        "".join(f"a{'.a' * i}.b = 1\n" for i in range(1000)),
        "a\n" * 500_000,
        '"' * 1_000_000,
        "'" * 1_000_000,
        '"""\\' * 250_000,
        "#" * 1_000_000,
        "\0" * 1_000_000,
        "[a]\n" * 250_000,
        "k" * 1_000_000 + " = 1\n" + GOOD,
        GOOD + f'[columns."{"x" * 1_000_000}"]\n',
        "missing_values = [" + '"a",' * 200_000 + "]\n" + GOOD,
        "x" * 5_000_000,
    ],
    ids=lambda text: f"{text[:8]!r} {len(text)}",
)
def test_hostile_contract_is_refused_in_one_sentence(refuse, text):
    said = refuse(text)
    assert said.startswith("data/x.toml")
    assert len(said) < 500
    assert said.isprintable()


def test_twenty_thousand_columns_are_read(read):
    table = '[columns."c{}"]\ntype = "number"\nrole = "feature"\n'
    contract = read(GOOD + "".join(table.format(number) for number in range(20_000)))
    assert len(contract["columns"]) == 20_002


def test_key_nested_too_deep_is_refused_with_its_line(refuse):
    said = refuse(GOOD + "a.b.c.d.e.f.g.h.i = 1\n")
    assert said == "data/x.toml, line 12: this is nested deeper than 8 levels; no contract is"
    with pytest.raises(TooDeepError):
        KeyLines.of("a = [[[[[[[[[1]]]]]]]]]")


# The schema, which editors read too


def test_schema_describes_every_key():
    tables = (SCHEMA["properties"], SCHEMA["definitions"]["column"]["properties"])
    assert [key for table in tables for key, rule in table.items() if not rule["description"]] == []


def test_bundled_contract_points_editors_to_the_schema():
    path = ROOT / "shared_volume" / "data" / "advertising.toml"
    pointer = path.read_text().split("\n")[0]
    assert (path.parent / pointer.removeprefix("#:schema ")).samefile(SCHEMA_FILE)
