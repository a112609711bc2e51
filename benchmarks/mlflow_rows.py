"""The rows that a run has in MLflow's SQLite database."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections import defaultdict
from datetime import datetime
from typing import Any

from planned_run import STAGES, PlannedRun
from run_files import CAUSES

RUN_SECONDS = 20
Pairs = dict[str, Any]


def params_of(planned: PlannedRun) -> Pairs:
    """Return what MLflow calls a run's params."""
    return {name: str(value) for name, value in planned.parameters.items()}


def metrics_of(planned: PlannedRun) -> Pairs:
    """Return a run's numbers: those of metrics.json, for a run that came so far, and durations."""
    names = list(STAGES)
    failed = planned.ending.stage
    done = names[: names.index(failed)] if failed else names
    found = {f"{name}_seconds": round(STAGES[name].seconds * planned.pace, 3) for name in done}
    if "evaluate_model" in done or failed == "evaluate_model":
        found |= {k: v for k, v in planned.metrics.items() if isinstance(v, int | float)}
    return {name: float(value) for name, value in found.items()}


def tags_of(planned: PlannedRun) -> Pairs:
    """Return what MLflow calls a run's tags."""
    ending = planned.ending
    found = {"mlflow.user": "airflow", "dataset": "advertising", "source": planned.source}
    if ending.code:
        found |= {"failed_stage": str(ending.stage), "cause": CAUSES[ending.code]}
        found |= {"exit_code": str(ending.code)}
    return found


def status_of(planned: PlannedRun) -> str:
    """Return a run's state in MLflow's words."""
    return "FAILED" if planned.ending.code else "RUNNING" if planned.ending.stage else "FINISHED"


def milliseconds(moment: datetime) -> int:
    """Return a moment as MLflow keeps it."""
    return int(moment.timestamp() * 1000)


def insert_like(database: sqlite3.Connection, pattern: str, runs: list[PlannedRun]) -> list[str]:
    """Insert runs whose rows are like those of the run ``pattern``; return their ids."""
    tables = ("runs", "metrics", "latest_metrics", "params", "tags")
    like = {table: rows_of(database, table, pattern)[0] for table in tables}
    generator = random.Random(1)
    inserted: dict[str, list[Pairs]] = defaultdict(list)
    ids = [uuid.UUID(int=generator.getrandbits(128), version=4).hex for _ in runs]
    for run_id, planned in zip(ids, runs, strict=True):
        for table, pairs in pairs_of(planned).items():
            head = like[table] | {"run_uuid": run_id}
            if "timestamp" in head:
                head["timestamp"] = milliseconds(planned.started)
            inserted[table] += [head | {"key": k, "value": v} for k, v in pairs.items()]
        place = like["runs"]["artifact_uri"].replace(pattern, run_id)
        inserted["runs"].append(
            like["runs"] | head_of(planned) | {"run_uuid": run_id, "artifact_uri": place}
        )
    for table in tables:
        columns = list(like[table])
        marks = ", ".join(f":{column}" for column in columns)
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
        database.executemany(statement, inserted[table])
    return ids


def head_of(planned: PlannedRun) -> Pairs:
    """Return what a run's row of the table ``runs`` says of it."""
    started = milliseconds(planned.started)
    ended = None if status_of(planned) == "RUNNING" else started + 1000 * RUN_SECONDS
    head = {"name": planned.run_id, "status": status_of(planned)}
    return head | {"start_time": started, "end_time": ended}


def pairs_of(planned: PlannedRun) -> dict[str, Pairs]:
    """Return a run's keys and values by the table that they stand in."""
    metrics = metrics_of(planned)
    tags = tags_of(planned) | {"mlflow.runName": planned.run_id}
    return {
        "metrics": metrics,
        "latest_metrics": metrics,
        "params": params_of(planned),
        "tags": tags,
    }


def rows_of(database: sqlite3.Connection, table: str, run_id: str) -> list[Pairs]:
    """Return a run's rows of a table."""
    query = f"SELECT * FROM {table} WHERE run_uuid = ?"  # noqa: S608 (names of this module)
    return [dict(row) for row in database.execute(query, (run_id,))]
