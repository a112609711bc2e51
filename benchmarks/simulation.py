"""Simulate the pipeline with more runs and more hosts, by the rates that were measured.

``make bench ARGS="simulation"`` runs this, and writes results.json, the tables of README.md and the
pictures. It measures nothing: what it knows comes from results.json and waterfall.jsonl, and what
nobody measured, such as how often a host fails, stands in ASSUMED. The same figures give the same
bytes, on any machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from limits_tables import container_cpu
from results import FOLDER, save
from simulation_charts import draw_charts
from simulation_model import DAY, HOUR, Simulation, Site, daily_arrivals, drawn, percentile
from simulation_tables import AS_IT_IS, WIDER, tables

RUNS_A_DAY = (1_000, 3_000, 10_000, 30_000, 100_000)
HOSTS = (1, 3, 10, 30, 100, 1000)
SEED = 42
# Nobody measured these. Runs a day swing around their mean by so much of it, most of them at noon.
ASSUMED: dict[str, float] = {
    "swing": 0.8,
    "crash_share": 0.001,  # of the tasks, tried again after retry_delay
    "host_fails_every": 30 * DAY,
    "host_back_after": 600.0,
}
# As docker-compose.yaml and the DAG have them.
SETTINGS: dict[str, float] = {"slots": 4, "retry_delay": 10.0, "failure_seen_after": 20.0}
# Airflow's own default for a DAG, and what it is raised to for more hosts, if their slots hold so
# many. Far more would be worse: where the control host is behind, all open runs slow each other.
ACTIVE_RUNS = (16, 64)
# What a task passes outside of its slot, and what it does in one, as waterfall.jsonl names them.
OUTSIDE = ("schedule", "queue")
CONTROL = ("scheduler", "API server", "database")
# The control host as docker-compose.yaml has it, and a wider one: of the scheduler and the API
# server's workers each is busy with one task at a time, the database and all together have its
# CPUs. Several count as one that is so many times as quick.
CONTROLS: dict[str, dict[str, int]] = {
    AS_IT_IS: {"scheduler": 1, "API server": 1, "CPUs": 2},
    WIDER: {"scheduler": 2, "API server": 4, "CPUs": 8},
}
# Where fewer of all tasks than that meet another one's, more hosts make no difference.
ALONE_SHARE = 0.001
FULL = 0.9


def rates_of(results: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the simulation works with: seconds, CPUs, and where they were measured."""
    limits, pipeline = results["limits"], results["pipeline"]
    spans: dict[str, list[dict[str, float]]] = {}
    for record in records:
        for task, seconds in task_seconds(record).items():
            spans.setdefault(task, []).append(seconds)
    work = {t: statistics.median(each["work"] for each in s) for t, s in spans.items()}
    latency = statistics.median(each["latency"] for s in spans.values() for each in s)
    alone = limits["runs_at_once"]["1"]
    control = {part: alone["parts_a_task"][part] for part in CONTROL}
    stages = limits["stage_cpu_seconds"]
    cpu = {
        "stages": sum(stages.values()),
        "engine": len(stages) * container_cpu(limits["engine"]),
        "tasks": len(work) * sum(v for k, v in alone["parts_a_task"].items() if k not in CONTROL),
        "control": len(work) * sum(control.values()),
    }
    scale = (alone["last_seconds"]["median"] - len(work) * latency) / sum(work.values())
    return {
        "work": {task: seconds * scale for task, seconds in work.items()},
        "latency": latency,
        "spread": spread_of(pipeline["measured"]["stages"]),
        "control": control,
        "cpu_seconds_of_run": cpu,
        "cpus": results["limits"]["machine"]["cpus"],
    }


def task_seconds(record: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return of a recorded run's tasks the seconds outside of a slot and in it."""
    found: dict[str, dict[str, float]] = {}
    for task, name, start, end in record["spans"]:
        of_task = found.setdefault(task, {"latency": 0.0, "work": 0.0})
        of_task["latency" if name in OUTSIDE else "work"] += end - start
    return found


def spread_of(stages: dict[str, list[float]]) -> float:
    """Return the standard deviation over the mean of a stage's time, the median of all stages.

    By the distance of the quartiles, as of a normal distribution: one hiccup counts for little.
    """
    found = []
    for seconds in stages.values():
        low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
        found.append((high - low) / 1.349 / middle)
    return statistics.median(found)


def site_of(rates: dict[str, Any], hosts: int, control: str = AS_IT_IS, **changes: float) -> Site:
    """Return a site of so many hosts like the one that was measured.

    A host alone has the services on it, too; several are beside a control host.
    """
    width, needed = CONTROLS[control], rates["control"]
    servers = {name: needed[name] / width[name] for name in ("scheduler", "API server")}
    servers["database"] = needed["database"] / width["CPUs"]
    if hosts > 1:
        servers["control host's CPUs"] = sum(needed.values()) / width["CPUs"]
    cpu = dict(rates["cpu_seconds_of_run"])
    if hosts > 1:
        del cpu["control"]
    values: dict[str, Any] = {
        **SETTINGS,
        **{name: value for name, value in ASSUMED.items() if name != "swing"},
        "hosts": hosts,
        "cpus": rates["cpus"],
        "cpus_of_task": sum(cpu.values()) / sum(rates["work"].values()),
        "active_runs": max(ACTIVE_RUNS[0], min(ACTIVE_RUNS[1], hosts * SETTINGS["slots"])),
        "latency": rates["latency"],
        "servers": servers,
        **changes,
    }
    return Site(**values)


def simulate_day(
    rates: dict[str, Any], runs: int, hosts: int, control: str = AS_IT_IS
) -> dict[str, Any]:
    """Return how a day goes: runs' waits and durations, what is used how much in each hour.

    A site that more is asked of in a day than it can do in one is not simulated: what it lacks
    grows for as long as that lasts, and follows from the rates alone.
    """
    site = site_of(rates, hosts, control=control)
    tasks = len(rates["work"])
    mean = {name: runs * tasks * seconds / DAY for name, seconds in site.servers.items()} | {
        "hosts' CPUs": runs
        * sum(rates["work"].values())
        * site.cpus_of_task
        / (DAY * site.cpus * hosts),
    }
    found: dict[str, Any] = {"runs": runs, "hosts": hosts, "control": control}
    found["mean_use"] = mean
    if max(mean.values()) >= 1:
        worst = max(mean, key=lambda name: mean[name])
        return found | {
            "bottleneck": worst,
            "falls_behind": runs * (1 - 1 / mean[worst]),
            "use": {name: min(1.0, share) for name, share in mean.items()},
        }
    work = drawn(list(rates["work"].values()), rates["spread"])
    arrivals = daily_arrivals(runs, ASSUMED["swing"], SEED, work)
    tally = Simulation(site, SEED).simulate(arrivals)
    busiest = max(tally.tasks.values())
    use = {name: min(1.0, busiest * each / HOUR) for name, each in site.servers.items()}
    use["hosts' CPUs"] = max(tally.busy_cpu_seconds.values()) / (HOUR * site.cpus * hosts)
    use["slots"] = max(tally.busy_slot_seconds.values()) / (HOUR * site.slots * hosts)
    return found | {
        "finished": len(tally.durations),
        "retries": tally.retries,
        "seconds_p50": percentile(tally.durations, 0.5),
        "seconds_p99": percentile(tally.durations, 0.99),
        "wait_p50": percentile(tally.waits, 0.5),
        "wait_p99": percentile(tally.waits, 0.99),
        "use": use,
        "bottleneck": bottleneck_of(use),
        "crowded_share": tally.crowded / sum(tally.tasks.values()),
    }


def bottleneck_of(use: dict[str, float]) -> str:
    """Return what is used most; slots that are full as CPUs are slow are not it."""
    causes = [name for name in use if name != "slots" or use["hosts' CPUs"] < FULL]
    return max(causes, key=lambda name: use[name])


def simulate_sites(rates: dict[str, Any], runs: int, control: str) -> list[dict[str, Any]]:
    """Return a day for each number of hosts.

    More hosts than those on which no task meets another one are not simulated again: ``like`` says
    which ones their day is like.
    """
    found: list[dict[str, Any]] = []
    for hosts in HOSTS:
        if hosts == 1 and control != AS_IT_IS:
            continue  # the services are on the one host, however wide it is
        last = found[-1] if found else {}
        if last.get("crowded_share", 1.0) < ALONE_SHARE:
            like = last.get("like", last["hosts"])
            smaller = {"hosts' CPUs", "slots"}
            factor = last["hosts"] / hosts
            use = {k: v * factor if k in smaller else v for k, v in last["use"].items()}
            day = last | {"hosts": hosts, "use": use, "like": like}
            found.append(day | {"bottleneck": bottleneck_of(use)})
        else:
            found.append(simulate_day(rates, runs, hosts, control))
    return found


def simulate_at_once(rates: dict[str, Any], count: int) -> list[float]:
    """Return the seconds of runs that are all asked for at the start, on one host, sorted."""
    site = site_of(rates, 1, crash_share=0.0, host_fails_every=float("inf"))
    work = list(rates["work"].values())
    return sorted(Simulation(site, SEED).simulate([(0.0, work)] * count).durations)


def validate(results: dict[str, Any], rates: dict[str, Any]) -> list[dict[str, float]]:
    """Return what was measured of runs at once, and what the simulation makes of the same."""
    found = []
    for count, measured in results["limits"]["runs_at_once"].items():
        simulated = simulate_at_once(rates, int(count))
        pairs = {
            "last": (measured["last_seconds"]["median"], simulated[-1]),
            "median": (measured["seconds"]["median"], statistics.median(simulated)),
        }
        found.append(
            {"runs": int(count)}
            | {f"{name}_measured": pair[0] for name, pair in pairs.items()}
            | {f"{name}_simulated": pair[1] for name, pair in pairs.items()}
        )
    return found


def rounded(value: Any) -> Any:
    """Return results with floats of six digits: enough, and the same on each machine."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def simulate_all(results: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the validation and a day for each number of runs and hosts."""
    rates = rates_of(results, records)
    cases = [(runs, control) for control in CONTROLS for runs in RUNS_A_DAY]
    with ProcessPoolExecutor() as pool:  # the largest first
        sites = [pool.submit(simulate_sites, rates, *case) for case in reversed(cases)]
        found = [day for site in reversed(sites) for day in site.result()]
    limits = results["limits"]
    simulated: dict[str, Any] = rounded(
        {
            "measured": {"date": limits["date"], "machine": limits["machine"]},
            "seed": SEED,
            "assumed": ASSUMED,
            "settings": SETTINGS,
            "rates": rates,
            "validation": validate(results, rates),
            "days": found,
        }
    )
    return simulated


def main() -> None:
    """Simulate and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="print the tables and write nothing")
    arguments = parser.parse_args()
    begun = time.monotonic()
    results = json.loads((FOLDER / "results.json").read_text())
    if "limits" not in results:
        sys.exit('error: results.json has no limits yet: run make bench ARGS="limits" first')
    lines = (FOLDER / "waterfall.jsonl").read_text().splitlines()
    simulated = simulate_all(results, [json.loads(line) for line in lines])
    if not arguments.dry:
        pictures = draw_charts(simulated)
        save("simulation", simulated, tables(simulated, pictures))
    print(tables(simulated, {}))
    print(f"simulated in {time.monotonic() - begun:.0f} s on {os.cpu_count()} CPUs")


if __name__ == "__main__":
    main()
