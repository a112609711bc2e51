"""The predictor's figures as Markdown."""

from __future__ import annotations

from typing import Any

AIM_RATE = 1000.0
AIM_MS = 20


def tables(results: dict[str, Any]) -> str:
    """Return all tables of one measurement."""
    return "\n\n".join([heading(results), aims(results["predictor"]), beside(results)])


def heading(results: dict[str, Any]) -> str:
    """Return on what was measured, and how busy the machine was with other things."""
    half, full = results["predictor"]["aims"]
    return (
        f"Measured on {results['date']}, {results['machine']['cpus']} CPUs, one model of five "
        f"features, a row a request, {full['seconds']:.0f} s each. Meanwhile everything but the "
        f"server and the load's generator used {half['other_cpus']:.1f} CPUs at "
        f"{half['rate']:.0f} a second, and {full['other_cpus']:.1f} at {full['rate']:.0f}."
    )


def aims(measured: dict[str, Any]) -> str:
    """Return the table of what has an aim."""
    half, full = measured["aims"]
    rows = [
        (
            f"answered of {AIM_RATE:.0f} predictions a second",
            f"{(full['requests'] - full['errors']) / full['seconds']:.0f}",
            f"{AIM_RATE:.0f}",
        ),
        ("errors among them", str(full["errors"]), "0"),
        (
            f"99 of 100 answers at {half['rate']:.0f} a second",
            f"{half['p99_ms']} ms",
            f"{AIM_MS} ms",
        ),
        ("half of the answers at that", f"{half['p50_ms']} ms", ""),
        ("errors at that", str(half["errors"]), "0"),
        ("CPU time of the server for a prediction at that", cost(half), ""),
    ]
    lines = ["| what | measured | aim |", "| --- | --- | --- |"]
    return "\n".join(lines + [f"| {what} | **{value}** | {aim} |" for what, value, aim in rows])


def beside(results: dict[str, Any]) -> str:
    """Return the table of both servers."""
    ours, peer = results["predictor"], results["peer"]
    head = f"| | predictor | MLflow {peer['version']} |" if peer else "| | predictor |"
    servers = [ours, peer] if peer else [ours]
    rows: list[tuple[str, list[str]]] = [
        ("most predictions a second that it bears", [borne(server) for server in servers]),
        *(
            (
                f"p50 and p99 at {ours['aims'][step]['rate']:.0f} a second",
                [latency(server["aims"][step]) for server in servers],
            )
            for step in (0, 1)
        ),
        ("CPU time for a prediction", [cost(lowest(server)) for server in servers]),
        (
            f"p50 and p99 of {ours['batches']['rows_each']} rows in a request",
            [latency(server["batches"]) for server in servers],
        ),
        ("start, to the first answer", [f"{server['start_seconds']:.1f} s" for server in servers]),
        (
            "memory, all processes",
            [size(server["memory_bytes"]["after_load"]) for server in servers],
        ),
    ]
    lines = [head, "| --- |" + " --- |" * len(servers)]
    return "\n".join(lines + [f"| {what} | {' | '.join(values)} |" for what, values in rows])


def lowest(server: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the lowest rate, which every server bears or none."""
    figures: dict[str, Any] = server["ladder"][0]
    return figures


def borne(server: dict[str, Any]) -> str:
    """Return the highest rate that was borne, and whether none was too much."""
    good = [s["rate"] for s in server["ladder"] if not s["errors"] and s["p99_ms"] <= 1000]
    more = " or more" if len(good) == len(server["ladder"]) else ""
    return f"**{max(good, default=0):.0f}**{more}"


def latency(figures: dict[str, Any]) -> str:
    """Return two percentiles, and the errors where there are any."""
    errors = f", {figures['errors']} of {figures['requests']} errors" if figures["errors"] else ""
    return f"{figures['p50_ms']:.1f} ms, {figures['p99_ms']:.1f} ms{errors}"


def cost(figures: dict[str, Any]) -> str:
    """Return the CPU time of the server for one request."""
    return f"{1000 * figures['server_cpus'] * figures['seconds'] / figures['requests']:.2f} ms"


def size(value: int | None) -> str:
    """Return megabytes."""
    return "not known" if value is None else f"{value / 1e6:.0f} MB"
