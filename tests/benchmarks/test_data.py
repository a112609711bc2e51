"""The measurement on large data files: the files it makes and what it makes of figures."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import data_file
from data_tables import find_ratios, summarise, tables
from data_ways import STAGES, Ours, children_seconds
from results import spread

ROOT = Path(__file__).resolve().parents[2]
ROWS = 2_500


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_file.write_dataset(tmp_path_factory.mktemp("volume"), "bench", ROWS)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_file_has_the_rows_asked_for_in_the_sample_columns(source: Path) -> None:
    rows = read(source)
    assert len(rows) == ROWS
    assert list(rows[0]) == list(read(ROOT / "shared_volume/data/advertising.csv")[0])


def test_contract_is_the_samples_but_for_the_path(source: Path) -> None:
    contract = tomllib.loads(source.with_suffix(".toml").read_text())
    sample = tomllib.loads((ROOT / "shared_volume/data/advertising.toml").read_text())
    assert contract == sample | {"path": "data/bench.csv"}


def test_same_seed_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    assert data_file.write_dataset(tmp_path, "bench", ROWS).read_bytes() == source.read_bytes()
    other = data_file.write_dataset(tmp_path, "bench", ROWS, seed=2)
    assert other.read_bytes() != source.read_bytes()


def test_chunks_differ_and_make_one_file(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(data_file, "CHUNK_ROWS", 400)
    rows = read(data_file.write_dataset(tmp_path, "bench", 1_000))
    assert len({tuple(row.values()) for row in rows}) == 1_000


def test_values_meet_the_contract(source: Path) -> None:
    columns = tomllib.loads(source.with_suffix(".toml").read_text())["columns"]
    for row in read(source):
        for name, rules in columns.items():
            assert row[name]
            if rules["type"] != "text":
                assert rules.get("minimum", 0) <= float(row[name]) <= rules.get("maximum", 1e9)
            if "allowed" in rules:
                assert int(row[name]) in rules["allowed"]


@pytest.mark.parametrize("stage", STAGES)
def test_stage_runs_with_the_limits_of_its_contract(stage, monkeypatch, tmp_path) -> None:
    for name in ("PIPELINE_UID", "PIPELINE_GID", "IMAGE_TAG"):
        monkeypatch.setenv(name, "7")
    limits = tomllib.loads((ROOT / f"images/{stage}/stage.toml").read_text())["resources"]
    command = Ours(tmp_path, "bench").container(stage)
    assert f"--memory={limits['memory']}" in command
    assert f"--memory-swap={limits['memory']}" in command
    assert f"--cpus={limits['cpus']}" in command
    assert "--memory=512m" in Ours(tmp_path, "bench", memory="512m").container(stage)
    dockerfile = (ROOT / f"images/{stage}/Dockerfile").read_text()
    assert f"ENTRYPOINT {json.dumps(command[-3:])}" in dockerfile


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("a log line\n0m0.01s 0m0.02s\n0m1.50s 0m0.25s\n", 1.75),
        ("0m0.01s 0m0.02s\n2m1.00s 1m0.50s\n", 181.5),
        ("0m0.001s 0m0.002s\n0m1.500s 0m0.250s", 1.75),
    ],
)
def test_shell_tells_what_its_children_used(told: str, seconds: float) -> None:
    assert children_seconds(told) == pytest.approx(seconds)


def test_spread_keeps_every_figure() -> None:
    assert spread([3, 1, 2, 4, 5]) == {
        "median": 3,
        "quartiles": [2, 4],
        "minimum": 1,
        "maximum": 5,
        "all": [3, 1, 2, 4, 5],
    }
    assert spread([2.0])["quartiles"] == [2.0, 2.0]


def measured(seconds: float, memory: float) -> dict[str, Any]:
    cost = {"seconds": seconds, "cpu_seconds": seconds, "peak_memory_bytes": memory}
    steps = dict.fromkeys(STAGES, cost)
    told = {"bytes_written": 1000, "others_cpus": 0.1, "accuracy": 0.97, "train_rows": 700}
    return {**cost, **told, "steps": steps}


@pytest.fixture
def sizes() -> dict[str, dict[str, Any]]:
    def of(rows: int, memory: float) -> dict[str, Any]:
        ours, polars = measured(6, memory), measured(4, 5e8)
        ways = {"ours": summarise([ours] * 3, rows), "polars": summarise([polars] * 3, rows)}
        return {"file_bytes": 90 * rows, "ways": ways}

    return {"9000": of(9000, 2e8), "10000": of(10000, 3e8)}


def test_ratios_are_those_of_the_largest_size_and_the_smallest(sizes) -> None:
    ratios = find_ratios(sizes)
    assert ratios["memory_growth"]["load_data"] == 1.5
    assert ratios["memory_beside_matrix"]["build_model"] == 3e8 / (4 * 5 * 700)
    assert ratios["time_beside"] == {"polars": 1.5}


def test_tables_hold_each_way_and_each_aim(sizes) -> None:
    results = {
        "date": "2026-01-01",
        "command": "python3 benchmarks/data.py",
        "machine": {"cpus": 2},
        "versions": {"polars": "2.1.0"},
        "where": "in their containers",
        "repeats": 3,
        "sizes": sizes,
        "ratios": find_ratios(sizes),
    }
    text = tables(results, {"a.svg": "a picture"})
    assert "| 10,000 | the stages | **6.0** (6.0 to 6.0) | 6.0 | 300 | 0 | 0.9700 |" in text
    assert "| `load_data`, memory at 10,000 rows over that at 9,000 | **1.50** | 1.2 |" in text
    assert "| `load_data`, memory at 10,000 rows | **300 MB** | 700 MB |" in text
    assert "![a picture](a.svg)" in text
