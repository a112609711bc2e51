"""start_pipeline: the preflight, run.json. The data contract has a test file of its own."""

from __future__ import annotations

import hashlib
import os

import pytest

from stage import StageError
from start_pipeline import main

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
TIME_AND_GROUP = """
[columns.When]
type = "time"
role = "time"
[columns.User]
type = "text"
role = "group"
[columns.Age]
type = "integer"
role = "feature"
"""


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
    assert opened["parameters"] == {"dataset": "advertising", "source": "", "purpose": "train"}
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
    assert ended.message == (
        "data/advertising.toml, line 5: column 'Time on Site': unknown key 'roll'; "
        "did you mean 'role'?"
    )


def test_opened_run_has_the_contracts_defaults(data_volume):
    data_volume.run("start_pipeline")
    contract = data_volume.read("start_pipeline/run.json")["contract"]
    assert contract["missing_values"] == [""]
    assert (contract["max_dropped_share"], contract["duplicates"]) == (0, "keep")
    assert {rules["missing"] for rules in contract["columns"].values()} == {"refuse"}
    assert contract["columns"]["Clicked on Ad"]["positive"] == 1


def test_opened_run_without_a_column_of_time_or_group_says_null(data_volume):
    data_volume.run("start_pipeline")
    opened = data_volume.read("start_pipeline/run.json")
    assert (opened["time"], opened["group"]) == (None, None)


def test_opened_run_names_the_column_of_each_role_in_the_contracts_order(data_volume):
    text = (GOOD + TIME_AND_GROUP).replace("data/x.csv", "data/advertising.csv")
    data_volume.write("data/advertising.toml", text)
    assert data_volume.run("start_pipeline").code == 0
    opened = data_volume.read("start_pipeline/run.json")
    assert {key: opened[key] for key in ("features", "target", "time", "group")} == {
        "features": ["Time on Site", "Age"],
        "target": "Clicked",
        "time": "When",
        "group": "User",
    }


ON_SPARK = ("--purpose", "train_on_spark")


@pytest.mark.parametrize("named", ["data/days", "s3a://bucket/days"])
def test_what_only_spark_reads_exits_66_for_the_stages(named, data_volume):
    (data_volume.path / "data" / "days").mkdir()
    ended = data_volume.run("start_pipeline", "--source", named)
    assert ended.code == 66
    assert named.replace("//", "/") in ended.message.replace("//", "/")


@pytest.mark.parametrize("named", ["data/advertising.csv", "data/" + "x" * 300])
def test_file_for_spark_is_described_as_for_the_stages(named, data_volume):
    ended = [data_volume.run("start_pipeline", "--source", named, *more) for more in ((), ON_SPARK)]
    assert ended[0].code == ended[1].code
    assert ended[0].summary["error"] == ended[1].summary["error"]


def test_folder_is_described_by_its_files(data_volume):
    folder = data_volume.path / "data" / "days"
    folder.mkdir()
    for name in ("b.csv", "a.csv", ".hidden", "_SUCCESS"):
        (folder / name).write_text(name)
    ended = data_volume.run("start_pipeline", "--source", "data/days", *ON_SPARK)
    assert ended.code == 0
    source = data_volume.read("start_pipeline/run.json")["source"]
    lines = "".join(
        f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("a.csv", "b.csv")
    )
    digest = hashlib.sha256(lines.encode()).hexdigest()
    assert source == {"path": "data/days", "bytes": 10, "sha256": digest, "files": 2}
    read = [entry["path"] for entry in ended.report["inputs"]]
    assert read[1:] == ["data/days/a.csv", "data/days/b.csv"]


def test_folder_without_a_file_exits_66(data_volume):
    (data_volume.path / "data" / "days").mkdir()
    ended = data_volume.run("start_pipeline", "--source", "data/days", *ON_SPARK)
    assert (ended.code, ended.message) == (
        66,
        "data/days is a folder without a file on the shared volume",
    )


def test_object_storage_is_named_and_not_read(data_volume):
    assert data_volume.run("start_pipeline", "--source", "s3a://bucket/days", *ON_SPARK).code == 0
    source = data_volume.read("start_pipeline/run.json")["source"]
    assert source == {"path": "s3a://bucket/days", "bytes": None, "sha256": None}
