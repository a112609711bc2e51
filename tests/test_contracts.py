"""The stages' contracts against each other, against their files, and against the design."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from stage import EXIT_CODES, Contract, broken_limit

IMAGES = Path(__file__).resolve().parents[1] / "images"
ORDER = (
    "start_pipeline",
    "load_data",
    "data_preprocessing",
    "separate_data",
    "build_model",
    "evaluate_model",
    "model_summary",
    "trigger_flask_api",
    "end_pipeline",
    "predict",
    "build_model_spark",
)
# It does the work of these stages, by their own functions, and leaves their outputs and reports.
SPARK = "build_model_spark"
PARTS = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
CONTRACTS = {name: Contract.load(IMAGES / name) for name in ORDER}
PARAMETERS = [
    pytest.param(stage, name, parameter, id=f"{stage}-{name}")
    for stage, contract in CONTRACTS.items()
    for name, parameter in contract.parameters.items()
]
INPUTS = [
    pytest.param(stage, path, rules, id=f"{stage}-{path}")
    for stage, contract in CONTRACTS.items()
    for path, rules in contract.inputs.items()
]
TYPES = {"string": str, "integer": int, "number": float, "boolean": bool}


def required(path: Path) -> set[str]:
    """The packages that a requirements.in names, itself or in a file that it includes."""
    found = set()
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            found |= required(path.parent / line.removeprefix("-r ").strip())
        elif line:
            found.add(re.match(r"[A-Za-z0-9._-]+", line)[0])
    return found


def test_stages_are_those_of_the_design():
    assert sorted(path.parent.name for path in IMAGES.glob("*/stage.toml")) == sorted(ORDER)


@pytest.mark.parametrize("stage", ORDER)
@pytest.mark.parametrize(
    "name", ["main.py", "stage.toml", "Dockerfile", "requirements.in", "requirements.txt"]
)
def test_stage_folder_has_the_files(stage, name):
    assert (IMAGES / stage / name).is_file()


@pytest.mark.parametrize("stage", ORDER)
def test_image_starts_the_stage_of_its_name(stage):
    dockerfile = (IMAGES / stage / "Dockerfile").read_text()
    assert f'ENTRYPOINT ["python3", "/app/stage.py", "{stage}"]' in dockerfile


@pytest.mark.parametrize("stage", ORDER)
def test_stage_imports_no_other_stage(stage):
    for path in (IMAGES / stage).glob("*.py"):
        imported = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
        assert imported & set(ORDER) <= {stage, *(PARTS if stage == SPARK else ())}


@pytest.mark.parametrize("stage", ORDER)
def test_resources_are_complete_and_positive(stage):
    resources = CONTRACTS[stage].resources
    assert set(resources) == {"memory", "cpus", "pids", "timeout_seconds"}
    assert re.fullmatch(r"[1-9][0-9]*[mg]", resources["memory"])
    assert isinstance(resources["cpus"], float)
    assert min(resources["cpus"], resources["pids"], resources["timeout_seconds"]) > 0


@pytest.mark.parametrize("stage", ORDER)
def test_only_the_stage_that_asks_the_monitor_has_a_network(stage):
    expected = "monitor" if stage == "trigger_flask_api" else "none"
    assert CONTRACTS[stage].network == expected


@pytest.mark.parametrize("stage", ORDER)
def test_packages_are_those_of_the_requirements(stage):
    assert set(CONTRACTS[stage].packages) == required(IMAGES / stage / "requirements.in")


@pytest.mark.parametrize("stage", ORDER)
def test_summary_is_one_sentence(stage):
    assert re.fullmatch(r"[A-Z][^.]*\.", CONTRACTS[stage].summary)


@pytest.mark.parametrize("stage", ORDER)
def test_each_output_says_what_it_is(stage):
    contract = CONTRACTS[stage]
    assert contract.outputs or stage == SPARK
    entries = {**contract.outputs, **contract.publishes}
    assert [name for name, entry in entries.items() if not entry.get("help")] == []


@pytest.mark.parametrize(("stage", "name", "parameter"), PARAMETERS)
def test_default_has_the_parameters_type_and_keeps_its_limits(stage, name, parameter):
    assert {"type", "default", "help"} <= set(parameter)
    assert type(parameter["default"]) is TYPES[parameter["type"]]
    assert broken_limit(parameter["default"], parameter) is None


def test_parameters_of_one_name_are_the_same_everywhere():
    first: dict[str, object] = {}
    for contract in CONTRACTS.values():
        for name, parameter in contract.parameters.items():
            assert first.setdefault(name, parameter) == parameter


def test_parameters_and_defaults_are_those_of_the_design():
    assert {
        (stage, name): parameter["default"]
        for stage, contract in CONTRACTS.items()
        for name, parameter in contract.parameters.items()
        if stage != SPARK
    } == {
        ("start_pipeline", "dataset"): "advertising",
        ("start_pipeline", "source"): "",
        ("start_pipeline", "purpose"): "train",
        ("load_data", "dataset"): "advertising",
        ("load_data", "source"): "",
        ("separate_data", "split"): "random",
        ("separate_data", "test_size"): 0.3,
        ("separate_data", "random_state"): 42,
        ("separate_data", "stratify"): True,
        ("build_model", "algorithm"): "logistic_regression",
        ("build_model", "scaler"): "standard",
        ("build_model", "C"): 1.0,
        ("build_model", "max_iter"): 1000,
        ("build_model", "random_state"): 42,
        ("evaluate_model", "min_accuracy"): 0.90,
        ("evaluate_model", "min_roc_auc"): 0.5,
        ("evaluate_model", "yardstick"): True,
        ("evaluate_model", "cv_repeats"): 0,
        ("model_summary", "publish"): "if_not_worse",
        ("end_pipeline", "keep_runs"): 50,
        ("end_pipeline", "openlineage"): False,
    }


def test_spark_takes_the_parameters_of_its_parts_but_for_what_it_has_one_way_to_do():
    own = {}
    for part in PARTS[2:]:
        own |= CONTRACTS[part].parameters
    del own["split"], own["algorithm"]
    assert set(CONTRACTS[SPARK].parameters) == set(own)
    for name, parameter in CONTRACTS[SPARK].parameters.items():
        assert {**parameter, "help": ""} == {**own[name], "help": ""}


def test_spark_alone_is_given_settings_and_secrets():
    for stage in ORDER:
        content = tomllib.loads((IMAGES / stage / "stage.toml").read_text())
        asked = {"settings", "secrets", "network_setting", "parts"} & set(content)
        assert bool(asked) == (stage == SPARK), stage
    assert content["parts"] == list(PARTS)


@pytest.mark.parametrize(
    ("stage", "path", "rules"), [i for i in INPUTS[1:] if not i.values[1].startswith("model/")]
)
def test_input_is_an_output_of_an_earlier_stage(stage, path, rules):
    maker, name = path.removeprefix("runs/{run_id}/").split("/")
    assert maker in ORDER[: ORDER.index(stage)]
    assert name == "report.json" or name in CONTRACTS[maker].outputs


def test_input_from_outside_of_the_run_is_the_data_contract_or_what_is_published():
    outside = [i.values for i in INPUTS if not i.values[1].startswith("runs/{run_id}/")]
    assert outside[0][:2] == ("start_pipeline", "data/{dataset}.toml")
    for _, path, rules in outside[1:]:
        assert path in CONTRACTS["model_summary"].publishes
        assert rules["optional"]  # the first model has none before it


@pytest.mark.parametrize(("stage", "path", "rules"), INPUTS)
def test_input_asks_for_columns_by_known_words_and_is_a_table(stage, path, rules):
    assert set(rules.get("columns", [])) <= {"{features}", "{target}", "{time}", "{group}"}
    # Rows that were published may have other columns than the run's.
    rows_of_run = path.endswith(".parquet") and path.startswith("runs/{run_id}/")
    assert stage == "model_summary" or ("columns" in rules) == rows_of_run


@pytest.mark.parametrize("stage", ORDER[1:])
def test_stage_that_asks_for_columns_reads_which_they_are(stage):
    contract = CONTRACTS[stage]
    if any("columns" in rules for rules in contract.inputs.values()):
        assert "runs/{run_id}/start_pipeline/run.json" in contract.inputs


def test_exit_codes_are_those_of_the_design():
    assert {code: (entry["cause"], entry["retried"]) for code, entry in EXIT_CODES.items()} == {
        0: ("done", False),
        2: ("bad command line", False),
        65: ("data refused", False),
        66: ("input missing", False),
        70: ("crashed", True),
        73: ("output cannot be written", True),
        80: ("quality gate missed", False),
        137: ("out of memory", False),
        143: ("stopped", True),
    }


def test_each_failure_has_an_advice():
    assert [code for code, entry in EXIT_CODES.items() if code and not entry["advice"]] == []


def test_contracts_are_plain_toml_of_ascii():
    for path in IMAGES.glob("*/stage.toml"):
        assert tomllib.loads(path.read_bytes().decode("ascii"))
