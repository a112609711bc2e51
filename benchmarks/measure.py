"""Measure what running stages under Airflow costs, beside the same containers without it.

``make bench ARGS="pipeline"`` runs this on the stack that is up, and writes results.json and the
tables of README.md. Only ratios of figures taken side by side in one session mean something: the
machine's speed cancels out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

from results import origin, save

ROOT = Path(__file__).resolve().parent.parent
DAG = "ml_pipeline_advertising"
STAGES = (
    *("start_pipeline", "load_data", "data_preprocessing", "separate_data", "build_model"),
    *("evaluate_model", "model_summary", "trigger_flask_api", "end_pipeline"),
)


def docker(*arguments: str) -> str:
    """Return the output of a docker command; a failure ends the measurement."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: docker {' '.join(arguments)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def container_seconds(command: list[str]) -> float:
    """Return how long a docker command takes."""
    start = time.monotonic()
    docker(*command)
    return time.monotonic() - start


class Airflow:
    """The stack's REST API."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{os.environ['AIRFLOW_PORT']}"
        self.token = ""
        names = ("AIRFLOW_ADMIN_USER", "AIRFLOW_ADMIN_PASSWORD")
        account = dict(zip(("username", "password"), map(os.environ.get, names), strict=True))
        self.token = self.call("POST", "/auth/token", account)["access_token"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer to a call."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def run_seconds(self) -> float:
        """Run the pipeline and return its seconds, from start to end as Airflow has them."""
        body: dict[str, Any] = {"logical_date": None, "conf": {"force": True}}
        run = self.call("POST", f"/api/v2/dags/{DAG}/dagRuns", body)["dag_run_id"]
        path = f"/api/v2/dags/{DAG}/dagRuns/{urllib.parse.quote(run, safe='')}"
        while (state := self.call("GET", path))["state"] not in ("success", "failed"):
            time.sleep(0.5)
        return seconds_of(state)

    def newest_seconds(self) -> float:
        """Return the seconds of the newest run."""
        path = f"/api/v2/dags/{DAG}/dagRuns?order_by=-run_after&limit=1"
        return seconds_of(self.call("GET", path)["dag_runs"][0])


def seconds_of(run: dict[str, Any]) -> float:
    """Return the seconds of a finished run; one that failed ends the measurement."""
    if run["state"] != "success":
        sys.exit(f"error: run {run['dag_run_id']} ended as {run['state']}")
    start, end = (datetime.fromisoformat(run[key]) for key in ("start_date", "end_date"))
    return (end - start).total_seconds()


def make_run_overhead(airflow: Airflow) -> float:
    """Return the seconds that ``make run`` takes beside those of its DAG run, everything warm."""
    start = time.monotonic()
    told = os.environ | {"PARAMETERS": '{"force": true}'}
    subprocess.run([ROOT / "scripts" / "run.sh"], check=True, capture_output=True, env=told)
    return time.monotonic() - start - airflow.newest_seconds()


def stage_command(stage: str, run_id: str) -> list[str]:
    """Return the arguments of docker that run a stage as its contract says."""
    contract = tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text())
    network = contract["network"]
    if network != "none":
        network = f"{os.environ['COMPOSE_PROJECT_NAME']}_{network}"
    volume = (ROOT / os.environ["SHARED_VOLUME"]).resolve()
    image = f"localhost/ad-click/{stage}:{os.environ['IMAGE_TAG']}"
    walls = ["--init", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp", f"--network={network}"]
    mount = f"--volume={volume}:/shared_volume"
    return ["run", "--rm", *walls, mount, image, "--run-id", run_id, *forced(contract)]


def forced(contract: dict[str, Any]) -> list[str]:
    """Return what has a stage do its work, which is to be measured, whatever was done before."""
    return ["--force"] if contract.get("reusable") else []


def measure_runs(airflow: Airflow, repeats: int) -> dict[str, Any]:
    """Return the seconds of DAG runs and of plain chains, taken in turns, and of each stage."""
    runs, chains, bare, beside = [], [], [], []
    stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
    nothing = ["run", "--rm", "--init", "--network=none", os.environ["BASE_IMAGE"], "true"]
    for repeat in range(repeats):
        runs.append(airflow.run_seconds())
        run_id = f"bench-{int(time.time())}"
        for stage in STAGES:
            bare.append(container_seconds(nothing))
            command = stage_command(stage, run_id)
            stages[stage].append(container_seconds(command))
        chains.append(sum(times[-1] for times in stages.values()))
        beside.append(make_run_overhead(airflow))
        print(f"{repeat + 1}: DAG run {runs[-1]:.1f} s, plain chain {chains[-1]:.1f} s", flush=True)
    taken = {"dag_run": runs, "plain_chain": chains, "bare_container": bare}
    return {**taken, "make_run_overhead": beside, "stages": stages}


def measure_sizes() -> dict[str, Any]:
    """Return the bytes of each stage image, and of all their layers with each counted once."""
    layers: dict[str, int] = {}
    images = {}
    for stage in STAGES:
        image = f"localhost/ad-click/{stage}:{os.environ['IMAGE_TAG']}"
        found = json.loads(docker("image", "inspect", image))[0]
        history = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}}", image)
        sizes = [int(size) for size in reversed(history.split())]
        images[stage] = sum(sizes)
        # A layer's identity includes the ones below it, as in the engine's own store.
        chain = ""
        filled = iter(size for size in sizes if size)
        for layer in found["RootFS"]["Layers"]:
            chain += layer
            layers.setdefault(chain, next(filled, 0))
    return {"images": images, "unique_layers": sum(layers.values())}


def summarise(measured: dict[str, Any], sizes: dict[str, Any]) -> dict[str, Any]:
    """Return the results: medians, ratios and sizes."""
    median = {name: statistics.median(measured[name]) for name in ("dag_run", "plain_chain")}
    bare = statistics.median(measured["bare_container"])
    times = measured["stages"]
    starts = {stage: statistics.median(times[stage]) / bare for stage in times}
    return {
        **origin(),
        "repeats": len(measured["dag_run"]),
        "dag_run_seconds": median["dag_run"],
        "plain_chain_seconds": median["plain_chain"],
        "dag_run_ratio": median["dag_run"] / median["plain_chain"],
        "bare_container_seconds": bare,
        "stage_ratio": starts,
        "stage_ratio_median": statistics.median(starts.values()),
        "make_run_overhead_seconds": statistics.median(measured["make_run_overhead"]),
        "image_bytes": sizes["images"],
        "unique_layer_bytes": sizes["unique_layers"],
        "measured": measured,
    }


def tables(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        f"Measured on {results['date']}, {results['machine']['cpus']} CPUs, medians of "
        f"{results['repeats']}, the two kinds of run in turns.",
        "",
        "| what | beside | ratio | aim |",
        "| --- | --- | --- | --- |",
        f"| DAG run, {results['dag_run_seconds']:.1f} s | the same nine containers by plain "
        f"`docker run`, {results['plain_chain_seconds']:.1f} s | "
        f"**{results['dag_run_ratio']:.2f}** | 1.5 |",
        f"| a stage's container, median of nine | a bare container, "
        f"{results['bare_container_seconds']:.2f} s | "
        f"**{results['stage_ratio_median']:.1f}** | 4 |",
        f"| the slowest of them | the same | **{max(results['stage_ratio'].values()):.1f}** | 6 |",
        "| `make run`, everything warm | its DAG run | "
        f"**{results['make_run_overhead_seconds']:.1f} s** more | 5 s |",
        f"| all stage images, unique layers | | **{results['unique_layer_bytes'] / 1e6:.0f} MB** "
        "| 800 MB |",
        "",
        "| stage | container, times a bare one | image, MB |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| `{stage}` | {ratio:.1f} | {results['image_bytes'][stage] / 1e6:.0f} |"
        for stage, ratio in results["stage_ratio"].items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    results = summarise(measure_runs(Airflow(), repeats), measure_sizes())
    save("pipeline", results, tables(results))
    print(tables(results))


if __name__ == "__main__":
    main()
