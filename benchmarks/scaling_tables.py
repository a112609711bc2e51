"""The tables of docs/scaling.md, from results.json: limits, many rows, many runs a day.

What is written in *italics* was not measured but follows from what was, by the formula beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulation_tables import AS_IT_IS

RESULTS = Path(__file__).resolve().parent / "results.json"
DAY = 86400
README = "../benchmarks/README.md"
MANY_ROWS = (10**9, 10**11)
# A site is large enough while 99 of 100 runs take no longer than so many times a run alone.
PATIENCE = 3
CONTROL = ("scheduler", "API server", "database")
Rows = list[list[str]]


def read_results() -> dict[str, Any]:
    """Return all that was measured."""
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results


def limits_table() -> tuple[list[str], Rows]:
    """Return a row for each part: what was measured of it, and what that comes to."""
    results = read_results()
    header = ["part", "measured", "where", "so at most"]
    return header, [*control_rows(results), *host_rows(results), *other_rows(results)]


def control_rows(results: dict[str, Any]) -> Rows:
    """Return the rows of what each task passes on the control host."""
    runs = results["limits"]["runs_at_once"]
    parts = runs[min(runs, key=int)]["parts_a_task"]
    tasks = len(results["simulation"]["rates"]["work"])
    rows = []
    for name, label, cores in (
        ("scheduler", "scheduler", "one core"),
        ("API server", "API server, one worker", "one core"),
        ("database", "metadata database", "each core"),
    ):
        rows.append(
            [
                label,
                f"{1000 * parts[name]:.0f} ms of CPU a task",
                link("limits"),
                f"*{1 / parts[name]:.0f} tasks a second, {count(DAY / tasks / parts[name])} runs a "
                f"day* on {cores}: 86,400 s / ({tasks} tasks x CPU time)",
            ]
        )
    needed, cpus = sum(parts[row] for row in CONTROL), results["limits"]["machine"]["cpus"]
    left = results["limits"]["left_by_a_run"]["database_bytes"]
    rows.append(
        [
            f"control host, {cpus} CPUs",
            f"{1000 * needed:.0f} ms of CPU a task for these three",
            link("limits"),
            f"*{cpus / needed:.0f} tasks a second, {count(DAY * cpus / tasks / needed)} runs a "
            f"day*: the same by {cpus} CPUs",
        ]
    )
    return [
        *rows,
        [
            "the database's disk",
            f"{left / 1e3:.0f} kB a run",
            link("limits"),
            f"*{left * 1e6 / 1e9:.0f} GB for a million runs* (linear); Airflow's `db clean` "
            "takes old ones away",
        ],
    ]


def host_rows(results: dict[str, Any]) -> Rows:
    """Return the rows of a host: its engine, its CPUs, the memory of a stage."""
    limits = results["limits"]
    engine = limits["engine"]
    best = max(engine, key=lambda at_once: engine[at_once]["a_second"]["median"])
    rate = engine[best]["a_second"]["median"]
    stages = len(results["pipeline"]["stage_ratio"])
    runs = limits["runs_at_once"]
    crowd = max(runs, key=int)
    last = runs[crowd]["last_seconds"]["median"]
    rows, way = largest(results)
    peak = max(step["peak_memory_bytes"]["median"] for step in way["steps"].values())
    return [
        [
            "one host's Docker engine",
            f"{rate:.1f} containers a second, {best} at once",
            link("limits"),
            f"*{count(DAY * rate / stages)} runs a day* with nothing in the containers: 86,400 s x "
            f"rate / {stages} stages",
        ],
        [
            f"one host, {limits['machine']['cpus']} CPUs, all services on it",
            f"{crowd} runs at once in {last:.0f} s",
            link("limits"),
            f"*{count(DAY * int(crowd) / last)} runs a day* of the bundled data: 86,400 s x "
            f"{crowd} / {last:.0f} s",
        ],
        [
            "a stage's memory",
            f"{peak / 1e6:.0f} MB of at most 2 GB at {rows:,} rows",
            link("data-of-any-size"),
            "it does not grow with the rows: time and disk end first",
        ],
    ]


def other_rows(results: dict[str, Any]) -> Rows:
    """Return the rows of the shared volume, retention, the monitor and the predictor."""
    limits, monitor, predictor = results["limits"], results["monitor"], results["predictor"]
    left = limits["left_by_a_run"]
    kept = limits["end_pipeline_seconds"]
    few, many = min(kept, key=int), max(kept, key=int)
    each = (kept[many] - kept[few]) / (int(many) - int(few))
    indexed = monitor["history"]["runs"]
    ready = monitor["start_seconds"]["fresh"]["ready"]
    borne = max(
        step["rate"]
        for step in predictor["predictor"]["ladder"]
        if not step["errors"] and step["p99_ms"] < 1000
    )
    return [
        [
            "shared volume",
            f"{left['volume_bytes'] / 1e6:.1f} MB and {left['volume_files']:.0f} files a run",
            link("limits"),
            f"*{left['volume_bytes'] * 1e4 / 1e9:.0f} GB and "
            f"{left['volume_files'] * 1e4 / 1e6:.1f} million files for 10,000 kept runs* (linear); "
            "`keep_runs` bounds both",
        ],
        [
            "retention, in `end_pipeline`",
            f"{kept[few]:.2f} s with {int(few):,} runs kept, {kept[many]:.2f} s with {int(many):,}",
            link("limits"),
            f"*{1000 * each:.2f} ms for each run that is kept* (linear)",
        ],
        [
            "the monitor's index",
            f"{indexed:,} runs in {ready:.0f} s from nothing, "
            f"{monitor['largest_memory_bytes'] / 1e6:.0f} MB",
            link("the-monitor"),
            f"*{count(DAY * indexed / ready)} runs a day*: 86,400 s x {indexed:,} / {ready:.0f} s",
        ],
        [
            "the predictor",
            f"{borne:,.0f} predictions a second, a row each",
            link("the-predictor"),
            "each request is one of its own: another copy of the service on another host "
            "answers as many",
        ],
    ]


def rows_table() -> tuple[list[str], Rows]:
    """Return what many rows take: measured at the largest sizes, worked out for larger ones."""
    results = read_results()
    header = ["rows", "by", "hours", "file, and what the stages write", "how it is known"]
    few, small = smallest(results)
    many, large = largest(results)
    cpus = results["data_ours"]["machine"]["cpus"]
    seconds = [way["seconds"]["median"] for way in (small, large)]
    each = (seconds[1] - seconds[0]) / (many - few)
    file = results["data_ours"]["sizes"][str(many)]["file_bytes"] / many
    written = large["bytes_written_per_row"]
    found = [
        [
            f"{many:,}",
            f"one host, {cpus} CPUs",
            in_hours(seconds[1] / 3600),
            f"{size(file * many)}, {size(written * many)}",
            f"[measured]({README}#data-of-any-size)",
        ]
    ]
    for rows in MANY_ROWS:
        taken = seconds[1] + each * (rows - many)
        found.append(
            [
                f"{rows:,}",
                f"one host, {cpus} CPUs",
                f"*{in_hours(taken / 3600)}*",
                f"*{size(file * rows)}, {size(written * rows)}*",
                f"{seconds[1]:.0f} s + {1e6 * each:.2f} µs x rows above {many:,}, the slope from "
                f"{few:,} rows",
            ]
        )
    return header, [*found, *spark_rows(results)]


def spark_rows(results: dict[str, Any]) -> Rows:
    """Return what many rows take with Spark, by the rate of ``spark`` in results.json.

    That holds ``rows`` and ``seconds`` of the largest measured training.
    """
    if "spark" not in results:
        return [["", "Spark", "", "", "not measured yet"]]
    spark = results["spark"]
    rows, seconds = spark["rows"], spark["seconds"]
    cpus = spark["machine"]["cpus"]
    found = [
        [
            f"{rows:,}",
            f"Spark on {cpus} CPUs, training alone",
            *(in_hours(seconds / 3600), "", f"[measured]({README}#spark)"),
        ]
    ]
    for many in MANY_ROWS:
        hours = seconds / rows * many / 3600
        for factor in (1, 100):
            found.append(
                [
                    f"{many:,}",
                    f"Spark on {factor * cpus:,} such CPUs, training alone",
                    *(f"*{in_hours(hours / factor)}*", ""),
                    f"{seconds:.0f} s x rows / {rows:,}" + (f" / {factor}" if factor > 1 else ""),
                ]
            )
    return found


def in_hours(hours: float) -> str:
    """Return hours so that few are not none."""
    return f"{hours:,.1f}" if hours >= 1 else f"{hours:.2f}"


def smallest(results: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the ten million rows that the slope begins at, and what our stages took for them."""
    rows = max(results["data"]["sizes"], key=int)
    return int(rows), results["data"]["sizes"][rows]["ways"]["ours"]


def largest(results: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the largest measured number of rows, and what our stages took for them."""
    rows = max(results["data_ours"]["sizes"], key=int)
    return int(rows), results["data_ours"]["sizes"][rows]["ways"]["ours"]


def days_table() -> tuple[list[str], Rows]:
    """Return for each number of runs a day the fewest simulated hosts that bear them."""
    simulation = read_results()["simulation"]
    alone = simulation["validation"][0]["last_simulated"]
    header = ["runs a day", "control host", "fewest hosts of those simulated", "run, s: p50"]
    header += ["p99", "wait, s: p99", "used most in the busiest hour"]
    found = []
    cases = {(day["runs"], day["control"]): day for day in simulation["days"]}
    for runs, control in sorted(cases, key=lambda case: (case[1] != AS_IT_IS, case[0])):
        days = [d for d in simulation["days"] if (d["runs"], d["control"]) == (runs, control)]
        enough = [d for d in days if d.get("seconds_p99", 10**9) <= PATIENCE * alone]
        day = min(enough or days, key=lambda each: each["hosts"] if enough else -each["hosts"])
        share = (day["use"] if enough else day["mean_use"])[day["bottleneck"]]
        cells = ["none", "", "", ""]
        if enough:
            times = (day[key] for key in ("seconds_p50", "seconds_p99", "wait_p99"))
            cells = [f"*{day['hosts']:,}*", *(f"*{each:.1f}*" for each in times)]
        found.append([f"{runs:,}", control, *cells, f"{day['bottleneck']}, *{100 * share:.0f} %*"])
    return header, found


def validation_table() -> tuple[list[str], Rows]:
    """Return simulated beside measured."""
    header = ["runs at once on one host", "last has ended, s: measured", "simulated", "off by"]
    return header, [
        [
            f"{row['runs']:.0f}",
            f"{row['last_measured']:.1f}",
            f"{row['last_simulated']:.1f}",
            f"{100 * (row['last_simulated'] / row['last_measured'] - 1):+.0f} %",
        ]
        for row in read_results()["simulation"]["validation"]
    ]


def link(anchor: str) -> str:
    """Return a link to where it was measured."""
    return f"[{anchor.replace('-', ' ')}]({README}#{anchor})"


def count(value: float) -> str:
    """Return a count with two digits that matter."""
    return f"{float(f'{value:.2g}'):,.0f}"


def size(value: float) -> str:
    """Return bytes in GB or TB."""
    return f"{value / 1e12:.1f} TB" if value >= 1e12 else f"{value / 1e9:.1f} GB"
