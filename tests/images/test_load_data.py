"""load_data: what a data file must be, and how one that is not is refused."""

from __future__ import annotations

import re
import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from load_data.check import Checker
from load_data.column import columns_of
from load_data.main import open_reader
from load_data.source import Source
from load_data.table import Table
from load_data.violations import LISTED, Violation, Violations
from stage import StageError

CONTRACT = tomllib.loads("""
delimiter = ","
[columns.age]
type = "integer"
role = "feature"
minimum = 0
maximum = 120
[columns.income]
type = "number"
role = "feature"
minimum = 0
[columns.note]
type = "text"
role = "unused"
[columns.click]
type = "integer"
role = "target"
allowed = [0, 1]
""")
COLUMNS = CONTRACT["columns"]
HEADER = "age,income,note,click\n"
ROW = "30,5.5,x,0\n"
GOOD = HEADER + ROW + "31,6.5,y,1\n"


@pytest.fixture
def load(tmp_path):
    """Read and check a file's content; returns the table."""

    def load(content: str | bytes, contract=CONTRACT) -> pa.Table:
        path = tmp_path / "x.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        violations = Violations("data/x.csv")
        columns = columns_of(contract)
        with Source(path, "data/x.csv") as source:
            reader = open_reader(source, contract, Checker(columns, violations))
            table = Table(tmp_path / "table.parquet", columns, contract, violations)
            load.reader, load.table = reader, table
            try:
                for batch in reader.batches():
                    table.add(batch)
                if violations:
                    raise violations.refusal()
                table.finish()
            finally:
                table.close()
        return pq.read_table(tmp_path / "table.parquet")

    return load


# Files that are taken


def test_table_has_the_contracts_columns_and_types(load):
    table = load(GOOD)
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("age", "int64"),
        ("income", "double"),
        ("note", "string"),
        ("click", "int64"),
    ]
    assert table.to_pylist()[1] == {"age": 31, "income": 6.5, "note": "y", "click": 1}


@pytest.mark.parametrize(
    "content",
    [
        GOOD.removesuffix("\n"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD + "\n\n\r\n",
        GOOD.replace("30", '"30"'),
        GOOD.replace("30", "+30").replace("5.5", "55e-1"),
        "click,note,income,age\n0,x,5.5,30\n1,y,6.5,31\n",
        "more,age,income,note,click\na,30,5.5,x,0\nb,31,6.5,y,1\n",
    ],
    ids=[
        "no_last_newline",
        "crlf",
        "cr",
        "bom",
        "blank_end",
        "quoted",
        "signed",
        "reordered",
        "unknown_extra",
    ],
)
def test_same_rows_written_otherwise_give_the_same_table(load, content):
    assert load(content).equals(load(GOOD))


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ('"a\nb"', "a\nb"),
        ('"a,b"', "a,b"),
        ('"say ""hi"""', 'say "hi"'),
        ("", ""),
        (" \u00fc\u2028", " \u00fc\u2028"),
    ],
)
def test_text_of_an_unused_column_is_kept_as_it_is(load, written, held):
    assert load(GOOD.replace("x", written))["note"][0].as_py() == held


def test_line_is_counted_behind_a_quoted_newline(load):
    with pytest.raises(StageError, match=r"line 4, column 'age', value 'old'"):
        load(HEADER + '30,1,"a\nb",0\nold,1,x,1\n')


def test_unknown_columns_are_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("more," + HEADER + "a," + ROW)
    cells = read.read_cells(path, CONTRACT, Violations("x"))
    assert (cells.unknown_columns, cells.lines) == (["more"], [2])


# Files that are refused


def refused(load, content: str | bytes) -> str:
    with pytest.raises(StageError) as raised:
        load(content)
    assert raised.value.code == 65
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: holds no header; the file is empty"),
        ("\n\n", "line 1: holds no header; the file is empty"),
        ("\n" + GOOD, "line 1: is blank, but rows follow it"),
        (HEADER, "line 1: is the header, and no row follows it"),
        (HEADER + "\n\n", "line 1: is the header, and no row follows it"),
        (HEADER + ROW + "\n" + ROW, "line 3: is blank, but rows follow it"),
        (HEADER + "30,1,x\n", "line 2: has 3 cells, the header has 4"),
        (HEADER + "30,1,x,0,9\n", "line 2: has 5 cells, the header has 4"),
        (HEADER + "   \n", "line 2: has 1 cells, the header has 4"),
        (HEADER + ROW + '31,1,"x,0\n', "line 3: has a quoted cell that is never closed"),
        (
            HEADER + '30,1,"x,0\n31,1,"y",1\n',
            "line 2: has a quoted cell that goes on after its closing quote (seen on line 3)",
        ),
        (
            HEADER + f"30,1,{'x' * 100_001},0\n",
            "line 2: has a cell of more than 100000 characters",
        ),
        (
            HEADER + f'30,1,"{"x" * 100_001}',
            "line 2: has a cell of more than 100000 characters",
        ),
        (
            (HEADER + ROW).encode() + b"30,1,caf\xe9,0\n",
            r"line 3, column 'note', value 'caf\\udce9': holds the byte 0xe9, which is no UTF-8; "
            "save it as UTF-8",
        ),
        (HEADER + "30,1,a\0b,0\n", "line 2, column 'note', value 'a\\\\x00b': holds a NUL"),
        (GOOD.encode("utf-16"), "holds the byte 0xff, which is no UTF-8; save it as UTF-8"),
        (b"age\xff,income\n", "line 1, column 'age\\udcff', value 'age\\\\udcff': holds the byte"),
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
    ],
)
def test_broken_structure_is_refused_with_its_line(load, content, message):
    text = refused(load, content)
    assert text.startswith("data/x.csv, line ")
    assert message in text


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("age", "", "the value is missing"),
        ("age", "  ", "the value is missing"),
        ("income", "", "the value is missing"),
        ("click", "", "the value is missing"),
        ("age", "old", "the value is not an integer"),
        ("age", "30.0", "the value is not an integer"),
        ("age", "1_000", "the value is not an integer"),
        ("age", "0x10", "the value is not an integer"),
        ("age", " 5", "the value is not an integer"),
        ("age", "5 ", "the value is not an integer"),
        ("age", "\u0663\u0665", "the value is not an integer"),
        ("age", "3" * 19, "the value is not an integer"),
        ("age", "NA", "the value is not an integer"),
        ("age", "-1", "the value is below the minimum 0"),
        ("age", "121", "the value is above the maximum 120"),
        ("income", "1_000", "the value is not a number"),
        ("income", "1,5", "the value is not a number"),
        ("income", "nan", "the value is not a number"),
        ("income", "inf", "the value is not a number"),
        ("income", "-Infinity", "the value is not a number"),
        ("income", "0x1p3", "the value is not a number"),
        ("income", " 5", "the value is not a number"),
        ("income", "\uff15", "the value is not a number"),
        ("income", ".", "the value is not a number"),
        ("income", "1e", "the value is not a number"),
        ("income", "True", "the value is not a number"),
        ("income", "5\n", "the value is not a number"),
        ("income", "1e400", "the value is too large for a number"),
        ("income", "-0.01", "the value is below the minimum 0"),
        ("click", "2", "the value is none of 0, 1"),
        ("click", "True", "the value is not an integer"),
    ],
)
def test_cell_that_breaks_its_columns_rules_is_refused(load, column, value, rule):
    cells = {"age": "30", "income": "1", "note": "x", "click": "0", column: f'"{value}"'}
    text = refused(load, GOOD + ",".join(cells.values()) + "\n")
    assert text.startswith(f"data/x.csv, line 4, column {column!r}, value ")
    assert text.endswith(f": {rule}")


@pytest.mark.parametrize(
    ("column", "value"), [("age", "0"), ("age", "120"), ("income", "0"), ("income", "1e3")]
)
def test_value_on_the_limit_is_taken(load, column, value):
    cells = {"age": "30", "income": "1", "note": "x", "click": "0", column: value}
    assert load(GOOD + ",".join(cells.values())).num_rows == 3


def test_file_with_one_class_is_refused(load):
    text = refused(load, HEADER + ROW + ROW)
    assert text == (
        "data/x.csv, line 2, column 'click': every row holds the value 0; both classes are needed"
    )


def test_first_violation_of_many_is_named_in_the_files_order(load):
    text = refused(load, HEADER + ROW + "30,x,x,5\nold,1,x,0\n")
    assert text == (
        "data/x.csv, line 3, column 'income', value 'x': the value is not a number "
        "(and 1 more, see validation.json)"
    )


def test_long_value_is_shortened_in_the_message(load):
    text = refused(load, GOOD + f"{'9' * 5000},1,x,0\n")
    assert f"value '{'9' * 79}…'" in text


def test_lookalike_of_the_well_known_malformed_file_is_refused(load):
    """61 lines: headers repeated inside, quotes that are opened and closed lines later."""
    lines = [HEADER.strip(), *(f"{n},{n}.5,note {n},{n % 2}" for n in range(1, 61))]
    lines[20] = '20,20.5,"note 20,0'
    lines[30] = HEADER.strip()
    lines[40] = '40,40.5,note" 40,0'
    lines[50] = '50,50.5,"note 50,0'
    text = refused(load, "\n".join(lines) + "\n")
    assert text == (
        "data/x.csv, line 21: has a quoted cell that goes on after its closing quote (seen on "
        "line 41)"
    )


def test_header_repeated_among_the_rows_is_refused(load):
    text = refused(load, GOOD + HEADER)
    assert "line 4, column 'age', value 'age': the value is not an integer (and 2 more" in text


# What is told about the violations


def test_violations_are_counted_by_rule_and_the_first_1000_listed():
    violations = Violations("data/x.csv")
    for line in range(LISTED + 500):
        violations.add(line, "age", "x", "one rule" if line < 1200 else "another")
    report = violations.report({})
    assert (report["valid"], report["violations"]) == (False, 1500)
    assert report["violations_by_rule"] == {"one rule": 1200, "another": 300}
    assert len(report["first_violations"]) == 1000
    assert report["first_violations"][-1]["line"] == 999


# The stage


def test_bundled_data_is_taken_whole(whole_run):
    report = whole_run.report("load_data")
    table = pq.read_table(whole_run.folder("load_data/table.parquet"))
    assert (table.num_rows, table.num_columns) == (1000, 10)
    assert report["metrics"] == {
        "rows": 1000,
        "rows_dropped": 0,
        "columns": 10,
        "unknown_columns": [],
    }
    assert whole_run.read("load_data/validation.json") == {
        "file": "data/advertising.csv",
        "valid": True,
        "rows": 1000,
        "rows_dropped": 0,
        "unknown_columns": [],
        "violations": 0,
        "violations_by_rule": {},
        "first_violations": [],
    }
    assert set(report["versions"]) == {"python", "numpy", "pandas", "pandera", "pyarrow"}


def change(volume, old: str, new: str) -> None:
    path = volume.path / "data" / "advertising.csv"
    path.write_text(path.read_text().replace(old, new, 1))


def test_refused_file_exits_65_and_keeps_the_list_of_violations(data_volume):
    change(data_volume, "54.14,35,", "54.14,thirty,")
    data_volume.run("start_pipeline")
    ended = data_volume.run("load_data")
    assert (ended.code, ended.summary["error"]["cause"]) == (65, "data refused")
    assert ended.message == (
        "data/advertising.csv, line 2, column 'Age', value 'thirty': the value is not an integer"
    )
    assert data_volume.files("load_data") == ["report.json", "validation.json"]
    assert data_volume.read("load_data/validation.json")["first_violations"] == [
        {"line": 2, "column": "Age", "value": "thirty", "rule": "the value is not an integer"}
    ]


def test_file_changed_since_the_run_started_exits_65(data_volume):
    data_volume.run("start_pipeline")
    change(data_volume, "54.14,35,", "54.14,36,")
    ended = data_volume.run("load_data")
    assert (ended.code, ended.message) == (
        65,
        "data/advertising.csv has changed since the run started; start a new run",
    )


def test_file_removed_since_the_run_started_exits_66(data_volume):
    data_volume.run("start_pipeline")
    (data_volume.path / "data" / "advertising.csv").unlink()
    ended = data_volume.run("load_data")
    assert (ended.code, ended.message) == (
        66,
        "data/advertising.csv is missing on the shared volume",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "data/b.csv"], "run demo was started on source data/advertising.csv, not d"),
        (["--dataset", "other"], "run demo was started on dataset advertising, not other; start"),
    ],
)
def test_other_data_than_the_run_was_started_on_exits_2(data_volume, arguments, message):
    data_volume.run("start_pipeline")
    ended = data_volume.run("load_data", *arguments)
    assert ended.code == 2
    assert ended.message.startswith(message)


def test_source_spelled_as_at_the_start_is_taken(data_volume):
    (data_volume.path / "data" / "link.csv").symlink_to("advertising.csv")
    for name in ("start_pipeline", "load_data"):
        assert data_volume.run(name, "--source", "./data/link.csv").code == 0


def test_full_disk_exits_73_and_leaves_no_part(data_volume, small_disk, monkeypatch):
    data_volume.run("start_pipeline")
    volume = data_volume.copy(small_disk / "volume")
    filler = small_disk / "filler"
    with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(b"x" * 2**21)
    with filler.open("r+b") as file:  # leaves room for the reports, not for the table
        file.truncate(filler.stat().st_size - 5 * 4096)
    ended = volume.run("load_data")
    assert (ended.code, ended.summary["error"]["cause"]) == (73, "output cannot be written")
    assert re.search("No space left on device", ended.message)
    assert volume.files("load_data") == ["report.json"]
