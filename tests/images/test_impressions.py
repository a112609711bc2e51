"""The second bundled data set through all stages: nothing of it is in any code."""

from __future__ import annotations

import csv
import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

DATASET = ["--dataset", "impressions"]
FILE = Path(__file__).resolve().parents[2] / "shared_volume" / "data" / "impressions.csv"
FEATURES = [
    *("page", "campaign", "slot", "device", "browser"),
    *("days_since_visit", "seconds_on_page", "bid_eur"),
]


@pytest.fixture(scope="module")
def loaded(new_volume):
    """A volume on which the stages ran that are the same for every split."""
    new_volume.run_chain("data_preprocessing", start_pipeline=DATASET, load_data=DATASET)
    return new_volume


@pytest.fixture(scope="module", params=["random", "time", "group"])
def run(request, loaded, tmp_path_factory):
    """A volume on which all stages ran, with default parameters but for the split."""
    volume = loaded.copy(tmp_path_factory.mktemp(request.param) / "shared_volume")
    for stage in ("separate_data", "build_model", "evaluate_model", "model_summary"):
        arguments = ["--split", request.param] if stage == "separate_data" else []
        ended = volume.run(stage, *arguments)
        assert ended.code == 0, ended.message
    return volume


def test_every_row_of_the_file_is_kept(loaded):
    metrics = loaded.report("load_data")["metrics"]
    assert (metrics["rows_read"], metrics["rows"], metrics["rows_dropped"]) == (16000, 16000, 0)
    assert set(metrics["missing"]) == {"browser", "days_since_visit", "seconds_on_page"}


def test_model_is_published_by_default_parameters_whatever_the_split(run):
    summary = run.read("model_summary/model_summary.json")
    assert summary["published"]
    assert summary["features"] == FEATURES
    assert summary["warnings"] == {}


def test_signal_is_found_in_rows_never_seen(run):
    metrics = run.read("evaluate_model/metrics.json")
    assert 0.75 < metrics["roc_auc"] < 0.85
    assert metrics["positive_share"] == pytest.approx(0.02, abs=0.005)
    assert metrics["average_precision"] > 3 * metrics["positive_share"]
    assert metrics["log_loss"] < 0.9 * metrics["baseline_log_loss"]


def test_groups_are_the_same_in_each_process(loaded, tmp_path, monkeypatch):
    """Python's hashes are others in each process, by which groups of one name are found."""
    made = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        volume = loaded.copy(tmp_path / seed)
        words = ["--run-id", "demo", "--split", "group", "--force"]
        ended = volume.end(volume.start("separate_data", *words), "separate_data")
        assert ended.code == 0, ended.message
        made.add((volume.folder("separate_data/test.parquet")).read_bytes())
    assert len(made) == 1


def test_predicted_shares_are_those_that_come(run):
    metrics = run.read("evaluate_model/metrics.json")
    bins = metrics["calibration"]
    assert len(bins) == 10
    assert sum(told["rows"] for told in bins) == metrics["test_rows"]
    for told in bins:
        # Three standard deviations of a share of so many rows.
        chance = 3 * (told["predicted"] * (1 - told["predicted"]) / told["rows"]) ** 0.5
        assert told["observed"] == pytest.approx(told["predicted"], abs=chance)


def test_no_moment_and_no_visitor_is_on_both_sides(run):
    metrics = run.report("separate_data")["metrics"]
    rows = pq.read_table(run.folder("data_preprocessing/features.parquet"))
    test = pq.read_table(run.folder("separate_data/test.parquet"))
    assert test.column_names == [*FEATURES, "clicked"]
    if metrics["split"] == "time":
        boundary = np.datetime64(metrics["boundary"].removesuffix("Z"))
        assert (rows["shown_at"].to_numpy() >= boundary).sum() == metrics["test_rows"]
    if metrics["split"] == "group":
        visitors = len(set(rows["visitor"].to_pylist()))
        assert metrics["train_groups"] + metrics["test_groups"] == metrics["groups"] == visitors


def test_many_levels_are_hashed_and_few_are_not(run):
    encodings = run.report("build_model")["metrics"]["encodings"]
    assert {name: told["encoding"] for name, told in encodings.items()} == {
        "page": "hashing",
        "campaign": "hashing",
        "slot": "one_hot",
        "device": "one_hot",
        "browser": "one_hot",
        "days_since_visit": "scaled",
        "seconds_on_page": "scaled",
        "bid_eur": "scaled",
    }
    assert encodings["page"]["levels"] > 100


def test_published_model_scores_the_rows_of_the_file(run):
    """As a user does: pandas reads the file, the categories as text."""
    numbers = ("days_since_visit", "seconds_on_page", "bid_eur")
    rows = pd.read_csv(
        FILE,
        sep=";",
        na_values=["NA"],
        keep_default_na=False,
        dtype={name: str for name in FEATURES if name not in numbers},
    )
    published = run.path / "model" / "logistic_regression_model.pkl"
    chance = pickle.loads(published.read_bytes()).predict_proba(rows)[:, 1]
    clicked = rows["clicked"] == "yes"
    assert chance[clicked].mean() > 3 * chance[~clicked].mean()
    table = pq.read_table(run.folder("load_data/table.parquet"))
    again = pickle.loads(published.read_bytes()).predict_proba(table)[:, 1]
    assert chance.tolist() == again.tolist()


def test_summary_tells_the_measures_of_rare_clicks(run):
    text = run.folder("model_summary/model_summary.txt").read_text()
    for words in ("average precision", "always predicting the share of clicks", "calibration"):
        assert words in text
    assert "page (hashing, 240 levels), campaign (hashing, 130 levels)" in text


def test_clicks_that_follow_nothing_miss_the_gate_whatever_the_split(loaded, tmp_path):
    """The same file with its clicks dealt anew: a model of it is as accurate, and refused."""
    rows = list(csv.reader(io.StringIO(FILE.read_text(encoding="utf-8")), delimiter=";"))
    clicks = np.random.default_rng(7).permutation([row[-1] for row in rows[1:]])
    dealt = [rows[0], *([*row[:-1], click] for row, click in zip(rows[1:], clicks, strict=True))]
    volume = loaded.copy(tmp_path / "shared_volume")
    with (volume.path / "data" / "dealt.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(dealt)
    source = [*DATASET, "--source", "data/dealt.csv"]
    volume.run_chain("data_preprocessing", start_pipeline=source, load_data=source)
    for split in ("random", "time", "group"):
        assert volume.run("separate_data", "--split", split).code == 0
        assert volume.run("build_model").code == 0
        ended = volume.run("evaluate_model", "--min-roc-auc", "0")
        assert ended.code == 80
        assert ended.report["metrics"]["accuracy"] > 0.97
        assert "is not below" in ended.message
        assert "that of always predicting the share of clicks" in ended.message
