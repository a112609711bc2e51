"""Measure how many tasks a minute a cluster ends with one engine and with two.

``make bench ARGS="cluster"`` runs this: a cluster of the drills' kind, a second engine inside this
machine. Its tasks wait and compute nothing, in containers of their own, so that two engines of one
machine can be faster than one: what is measured is what the queue, the API and the scheduler let
through. As root, on an engine whose images are built.
"""

import argparse
import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from results import origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the machine in this one is that of the drills

drills: Any = importlib.import_module("tests.cluster.two_engines")

SETTINGS = ("COMPOSE_PROJECT_NAME", "IMAGE_TAG", "BASE_IMAGE", "POSTGRES_IMAGE")
DAG = "waiting"
# Its tasks are as many as a round has; each waits in a container like a stage's.
SOURCE = """
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG

from contracts import image_name

with DAG(dag_id="waiting", schedule=None, catchup=False):
    for number in range({tasks}):
        DockerOperator(
            task_id=f"wait_{{number}}",
            image=image_name("start_pipeline"),
            entrypoint=["sleep"],
            command=["{seconds}"],
            network_mode="none",
            mem_limit="64m",
            auto_remove="force",
            mount_tmp_dir=False,
            queue="small",
        )
"""


@contextlib.contextmanager
def airflow_with_waiting_tasks(tag: str, tasks: int, seconds: float) -> Iterator[None]:
    """Give Airflow's image, for a while, one DAG more."""
    image = f"localhost/ad-click/airflow:{tag}"
    inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    kept = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "waiting.py").write_text(SOURCE.format(tasks=tasks, seconds=seconds))
        lines = f"FROM {image}\nCOPY --chmod=644 waiting.py dags/waiting.py\n"
        Path(folder, "Dockerfile").write_text(lines)
        build = ["docker", "buildx", "build", "--quiet", "--load", "--tag", image, folder]
        subprocess.run(build, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "tag", kept, image], check=True)


def round_seconds(cluster: Any) -> float:
    """Run all tasks once; return the seconds from the first one's start to the last one's end."""
    (run,) = cluster.trigger(1, DAG)
    cluster.until_over([run])
    if cluster.states([run]) != {"success": 1}:
        sys.exit(f"error: the run {run} failed")
    tasks = cluster.stack.tasks(run, DAG).values()
    first, last = (
        f(datetime.fromisoformat(t[n]) for t in tasks)
        for f, n in ((min, "start_date"), (max, "end_date"))
    )
    return (last - first).total_seconds()


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of each round with two engines, and with the control host's alone."""
    settings = {name: os.environ[name] for name in SETTINGS}
    found: dict[str, Any] = {"tasks": arguments.tasks, "seconds": arguments.seconds}
    with (
        airflow_with_waiting_tasks(settings["IMAGE_TAG"], arguments.tasks, arguments.seconds),
        drills.two_engines(settings) as cluster,
    ):
        cluster.stack.until(lambda: str(drills.dag_is_there(cluster.stack, DAG)), {"True"})
        round_seconds(cluster)  # the first round is of what is read for the first time
        found["two_engines"] = [round_seconds(cluster) for _ in range(arguments.repeats)]
        cluster.make_worker("ARGS=down")
        found["one_engine"] = [round_seconds(cluster) for _ in range(arguments.repeats)]
    ratio = statistics.median(found["one_engine"]) / statistics.median(found["two_engines"])
    return found | {"ratio": round(ratio, 2)}


def main() -> None:
    """Measure, print the figures and keep them in cluster.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=48, help="tasks of a round")
    parser.add_argument("--seconds", type=float, default=10, help="how long each waits")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each kind")
    arguments = parser.parse_args()
    if reason := drills.why_not():
        sys.exit(f"error: {reason}")
    found = measure(arguments)
    for name in ("one_engine", "two_engines"):
        rate = 60 * arguments.tasks / statistics.median(found[name])
        print(f"{name}: {rate:.0f} tasks a minute")
    print(f"ratio: {found['ratio']}")
    text = json.dumps(origin() | {"figures": found}, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
