"""The bundled sample: made by its generator, and as hard to predict as the public data set."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "shared_volume" / "data" / "advertising.csv"
FEATURES = ("Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(BUNDLED.read_text())))


def column(rows, name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])


def test_generator_gives_the_bundled_file_byte_for_byte():
    generator = ROOT / "scripts" / "generate_advertising.py"
    made = subprocess.run([sys.executable, generator], capture_output=True, check=True).stdout
    assert made == BUNDLED.read_bytes()


def test_sample_has_1000_rows_of_both_classes_in_about_equal_parts(rows):
    assert len(rows) == 1000
    assert 0.45 < column(rows, "Clicked on Ad").mean() < 0.55


def test_logistic_regression_is_as_good_on_it_as_on_the_public_data(rows):
    X = np.column_stack([column(rows, name) for name in FEATURES])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    accuracy = cross_val_score(model, X, column(rows, "Clicked on Ad"), cv=folds).mean()
    assert 0.95 <= accuracy <= 0.985


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("Daily Time Spent on Site", -1),
        ("Age", 1),
        ("Area Income", -1),
        ("Daily Internet Usage", -1),
    ],
)
def test_each_number_goes_with_clicks_the_way_it_does_in_the_public_data(rows, name, sign):
    clicks = column(rows, "Clicked on Ad")
    assert sign * np.corrcoef(column(rows, name), clicks)[0, 1] > 0.4


def test_numbers_stay_in_the_ranges_of_the_public_data(rows):
    ranges = {name: (column(rows, name).min(), column(rows, name).max()) for name in FEATURES}
    assert ranges["Age"][0] >= 19
    assert ranges["Age"][1] <= 61
    assert ranges["Daily Time Spent on Site"][1] <= 91.43
    assert ranges["Area Income"][1] <= 79484.80
    assert set(column(rows, "Male")) == {0, 1}


def test_texts_are_plain_ascii_and_times_differ(rows):
    times = [row["Timestamp"] for row in rows]
    assert len(set(times)) == 1000
    assert all(re.fullmatch(r"2025-\d\d-\d\d \d\d:\d\d:\d\d", time) for time in times)
    assert BUNDLED.read_bytes().isascii()
