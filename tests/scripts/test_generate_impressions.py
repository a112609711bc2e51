"""The second bundled sample: made by its generator, and unlike the first in every respect."""

from __future__ import annotations

import csv
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "shared_volume" / "data"
BUNDLED = DATA / "impressions.csv"
CONTRACT = tomllib.loads((DATA / "impressions.toml").read_text())
COLUMNS = CONTRACT["columns"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with BUNDLED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=CONTRACT["delimiter"]))


def levels(rows, name: str) -> Counter[str]:
    return Counter(row[name] for row in rows)


def test_generator_gives_the_bundled_file_byte_for_byte():
    generator = ROOT / "scripts" / "generate_impressions.py"
    made = subprocess.run([sys.executable, generator], capture_output=True, check=True).stdout
    assert made == BUNDLED.read_bytes()
    assert len(made) < 2_000_000


def test_contract_and_file_name_the_same_columns_in_the_same_order(rows):
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == 16_000


def test_sample_has_nothing_in_common_with_the_first():
    first = tomllib.loads((DATA / "advertising.toml").read_text())
    assert set(first["columns"]) & set(COLUMNS) == set()
    assert first["delimiter"] != CONTRACT["delimiter"]
    roles = Counter(rules["role"] for rules in COLUMNS.values())
    assert roles == {"feature": 8, "time": 1, "group": 1, "unused": 1, "target": 1}


def test_two_views_of_a_hundred_are_clicked(rows):
    clicked = levels(rows, "clicked")
    assert set(clicked) == set(COLUMNS["clicked"]["allowed"]) == {"no", "yes"}
    assert clicked[COLUMNS["clicked"]["positive"]] / len(rows) == pytest.approx(0.02, abs=0.003)


def test_categories_have_few_levels_and_many(rows):
    assert len(levels(rows, "page")) > 100
    assert len(levels(rows, "campaign")) > 100
    assert set(levels(rows, "device")) == set(COLUMNS["device"]["allowed"])
    assert set(levels(rows, "slot")) == set(COLUMNS["slot"]["allowed"])
    assert all(slot.isdigit() for slot in levels(rows, "slot"))


def test_cells_are_missing_where_the_contract_lets_them(rows):
    missing = {
        name: sum(row[name] in CONTRACT["missing_values"] for row in rows) for name in COLUMNS
    }
    allowed = {
        name for name, rules in COLUMNS.items() if rules.get("missing", "refuse") != "refuse"
    }
    assert {name for name, count in missing.items() if count} == allowed
    assert all(0.04 < missing[name] / len(rows) < 0.5 for name in allowed)


def test_rows_stand_in_the_order_of_their_times(rows):
    times = [datetime.fromisoformat(row["shown_at"]) for row in rows]
    assert times == sorted(times)
    assert {time.utcoffset().total_seconds() for time in times} == {0}


def test_visitors_come_more_than_once(rows):
    views = levels(rows, "visitor")
    assert 2000 < len(views) < len(rows) / 2
    assert views.most_common(1)[0][1] < 0.05 * len(rows)


def test_headlines_hold_all_that_makes_a_cell_hard_to_read(rows):
    headlines = "".join(row["headline"] for row in rows)
    for mark in ('"', ";", ",", "<b>", "=", "—", "ß", "ł", "喜"):
        assert mark in headlines
