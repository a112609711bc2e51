"""What the measurement of the limits comes to, as Markdown."""

from __future__ import annotations

import statistics
from typing import Any


def tables(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    return "\n\n".join(
        "\n".join(lines)
        for lines in (
            head(results),
            runs_table(results),
            parts_table(results),
            cpu_table(results),
            engine_table(results),
            rest_table(results),
        )
    )


def head(results: dict[str, Any]) -> list[str]:
    """Return the sentence on when and where."""
    return [
        f"Measured on {results['date']}, {results['machine']['cpus']} CPUs, of which "
        f"{results['idle_cpus']:.1f} were busy with other things."
    ]


def runs_table(results: dict[str, Any]) -> list[str]:
    """Return a row for each number of runs at once."""
    lines = [
        "| runs asked for at once | until the last has ended, s | median run, s | runs an hour |",
        "| --- | --- | --- | --- |",
    ]
    for count, found in results["runs_at_once"].items():
        last = found["last_seconds"]["median"]
        lines.append(
            f"| {count} | **{last:.1f}** | {found['seconds']['median']:.1f} | "
            f"{3600 * int(count) / last:.0f} |"
        )
    return lines


def parts_table(results: dict[str, Any]) -> list[str]:
    """Return a row for each part that a task passes."""
    counts = list(results["runs_at_once"])
    lines = [
        "| CPU time for a task, ms, at runs at once | " + " | ".join(counts) + " |",
        "| --- |" + " --- |" * len(counts),
    ]
    for part in results["runs_at_once"][counts[0]]["parts_a_task"]:
        each = (results["runs_at_once"][count]["parts_a_task"][part] for count in counts)
        lines.append(f"| {part} | " + " | ".join(f"{1000 * value:.0f}" for value in each) + " |")
    return lines


def cpu_table(results: dict[str, Any]) -> list[str]:
    """Return where the CPU time of a run goes."""
    runs, engine = results["runs_at_once"], results["engine"]
    stages = results["stage_cpu_seconds"]
    parts = runs[min(runs, key=int)]["parts_a_task"]
    rows = {
        "the stages' own processes": sum(stages.values()),
        "Airflow, its database, the proxy and the monitor": (len(stages) + 1) * sum(parts.values()),
        "the engine, for so many containers": len(stages) * container_cpu(engine),
    }
    lines = ["| CPU time of one run | s |", "| --- | --- |"]
    lines += [f"| {what} | {seconds:.1f} |" for what, seconds in rows.items()]
    return [*lines, f"| all | **{sum(rows.values()):.1f}** |"]


def container_cpu(engine: dict[str, Any]) -> float:
    """Return the CPU seconds that the engine takes for a container, the median of all tries."""
    tries = [float(each) for found in engine.values() for each in found["cpu_seconds"]["all"]]
    return statistics.median(tries)


def engine_table(results: dict[str, Any]) -> list[str]:
    """Return a row for each number of containers at once."""
    lines = [
        "| containers at once | started and removed, a second | create, ms | start, ms | "
        "until the end is seen, ms | remove, ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for count, found in results["engine"].items():
        steps = (f"{1000 * seconds:.0f}" for seconds in found["seconds"].values())
        lines.append(
            f"| {count} | **{found['a_second']['median']:.2f}** | " + " | ".join(steps) + " |"
        )
    return lines


def rest_table(results: dict[str, Any]) -> list[str]:
    """Return what a run leaves, and what the end of a run takes."""
    left = results["left_by_a_run"]
    lines = [
        "| what | measured |",
        "| --- | --- |",
        f"| a run in Airflow's database, of {left['runs']} runs | "
        f"**{left['database_bytes'] / 1e3:.0f} kB** |",
        f"| a run on the shared volume, of the bundled data | "
        f"**{left['volume_bytes'] / 1e6:.2f} MB** in {left['volume_files']:.0f} files |",
    ]
    return lines + [
        f"| `end_pipeline`, its own seconds, with {int(count):,} runs kept | **{seconds:.3f} s** |"
        for count, seconds in results["end_pipeline_seconds"].items()
    ]
