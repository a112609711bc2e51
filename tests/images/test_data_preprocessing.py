"""data_preprocessing: the columns that later stages use, and only those; each described."""

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from tests.images.conftest import IMAGES

from data_preprocessing.main import copy_columns
from stage import describe_file


def replace_table(volume, table, **roles):
    """Put another table in the place of load_data's, as if it had written it itself."""
    path = volume.folder("load_data/table.parquet")
    pq.write_table(table, path, row_group_size=100)
    report = volume.report("load_data")
    report["outputs"] = [describe_file(path, volume.path)]
    volume.folder("load_data/report.json").write_text(json.dumps(report))
    opened = volume.read("start_pipeline/run.json")
    kinds = {pa.int64(): "integer", pa.float64(): "number", pa.string(): "category"}
    used = [name for name in table.column_names if name not in roles]
    rules = {name: {"type": kinds.get(table.schema.field(name).type, "time"),
                    "role": roles.get(name, "feature")} for name in table.column_names}  # fmt: skip
    opened |= {"features": used, "time": None, "group": None}
    opened |= {role: name for name, role in roles.items() if role != "unused"}
    opened["contract"]["columns"] = rules
    volume.folder("start_pipeline/run.json").write_text(json.dumps(opened))
    report = volume.report("start_pipeline")
    report["outputs"] = []
    volume.folder("start_pipeline/report.json").write_text(json.dumps(report))


def test_features_stand_in_the_contracts_order_and_the_target_last(whole_run):
    table = pq.read_table(whole_run.folder("data_preprocessing/features.parquet"))
    assert table.column_names == [
        *("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male"),
        "Clicked on Ad",
    ]
    assert table.num_rows == 1000


def test_metrics_name_the_dropped_columns(whole_run):
    assert whole_run.report("data_preprocessing")["metrics"] == {
        "rows": 1000,
        "features": 5,
        "dropped_columns": ["Ad Topic Line", "City", "Country", "Timestamp"],
        "classes": {"0": 494, "1": 506},
        "warnings": [],
    }


def test_no_value_is_changed(whole_run):
    before = pq.read_table(whole_run.folder("load_data/table.parquet"))
    after = pq.read_table(whole_run.folder("data_preprocessing/features.parquet"))
    assert after.equals(before.select(after.column_names))


def test_table_without_a_feature_exits_65(finished):
    path = finished.folder("load_data/table.parquet")
    pq.write_table(pa.table({"Age": [1]}), path)
    report = finished.report("load_data")
    report["outputs"] = []
    finished.folder("load_data/report.json").write_text(json.dumps(report))
    ended = finished.run("data_preprocessing")
    assert (ended.code, ended.message) == (
        65,
        "runs/demo/load_data/table.parquet has no column 'Daily Time Spent on Site'",
    )


def test_table_changed_after_load_data_exits_65(finished):
    pq.write_table(pa.table({"Age": [1]}), finished.folder("load_data/table.parquet"))
    ended = finished.run("data_preprocessing")
    assert (ended.code, ended.message) == (
        65,
        "runs/demo/load_data/table.parquet was changed after load_data wrote it; "
        "run load_data again",
    )
    assert finished.files("data_preprocessing") == ["report.json"]


def test_run_that_was_not_started_exits_66(data_volume):
    ended = data_volume.run("data_preprocessing")
    assert (ended.code, ended.message) == (
        66,
        "runs/demo/start_pipeline/run.json is not there: start_pipeline has not run in run demo; "
        "run start_pipeline first",
    )


def test_time_and_group_follow_the_target(finished):
    table = pa.table({
        "when": pa.array([1, 2], pa.timestamp("us")), "y": [0, 1], "who": ["a", "b"],
        "x": [1.5, 2.5], "note": ["", "n"],
    })  # fmt: skip
    replace_table(finished, table, when="time", y="target", who="group", note="unused")
    assert finished.run("data_preprocessing").code == 0
    kept = pq.read_table(finished.folder("data_preprocessing/features.parquet"))
    assert kept.equals(table.select(["x", "y", "when", "who"]))
    profile = finished.read("data_preprocessing/profile.json")
    assert list(profile["before"]["columns"]) == ["when", "y", "who", "x", "note"]
    assert list(profile["after"]["columns"]) == ["x", "y", "when", "who"]
    roles = {name: column["role"] for name, column in profile["before"]["columns"].items()}
    assert roles == {"when": "time", "y": "target", "who": "group", "x": "feature",
                     "note": "unused"}  # fmt: skip


def test_profile_describes_all_columns_before_and_those_kept_after(whole_run):
    profile = whole_run.read("data_preprocessing/profile.json")
    assert set(profile) == {"before", "after"}
    assert len(profile["before"]["columns"]) == 10
    for side in profile.values():
        assert (side["rows"], side["classes"]) == (1000, {"0": 494, "1": 506})
    age = profile["after"]["columns"]["Age"]
    assert age == profile["before"]["columns"]["Age"]
    assert (age["type"], age["role"], age["minimum"], age["maximum"]) == (
        "integer",
        "feature",
        19,
        60,
    )
    assert profile["before"]["columns"]["Country"]["top"][0] == ["Nepal", 28]


def test_bundled_data_gives_no_warning(whole_run, real_run):
    for volume in (whole_run, real_run):
        assert volume.report("data_preprocessing")["metrics"]["warnings"] == []


def test_warnings_stand_in_the_report_and_in_the_log(finished):
    table = pa.table({"same": [1] * 100, "x": [0.5, 2.5] * 50, "y": [0, 0, 1, 1] * 25})
    replace_table(finished, table, y="target")
    ended = finished.run("data_preprocessing")
    warning = "Feature 'same' holds the same value in every row; the model learns nothing from it."
    assert ended.summary["metrics"]["warnings"] == [warning]
    assert [line.partition(" WARNING ")[2] for line in ended.lines if " WARNING " in line] == [
        warning
    ]


def test_two_runs_write_the_same_bytes(finished):
    names = ("data_preprocessing/profile.json", "data_preprocessing/features.parquet")
    first = [finished.folder(name).read_bytes() for name in names]
    assert finished.run("data_preprocessing").code == 0
    assert [finished.folder(name).read_bytes() for name in names] == first


def test_row_groups_are_no_larger_than_those_of_the_table(tmp_path):
    source, target = tmp_path / "table.parquet", tmp_path / "features.parquet"
    table = pa.table({"x": range(1000), "y": [0, 1] * 500, "z": ["text"] * 1000})
    pq.write_table(table, source, row_group_size=300)
    copy_columns(source, ["y", "x"], target)
    written = pq.ParquetFile(target)
    sizes = [written.metadata.row_group(n).num_rows for n in range(written.num_row_groups)]
    assert sizes == [300, 300, 300, 100]
    assert written.read().equals(table.select(["y", "x"]))


def test_column_whose_name_begins_as_another_with_a_dot_is_another(tmp_path):
    source, target = tmp_path / "table.parquet", tmp_path / "features.parquet"
    table = pa.table({"a.b": [1, 2], "a": [3, 4], "": [5, 6], "a.b.c": [7, 8]})
    pq.write_table(table, source)
    copy_columns(source, ["a", "a.b", ""], target)
    assert pq.read_table(target).equals(table.select(["a", "a.b", ""]))


PEAK = """
import resource, sys
from pathlib import Path
from data_preprocessing.describe import describe_table
from data_preprocessing.leakage import find_warnings
from data_preprocessing.main import copy_columns
source, target = Path(sys.argv[1]), Path(sys.argv[2])
copy_columns(source, ["text", "x", "y"], target)
rules = {name: {"type": "category", "role": "feature"} for name in ("text", "x", "y")}
profile = describe_table(target, rules, "y", lambda share: None)
find_warnings(target, profile, ["text", "x"], "y")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_rows_but_for_one_column_of_numbers(tmp_path):
    def peak(rows):
        source = tmp_path / f"{rows}.parquet"
        part = 50_000
        schema = pa.schema({"text": pa.string(), "x": pa.float64(), "y": pa.int64()})
        with pq.ParquetWriter(source, schema) as writer:
            for start in range(0, rows, part):
                numbers = range(start, start + part)
                text = [f"{n:0100d}" for n in numbers]
                columns = {"text": text, "x": map(float, numbers), "y": [0, 1] * (part // 2)}
                writer.write_table(pa.table({k: list(v) for k, v in columns.items()}, schema))
        command = [sys.executable, "-c", PEAK, str(source), str(tmp_path / "kept.parquet")]
        images = {**os.environ, "PYTHONPATH": str(IMAGES)}
        ended = subprocess.run(command, env=images, capture_output=True, text=True, check=True)
        return int(ended.stdout)

    few, many = peak(200_000), peak(1_200_000)
    # A million rows more: 8 MB a copy of the numbers, of which there are a few; 100 MB of text.
    assert many - few < 80
