"""data_preprocessing: the columns that the model sees, and only those."""

import json

import pyarrow as pa
import pyarrow.parquet as pq


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
