"""The draft of a data contract: what is guessed of a file, what is marked, what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from load_data.draft_contract import draft, main
from stage import MARKER, StageError
from start_pipeline.data_contract import read_contract

FEATURES = ("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male")


class Drafts:
    """Drafts contracts of files in a folder, and reads them back as start_pipeline does."""

    def __init__(self, volume: Path) -> None:
        self.volume = volume
        (volume / "data").mkdir(exist_ok=True)
        (volume / MARKER).touch()
        self.text = ""
        self.checks: list[str] = []

    def put(self, content: str | bytes, name: str = "data/x.csv") -> Path:
        path = self.volume / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def of(self, content: str | bytes, target: str | None = None) -> dict[str, Any]:
        self.text, self.checks = draft(self.put(content), "data/x.csv", target)
        contract = self.put(self.text, "data/x.toml")
        return read_contract(contract, "data/x.toml")

    def columns(self, content: str | bytes, target: str | None = None) -> dict[str, Any]:
        return self.of(content, target)["columns"]

    def refuse(self, content: str | bytes, target: str | None = None) -> str:
        with pytest.raises(StageError) as raised:
            self.of(content, target)
        assert raised.value.code == 65
        assert str(raised.value).isprintable()
        return str(raised.value)


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path)


def file_of(**columns: list[Any]) -> str:
    """A CSV file of columns, with a target `clicked` unless there is one."""
    rows = len(next(iter(columns.values())))
    columns.setdefault("clicked", [n % 2 for n in range(rows)])
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def numbers(rows: int = 100) -> list[float]:
    return [n % 13 + 0.25 for n in range(rows)]


# The bundled data, and that a draft lets in the file that it was made of


def test_draft_of_the_bundled_data_has_its_features_and_its_target(drafts, data_volume):
    columns = drafts.columns((data_volume.path / "data" / "advertising.csv").read_bytes())
    bundled = read_contract(data_volume.path / "data" / "advertising.toml", "x")["columns"]
    assert [n for n, rules in columns.items() if rules["role"] == "feature"] == list(FEATURES)
    for name in (*FEATURES, "Clicked on Ad"):
        assert columns[name]["type"] == bundled[name]["type"]
    assert columns["Clicked on Ad"]["role"] == "target"
    assert columns["Timestamp"] == {"type": "time", "role": "time", "missing": "refuse"}


def test_the_pipeline_takes_the_file_by_its_draft(data_volume):
    path = data_volume.path / "data" / "advertising.csv"
    text, _ = draft(path, "data/advertising.csv")
    data_volume.write("data/drafted.toml", text)
    for stage in ("start_pipeline", "load_data"):
        ended = data_volume.run(stage, "--dataset", "drafted")
        assert ended.code == 0, ended.message
    assert ended.summary["metrics"]["rows"] == 1000


@pytest.mark.parametrize(
    "pack",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.replace(b"\n", b"\r\n"),
        gzip.compress,
        lambda text: pa.compress(text, "zstd", asbytes=True),
        lambda text: zipped(text),
    ],
    ids=["mark", "utf-16", "crlf", "gzip", "zstd", "zip"],
)
def test_draft_is_the_same_however_the_file_is_packed(drafts, data_volume, pack):
    plain = (data_volume.path / "data" / "advertising.csv").read_bytes()
    expected = drafts.of(plain)
    assert drafts.of(pack(plain)) == expected


def zipped(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("x.csv", content)
    return held.getvalue()


def test_draft_of_parquet_guesses_as_for_csv_and_names_no_delimiter(drafts, data_volume):
    plain = (data_volume.path / "data" / "advertising.csv").read_bytes()
    expected = drafts.columns(plain)
    held = io.BytesIO()
    pq.write_table(pa_csv.read_csv(io.BytesIO(plain)), held)
    assert drafts.columns(held.getvalue()) == expected
    assert "delimiter" not in drafts.text


# Delimiter, encoding


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_whatever_stands_in_the_cells(drafts, delimiter):
    others = "".join({",", ";", "\t", "|"} - {delimiter})
    text = file_of(a=numbers(), b=[f"x{others}{n % 3}" for n in range(100)])
    rows = csv.reader(io.StringIO(text, newline=""))
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(rows)
    contract = drafts.of(written.getvalue())
    assert contract["delimiter"] == delimiter
    assert list(contract["columns"]) == ["a", "b", "clicked"]


def test_decimal_commas_do_not_pass_for_the_delimiter(drafts):
    rows = "".join(f"{n},5;{n % 9};{n % 2}\n" for n in range(50))
    contract = drafts.of("size;age;clicked\n" + rows)
    assert contract["delimiter"] == ";"
    assert 'role = "unused"  # check: numbers, but not written as 1234.5' in drafts.text


@pytest.mark.parametrize(
    ("encoding", "text", "guessed"),
    [
        ("utf-8", "größe", "utf-8"),
        ("windows-1252", "größe €", "windows-1252"),
        ("latin-1", "gr\x81ße", "latin-1"),
    ],
)
def test_encoding_is_found_and_a_guess_is_marked(drafts, encoding, text, guessed):
    content = file_of(a=[f"{text}{n % 2}" for n in range(60)], b=numbers(60))
    contract = drafts.of(content.encode(encoding))
    assert contract["encoding"] == guessed
    assert ("# check: guessed, as the file is no UTF-8" in drafts.text) == (guessed != "utf-8")


def test_name_of_another_encoding_is_read(drafts):
    content = file_of(größe=numbers())
    assert "größe" in drafts.columns(content.encode("latin-1"))


# Types and roles


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("a", [n % 50 for n in range(100)], ("integer", "feature")),
        ("a", numbers(), ("number", "feature")),
        ("a", [f"{n}e-3" for n in range(100)], ("number", "feature")),
        ("a", list(range(100)), ("integer", "unused")),  # counts the rows
        ("user_id", [n * 7 for n in range(100)], ("integer", "unused")),
        ("campaign id", [n % 5 for n in range(100)], ("category", "feature")),
        ("deviceType", [n % 5 for n in range(100)], ("category", "feature")),
        ("zip", [f"0{n % 4}123" for n in range(100)], ("category", "feature")),
        ("zip", [f"0{n:04}" for n in range(100)], ("text", "unused")),
        ("a", ["red", "green"] * 50, ("category", "feature")),
        ("a", ["true", "false"] * 50, ("category", "feature")),
        ("a", [f"name {n}" for n in range(100)], ("text", "unused")),
        ("a", [f"name {n // 2}" for n in range(100)], ("text", "unused")),
        ("a", ["long text " * 9 + str(n // 2) for n in range(100)], ("text", "unused")),
        ("a", ["same"] * 100, ("text", "unused")),
        ("a", [7] * 100, ("text", "unused")),
        ("a", [""] * 100, ("text", "unused")),
        ("a", ["NA", ""] * 50, ("text", "unused")),
        ("a", ["NA", "-"] * 50, ("category", "feature")),
        ("a", [f"2025-01-{n % 28 + 1:02}" for n in range(100)], ("time", "time")),
        ("a", [f"2025-01-01T00:00:{n % 60:02}Z" for n in range(100)], ("time", "time")),
        ("a", [f"{n % 12 + 1}/13/2025" for n in range(100)], ("text", "unused")),
        ("a", [f"2025-01-{n % 20 + 20:02}" for n in range(100)], ("text", "unused")),
        ("timestamp", [1_700_000_000 + n * 60 for n in range(100)], ("integer", "time")),
        ("a", [f"{n},5" for n in range(100)], ("text", "unused")),
        ("a", [f"{n}.000,5" for n in range(100)], ("text", "unused")),
        ("a", [f"{n} %" for n in range(100)], ("text", "unused")),
        ("a", [f"${n}.99" for n in range(100)], ("text", "unused")),
        ("a", [10**17 + n for n in range(100)], ("integer", "feature")),
        ("a", [10**20 + n * 10**6 for n in range(100)], ("text", "unused")),
        ("a", [f"10.0.0.{n % 3}" for n in range(100)], ("category", "feature")),
        ("a", ["1e999"] * 50 + ["2"] * 50, ("category", "feature")),
    ],
)
def test_type_and_role_are_guessed(drafts, name, cells, expected):
    columns = drafts.columns(file_of(**{name: cells, "ok": numbers()}))
    assert (columns[name]["type"], columns[name]["role"]) == expected


@pytest.mark.parametrize(
    ("name", "cells", "check"),
    [
        ("a", list(range(100)), "every value is another one, like an id"),
        ("user", [f"u{n // 2}" for n in range(100)], "or group: the split "),
        ("a", [n % 4 for n in range(100)], "4 different values; category if they are codes"),
        ("region", [n % 4 for n in range(100)], "4 codes, by the name; integer if they count"),
        ("zip", [f"0{n % 4}123" for n in range(100)], "4 codes, by the name or by zeros in front"),
        ("a", [f"{n % 12 + 1}/13/2025" for n in range(100)], "dates, but not of ISO 8601"),
        ("a", [f"{n},5" for n in range(100)], "numbers, but not written as 1234.5"),
        (
            "a",
            [f"2025-01-{n % 28 + 1:02}" for n in range(100)],
            'for the split "time"; the model does',
        ),
        ("ts", [1_700_000_000 + n for n in range(100)], 'an epoch? For the split "time"'),
        ("a", [f"x{n // 2}" for n in range(100)], "too many different values to learn from"),
        ("a", [10**20 + n * 10**6 for n in range(100)], "numbers too long to be exact, like an id"),
    ],
)
def test_unsure_guess_ends_in_what_to_check(drafts, name, cells, check):
    drafts.of(file_of(**{name: cells, "ok": numbers()}))
    lines = drafts.text[drafts.text.index(f'[columns."{name}"]') :].split("\n\n")[0].split("\n")
    assert [line for line in lines if f"  # check: {check}" in line]
    assert [said for said in drafts.checks if f"column '{name}': " in said and check in said]


def test_many_levels_with_enough_rows_of_each_are_a_category(drafts):
    cells = [f"site {n % 60}" for n in range(3000)]
    columns = drafts.columns(file_of(site=cells, ok=numbers(3000)))
    assert columns["site"]["role"] == "feature"
    assert "# check: 60 different values" in drafts.text


def test_only_one_time_gets_the_role(drafts):
    days = [f"2025-01-{n % 28 + 1:02}" for n in range(100)]
    columns = drafts.columns(file_of(seen=days, shown=days, ok=numbers()))
    assert [columns[name]["role"] for name in ("seen", "shown")] == ["unused", "unused"]
    assert drafts.text.count("# check: 2 columns hold times; one can have the role time") == 2


def test_time_that_is_missing_somewhere_is_unused(drafts):
    days = ["", *(f"2025-01-{n % 28 + 1:02}" for n in range(99))]
    assert drafts.columns(file_of(seen=days, ok=numbers()))["seen"]["role"] == "unused"


def test_times_with_and_without_an_offset_are_text(drafts):
    days = [f"2025-01-01T00:00:{n % 60:02}{'Z' if n else ''}" for n in range(100)]
    assert drafts.columns(file_of(seen=days, ok=numbers()))["seen"]["type"] == "text"


def test_range_is_a_comment_and_no_limit(drafts):
    columns = drafts.columns(file_of(a=numbers()))
    assert "# in the file: 0.25 to 12.25" in drafts.text
    assert columns["a"] == {"type": "number", "role": "feature", "missing": "refuse"}


# The target


@pytest.mark.parametrize(
    ("columns", "target", "marked"),
    [
        ({"a": numbers(4), "clicked": [0, 1, 1, 0]}, "clicked", False),
        ({"Clicked on Ad": [0, 1, 1, 0], "male": [1, 0, 1, 0], "clicked": numbers(4)}, None, False),
        ({"isClick": [0, 1, 1, 0], "male": [1, 0, 1, 0], "clicked": numbers(4)}, "isClick", False),
        ({"label": [0, 1, 1, 0], "converted": [1, 0, 1, 0], "clicked": numbers(4)}, "label", False),
        ({"x": [0, 1, 1, 0], "y": [1, 0, 1, 0], "clicked": numbers(4)}, "y", False),
        ({"male": [0, 1, 1, 0], "smokes": [1, 0, 1, 0], "clicked": numbers(4)}, "smokes", True),
        ({"label": [0, 1, 1, 0], "click": [1, 0, 1, 0], "clicked": numbers(4)}, "click", True),
    ],
)
def test_target_is_guessed_by_name_and_values(drafts, columns, target, marked):
    read = drafts.columns(file_of(**columns))
    found = [name for name, rules in read.items() if rules["role"] == "target"]
    assert found == [target or "Clicked on Ad"]
    assert ('role = "target"  # check: guessed' in drafts.text) == marked


def test_named_target_is_taken(drafts):
    read = drafts.columns(file_of(male=[0, 1] * 9, ok=numbers(18)), target="male")
    assert read["male"]["role"] == "target"
    assert read["clicked"]["role"] == "feature"


@pytest.mark.parametrize(
    ("cells", "kind", "allowed", "positive", "marked"),
    [
        ([0, 1, 0, 0], "integer", [0, 1], 1, False),
        ([1, 2, 1, 1], "integer", [1, 2], 1, False),
        ([-1, 1, 1, -1], "integer", [-1, 1], 1, False),
        ([3, 4, 4, 4], "integer", [3, 4], 3, True),
        (["yes", "no", "no", "no"], "category", ["no", "yes"], "yes", False),
        (["True", "False", "True", "True"], "category", ["False", "True"], "True", False),
        (["1.0", "0.0", "0.0", "0.0"], "category", ["0.0", "1.0"], "1.0", False),
        (["a", "b", "b", "b"], "category", ["a", "b"], "a", True),
        (['ä"\n', "b", "b", "b"], "category", ["b", 'ä"\n'], 'ä"\n', True),
    ],
)
def test_positive_value_is_guessed(drafts, cells, kind, allowed, positive, marked):
    target = drafts.columns(file_of(clicked=cells, a=numbers(4)))["clicked"]
    assert (target["type"], target["allowed"], target["positive"]) == (kind, allowed, positive)
    assert ("# check: guessed: the rarer value" in drafts.text) == marked


def test_rows_without_a_target_may_be_left_out(drafts):
    contract = drafts.of(file_of(clicked=[0, 1, ""] * 10, a=numbers(30)))
    assert contract["columns"]["clicked"]["missing"] == "drop"
    assert contract["max_dropped_share"] == 0.34


# Missing values


def test_missing_features_are_imputed_and_marked(drafts):
    contract = drafts.of(file_of(a=["", *numbers(99)], b=["x", "y", " "] * 33 + ["x"]))
    assert contract["missing_values"] == [""]
    assert [contract["columns"][name]["missing"] for name in "ab"] == ["impute", "impute"]
    assert "# check: 1 of 100 rows have none; or: drop, indicator, refuse" in drafts.text


@pytest.mark.parametrize("mark", ["NA", "-", "?", "null", "NaN", "N/A", r"\N", "none"])
def test_mark_that_keeps_a_column_from_being_numbers_is_a_missing_value(drafts, mark):
    contract = drafts.of(file_of(a=[mark, *numbers(99)]))
    assert contract["missing_values"] == ["", mark]
    assert contract["columns"]["a"]["type"] == "number"


def test_mark_among_texts_may_be_a_value(drafts):
    contract = drafts.of(file_of(country=["NA", "FR"] * 50, ok=numbers()))
    assert contract["missing_values"] == [""]
    assert contract["columns"]["country"]["missing"] == "refuse"
    assert "# check: 'NA' counts as a value" in drafts.text


def test_mark_that_is_missing_elsewhere_is_told_of_in_each_column(drafts):
    contract = drafts.of(
        file_of(country=["NA", "FR"] * 50, b=["x", "y"] * 50, ok=["NA", *numbers(99)])
    )
    assert contract["missing_values"] == ["", "NA"]
    assert contract["columns"]["country"]["role"] == "unused"


# Names


HEADER = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(HEADER, min_size=2, max_size=5, unique=True))
def test_any_names_can_be_read_back(drafts, names):
    assume(not names[0].startswith("\ufeff"))
    rows = [names, *([n / 4 for _ in names[1:]] + [n % 2] for n in range(20))]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    assert list(drafts.columns(text.getvalue(), names[-1])) == names
    for line in drafts.checks:
        assert line.count("line ") >= 1


ODD = ["", " ", "NA", "-", "null", "NaN", "007", "+1", "1", "01", "1.0", "1e3", "1e999", "1e-999"]
ODD += [" 2", "2,5", "1.234,5", "5 %", "9" * 19, "2025-02-30", "2025-02-28", "31.12.2025", "true"]
ODD += ["2025-02-28T00:00:00Z", "0000-01-01", "a\tb", 'a"b', "a\nb", "\u2028", "# check: x", "]"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=9)
CELLS = st.lists(st.sampled_from(ODD), min_size=4, max_size=20) | st.lists(
    st.sampled_from(ODD[:5]), min_size=4, max_size=20
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(CELLS | st.lists(TEXTS, min_size=4, max_size=20), st.booleans())
def test_any_cells_give_a_contract_that_is_read_back_and_takes_the_file(drafts, cells, as_target):
    clicked = ([0, 1] * 10)[: len(cells)]
    content = file_of(a=cells, ok=numbers(len(cells)), clicked=clicked)
    try:
        columns = drafts.columns(content, "a" if as_target else "clicked")
    except StageError:
        assert as_target  # one that has not two values
        return
    assert list(columns) == ["a", "ok", "clicked"]
    assert not [said for said in drafts.checks if "load_data refuses" in said]


def test_column_without_a_name_is_left_out(drafts):
    columns = drafts.columns(file_of(**{"": list(range(50)), "a": numbers(50)}))
    assert list(columns) == ["a", "clicked"]


# Refusals


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no header; the file is empty"),
        ("a,clicked\n", "holds a header, and no row follows it"),
        ("a\n1\n2\n", "data/x.csv, line 1: no comma, semicolon, tab or bar splits the header into"),
        (",\n1,2\n", "the header names no column"),
        ("a,a,clicked\n1,2,0\n", "data/x.csv, line 1, column 'a': names this column twice"),
        (",,clicked\n1,2,0\n", "data/x.csv, line 1, column '': names this column twice"),
        ("a,b,clicked\n1,2,0\n1,2\n", "data/x.csv, line 3: has 2 cells, the header has 3"),
        ('a,b,clicked\n1,"2,0\n1,2,1\n', "data/x.csv, line 2: has a quoted cell that is never cl"),
        ("a,\0b,clicked\n1,2,0\n", "the header holds a NUL character; this is no text"),
        (file_of(clicked=[0, 1, 2] * 5, a=numbers(15)), "no column holds exactly two values"),
        (file_of(a=["x"] * 9), "no column beside the target can be a feature"),
        (b"\xef\xbb\xbfa,clicked\n\xff,0\n1,1\n", "it holds bytes that are no UTF-8; save it as"),
        (gzip.compress(b"a,clicked\n1,0\n" * 99, mtime=0)[:-9], "the gzip file is cut off"),
        (b"%PDF-1.7\n", "is a PDF, which is not read; use plain, gzip, zstd, zip or Parquet"),
        (b"PAR1\x00" * 9, "the Parquet file"),
        pytest.param(
            ",".join(f"c{n}" for n in range(200_000)),
            "names 200000 columns; at most 10000 are read",
            id="200000 columns",
        ),
    ],
)
def test_file_that_no_contract_can_describe_is_refused_in_one_sentence(drafts, content, message):
    said = drafts.refuse(content)
    assert message in said
    assert said.startswith("data/x.csv")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("none", "the column 'none' is not in the file; found: a, clicked"),
        ("a", "the column 'a' does not hold exactly two values, as a target does"),
    ],
)
def test_named_target_that_is_none_is_refused(drafts, target, message):
    assert message in drafts.refuse(file_of(a=numbers()), target)


def test_large_and_wide_files_are_drafted(drafts):
    drafts.of(file_of(a=numbers(200_000), b=[f"text {n}" for n in range(200_000)]))
    names = ",".join(f"c{n}" for n in range(2000))
    drafts.of(
        f"{names},clicked\n"
        + "".join(f"{'1.5,' * 2000}{n % 2}\n{'2.5,' * 2000}{n % 2}\n" for n in range(20))
    )


# The command


@pytest.fixture
def command(drafts, monkeypatch, capsys):
    def command(*arguments: str):
        monkeypatch.setenv("SHARED_VOLUME", str(drafts.volume))
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


def test_contract_is_printed_and_what_to_look_at_beside_it(drafts, command):
    drafts.put(file_of(a=list(range(50)), b=numbers(50)))
    code, out, err = command("data/x.csv")
    assert code == 0
    assert tomllib.loads(out)["path"] == "data/x.csv"
    assert err == (
        "check: line 13, column 'a': role = \"unused\": every value is another one, like an id\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "error: the following arguments are required: file; see draft_contract --help"),
        (["data/y.csv"], 66, "error: data/y.csv is missing on the shared volume"),
        (["../y.csv"], 2, "error: path '../y.csv' leaves the shared volume; name one inside it"),
        (["data/x.csv"], 65, "error: data/x.csv, line 2: has 1 cells, the header has 2"),
        (["data/x.csv", "--what"], 2, "error: unrecognized arguments: --what"),
    ],
)
def test_command_ends_with_the_codes_of_a_stage(drafts, command, arguments, code, message):
    drafts.put("a,clicked\n1\n")
    ended, out, err = command(*arguments)
    assert (ended, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
