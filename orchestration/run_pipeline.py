"""Trigger ml_pipeline_advertising, follow it stage by stage, and print its result.

`make run` runs this in the scheduler's container, which reaches both the API server and the shared
volume. The administrator's password comes on standard input, so that no process list shows it. The
exit code is 0 for a green run only; the last line is the result as JSON.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
from pathlib import Path
from typing import Any

from airflow_api import API, Airflow

VOLUME = Path(os.environ.get("SHARED_VOLUME", "/shared_volume"))
DAG = "ml_pipeline_advertising"
POLL_SECONDS = 0.5
# How long a run whose tasks are over takes to be closed.
CLOSE_SECONDS = 0.1
STARTUP_SECONDS = 120
PATIENCE_SECONDS = 120
# States that a task does not leave by itself.
OVER = {"success", "failed", "skipped", "upstream_failed", "removed"}


class Pipeline(Airflow):
    """The DAG, as Airflow's REST API knows it."""

    def look(self, path: str) -> Any:
        """Return the answer to a question; on a busy machine one that is late is asked again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.call("GET", path)
            except urllib.error.HTTPError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)

    def wait_for_dag(self) -> None:
        """Wait until the DAG is there, as after the first start; unpause it if it is paused."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            try:
                dag = self.look(f"/api/v2/dags/{DAG}")
                break
            except urllib.error.HTTPError as error:
                if error.code != 404 or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
        if dag["is_paused"]:
            print(f"{DAG} is paused; unpausing it")
            self.call("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False})

    def trigger(self, conf: dict[str, Any]) -> str:
        """Start a run and return its id; a refused parameter ends the program with the reason."""
        try:
            run = self.call(
                "POST", f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None, "conf": conf}
            )
        except urllib.error.HTTPError as error:
            sys.exit(f"error: Airflow refuses the run: {detail_of(error)}")
        return str(run["dag_run_id"])

    def follow(self, run_id: str) -> str:
        """Print each task as it ends and return the run's state when it is over."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
        seen: dict[str, str] = {}
        while True:
            tasks = self.look(f"{path}/taskInstances?order_by=start_date")["task_instances"]
            for task in tasks:
                if seen.get(task["task_id"]) != task["state"]:
                    seen[task["task_id"]] = task["state"]
                    say_state(task, read_note(run_id, task["task_id"]))
            # The API server has the tasks to answer: while some go on, the run is not over.
            over = all(task["state"] in OVER for task in tasks)
            if over and (state := self.look(path)["state"]) in ("success", "failed"):
                return str(state)
            time.sleep(CLOSE_SECONDS if over else POLL_SECONDS)


def detail_of(error: urllib.error.HTTPError) -> str:
    """Return the reason that an error answer gives, in one line."""
    try:
        detail = json.loads(error.read())["detail"]
    except (ValueError, KeyError, TypeError):
        detail = error.reason
    return " ".join(str(detail).split())


def say_state(task: dict[str, Any], note: dict[str, Any]) -> None:
    """Print a task's new state where a person wants to know it."""
    state = task["state"]
    if state not in {"running", "up_for_retry", "success", "failed"}:
        return
    if state == "running":
        line = f"  {task['task_id']:20} running, try {task['try_number']}"
        if task["try_number"] > 1:
            print(line, flush=True)
        return
    seconds = f"{task['duration']:6.1f} s" if task["duration"] else ""
    cause = f"  {note.get('cause')}: {note.get('message')}" if state != "success" else ""
    print(f"  {task['task_id']:20} {state:12} {seconds}{cause}", flush=True)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from the volume, or an empty one where there is none to be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_note(run_id: str, task: str) -> dict[str, Any]:
    """Return a task's ``task.json``."""
    return read_json(VOLUME / "runs" / run_id / task / "task.json")


def print_result(run_id: str) -> dict[str, Any]:
    """Print the table of stages and the metrics; return the metrics."""
    folder = VOLUME / "runs" / run_id
    reports = [report for path in folder.glob("*/report.json") if (report := read_json(path))]
    reports.sort(key=lambda report: str(report.get("started")))
    print(f"\n  {'stage':20} {'seconds':>8} {'rows':>9}  made")
    for report in reports:
        made = ", ".join(made_by(report)) or "-"
        if report.get("status") == "up to date":
            made = f"up to date: {made}"
        rows = report["metrics"].get("rows", "")
        print(f"  {report['stage']:20} {report['seconds']:8.2f} {rows:>9}  {made}")
    metrics = read_json(folder / "evaluate_model" / "metrics.json")
    if metrics:
        low, high = metrics["accuracy_interval"]
        level = 100 * metrics["interval_level"]
        interval = f"{level:.0f} % interval {low:.4f} to {high:.4f}"
        score = {
            name: f"{value:.4f}" for name, value in metrics.items() if isinstance(value, float)
        }
        print(f"\n  accuracy           {score['accuracy']}  ({interval},")
        print(f"                             majority class {score['baseline_accuracy']})")
        print(f"  ROC AUC            {score['roc_auc']}")
        print(
            f"  average precision  {score['average_precision']}  "
            f"(share of clicks {score['positive_share']})"
        )
        print(
            f"  log loss           {score['log_loss']}  "
            f"({score['baseline_log_loss']} of that share alone)"
        )
    return metrics


def made_by(report: dict[str, Any]) -> list[str]:
    """Return the names of what a stage made, a folder's files as one."""
    names = [entry["path"].split("/", 3)[3] for entry in report["outputs"]]
    return list(dict.fromkeys(name.split("/")[0] + "/" * ("/" in name) for name in names))


def main() -> int:
    """Run the pipeline once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", required=True)
    parser.add_argument("--parameters", type=json.loads, default={}, help="as JSON")
    parser.add_argument("--show-password", action="store_true", help="for a person's terminal")
    arguments = parser.parse_args()
    password = sys.stdin.read().strip()
    try:
        pipeline = Pipeline(arguments.user, password)
        pipeline.wait_for_dag()
        run_id = pipeline.trigger(arguments.parameters)
        print(f"run {run_id}", flush=True)
        started = time.monotonic()
        state = pipeline.follow(run_id)
    except urllib.error.HTTPError as error:
        sys.exit(f"error: Airflow answered {error.code} {error.reason} to {error.url}")
    except OSError as error:
        sys.exit(f"error: Airflow does not answer at {API}: {error}; see: make status")
    seconds = time.monotonic() - started
    metrics = print_result(run_id)
    summary = read_json(VOLUME / "runs" / run_id / "model_summary" / "model_summary.json")
    in_use = read_json(VOLUME / "model" / "model_summary.json").get("run_id")
    published = in_use == (summary.get("same_as") or run_id)
    if summary and not published:
        print(f"\n  not published: {summary.get('reason')}")
    shown = password if arguments.show_password else "AIRFLOW_ADMIN_PASSWORD in .env"
    print(f"\n  monitor    {os.environ.get('MONITOR_URL')}")
    print(
        f"  Airflow    {os.environ.get('AIRFLOW_URL')}  (user {arguments.user}, password {shown})\n"
    )
    result = {
        "run_id": run_id,
        "state": state,
        "seconds": round(seconds, 1),
        "accuracy": metrics.get("accuracy"),
        "roc_auc": metrics.get("roc_auc"),
        "published": published,
    }
    print(json.dumps(result))
    return 0 if state == "success" else 1


if __name__ == "__main__":
    sys.exit(main())
