"""Measure what limits each part: the rates that docs/scaling.md and the simulation work with.

``make bench ARGS="limits"`` runs this on the stack that is up, and writes results.json and the
tables of README.md; it takes some four minutes. Runs at once are asked for together. What a
service needs for a task is CPU time, which a busy machine lengthens less than the clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.types import LogConfig

from data_ways import TELL_TIMES, children_seconds
from history import write_history
from idle import read_counters
from limits_tables import tables
from measure import DAG, ROOT, STAGES, Airflow, docker, seconds_of, stage_command
from processes import TICKS, machine_seconds
from results import FOLDER, origin, save, spread
from spans import seconds_of as moment_of

TASKS = len(STAGES) + 1  # and a mail
AT_ONCE = (1, 2, 4, 8)
CONTAINERS = 16
KEPT_RUNS = (50, 500, 2000)
IMAGE = "start_pipeline"
TABLES = "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables"
RUNS_OF_DAG = f"/api/v2/dags/{DAG}/dagRuns"
PARTS = ("runs", "stages", "engine", "retention")
STEPS = ("create", "start", "wait", "remove")


def measure_engine(client: APIClient, repeats: int) -> dict[str, Any]:
    """Return how many containers a second the engine starts and removes, by how many at once."""
    found: dict[str, Any] = {}
    for at_once in AT_ONCE:
        rates, steps, cpu = [], [], []
        for _ in range(repeats):
            others = idle_cpus(2)
            begun, used = time.monotonic(), machine_seconds()
            with ThreadPoolExecutor(at_once) as threads:
                steps += list(threads.map(lambda _: run_container(client), range(CONTAINERS)))
            passed = time.monotonic() - begun
            rates.append(CONTAINERS / passed)
            cpu.append((machine_seconds() - used - passed * others) / CONTAINERS)
        each = {name: statistics.median(step[name] for step in steps) for name in STEPS}
        found[str(at_once)] = {
            "a_second": spread(rates),
            "seconds": each,
            "cpu_seconds": spread([max(0.0, seconds) for seconds in cpu]),
        }
        print(f"engine, {at_once} at once: {statistics.median(rates):.2f} containers a second")
    return found


def run_container(client: APIClient) -> dict[str, float]:
    """Run a container that does nothing behind a stage's walls; return the seconds of each step."""
    host = client.create_host_config(
        network_mode="none",
        mem_limit="256m",
        memswap_limit="256m",
        nano_cpus=10**9,
        pids_limit=64,
        init=True,
        read_only=True,
        tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=256m"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "2"}),
    )
    image = f"localhost/ad-click/{IMAGE}:{os.environ['IMAGE_TAG']}"
    at = [time.monotonic()]
    made = client.create_container(image, entrypoint=["true"], host_config=host)["Id"]
    at.append(time.monotonic())
    client.start(made)
    at.append(time.monotonic())
    client.wait(made)
    at.append(time.monotonic())
    client.remove_container(made)
    at.append(time.monotonic())
    return {name: at[i + 1] - at[i] for i, name in enumerate(STEPS)}


def measure_runs(client: APIClient, airflow: Airflow, repeats: int) -> dict[str, Any]:
    """Return how long runs take, by how many are asked for at once."""
    idle = idle_parts(client)
    found: dict[str, Any] = {}
    for at_once in AT_ONCE:
        took = [ask_for_runs(client, airflow, at_once, idle) for _ in range(repeats)]
        found[str(at_once)] = {
            "seconds": spread([each for one in took for each in one["seconds"]]),
            "last_seconds": spread([max(one["seconds"]) for one in took]),
            "parts_a_task": {
                part: statistics.median(one["parts"][part] / at_once / TASKS for one in took)
                for part in idle
            },
        }
        last = found[str(at_once)]["last_seconds"]["median"]
        print(f"runs, {at_once} at once: {last:.1f} s until the last has ended", flush=True)
    return found


def ask_for_runs(
    client: APIClient, airflow: Airflow, count: int, idle: dict[str, float]
) -> dict[str, Any]:
    """Run the pipeline ``count`` times at once; return the seconds of each, and the parts' CPU.

    A run's seconds count from when the first of them was asked for. What the parts use anyway, by
    ``idle`` CPUs, is left out.
    """
    before, begun = read_parts(client), time.monotonic()
    body: dict[str, Any] = {"logical_date": None, "conf": {"force": True}}
    ids = [airflow.call("POST", RUNS_OF_DAG, body)["dag_run_id"] for _ in range(count)]
    ended: dict[str, Any] = {}
    # Few questions: the API server also answers the tasks.
    while len(ended) < count:
        time.sleep(2)
        for run in [each for each in ids if each not in ended]:
            state = airflow.call("GET", f"{RUNS_OF_DAG}/{urllib.parse.quote(run, safe='')}")
            if state["state"] in ("success", "failed"):
                seconds_of(state)  # one that failed ends the measurement
                ended[run] = state
    passed, after = time.monotonic() - begun, read_parts(client)
    asked = min(moment_of(run["queued_at"]) for run in ended.values())
    used = {part: after[part] - before[part] - passed * idle[part] for part in after}
    return {
        "seconds": [moment_of(run["end_date"]) - asked for run in ended.values()],
        "parts": {part: max(0.0, seconds) for part, seconds in used.items()},
    }


def measure_stages(repeats: int) -> dict[str, float]:
    """Return the CPU seconds of each stage's process, run one after the other without Airflow."""
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(repeats):
        run_id = f"bench-{time.time_ns()}"
        for stage in STAGES:
            command = stage_command(stage, run_id)
            place = command.index(f"localhost/ad-click/{stage}:{os.environ['IMAGE_TAG']}")
            told = (*("-c", TELL_TIMES, "sh"), *("python3", "/app/stage.py", stage))
            command[place : place + 1] = ["--entrypoint=sh", command[place], *told]
            done = subprocess.run(["docker", *command], capture_output=True, text=True, check=True)
            found[stage].append(children_seconds(done.stderr))
    return {stage: statistics.median(seconds) for stage, seconds in found.items()}


def idle_cpus(seconds: float = 5) -> float:
    """Return how many CPUs the machine keeps busy while none of these runs is at work."""
    before, begun = machine_seconds(), time.monotonic()
    time.sleep(seconds)
    return (machine_seconds() - before) / (time.monotonic() - begun)


def idle_parts(client: APIClient, seconds: float = 20) -> dict[str, float]:
    """Return how many CPUs each part keeps busy while no run is at work, such as by checks."""
    before, begun = read_parts(client), time.monotonic()
    time.sleep(seconds)
    passed, after = time.monotonic() - begun, read_parts(client)
    return {part: (after[part] - before[part]) / passed for part in after}


def read_parts(client: APIClient) -> dict[str, float]:
    """Return the CPU seconds so far of the parts that each task passes.

    The first process of the scheduler's container is its loop; the others are the tasks.
    """
    parts = {name: used["cpu"] for name, used in read_counters(client).items()}
    loop = process_seconds(f"{os.environ['COMPOSE_PROJECT_NAME']}-airflow-scheduler-1")
    return {
        "scheduler": loop,
        "tasks": parts["airflow-scheduler"] - loop,
        "API server": parts["airflow-apiserver"],
        "database": parts["postgres"],
        "docker proxy": parts["docker-proxy"],
        "monitor": parts["monitor"],
    }


def process_seconds(container: str) -> float:
    """Return the CPU seconds of a container's first process alone, in all of its threads."""
    pid = docker("inspect", "--format", "{{.State.Pid}}", container).strip()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure_leftovers(runs: int, before: dict[str, int]) -> dict[str, Any]:
    """Return what a run leaves: bytes of the database since ``before``, and on the volume."""
    grown = {name: size - before.get(name, 0) for name, size in database_bytes().items()}
    volume = (ROOT / os.environ["SHARED_VOLUME"]).resolve()
    folders = sorted((volume / "runs").glob("manual__*"), key=lambda path: path.name)[-runs:]
    files = [[p for p in folder.rglob("*") if p.is_file()] for folder in folders]
    sizes = [sum(path.stat().st_blocks * 512 for path in each) for each in files]
    return {
        "runs": runs,
        "database_bytes": sum(grown.values()) / runs,
        "tables": {name: size / runs for name, size in grown.items() if size > 0},
        "volume_bytes": statistics.median(sizes),
        "volume_files": statistics.median(len(each) for each in files),
    }


def database_bytes() -> dict[str, int]:
    """Return the bytes of each table of Airflow's database, its indexes among them."""
    told = docker(
        *("exec", "--env", f"PGPASSWORD={os.environ['POSTGRES_PASSWORD']}"),
        f"{os.environ['COMPOSE_PROJECT_NAME']}-postgres-1",
        *("psql", "-U", "airflow", "-At", "-F", "\t", "-c", TABLES),
    )
    return {name: int(size) for name, size in (line.split("\t") for line in told.splitlines())}


def measure_retention(repeats: int) -> dict[str, float]:
    """Return the seconds of end_pipeline by the number of runs that are kept, none too many."""
    found = {}
    for count in KEPT_RUNS:
        with tempfile.TemporaryDirectory(prefix="ad-click-") as folder:
            history = write_history(Path(folder), count, seed=1, now=datetime.now(UTC))
            run = next(each for each in history.newest if each.outcome == "success")
            give_to_stages(history.volume, history.volume / "runs" / run.run_id)
            took = []
            for _ in range(repeats):
                command = stage_command("end_pipeline", run.run_id)
                mount = next(word for word in command if word.startswith("--volume="))
                command[command.index(mount)] = f"--volume={folder}:/shared_volume"
                docker(*command, "--keep-runs", str(count))
                report = history.volume / "runs" / run.run_id / "end_pipeline" / "report.json"
                took.append(json.loads(report.read_text())["seconds"])
        found[str(count)] = statistics.median(took)
        print(f"end_pipeline, {count} runs kept: {found[str(count)]:.3f} s", flush=True)
    return found


def give_to_stages(volume: Path, run: Path) -> None:
    """Let the stages' user write a run, and hold the lease by which old ones are removed."""
    (volume / "model").mkdir(exist_ok=True)
    if os.geteuid() == 0:
        for path in (volume / "runs", volume / "model", run, *run.rglob("*")):
            os.chown(path, int(os.environ["PIPELINE_UID"]), int(os.environ["PIPELINE_GID"]))


def measure(client: APIClient, parts: list[str], repeats: int) -> dict[str, Any]:
    """Return the results of some of PARTS."""
    found: dict[str, Any] = {"idle_cpus": idle_cpus()}
    if "runs" in parts:
        airflow = Airflow()
        airflow.run_seconds()  # what only the first run needs, such as bytecode, is there then
        before = database_bytes()
        found["runs_at_once"] = measure_runs(client, airflow, repeats)
        found["left_by_a_run"] = measure_leftovers(repeats * sum(AT_ONCE), before)
    if "stages" in parts:
        found["stage_cpu_seconds"] = measure_stages(3)
    if "engine" in parts:
        found["engine"] = measure_engine(client, 3)
    if "retention" in parts:
        found["end_pipeline_seconds"] = measure_retention(3)
    return found


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="of the runs; the others thrice")
    parser.add_argument(
        "--only", default=",".join(PARTS), help="some of these; the figures of others stay"
    )
    parser.add_argument("--dry", action="store_true", help="print the tables and write nothing")
    arguments = parser.parse_args()
    kept = json.loads((FOLDER / "results.json").read_text()).get("limits", {})
    client = APIClient(version="auto")
    measured = measure(client, arguments.only.split(","), arguments.repeats)
    results = kept | origin() | {"repeats": arguments.repeats} | measured
    if not arguments.dry:
        save("limits", results, tables(results))
    print(tables(results))


if __name__ == "__main__":
    main()
