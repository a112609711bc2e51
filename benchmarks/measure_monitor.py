"""Measure the monitor on a long history of runs, beside MLflow's server with the same history.

``make bench ARGS="monitor"`` runs this on the monitor's image that is built, and writes
results.json and the tables of README.md. It needs no running stack.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from addresses import Addresses
from history import History, plan_runs, write_history
from http_client import Request
from live import measure_live
from load import run_load
from mlflow_server import MlflowServer, draw_requests, install, run
from monitor_container import MonitorContainer
from monitor_tables import tables
from planned_run import PlannedRun
from processes import cpu_seconds, machine_seconds, memory_bytes
from results import origin, save

NAME = "monitor"
SEED = 1
START_LIMIT_SECONDS = 60.0
READY_LIMIT_SECONDS = 600.0
WARM_UP_SECONDS = 10
# What a server bears: no error, and 99 of 100 answers within a second.
PEER_RATES = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
BEARABLE_MS = 1000.0


def start_once(container: MonitorContainer, history: History) -> dict[str, float | None]:
    """Start the container; return the seconds to the first pages and to the whole index."""
    newest = [run.run_id for run, _ in zip(history.newest, range(100), strict=False)]
    shown = [word.encode() for run_id in newest for word in (run_id, urllib.parse.quote(run_id))]

    def shows_runs(status: int, body: bytes) -> bool:
        return status == 200 and any(word in body for word in shown)

    container.start()
    seconds = {
        path: container.seconds_until(path, shows_runs, START_LIMIT_SECONDS)
        for path in ("/home", "/runs")
    }
    ready = container.seconds_until("/ready", lambda status, _: status == 200, READY_LIMIT_SECONDS)
    return {**seconds, "ready": ready}


def measure_starts(
    container: MonitorContainer, history: History, repeats: int
) -> dict[str, list[dict[str, float | None]]]:
    """Return the seconds of starts with nothing kept, each followed by one with the index kept."""
    starts: dict[str, list[dict[str, float | None]]] = {"fresh": [], "kept": []}
    for _ in range(repeats):
        container.forget()
        for kind, measured in starts.items():
            measured.append(start_once(container, history))
            container.stop()
            print(f"{kind} start: {measured[-1]}", flush=True)
    return starts


def measure_load(
    port: int, requests: Sequence[Request], rate: float, pids: Sequence[int]
) -> dict[str, Any]:
    """Return the figures of a load, with the share of one CPU that the server and others used."""
    server, machine, own = cpu_seconds(pids), machine_seconds(), time.process_time()
    figures = run_load(port, requests, rate)
    used = cpu_seconds(pids) - server
    others = machine_seconds() - machine - used - (time.process_time() - own)
    return figures | {
        "server_cpu_share": round(used / figures["seconds"], 3),
        "other_cpu_share": round(max(0.0, others) / figures["seconds"], 3),
    }


def measure_monitor(history: History, told: argparse.Namespace) -> dict[str, Any]:
    """Return all figures of the monitor."""
    container = MonitorContainer(history.volume)
    try:
        starts = measure_starts(container, history, told.repeats)
        start_once(container, history)
        pids = container.pids()
        memory = {"idle": memory_bytes(pids)}
        warm_up = Addresses(history, SEED).draw(round(told.rate * WARM_UP_SECONDS))
        measure_load(container.port, warm_up, told.rate, pids)
        requests = Addresses(history, SEED + 1).draw(round(told.rate * told.seconds))
        load = measure_load(container.port, requests, told.rate, pids)
        print(f"load: {load['kinds']['all']}", flush=True)
        memory["after_load"] = memory_bytes(container.pids())
        live = measure_live(history, container.port, told.live_seconds)
        print(f"live: {live}", flush=True)
        memory["after_live"] = memory_bytes(container.pids())
        known = [value for value in memory.values() if value is not None]
        return {
            "starts": starts,
            "start_seconds": {kind: medians(measured) for kind, measured in starts.items()},
            "load": load,
            "live": live,
            "memory_bytes": memory,
            "largest_memory_bytes": max(known, default=None),
            "docker_stats_memory": container.docker_memory(),
        }
    finally:
        container.forget()


def medians(starts: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Return the median of each figure, None where a start lacks it."""
    found = {name: [start[name] for start in starts] for name in starts[0]}
    return {
        name: None if None in values else statistics.median(v for v in values if v is not None)
        for name, values in found.items()
    }


def measure_peer(runs: list[PlannedRun], programs: Path, seconds: float) -> dict[str, Any]:
    """Return the figures of MLflow's server with the same runs."""
    place = Path(tempfile.mkdtemp(prefix="server-", dir=programs.parent))
    server = MlflowServer(place)
    try:
        server.start(programs)
        server.fill(runs)
        server.start(programs)
        server.check(runs)
        rate = bearable_rate(server)
        server.stop()  # it may still be at work on what was too much for it
        start = server.start(programs)
        idle = memory_bytes(server.pids())
        try_rate(server, rate)  # warms it up
        requests = draw_requests(server, round(rate * seconds), SEED)
        load = measure_load(server.port, requests, rate, server.pids())
        return {
            "version": run([str(programs / "mlflow"), "--version"]).rpartition(" ")[2],
            "start_seconds": start,
            "load": load,
            "memory_bytes": {"idle": idle, "after_load": memory_bytes(server.pids())},
            "processes": len(server.pids()),
        }
    finally:
        server.stop()
        shutil.rmtree(place)


def bearable_rate(server: MlflowServer) -> float:
    """Return the highest rate that the server bears, or the lowest where it bears none."""
    try_rate(server, PEER_RATES[0])  # warms it up
    borne = PEER_RATES[0]
    for rate in PEER_RATES:
        tried = try_rate(server, rate)
        print(f"MLflow at {rate:.0f} a second: {tried}", flush=True)
        if tried["errors"] or tried["p99_ms"] > BEARABLE_MS:
            break
        borne = rate
    return borne


def try_rate(server: MlflowServer, rate: float) -> dict[str, Any]:
    """Return the figures of a short load."""
    requests = draw_requests(server, round(rate * WARM_UP_SECONDS), SEED + 1)
    figures: dict[str, Any] = run_load(server.port, requests, rate)["kinds"]["all"]
    return figures


def make_history(folder: Path, count: int) -> tuple[History, dict[str, Any]]:
    """Make the history; return it and what it took."""
    history = write_history(folder, count, SEED, datetime.now(UTC))
    megabytes = int(run(["du", "--summarize", "--block-size=1000000", str(folder)]).split()[0])
    os.sync()  # what waits to be written would be written while the monitor is measured
    took: dict[str, Any] = {"runs": count, "files": history.files, "megabytes": megabytes}
    took |= {"seconds": round(history.seconds, 1)}
    print(f"history: {took}", flush=True)
    return history, took


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="length of the history")
    parser.add_argument("--repeats", type=int, default=3, help="starts of each kind")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the load")
    parser.add_argument("--live-seconds", type=float, default=30.0, help="length of the watching")
    parser.add_argument("--only", choices=("monitor", "peer"), help="the other is left out")
    parser.add_argument("--dry", action="store_true", help="print the tables, keep nothing")
    return parser.parse_args()


def main() -> None:
    """Measure and write the results."""
    told = read_arguments()
    os.umask(0o022)  # another user's container reads the history
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves no container behind
    folder = Path(tempfile.mkdtemp(prefix="ad-click-bench-"))
    try:
        programs = None if told.only == "monitor" else install(folder)
        if programs and told.only == "peer":
            runs = plan_runs(told.runs, SEED, datetime.now(UTC))
            print(json.dumps(measure_peer(runs, programs, told.seconds), indent=2))
            return
        history, took = make_history(folder / "shared_volume", told.runs)
        results = {**origin(), "history": took, **measure_monitor(history, told), "peer": None}
        if programs:
            results["peer"] = measure_peer(history.runs, programs, told.seconds)
    finally:
        # Half a million names: rm needs a tenth of Python's time.
        subprocess.run(["rm", "-rf", str(folder)], check=False)
    if not told.dry:
        save(NAME, results, tables(results))
    print(tables(results))


if __name__ == "__main__":
    main()
