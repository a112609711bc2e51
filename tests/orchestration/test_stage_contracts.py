"""What the orchestration makes of the stages' contracts: names, command lines, form fields."""

from __future__ import annotations

import re

import pytest

from contracts import (
    IMAGES,
    command_line,
    form_field,
    image_name,
    network_name,
    queue_of,
    read_contract,
    read_exit_codes,
)
from stage import EXIT_CODES, Contract


def test_contract_is_the_stage_toml():
    assert read_contract("build_model")["parameters"]["max_iter"]["default"] == 1000


def test_exit_codes_are_those_of_the_stages():
    assert read_exit_codes() == EXIT_CODES


def test_image_has_the_tag_of_this_stack(monkeypatch):
    monkeypatch.setenv("IMAGE_TAG", "1.2")
    assert image_name("load_data") == "localhost/ad-click/load_data:1.2"


def test_network_is_that_of_this_stack(monkeypatch):
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "second")
    assert network_name("monitor") == "second_monitor"


@pytest.mark.parametrize("stage", sorted(path.parent.name for path in IMAGES.glob("*/stage.toml")))
def test_stage_names_a_queue_that_workers_know(stage):
    contract = read_contract(stage)
    queue = queue_of(stage, contract)
    # The others' container may be on any host: only one that asks the monitor needs the monitor's.
    assert (queue == "control") == (contract["network"] == "monitor")


@pytest.mark.parametrize("queue", ["smal", "", None])
def test_queue_that_no_worker_takes_is_refused_with_those_that_there_are(queue):
    contract = {"resources": {"queue": queue}}
    with pytest.raises(
        ValueError, match=r"images/predict/stage\.toml .*small, large, gpu, control"
    ):
        queue_of("predict", contract)


def test_no_network_is_the_same_in_every_stack(monkeypatch):
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "second")
    assert network_name("none") == "none"


def test_parameter_is_spelt_with_dashes_on_the_command_line():
    contract = {"parameters": {"max_iter": {"default": 5}, "source": {"default": ""}}}
    assert command_line(contract) == [
        "--run-id={{ run_id }}",
        "--max-iter={{ params.max_iter }}",
        "--source={{ params.source or '' }}",
    ]


def test_stage_that_takes_over_unchanged_work_can_be_told_to_do_it_all_the_same():
    force = "--force={{ params.force }}"
    assert command_line({"reusable": True}) == ["--run-id={{ run_id }}", force]
    parser = Contract.load(IMAGES / "build_model").parser()
    for value in (True, False):
        words = ["--run-id=r", force.replace("{{ params.force }}", str(value))]
        assert parser.parse_args(words).force is value


@pytest.mark.parametrize("run_id", ["manual__2026-11-23T19:30:00.1+00:00", "-dash-first", "~", "+"])
def test_stage_understands_any_run_id_of_airflow_on_its_command_line(run_id):
    words = [
        word.replace("{{ run_id }}", run_id).replace("{{ params.source or '' }}", "-a b'")
        for word in command_line(read_contract("start_pipeline"))
        if "dataset" not in word and "purpose" not in word
    ]
    values = Contract.load(IMAGES / "start_pipeline").parser().parse_args(words)
    assert (values.run_id, values.source) == (run_id, "-a b'")


def test_form_field_has_the_limits_in_json_schema_words():
    parameter = {"type": "number", "default": 0.3, "help": "share"}
    limits = {"exclusive_minimum": 0.0, "maximum": 1.0}
    assert form_field(parameter | limits) == {
        "default": 0.3,
        "description": "share",
        "type": "number",
        "exclusiveMinimum": 0.0,
        "maximum": 1.0,
    }


def test_form_field_that_may_be_empty_takes_null():
    field = form_field({"type": "string", "default": "", "help": "path"})
    assert field["type"] == ["null", "string"]


@pytest.mark.parametrize(("text", "fits"), [("ads", True), ("ads\n", False), ("xads", False)])
def test_pattern_of_a_form_field_holds_for_the_whole_text(text, fits):
    pattern = form_field({"type": "string", "default": "a", "help": "", "pattern": "[ad]s|ads"})
    assert bool(re.search(pattern["pattern"], text)) is fits
