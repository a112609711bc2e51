"""The DAGs as Airflow reads them, against the design and the stages' contracts."""

from __future__ import annotations

import ast
import itertools
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts import FORCE

ROOT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((ROOT / "orchestration" / "dags").glob("*.py"))
ORDER = (
    "start_pipeline",
    "load_data",
    "data_preprocessing",
    "separate_data",
    "build_model",
    "evaluate_model",
    "model_summary",
)
STAGES = (*ORDER, "trigger_flask_api", "end_pipeline")
MAILS = ("success_email", "failure_email")


def read_toml(stage: str) -> dict[str, Any]:
    """Return a stage's contract as it stands in its file."""
    return tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text())


CONTRACTS = {stage: read_toml(stage) for stage in STAGES}
PARAMETERS = {
    name: parameter
    for contract in CONTRACTS.values()
    for name, parameter in contract.get("parameters", {}).items()
} | {"force": FORCE}


@pytest.fixture(scope="module")
def pipeline(dags: dict[str, Any]) -> Any:
    return dags["ml_pipeline_advertising"]


@pytest.fixture(scope="module")
def watchdog(dags: dict[str, Any]) -> Any:
    return dags["flask_api_monitoring"]


@pytest.fixture(scope="module")
def spark(dags: dict[str, Any]) -> Any:
    return dags["ml_pipeline_advertising_spark"]


def test_there_are_four_dags(dags):
    assert set(dags) == {
        "ml_pipeline_advertising",
        "ml_pipeline_advertising_spark",
        "predict_advertising",
        "flask_api_monitoring",
    }


def test_on_spark_one_task_stands_where_the_pipeline_has_five(pipeline, spark):
    def edges(dag, name=lambda task: task):
        return {
            (name(task.task_id), name(below))
            for task in dag.tasks
            for below in task.downstream_task_ids
        }

    parts = read_toml("build_model_spark")["parts"]
    one = edges(pipeline, lambda task: "train_on_spark" if task in parts else task)
    assert edges(spark) == one - {("train_on_spark", "train_on_spark")}
    for task in spark.tasks:
        if task.task_id != "train_on_spark":
            assert task.trigger_rule == pipeline.get_task(task.task_id).trigger_rule


def test_task_on_spark_has_what_its_contract_says(spark):
    task, contract = spark.get_task("train_on_spark"), read_toml("build_model_spark")
    assert task.stage == "build_model_spark"
    assert task.image == "localhost/ad-click/build_model_spark:latest"
    assert task.network_mode == "none"
    assert task.resources_of_stage == contract["resources"]
    assert spark.user_defined_macros["stages"][1] == "train_on_spark"


def test_form_on_spark_has_the_parameters_of_its_stages(spark):
    stages = ("start_pipeline", "build_model_spark", *STAGES[-3:])
    expected = {name for stage in stages for name in read_toml(stage).get("parameters", {})}
    assert set(spark.params) - {"force"} == expected
    assert spark.params.get_param("purpose").schema["const"] == "train_on_spark"


def test_edges_are_those_of_the_design(pipeline):
    expected = set(itertools.pairwise(ORDER))
    expected |= {(stage, "failure_email") for stage in ORDER}
    expected |= {("model_summary", "success_email"), ("success_email", "end_pipeline")}
    expected |= {(mail, "trigger_flask_api") for mail in MAILS}
    expected |= {("trigger_flask_api", "end_pipeline")}
    found = {(task.task_id, below) for task in pipeline.tasks for below in task.downstream_task_ids}
    assert found == expected


@pytest.mark.parametrize("task", [*STAGES, *MAILS])
def test_trigger_rule_keeps_a_failed_run_failed(pipeline, task):
    rules = {"failure_email": "one_failed", "trigger_flask_api": "all_done"}
    assert pipeline.get_task(task).trigger_rule == rules.get(task, "all_success")


def test_pipeline_runs_only_when_triggered(pipeline):
    assert pipeline.timetable.can_be_scheduled is False
    assert pipeline.catchup is False


@pytest.mark.parametrize("stage", STAGES)
def test_task_has_what_its_contract_says(pipeline, stage):
    task, contract = pipeline.get_task(stage), CONTRACTS[stage]
    assert type(task).__name__ == "StageOperator"
    assert task.stage == stage
    assert task.image == f"localhost/ad-click/{stage}:latest"
    assert task.queue == contract["resources"]["queue"]
    assert task.mem_limit == contract["resources"]["memory"]
    assert task.resources_of_stage == contract["resources"]
    assert task.execution_timeout == timedelta(seconds=contract["resources"]["timeout_seconds"])
    assert task.network_mode == {"none": "none", "monitor": "ad-click_monitor"}[contract["network"]]
    assert task.doc_md == contract["summary"]


def test_what_needs_the_monitor_or_the_mail_server_is_for_the_control_host(dags):
    others = {
        task
        for dag in dags.values()
        for task in dag.tasks
        if type(task).__name__ != "StageOperator"
    }
    assert {task.task_id for task in others} == {*MAILS, "probe_monitor"}
    assert {task.queue for task in others} == {"control"}


@pytest.mark.parametrize("stage", STAGES)
def test_command_names_the_run_and_each_parameter_of_the_contract(pipeline, stage):
    words = [word.split("=", 1) for word in pipeline.get_task(stage).command]
    assert words[0] == ["--run-id", "{{ run_id }}"]
    names = [option.removeprefix("--").replace("-", "_") for option, _ in words[1:]]
    force = ["force"] if CONTRACTS[stage].get("reusable") else []
    assert names == [*CONTRACTS[stage].get("parameters", {}), *force]
    for name, (_, template) in zip(names, words[1:], strict=True):
        assert f"params.{name}" in template


@pytest.mark.parametrize("task", [*STAGES, *MAILS])
def test_task_is_tried_three_times(pipeline, task):
    assert pipeline.get_task(task).retries == 2


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_retried_by_cause(pipeline, stage):
    task = pipeline.get_task(stage)
    assert type(task.retry_policy).__name__ == "RetryByCause"
    assert task.mount_tmp_dir is False
    assert task.retrieve_output is False


def test_form_has_the_parameters_of_all_contracts_and_no_other(pipeline):
    assert set(pipeline.params) == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_form_field_says_what_the_contract_says(pipeline, name):
    field, parameter = pipeline.params.get_param(name), PARAMETERS[name]
    assert field.value == parameter["default"]
    assert field.description == parameter["help"]
    free = parameter["default"] == ""
    assert field.schema["type"] == (["null", "string"] if free else parameter["type"])
    spelling = {"exclusive_minimum": "exclusiveMinimum", "exclusive_maximum": "exclusiveMaximum"}
    for limit in ("minimum", "maximum", *spelling, "enum"):
        assert field.schema.get(spelling.get(limit, limit)) == parameter.get(limit)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataset", "../secrets"),
        ("dataset", "ads\n"),
        ("dataset", ""),
        ("source", 5),
        ("test_size", 0),
        ("test_size", 1.0),
        ("test_size", "a third"),
        ("random_state", -1),
        ("random_state", 4294967296),
        ("random_state", 0.5),
        ("stratify", "yes"),
        ("scaler", "robust"),
        ("C", 0),
        ("max_iter", 0),
        ("max_iter", 10.5),
        ("min_accuracy", 1.01),
        ("min_roc_auc", -0.1),
        ("keep_runs", 0),
    ],
)
def test_form_refuses_a_value_that_breaks_the_contract(pipeline, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        pipeline.params.get_param(name).resolve(value=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "data/other file.csv"),
        ("source", None),
        ("source", ""),
        ("test_size", 0.25),
        ("stratify", False),
        ("scaler", "minmax+standard"),
        ("C", 1),
        ("min_accuracy", 1),
    ],
)
def test_form_takes_a_value_that_keeps_the_contract(pipeline, name, value):
    assert pipeline.params.get_param(name).resolve(value=value) == value


def test_command_is_rendered_from_the_form(pipeline):
    task = pipeline.get_task("load_data")
    words = [
        task.render_template(
            word, {"run_id": "r-1", "params": {"dataset": "ads", "source": source, "force": force}}
        )
        for source, force in ((None, False), ("data/it's.csv", True))
        for word in task.command
    ]
    assert words == [
        *("--run-id=r-1", "--dataset=ads", "--source=", "--force=False"),
        *("--run-id=r-1", "--dataset=ads", "--source=data/it's.csv", "--force=True"),
    ]


def test_published_model_is_the_asset_that_wakes_the_watchdog(pipeline, watchdog):
    (outlet,) = pipeline.get_task("model_summary").outlets
    (awaited,) = watchdog.timetable.asset_condition.objects
    assert (outlet.name, outlet.uri) == (awaited.name, awaited.uri)
    for stage in set(STAGES) - {"model_summary"}:
        assert pipeline.get_task(stage).outlets == []


def test_watchdog_also_runs_every_15_minutes(watchdog):
    assert watchdog.timetable.timetable.expression == "*/15 * * * *"
    assert watchdog.catchup is False
    assert watchdog.max_active_runs == 1


def test_watchdog_probes_and_mails_when_that_fails(watchdog):
    probe, mail = watchdog.get_task("probe_monitor"), watchdog.get_task("failure_email")
    assert set(watchdog.task_ids) == {"probe_monitor", "failure_email"}
    assert probe.downstream_task_ids == {"failure_email"}
    assert mail.trigger_rule == "one_failed"
    assert type(probe).__name__ == "DockerOperator"
    assert probe.image == "localhost/ad-click/monitor:latest"
    assert probe.network_mode == "ad-click_monitor"
    assert probe.mount_tmp_dir is False
    assert probe.auto_remove == "force"
    assert probe.execution_timeout is not None


# The DAG that predicts

PREDICTION = ("start_pipeline", "load_data", "predict")


@pytest.fixture(scope="module")
def prediction(dags: dict[str, Any]) -> Any:
    return dags["predict_advertising"]


def test_prediction_is_three_stages_and_a_mail_when_one_of_them_failed(prediction):
    found = {
        (task.task_id, below) for task in prediction.tasks for below in task.downstream_task_ids
    }
    expected = set(itertools.pairwise(PREDICTION))
    assert found == expected | {(stage, "failure_email") for stage in PREDICTION}
    assert prediction.get_task("failure_email").trigger_rule == "one_failed"
    assert {prediction.get_task(stage).trigger_rule for stage in PREDICTION} == {"all_success"}
    assert prediction.timetable.can_be_scheduled is False


def test_last_stage_of_a_prediction_is_as_its_contract_says(prediction):
    contract = tomllib.loads((ROOT / "images" / "predict" / "stage.toml").read_text())
    task = prediction.get_task("predict")
    assert type(task).__name__ == "StageOperator"
    assert task.image == "localhost/ad-click/predict:latest"
    assert task.resources_of_stage == contract["resources"]
    assert (task.network_mode, task.retries, task.sweeps) == ("none", 2, True)


def test_form_of_a_prediction_asks_for_the_file_and_its_contract(prediction):
    expected = {
        name
        for stage in PREDICTION
        for name in tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text()).get(
            "parameters", {}
        )
    }
    assert set(prediction.params) == {*expected, "force"}
    assert {"dataset", "source", "purpose"} <= expected


@pytest.mark.parametrize(
    ("dag", "purpose", "other"),
    [
        ("ml_pipeline_advertising", "train", "predict"),
        ("ml_pipeline_advertising_spark", "train_on_spark", "train"),
        ("predict_advertising", "predict", "train"),
    ],
)
def test_purpose_is_the_dags_own_and_no_form_changes_it(dags, dag, purpose, other):
    from airflow.sdk.exceptions import ParamValidationError

    field = dags[dag].params.get_param("purpose")
    assert (field.resolve(), field.schema["const"]) == (purpose, purpose)
    with pytest.raises(ParamValidationError):
        field.resolve(value=other)
    words = [
        dags[dag]
        .get_task("start_pipeline")
        .render_template(word, {"run_id": "r", "params": {"purpose": field.resolve()}})
        for word in dags[dag].get_task("start_pipeline").command
        if "purpose" in word
    ]
    assert words == [f"--purpose={purpose}"]


DAGS = ("ml_pipeline_advertising", "predict_advertising", "flask_api_monitoring")


@pytest.mark.parametrize("dag", DAGS)
def test_mail_goes_to_the_variable_tosend(dags, dag):
    mails = [task for task in dags[dag].tasks if task.task_id.endswith("_email")]
    assert mails
    for mail in mails:
        assert mail.to == "{{ var.value.tosend }}"


@pytest.mark.parametrize("dag", DAGS)
def test_dag_survives_serialization(dags, dag):
    from airflow.serialization.serialized_objects import DagSerialization

    encoded = DagSerialization.to_dict(dags[dag])
    DagSerialization.validate_schema(encoded)
    assert set(DagSerialization.from_dict(encoded).task_ids) == set(dags[dag].task_ids)


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_dag_file_imports_only_airflow_the_standard_library_and_the_plugins(file):
    plugins = {path.stem for path in (ROOT / "orchestration" / "plugins").glob("*.py")}
    for node in ast.walk(ast.parse(file.read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            top = module.split(".")[0]
            assert top in {"airflow", *plugins} or top in sys.stdlib_module_names, module
            assert not module.startswith("airflow.providers") or module.split(".")[2] in {
                "docker",
                "smtp",
            }


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_dag_file_is_below_100_lines(file):
    assert len(file.read_text().splitlines()) < 100
