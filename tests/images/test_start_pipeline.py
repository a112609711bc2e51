"""start_pipeline: the data contract's format, the preflight, run.json."""

from __future__ import annotations

import hashlib
import os
import re

import pytest

from stage import StageError
from start_pipeline import main
from start_pipeline.data_contract import read_contract

GOOD = """path = "data/x.csv"

[columns."Time on Site"]
type = "number"
role = "feature"
minimum = 0

[columns.Clicked]
type = "integer"
role = "target"
allowed = [0, 1]
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str | bytes):
        path = tmp_path / "x.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_contract(path, "data/x.toml")

    return read


def test_contract_is_read_with_its_defaults(read):
    contract = read(GOOD)
    assert (contract["delimiter"], contract["encoding"]) == (",", "utf-8")
    assert contract["path"] == "data/x.csv"
    assert contract["columns"]["Time on Site"]["minimum"] == 0


def test_bundled_contract_has_the_five_features_and_the_target(data_volume):
    name = "data/advertising.toml"
    columns = read_contract(data_volume.path / name, name)["columns"]
    features = [column for column, rules in columns.items() if rules["role"] == "feature"]
    assert features == [
        *("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male"),
    ]
    assert columns["Clicked on Ad"]["role"] == "target"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minimum", "minimun", "data/x.toml, line 6: column 'Time on Site' has an unknown key"),
        ("path", "pth", "data/x.toml, line 1: the contract has an unknown key 'pth'; known: col"),
        ('"number"', '"nubmer"', "line 3: column 'Time on Site': type is 'nubmer'; it must be one"),
        ('"feature"', '"features"', "line 3: column 'Time on Site': role is 'features'; it must"),
        ('type = "integer"', "", "line 8: column 'Clicked': type is None; it must be one of"),
        ("minimum = 0", 'minimum = "0"', "column 'Time on Site': minimum must be a number"),
        ("minimum = 0", "minimum = true", "column 'Time on Site': minimum must be a number"),
        ("minimum = 0", "minimum = nan", "column 'Time on Site': minimum must be a number"),
        ("minimum = 0", "minimum = 5\nmaximum = 4", "minimum is above maximum"),
        ("minimum = 0", "allowed = []", "allowed must be a list of values of type number"),
        ("minimum = 0", 'allowed = ["a"]', "allowed must be a list of values of type number"),
        ("minimum = 0", "allowed = 3", "allowed must be a list of values of type number"),
        ('"number"', '"text"', "a feature must be an integer or a number, not text"),
        ("[0, 1]", "[1, 2]", "line 8: column 'Clicked': the target needs allowed = [0, 1]"),
        ('"target"', '"unused"', "data/x.toml: 0 columns have the role target, not 1"),
        ('"feature"', '"unused"', "data/x.toml: no column has the role feature; the model needs"),
        ("path", "delimiter = ';;'\npath", "line 1: delimiter must be one character"),
        ("path", "delimiter = '\"'\npath", "line 1: delimiter must be one character, no quote"),
        ("path", "delimiter = 1\npath", "line 1: delimiter must be one character"),
        ("path", 'encoding = "cp1252"\npath', "line 1: encoding 'cp1252' is not read; use utf-8"),
        ('path = "data/x.csv"', "", 'path is missing; write path = "data/<file>.csv"'),
        ("data/x.csv", "", 'line 1: path is missing; write path = "data/<file>.csv"'),
        ('"data/x.csv"', "3", 'line 1: path is missing; write path = "data/<file>.csv"'),
        ("data/x.csv", "../x.csv", "line 1: path '../x.csv' leaves the shared volume; name a"),
        ("data/x.csv", "/etc/passwd", "line 1: path '/etc/passwd' leaves the shared volume"),
    ],
)
def test_contract_that_breaks_the_format_is_refused_with_its_line(read, old, new, message):
    assert old in GOOD
    with pytest.raises(StageError, match=re.escape(message)) as raised:
        read(GOOD.replace(old, new, 1))
    assert raised.value.code == 65


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path = ", "data/x.toml is no valid TOML: Invalid value"),
        (GOOD + "[columns.Clicked]", "data/x.toml is no valid TOML: Cannot declare"),
        (b"path = '\xff'", "data/x.toml is no valid TOML: 'utf-8' codec can't decode byte 0xff"),
        ('path = "x"', "data/x.toml: there is no [columns.<name>]; describe each column"),
        ('path = "x"\ncolumns = 3', "data/x.toml: there is no [columns.<name>]"),
        ('path = "x"\n[columns]\nAge = 3', "data/x.toml, line 3: column 'Age' must be a table"),
    ],
)
def test_contract_that_is_no_contract_is_refused(read, text, message):
    with pytest.raises(StageError, match=re.escape(message)) as raised:
        read(text)
    assert raised.value.code == 65


def test_second_target_is_refused(read):
    again = GOOD[GOOD.index("[columns.Clicked]") :].replace("Clicked", "Bought")
    with pytest.raises(StageError, match="2 columns have the role target, not 1"):
        read(GOOD + again)


def test_too_little_space_exits_73(tmp_path):
    main.check_space(tmp_path, 1)
    with pytest.raises(StageError, match="MiB free, a run on this data needs") as raised:
        main.check_space(tmp_path, 2**80)
    assert raised.value.code == 73
    assert "free some space or lower keep_runs" in str(raised.value)


@pytest.mark.parametrize(
    ("head", "per_byte"),
    [(b"a,b\n", 4), (b"\x1f\x8b", 12), (b"\x28\xb5\x2f\xfd", 12), (b"PK\3\4", 12), (b"PAR1", 12)],
)
def test_space_needed_grows_with_the_data(tmp_path, head, per_byte):
    path = tmp_path / "x"
    path.write_bytes(head)
    assert main.space_needed(path) == main.SPACE_AT_LEAST
    os.truncate(path, 2**30)
    assert main.space_needed(path) == per_byte * 2**30


def test_pipe_exits_66_and_is_not_waited_for(data_volume):
    os.mkfifo(data_volume.path / "data" / "pipe")
    ended = data_volume.run("start_pipeline", "--source", "data/pipe")
    assert (ended.code, ended.message) == (66, "data/pipe is no file on the shared volume")


def test_huge_file_exits_73_before_it_is_read(data_volume):
    path = data_volume.path / "data" / "advertising.csv"
    os.truncate(path, 2**42)
    assert data_volume.run("start_pipeline").code == 73


def test_small_volume_exits_73(small_disk, data_volume):
    copy = data_volume.copy(small_disk / "volume")
    ended = copy.run("start_pipeline")
    assert (ended.code, ended.summary["error"]["cause"]) == (73, "output cannot be written")
    assert "MiB free, a run on this data needs 64 MiB" in ended.message


def test_run_is_opened_with_its_source_and_columns(data_volume):
    ended = data_volume.run("start_pipeline")
    opened = data_volume.read("start_pipeline/run.json")
    source = data_volume.path / "data" / "advertising.csv"
    assert ended.code == 0
    assert opened["source"] == {
        "path": "data/advertising.csv",
        "bytes": source.stat().st_size,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    assert (opened["run_id"], opened["dataset"]) == ("demo", "advertising")
    assert opened["features"][1] == "Age"
    assert opened["target"] == "Clicked on Ad"
    assert opened["parameters"] == {"dataset": "advertising", "source": ""}
    assert opened["started"].endswith("Z")


def test_opened_run_names_the_contract_file_and_not_the_data_file(data_volume):
    data_volume.run("start_pipeline")
    contract = data_volume.read("start_pipeline/run.json")["contract"]
    path = data_volume.path / "data" / "advertising.toml"
    assert contract["path"] == "data/advertising.toml"
    assert contract["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "source", ["./data/advertising.csv", "data/link.csv", "{volume}/data/link.csv"]
)
def test_source_is_named_as_the_file_that_it_leads_to(data_volume, source):
    (data_volume.path / "data" / "link.csv").symlink_to("advertising.csv")
    source = source.format(volume=data_volume.path)
    ended = data_volume.run("start_pipeline", "--source", source)
    assert ended.code == 0
    assert data_volume.read("start_pipeline/run.json")["source"]["path"] == "data/advertising.csv"


@pytest.mark.parametrize("source", ["../x.csv", "/etc/passwd", "data/out.csv"])
def test_source_that_leaves_the_volume_exits_2(data_volume, source):
    (data_volume.path / "data" / "out.csv").symlink_to("/etc/passwd")
    ended = data_volume.run("start_pipeline", "--source", source)
    assert ended.code == 2
    assert ended.message == (f"path {source!r} leaves the shared volume; name one inside it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "other"], "data/other.toml is missing on the shared volume"),
        (["--source", "data/other.csv"], "data/other.csv is missing on the shared volume"),
    ],
)
def test_missing_file_exits_66(data_volume, arguments, message):
    ended = data_volume.run("start_pipeline", *arguments)
    assert (ended.code, ended.message) == (66, message)
    assert data_volume.files("start_pipeline") == ["report.json"]


def test_dataset_that_is_a_path_exits_2(data_volume):
    ended = data_volume.run("start_pipeline", "--dataset", "../x")
    assert ended.code == 2
    assert "dataset must be of the form [A-Za-z0-9_-]{1,100}" in ended.message


def test_broken_contract_exits_65(data_volume):
    data_volume.write("data/advertising.toml", GOOD.replace("role", "roll", 1))
    ended = data_volume.run("start_pipeline")
    assert (ended.code, ended.summary["error"]["cause"]) == (65, "data refused")
    assert ended.message.startswith("data/advertising.toml, line 5: column 'Time on Site' has an")
