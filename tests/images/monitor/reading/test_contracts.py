"""contracts.py, and what the monitor knows of the pipeline, against the pipeline's own files."""

import tomllib
from pathlib import Path

import pytest

import stage
from monitor.reading.contracts import read_advice, read_contracts
from monitor.reading.stages import PREDICTION, STAGES
from monitor.reading.volume import MARKER, RUN_ID

IMAGES = Path(stage.__file__).parent
# It leaves what the stages leave whose work it does, and is shown by these.
SPARK = "build_model_spark"


def test_stages_are_those_with_a_contract():
    assert sorted({*STAGES, *PREDICTION, SPARK}) == sorted(
        path.parent.name for path in IMAGES.glob("*/stage.toml")
    )


def test_marker_and_run_id_are_those_of_the_stages():
    assert (stage.MARKER, stage.RUN_ID.pattern) == (MARKER, RUN_ID.pattern)


def test_outputs_are_in_the_order_of_the_pipeline():
    contracts = read_contracts(IMAGES)
    assert tuple(contracts) == (*STAGES, SPARK, "predict")
    assert contracts["evaluate_model"] == [
        *("metrics.json", "comparison.json", "drift.json", "reference.parquet", "figures/")
    ]


def test_broken_contract_is_left_out_and_logged(tmp_path, caplog):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/stage.toml").write_text("[outputs")
    assert read_contracts(tmp_path) == {}
    assert "broken/stage.toml is left out" in caplog.text


def test_every_cause_of_a_failure_has_its_advice():
    codes = tomllib.loads((IMAGES / "exit_codes.toml").read_text())
    causes = {entry["cause"] for code, entry in codes.items() if code != "0"}
    advice = read_advice(IMAGES)
    assert {cause for cause in causes if not advice[cause]} == set()


@pytest.mark.parametrize("content", [None, "[", "[1]\ncause = 'x'", "x = 1"])
def test_broken_table_of_exit_codes_leaves_pages_without_advice(tmp_path, caplog, content):
    if content is not None:
        (tmp_path / "exit_codes.toml").write_text(content)
    assert read_advice(tmp_path) == {}
    assert "so pages lack advice" in caplog.text


def test_image_holds_what_is_read_here():
    taken = (IMAGES / "monitor/Dockerfile.dockerignore").read_text().splitlines()
    assert {"!images/*/stage.toml", "!images/exit_codes.toml"} <= set(taken)
