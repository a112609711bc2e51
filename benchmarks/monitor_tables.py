"""The monitor's figures as Markdown."""

from __future__ import annotations

from typing import Any

AIM_MS = 25
AIM_BYTES = 150_000_000
AIM_START_SECONDS = 2
# What each of the two is asked for when a person looks at the same thing.
PAIRS = {
    "a page of runs": ("/api/runs?page=…", "runs/search"),
    "a page of some runs": ("/runs?…", "runs/search, filtered"),
    "one run": ("/api/runs/<run>", "runs/get"),
    "the first page": ("/home", "GET /"),
}


def tables(results: dict[str, Any]) -> str:
    """Return all tables of one measurement."""
    parts = [heading(results), summary(results), latencies(results["load"])]
    if results["peer"]:
        parts.append(beside(results))
    return "\n\n".join(parts)


def heading(results: dict[str, Any]) -> str:
    """Return on what was measured."""
    history, load = results["history"], results["load"]
    return (
        f"Measured on {results['date']}, {results['machine']['cpus']} CPUs, on {history['runs']:,} "
        f"runs in {history['files']:,} files. {load['rate']:.0f} requests a second for "
        f"{load['seconds']:.0f} s; meanwhile the load's generator used "
        f"{percent(load['generator']['cpu_share'])} of a CPU, and everything else on the machine "
        f"{percent(load['other_cpu_share'])}."
    )


def summary(results: dict[str, Any]) -> str:
    """Return the table of what has an aim."""
    fresh, kept = results["start_seconds"]["fresh"], results["start_seconds"]["kept"]
    load, live = results["load"], results["live"]
    worst = max(
        (figures["p99_ms"], kind) for kind, figures in load["kinds"].items() if kind != "all"
    )
    watching = f"{live['clients']} people who watch a running run"
    rows = [
        ("first pages after `docker run`, nothing kept", first(fresh), f"{AIM_START_SECONDS} s"),
        ("the same after a restart", first(kept), f"{AIM_START_SECONDS} s"),
        ("all runs indexed, nothing kept", seconds(fresh["ready"]), ""),
        ("the same after a restart", seconds(kept["ready"]), ""),
        ("99 of 100 answers within", f"{load['kinds']['all']['p99_ms']} ms", f"{AIM_MS} ms"),
        (f"the same, slowest kind (`{worst[1]}`)", f"{worst[0]} ms", f"{AIM_MS} ms"),
        ("answers that were errors", str(load["kinds"]["all"]["errors"]), "0"),
        ("memory, all processes", size(results["largest_memory_bytes"]), size(AIM_BYTES)),
        ("memory as `docker stats` has it", results["docker_stats_memory"], ""),
        ("CPU, of one", percent(load["server_cpu_share"]), ""),
        (f"{watching}: median until a change is seen", seconds(live["seen_after_p50_seconds"]), ""),
        ("the same, the last of them", seconds(live["seen_after_max_seconds"]), ""),
        ("the same, 99 of 100 answers within", f"{live['answers']['p99_ms']} ms", f"{AIM_MS} ms"),
    ]
    lines = ["| what | measured | aim |", "| --- | --- | --- |"]
    return "\n".join(lines + [f"| {what} | **{value}** | {aim} |" for what, value, aim in rows])


def latencies(load: dict[str, Any]) -> str:
    """Return the table of latencies by kind of address, in milliseconds."""
    lines = [
        "| address, latency in ms | requests | p50 | p90 | p99 | max | errors |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, figures in load["kinds"].items():
        values = (figures[f"{name}_ms"] for name in ("p50", "p90", "p99", "max"))
        cells = " | ".join(f"{value:.1f}" for value in values)
        name = kind if kind == "all" else f"`{kind}`"
        lines.append(f"| {name} | {figures['requests']} | {cells} | {figures['errors']} |")
    return "\n".join(lines)


def beside(results: dict[str, Any]) -> str:
    """Return the table that compares the monitor with MLflow."""
    peer, load = results["peer"], results["load"]
    fresh = first(results["start_seconds"]["fresh"])
    memory, other = results["largest_memory_bytes"], max(peer["memory_bytes"].values())
    lines = [
        f"| beside MLflow {peer['version']} | the monitor | MLflow | ratio |",
        "| --- | --- | --- | --- |",
        f"| requests a second | {load['rate']:.0f} | {peer['load']['rate']:.0f} | |",
    ]
    for what, (ours, theirs) in PAIRS.items():
        mine, its = load["kinds"][ours], peer["load"]["kinds"][theirs]
        ratio = f"**{its['p50_ms'] / mine['p50_ms']:.1f}**" if not mine["errors"] else ""
        lines.append(
            f"| {what}: `{ours}`, `{theirs}`, p50 | {mine['p50_ms']:.1f} ms | "
            f"{its['p50_ms']:.1f} ms | {ratio} |"
        )
        lines.append(f"| the same, p99 | {mine['p99_ms']:.1f} ms | {its['p99_ms']:.1f} ms | |")
    times = f"**{other / memory:.1f}**" if memory else ""
    lines.append(f"| start, to the first runs | {fresh} | {seconds(peer['start_seconds'])} | |")
    lines.append(f"| memory, all processes | {size(memory)} | {size(other)} | {times} |")
    return "\n".join(lines)


def first(start: dict[str, float | None]) -> str:
    """Return when both first pages were there."""
    home, runs = start["/home"], start["/runs"]
    return seconds(None if home is None or runs is None else max(home, runs))


def seconds(value: float | None) -> str:
    """Return seconds, or a dash for what was not there to measure."""
    return "-" if value is None else f"{value:.2f} s"


def size(value: float | None) -> str:
    """Return bytes as megabytes, or a dash."""
    return "-" if value is None else f"{value / 1e6:.0f} MB"


def percent(value: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * value:.0f} %"
