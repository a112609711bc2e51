"""load_data as a stage: what it writes and reports, and how it ends."""

from __future__ import annotations

import gzip
import re

import pyarrow.parquet as pq
import pytest


def test_bundled_data_is_taken_whole(whole_run):
    report = whole_run.report("load_data")
    table = pq.read_table(whole_run.folder("load_data/table.parquet"))
    assert (table.num_rows, table.num_columns) == (1000, 10)
    assert report["metrics"] == {
        "rows_read": 1000,
        "rows": 1000,
        "rows_dropped": 0,
        "dropped_by_reason": {},
        "columns": 10,
        "missing": {},
        "unknown_columns": [],
        "warnings": [],
    }
    assert whole_run.read("load_data/validation.json") == {
        "file": "data/advertising.csv",
        "valid": True,
        "rows_read": 1000,
        "rows": 1000,
        "rows_dropped": 0,
        "dropped_by_reason": {},
        "unknown_columns": [],
        "violations": 0,
        "violations_by_rule": {},
        "first_violations": [],
    }
    assert set(report["versions"]) == {"python", "numpy", "pyarrow"}


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
    assert data_volume.read("load_data/validation.json") == {
        "file": "data/advertising.csv",
        "valid": False,
        "rows_read": 1000,
        "rows": None,
        "rows_dropped": 0,
        "dropped_by_reason": {},
        "unknown_columns": [],
        "violations": 1,
        "violations_by_rule": {"the value is not an integer": 1},
        "first_violations": [
            {
                "line": 2,
                "row": None,
                "column": "Age",
                "value": "thirty",
                "rule": "the value is not an integer",
            }
        ],
    }


def test_packed_file_gives_the_same_table(data_volume):
    path = data_volume.path / "data" / "advertising.csv"
    data_volume.run("start_pipeline")
    data_volume.run("load_data")
    plain = pq.read_table(data_volume.folder("load_data/table.parquet"))
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert data_volume.run("start_pipeline").code == 0
    assert data_volume.run("load_data").code == 0
    assert pq.read_table(data_volume.folder("load_data/table.parquet")).equals(plain)


def test_file_that_cannot_be_unpacked_exits_65_and_says_so_in_the_list(data_volume):
    path = data_volume.path / "data" / "advertising.csv"
    path.write_bytes(gzip.compress(path.read_bytes())[:-9])
    data_volume.run("start_pipeline")
    ended = data_volume.run("load_data")
    assert (ended.code, ended.message) == (65, "data/advertising.csv: the gzip file is cut off")
    validation = data_volume.read("load_data/validation.json")
    assert validation["violations_by_rule"] == {"the gzip file is cut off": 1}
    assert validation["first_violations"][0]["line"] is None


def test_long_reading_says_how_far_it_is(data_volume, monkeypatch):
    monkeypatch.setattr("load_data.main.SAY_EVERY", 0)
    data_volume.run("start_pipeline")
    ended = data_volume.run("load_data")
    assert any("100 % 1000 rows read" in line for line in ended.lines)


def test_violations_of_another_run_are_not_kept_with_a_good_file(data_volume):
    data_volume.run("start_pipeline")
    assert data_volume.run("load_data").code == 0
    assert data_volume.files("load_data") == ["report.json", "table.parquet", "validation.json"]


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
        file.write(b"x" * 2**23)
    with filler.open("r+b") as file:  # leaves room for the reports, not for the table
        file.truncate(filler.stat().st_size - 5 * 4096)
    ended = volume.run("load_data")
    assert (ended.code, ended.summary["error"]["cause"]) == (73, "output cannot be written")
    assert re.search("No space left on device", ended.message)
    assert volume.files("load_data") == ["report.json"]
