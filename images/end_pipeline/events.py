"""The run as OpenLineage events, made and written by OpenLineage's own client.

Two a stage: START, and COMPLETE or FAIL. A dataset has one name in all runs, the stage's and the
file's; what it was in this run its version says, which is its sha256. The client is only imported
when events are asked for: that alone takes about as long as the rest of the stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.event_v2 import Run as EventRun
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    datasource_dataset,
    error_message_run,
    execution_parameters_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.uuid import generate_static_uuid

from stage import Run, read_report

NAMESPACE = "ad-click"
PIPELINE = "ml_pipeline_advertising"
PRODUCER = "urn:ad-click-pipeline"
# The roles of the columns that a table has, by the table's name; all of the contract's in others.
ROLES = {
    "features.parquet": ("feature", "target", "time", "group"),
    "train.parquet": ("feature", "target"),
    "test.parquet": ("feature", "target"),
}
TABLES = ("table.parquet", *ROLES)


def write_events(run: Run, path: Path) -> int:
    """Write the events of all stages that have ended, oldest first, and return how many."""
    set_producer(PRODUCER)
    opened = run.read_json("start_pipeline/run.json")
    transport = FileTransport(FileConfig(log_file_path=str(path), append=True))
    client = OpenLineageClient(transport=transport)
    folders = (run.path(f"runs/{run.run_id}/{p.name}") for p in run.run_folder.iterdir())
    reports = [report for folder in folders if (report := read_report(folder))]
    written = 0
    for report in sorted(reports, key=lambda report: str(report["started"])):
        if report["stage"] != run.stage:
            for event in describe_stage(run, opened, report):
                client.emit(event)
                written += 1
    return written


def describe_stage(run: Run, opened: dict[str, Any], report: dict[str, Any]) -> Iterator[RunEvent]:
    """Yield the events of a stage's start and end."""
    started = datetime.fromisoformat(report["started"])
    ended = started + timedelta(seconds=report["seconds"])
    failed = report["status"] == "failed"
    for time, state in (
        (started, RunState.START),
        (ended, RunState.FAIL if failed else RunState.COMPLETE),
    ):
        yield RunEvent(
            eventTime=time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            eventType=state,
            producer=PRODUCER,
            run=EventRun(
                runId=run_uuid(started, run.run_id, report["stage"]),
                facets=describe_run(run, opened, report),
            ),
            job=Job(
                namespace=NAMESPACE,
                name=f"{PIPELINE}.{report['stage']}",
                facets={
                    "jobType": job_type_job.JobTypeJobFacet(
                        processingType="BATCH", integration="AD_CLICK", jobType="TASK"
                    )
                },
            ),
            inputs=[describe_input(run, opened, entry) for entry in report["inputs"]],
            outputs=[describe_output(run, opened, entry) for entry in report["outputs"]]
            if state != RunState.START
            else [],
        )


def run_uuid(started: datetime, *names: str) -> str:
    """Return the id of a run, of the pipeline or of a stage: the same each time it is asked for."""
    return str(generate_static_uuid(started, "/".join((NAMESPACE, *names)).encode()))


def describe_run(run: Run, opened: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Return the facets of a stage's run: whose part it is, its parameters, its code, its error."""
    parent = run_uuid(datetime.fromisoformat(opened["started"]), run.run_id)
    recipe = report.get("recipe") or {}
    tags = {"run_id": run.run_id, "revision": report.get("revision")}
    tags |= {key: recipe.get(key) for key in ("code", "dependencies")}
    facets: dict[str, Any] = {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=parent),
            job=parent_run.Job(namespace=NAMESPACE, name=PIPELINE),
        ),
        "executionParameters": execution_parameters_run.ExecutionParametersRunFacet(
            parameters=[
                execution_parameters_run.ExecutionParameter(key=name, name=name, value=str(value))
                for name, value in report["parameters"].items()
            ]
        ),
        "tags": tags_run.TagsRunFacet(
            tags=[
                tags_run.TagsRunFacetFields(key=key, value=value, source=NAMESPACE)
                for key, value in tags.items()
                if value
            ]
        ),
    }
    if report.get("error"):
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=report["error"]["message"], programmingLanguage="python"
        )
    return facets


def describe_input(run: Run, opened: dict[str, Any], entry: dict[str, Any]) -> InputDataset:
    """Return a file that a stage read."""
    size = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(size=entry["bytes"])
    return InputDataset(
        namespace=NAMESPACE,
        name=dataset_name(run, entry),
        facets=describe_dataset(run, opened, entry),
        inputFacets={"inputStatistics": size},
    )


def describe_output(run: Run, opened: dict[str, Any], entry: dict[str, Any]) -> OutputDataset:
    """Return a file that a stage wrote."""
    size = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(size=entry["bytes"])
    return OutputDataset(
        namespace=NAMESPACE,
        name=dataset_name(run, entry),
        facets=describe_dataset(run, opened, entry),
        outputFacets={"outputStatistics": size},
    )


def dataset_name(run: Run, entry: dict[str, Any]) -> str:
    """Return a dataset's name: its path on the volume, or in the run for a file of this run."""
    return str(entry["path"]).removeprefix(f"runs/{run.run_id}/")


def describe_dataset(run: Run, opened: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Return the facets of a file: its sha256 as its version, where it is, its columns if known."""
    facets: dict[str, Any] = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=entry["sha256"]
        ),
        "dataSource": datasource_dataset.DatasourceDatasetFacet(
            name="shared_volume", uri=(run.volume / entry["path"]).as_uri()
        ),
    }
    name = Path(entry["path"]).name
    if entry["path"] == opened["source"]["path"] or name in TABLES:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[
                schema_dataset.SchemaDatasetFacetFields(
                    name=column, type=rules["type"], description=rules.get("description")
                )
                for column, rules in opened["contract"]["columns"].items()
                if rules["role"] in ROLES.get(name, (rules["role"],))
            ]
        )
    return facets
