"""predict: a new file's rows scored by the published model, which is never unpickled."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import batches
from batches import ROW

PICKLE = "logistic_regression_model.pkl"
ONNX = "logistic_regression_model.onnx"
SKOPS = "logistic_regression_model.skops"
FEATURES = ["Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male"]
TARGET = "Clicked on Ad"


def publish(volume, *names: str) -> None:
    """Publish the files that build_model made as model_summary is to do, with their sha256."""
    release = (volume.path / "model" / "model_summary.json").resolve().parent
    summary = json.loads((release / "model_summary.json").read_text())
    summary["files"] = {}
    for name in names:
        shutil.copyfile(volume.folder(f"build_model/{name}"), release / name)
        content = (release / name).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        summary["files"][name] = {"bytes": len(content), "sha256": sha256}
    (release / "model_summary.json").write_text(json.dumps(summary))


def edit_summary(volume, **content: Any) -> None:
    path = volume.path / "model" / "model_summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | content))


def published_file(volume, name: str) -> Path:
    return (volume.path / "model" / "model_summary.json").resolve().parent / name


@pytest.fixture
def published(finished):
    """A volume with a published model in all formats."""
    publish(finished, PICKLE, ONNX, SKOPS)
    return finished


def new_rows(count: int = 1000) -> pd.DataFrame:
    """Rows that the model has never seen, far beyond those it was fitted on too; no target."""
    draw = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "Daily Time Spent on Site": draw.uniform(0, 1440, count),
            "Age": draw.integers(0, 121, count),
            "Area Income": draw.lognormal(11, 1.5, count),
            "Daily Internet Usage": draw.uniform(0, 1440, count),
            "Male": draw.integers(0, 2, count),
        }
    )
    return frame.assign(**dict.fromkeys(("Ad Topic Line", "City", "Country", "Timestamp"), "x"))


def open_run(volume, source: str, *arguments: str, run_id: str = "new") -> None:
    """Run start_pipeline and load_data on a file."""
    data = ["--source", source, *arguments]
    for name, more in (("start_pipeline", ["--purpose", "predict"]), ("load_data", [])):
        ended = volume.run(name, *data, *more, run_id=run_id)
        assert ended.code == 0, ended.message


def predict(volume, frame: pd.DataFrame, *, source: str = "data/new.csv", run_id: str = "new"):
    """Return how the stage ended on rows, written as CSV or Parquet."""
    path = volume.path / source
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    open_run(volume, source, run_id=run_id)
    return volume.run("predict", run_id=run_id)


def predictions(volume, run_id: str = "new") -> pd.DataFrame:
    return pq.read_table(volume.folder("predict/predictions.parquet", run_id)).to_pandas()


def of_scikit_learn(volume, frame: pd.DataFrame) -> np.ndarray:
    """What scikit-learn's own model says of the rows."""
    model = pickle.loads(volume.folder(f"build_model/{PICKLE}").read_bytes())
    return model.predict_proba(frame[FEATURES])[:, 1]


@pytest.mark.parametrize("scaler", ["standard", "minmax", "minmax+standard"])
@pytest.mark.parametrize("name", [ONNX, SKOPS])
def test_probabilities_of_1000_random_rows_are_those_of_scikit_learn(finished, scaler, name):
    for stage, arguments in (
        ("build_model", ["--scaler", scaler]),
        ("evaluate_model", []),
        ("model_summary", []),
    ):
        assert finished.run(stage, *arguments).code == 0
    publish(finished, name)
    rows = new_rows()
    ended = predict(finished, rows)
    assert ended.code == 0, ended.message
    assert ended.report["metrics"]["model"]["file"] == name
    found = predictions(finished)
    expected = of_scikit_learn(finished, rows)
    assert 10 < (expected > 0.5).sum() < 990
    assert found["probability"].to_numpy() == pytest.approx(expected, abs=1e-5)
    assert found["predicted"].tolist() == (expected > 0.5).astype(int).tolist()
    assert found["row"].tolist() == list(range(1, 1001))


def test_csv_holds_the_same_as_parquet_and_numbers_alone(published):
    rows = new_rows().assign(City="=cmd|' /C calc'!A0")
    assert predict(published, rows).code == 0
    path = published.folder("predict/predictions.csv", "new")
    assert pd.read_csv(path).astype({"predicted": "int8"}).equals(predictions(published))
    header, *lines = path.read_text().splitlines()
    assert header == '"row","probability","predicted"'
    assert not set("".join(lines)) - set("0123456789.,e-")


def test_parquet_gives_the_same_predictions_as_csv(published):
    rows = new_rows(100)
    assert predict(published, rows).code == 0
    assert predict(published, rows, source="data/new.parquet", run_id="other").code == 0
    assert predictions(published, "other").equals(predictions(published))


def test_target_in_the_file_changes_nothing_whatever_it_holds(published):
    rows = new_rows(100)
    assert predict(published, rows).code == 0
    with_target = rows.assign(**{TARGET: "not known yet"})
    assert predict(published, with_target, run_id="other").code == 0
    assert predictions(published, "other").equals(predictions(published))
    assert published.read("load_data/validation.json", "other")["unknown_columns"] == [TARGET]


def test_copies_of_a_row_are_all_predicted_although_they_are_dropped_to_train(published):
    contract = published.path / "data" / "advertising.toml"
    contract.write_text('duplicates = "drop"\n' + contract.read_text())
    rows = new_rows(2)
    assert predict(published, pd.concat([rows, rows])).code == 0
    first, second, third, fourth = predictions(published)["probability"]
    assert (first, second) == (third, fourth)


def test_row_is_the_one_of_the_data_file_where_rows_are_left_out(published):
    contract = published.path / "data" / "advertising.toml"
    text = contract.read_text().replace('role = "feature"\nunit = "years"', "{}")
    text = text.replace("{}", 'role = "feature"\nmissing = "drop"')
    contract.write_text("max_dropped_share = 0.5\n" + text)
    rows = new_rows(10).astype({"Age": "Int64"})
    rows.loc[[0, 4], "Age"] = pd.NA
    ended = predict(published, rows)
    assert ended.code == 0, ended.message
    assert predictions(published)["row"].tolist() == [2, 3, 4, 6, 7, 8, 9, 10]
    kept = rows.drop(index=[0, 4]).astype({"Age": int})
    expected = of_scikit_learn(published, kept)
    assert predictions(published)["probability"].to_numpy() == pytest.approx(expected, abs=1e-9)


def test_rows_are_scored_batch_by_batch(published, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 7)
    rows = new_rows(100)
    assert predict(published, rows).code == 0
    file = pq.ParquetFile(published.folder("predict/predictions.parquet", "new"))
    assert file.num_row_groups == 15
    assert file.read()["row"].to_pylist() == list(range(1, 101))
    expected = of_scikit_learn(published, rows)
    assert predictions(published)["probability"].to_numpy() == pytest.approx(expected, abs=1e-9)


def test_report_and_file_say_by_which_model(published):
    ended = predict(published, new_rows(10))
    sha256 = hashlib.sha256(published.folder(f"build_model/{ONNX}").read_bytes()).hexdigest()
    metrics = ended.report["metrics"]
    assert metrics["model"] == {"run_id": "demo", "file": ONNX, "sha256": sha256}
    found = predictions(published)
    assert (metrics["rows"], metrics["predicted_clicks"]) == (10, found["predicted"].sum())
    assert metrics["mean_probability"] == pytest.approx(found["probability"].mean())
    schema = pq.read_schema(published.folder("predict/predictions.parquet", "new"))
    assert schema.metadata[b"model_sha256"].decode() == sha256
    assert schema.metadata[b"model_run_id"] == b"demo"


def test_same_rows_and_model_give_the_same_bytes(published):
    for run_id in ("new", "other"):
        assert predict(published, new_rows(100), run_id=run_id).code == 0
    for name in ("predictions.parquet", "predictions.csv"):
        one, other = (published.folder(f"predict/{name}", run) for run in ("new", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_onnx_says_nothing_and_tells_nobody_of_what_it_does(published, monkeypatch, tmp_path):
    """Where it may tell its makers, it warns of a home that it can't keep its identifier in."""
    publish(published, ONNX)
    new_rows(3).to_csv(published.path / "data" / "new.csv", index=False)
    open_run(published, "data/new.csv")
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere" / "\t"))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    ended = published.end(published.start("predict", "--run-id", "new"), "predict", "new")
    assert (ended.code, ended.errors) == (0, "")


def test_bundled_data_of_categories_is_predicted_from_its_skops_file(data_volume):
    volume = data_volume
    names = ("--dataset", "impressions")
    gate = ("--min-accuracy", "0.5")
    volume.run_chain("model_summary", start_pipeline=names, load_data=names, evaluate_model=gate)
    publish(volume, PICKLE, SKOPS)
    assert volume.report("build_model")["metrics"]["formats"] == ["pickle", "skops"]
    open_run(volume, "data/impressions.csv", *names)
    ended = volume.run("predict", run_id="new")
    assert ended.code == 0, ended.message
    model = pickle.loads(volume.folder(f"build_model/{PICKLE}").read_bytes())
    rows = pq.read_table(volume.folder("load_data/table.parquet", "new"))
    expected = model.predict_proba(rows)[:, 1]
    assert len(expected) == 16000
    assert predictions(volume)["probability"].to_numpy() == pytest.approx(expected, abs=1e-12)


# What is refused


def test_no_published_model_exits_66_and_says_what_to_do(data_volume):
    ended = predict(data_volume, new_rows(3))
    assert (ended.code, ended.message) == (
        66,
        "no model is published on the shared volume; train and publish one: make run",
    )


def test_model_that_is_a_pickle_alone_exits_66_and_is_not_loaded(published):
    publish(published, PICKLE)
    published_file(published, PICKLE).write_bytes(b"no pickle")
    ended = predict(published, new_rows(3))
    assert ended.code == 66
    assert "is a pickle alone, which is not loaded to predict" in ended.message


@pytest.mark.parametrize("name", [ONNX, SKOPS])
def test_model_that_was_changed_exits_65(published, name):
    publish(published, name)
    with published_file(published, name).open("ab") as file:
        file.write(b"\0")
    ended = predict(published, new_rows(3))
    assert ended.code == 65
    assert f"{name} is not the file that was published (its sha256)" in ended.message
    assert published.files("predict", "new") == ["report.json"]


@pytest.mark.parametrize("name", [ONNX, SKOPS])
def test_model_that_is_damaged_exits_65(published, name):
    path = published.folder(f"build_model/{name}")
    path.write_bytes(path.read_bytes()[:300])
    publish(published, name)
    ended = predict(published, new_rows(3))
    assert ended.code == 65
    kind = {ONNX: "ONNX model", SKOPS: "skops file"}[name]
    assert f"{name} is no {kind} of this project" in ended.message


def test_skops_file_with_a_type_that_no_model_has_exits_65_and_makes_none(published, tmp_path):
    path = published.folder(f"build_model/{SKOPS}")
    with zipfile.ZipFile(path) as archive:
        schema = archive.read("schema.json").decode()
        others = {n: archive.read(n) for n in archive.namelist() if n != "schema.json"}
    schema = schema.replace("sklearn.preprocessing._data", "subprocess")
    schema = schema.replace("StandardScaler", "Popen")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"schema.json": schema, **others}.items():
            archive.writestr(name, content)
    publish(published, SKOPS)
    ended = predict(published, new_rows(3))
    assert ended.code == 65
    assert "holds the type subprocess.Popen, which no model of this project has" in ended.message


def test_contract_with_another_feature_exits_65(published):
    contract = published.path / "data" / "advertising.toml"
    contract.write_text(contract.read_text().replace('"Male"', '"Visits"'))
    ended = predict(published, new_rows(3).rename(columns={"Male": "Visits"}))
    assert ended.code == 65
    assert (
        "has not the features of the published model (of run demo): 'Male' is no feature there"
        in (ended.message)
    )


def test_contract_with_a_feature_of_another_type_exits_65(published):
    columns = published.read("start_pipeline/run.json")["contract"]["columns"]
    columns["Age"]["type"] = "category"
    edit_summary(published, contract={"columns": columns})
    ended = predict(published, new_rows(3))
    assert ended.code == 65
    assert "'Age' is integer there, category to the model" in ended.message


@pytest.mark.parametrize("name", [ONNX, SKOPS])
def test_missing_cell_that_the_model_was_not_taught_exits_65_and_names_the_row(published, name):
    publish(published, name)
    contract = published.path / "data" / "advertising.toml"
    text = contract.read_text().replace('unit = "years"', 'unit = "years"\nmissing = "impute"')
    contract.write_text(text)
    rows = new_rows(5).astype({"Age": "Int64"})
    rows.loc[3, "Age"] = pd.NA
    ended = predict(published, rows)
    assert ended.code == 65
    assert "row 4, column 'Age': the value is missing" in ended.message


def test_row_that_breaks_the_contract_refuses_the_file(published):
    rows = new_rows(5).astype({"Age": object})
    rows.loc[2, "Age"] = "old"
    rows.to_csv(published.path / "data" / "new.csv", index=False)
    arguments = ("--source", "data/new.csv")
    assert (
        published.run("start_pipeline", *arguments, "--purpose", "predict", run_id="new").code == 0
    )
    ended = published.run("load_data", *arguments, run_id="new")
    assert ended.code == 65
    assert "line 4, column 'Age', value 'old'" in ended.message


def test_run_that_trains_is_not_one_to_predict_and_the_other_way_round(published):
    ended = published.run("predict")
    assert (ended.code, ended.message) == (
        2,
        "run demo was started to train; start one with --purpose predict",
    )
    open_run(published, "data/advertising.csv")
    ended = published.run("data_preprocessing", run_id="new")
    assert ended.code == 2
    assert "run new was started to predict" in ended.message


def test_table_to_predict_from_has_row_numbers_and_no_target(published):
    open_run(published, "data/advertising.csv")
    table = pq.read_table(published.folder("load_data/table.parquet", "new"))
    assert TARGET not in table.column_names
    assert table[ROW].to_pylist() == list(range(1, 1001))
    opened = published.read("start_pipeline/run.json", "new")
    assert opened["purpose"] == "predict"
    assert TARGET not in opened["contract"]["columns"]
    assert published.read("start_pipeline/run.json")["purpose"] == "train"
    assert ROW not in pq.read_table(published.folder("load_data/table.parquet")).column_names
