"""contracts.py, and what the monitor knows of the pipeline, against the pipeline's own files."""

from pathlib import Path

import stage
from monitor.contracts import read_contracts
from monitor.stages import STAGES
from monitor.volume import MARKER, RUN_ID

IMAGES = Path(stage.__file__).parent


def test_stages_are_those_with_a_contract():
    assert sorted(STAGES) == sorted(path.parent.name for path in IMAGES.glob("*/stage.toml"))


def test_marker_and_run_id_are_those_of_the_stages():
    assert (stage.MARKER, stage.RUN_ID.pattern) == (MARKER, RUN_ID.pattern)


def test_outputs_are_in_the_order_of_the_pipeline():
    contracts = read_contracts(IMAGES)
    assert tuple(contracts) == STAGES
    assert contracts["evaluate_model"] == ["metrics.json", "figures/"]


def test_broken_contract_is_left_out_and_logged(tmp_path, caplog):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/stage.toml").write_text("[outputs")
    assert read_contracts(tmp_path) == {}
    assert "broken/stage.toml is left out" in caplog.text
