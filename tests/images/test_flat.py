"""What stages cost, as far as no clock measures it: memory and bytes for each row, and imports."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from tests.images.conftest import Volume

from data_file import write_dataset

FEW, MANY = 1_200_000, 3_600_000
STAGES = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
# Bytes that a row of the bundled data's kind takes in a stage's tables, with a tenth to spare.
BYTES_PER_ROW = {"load_data": 21, "data_preprocessing": 12, "separate_data": 12}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """The stages' reports of a run on many rows, and of one on three times as many."""
    found = {}
    for rows in (FEW, MANY):
        volume = Volume.make(tmp_path_factory.mktemp("flat") / "shared_volume")
        write_dataset(volume.path, "many", rows)
        options = ["--dataset", "many"]
        for stage in ("start_pipeline", *STAGES):
            told = options if stage in ("start_pipeline", "load_data") else []
            ended = volume.end(volume.start(stage, "--run-id", "demo", *told), stage)
            assert ended.code == 0, ended.message
        found[rows] = {stage: volume.report(stage) for stage in STAGES}
        shutil.rmtree(volume.path)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_memory_does_not_grow_with_the_rows(reports, stage) -> None:
    few, many = (reports[rows][stage]["peak_memory_bytes"] for rows in (FEW, MANY))
    assert many <= 1.2 * few
    assert many < 500_000_000


@pytest.mark.parametrize("stage", BYTES_PER_ROW)
def test_tables_take_few_bytes_a_row(reports, stage) -> None:
    outputs = reports[MANY][stage]["outputs"]
    written = sum(entry["bytes"] for entry in outputs if entry["path"].endswith(".parquet"))
    assert written < 1.1 * BYTES_PER_ROW[stage] * MANY


@pytest.mark.parametrize("stage", STAGES)
def test_all_rows_arrive(reports, stage) -> None:
    metrics = reports[MANY][stage]["metrics"]
    share = {"build_model": 0.7, "evaluate_model": 0.3}.get(stage, 1.0)
    assert metrics["rows"] == pytest.approx(share * MANY, abs=2)
