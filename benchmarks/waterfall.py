"""Trace runs of the pipeline: where the time goes between and around the containers.

``make bench ARGS="waterfall"`` runs this on the stack that is up, and writes results.json, the
table of README.md, a picture and, to waterfall.jsonl, all spans. The moments come from Airflow
(task instances and logs, by its REST API), from the engine's events, and from the stages' reports;
nothing is measured that was not recorded anyway.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from measure import DAG, ROOT, Airflow, docker
from results import FOLDER, origin, save
from spans import CLOSE, SPANS, Span, medians, moments_of, seconds_of, spans_of

PICTURE = FOLDER / "waterfall.svg"
RECORDS = FOLDER / "waterfall.jsonl"
# Waiting is grey, Airflow blue, the engine orange, the stage green.
COLOURS = {
    "schedule": "#bdbdbd",
    "queue": "#d9d9d9",
    "supervise": "#9ecae1",
    "fork": "#6baed6",
    "startup": "#4292c6",
    "parse": "#2171b5",
    "render": "#084594",
    "create": "#fdd0a2",
    "start": "#fd8d3c",
    "interpreter": "#c7e9c0",
    "work": "#41ab5d",
    "exit": "#a1d99b",
    "remove": "#d94801",
    "finish": "#9e9ac8",
}


def trace(airflow: Airflow) -> dict[str, Any]:
    """Run the pipeline once and return all that was recorded of it."""
    begun = time.time()
    body: dict[str, Any] = {"logical_date": None, "conf": {"force": True}}
    run_id = airflow.call("POST", f"/api/v2/dags/{DAG}/dagRuns", body)["dag_run_id"]
    path = f"/api/v2/dags/{DAG}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
    # Few questions: the API server also answers the tasks.
    while (run := airflow.call("GET", path))["state"] not in ("success", "failed"):
        time.sleep(2)
    if run["state"] != "success":
        sys.exit(f"error: run {run_id} failed")
    time.sleep(1)
    project = f"label=ad-click.project={os.environ['COMPOSE_PROJECT_NAME']}"
    window = ("--since", f"{begun:.3f}", "--until", f"{time.time():.3f}", "--filter", project)
    answer = docker("events", *window, "--format", "{{json .}}")
    events: dict[str, list[Any]] = {}
    for event in map(json.loads, answer.splitlines()):
        of = event["Actor"]["Attributes"]
        if of.get("ad-click.run") == run_id:
            events.setdefault(of["ad-click.task"], []).append(event)
    moments = {}
    for task in airflow.call("GET", f"{path}/taskInstances")["task_instances"]:
        name = task["task_id"]
        if task["state"] == "success":
            log = airflow.call("GET", f"{path}/taskInstances/{name}/logs/{task['try_number']}")
            report = read_report(run_id, name)
            moments[name] = moments_of(task, log["content"], events.get(name, ()), report)
    # `queued_at`: when Airflow was asked for the run; it counts its seconds from `start_date`.
    asked, started, ended = (seconds_of(run[k]) for k in ("queued_at", "start_date", "end_date"))
    return {
        "spans": spans_of(asked, moments),
        "seconds": ended - asked,
        "dag_run": ended - started,
    }


def read_report(run_id: str, task: str) -> dict[str, Any]:
    """Return a stage's report; a mail has none."""
    path = ROOT / os.environ["SHARED_VOLUME"] / "runs" / run_id / task / "report.json"
    report: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return report


def record_of(run: dict[str, Any]) -> str:
    """Return a run's spans as one line of JSON: task, span, start and end of each."""
    spans = [
        [span.task, span.name, round(span.start, 3), round(span.end, 3)] for span in run["spans"]
    ]
    return json.dumps({"seconds": run["seconds"], "dag_run": run["dag_run"], "spans": spans})


def draw(spans: list[Span], path: Path) -> None:
    """Draw a run's spans, a line for each task, from left to right in time."""
    matplotlib.rcParams.update({"svg.hashsalt": "waterfall", "svg.fonttype": "none"})
    figure = Figure(figsize=(13, 6), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    tasks = list(dict.fromkeys(span.task for span in spans))
    for name, colour in COLOURS.items():
        mine = [span for span in spans if span.name == name]
        axes.barh(
            [tasks.index(span.task) for span in mine],
            [span.seconds for span in mine],
            left=[span.start for span in mine],
            color=colour,
            label=name,
        )
    axes.set_yticks(range(len(tasks)), tasks)
    axes.invert_yaxis()
    axes.set_xlabel("seconds since the run was asked for")
    axes.set_title("Where the time of a run goes")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper right", ncols=2)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        f"Measured on {results['date']}, {results['machine']['cpus']} CPUs, medians of "
        f"{results['repeats']} runs; the median run took {results['seconds']:.1f} s from the "
        "moment it was asked for, of which the stages' own work is "
        f"{results['spans']['work']['run']:.1f} s.",
        "",
        "![Where the time of a run goes](waterfall.svg)",
        "",
        "| span | what passes | in a task, ms | in a run, s |",
        "| --- | --- | --- | --- |",
    ]
    meanings = {**SPANS, CLOSE: "the last task has ended, until the run is closed"}
    lines += [
        f"| {name} | {meanings[name]} | {1000 * took['task']:.0f} | {took['run']:.2f} |"
        for name, took in results["spans"].items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Trace runs, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print the table and write nothing")
    arguments = parser.parse_args()
    airflow = Airflow()
    runs = []
    for number in range(arguments.repeats):
        runs.append(trace(airflow))
        print(f"{number + 1}: DAG run {runs[-1]['dag_run']:.1f} s", flush=True)
    lengths = [run["seconds"] for run in runs]
    middle = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    results = {
        **origin(),
        "repeats": len(runs),
        "seconds": middle["seconds"],
        "spans": medians([run["spans"] for run in runs], lengths),
        "dag_runs": [run["dag_run"] for run in runs],
    }
    if not arguments.dry:
        RECORDS.write_text("".join(f"{record_of(run)}\n" for run in runs))
        draw(middle["spans"], PICTURE)
        save("waterfall", results, table(results))
    print(table(results))


if __name__ == "__main__":
    main()
