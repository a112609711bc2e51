"""What the simulation comes to, as Markdown."""

from __future__ import annotations

from typing import Any

# The control hosts that are simulated.
AS_IT_IS = "as it is, 2 CPUs"
WIDER = "8 CPUs, two schedulers, four API workers"


def tables(results: dict[str, Any], pictures: dict[str, str]) -> str:
    """Return the results as Markdown; ``pictures`` are their descriptions by path."""
    measured = results["measured"]
    lines = [
        f"By the rates that were measured on {measured['date']} on {measured['machine']['cpus']} "
        "CPUs.",
        "",
        *(line for path, text in pictures.items() for line in (f"![{text}]({path})", "")),
        *validation_table(results["validation"]),
        "",
        *day_table(results["days"]),
    ]
    return "\n".join(lines)


def validation_table(validation: list[dict[str, float]]) -> list[str]:
    """Return a row for each number of runs at once: simulated beside measured."""
    lines = [
        "| runs at once, one host | until the last has ended, s: measured | simulated | off by | "
        "median run, s: measured | simulated | off by |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in validation:
        cells = [f"{row['runs']:.0f}"]
        for name in ("last", "median"):
            real, simulated = row[f"{name}_measured"], row[f"{name}_simulated"]
            cells += [
                f"{real:.1f}",
                f"{simulated:.1f}",
                f"**{100 * (simulated / real - 1):+.0f} %**",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def day_table(days: list[dict[str, Any]]) -> list[str]:
    """Return a row for each number of runs a day and of hosts; one for all that are alike."""
    lines = [
        "| runs a day | control host | hosts | wait, s: p50 | p99 | run, s: p50 | p99 | "
        "used most in the busiest hour | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    alike = {(day["runs"], day["control"], day["like"]) for day in days if "like" in day}
    for day in days:
        if "like" not in day:
            more = " and more" if (day["runs"], day["control"], day["hosts"]) in alike else ""
            lines.append(
                f"| {day['runs']:,} | {day['control']} | {day['hosts']:,}{more} | "
                f"{times_of(day)} | {day['bottleneck']} | {percent(day)} |"
            )
    return lines


def times_of(day: dict[str, Any]) -> str:
    """Return the cells of a day's waits and durations."""
    if "falls_behind" in day:
        return f"| | | falls behind by {day['falls_behind']:,.0f} runs a day"
    names = ("wait_p50", "wait_p99", "seconds_p50", "seconds_p99")
    return " | ".join(seconds(day[name]) for name in names)


def percent(day: dict[str, Any]) -> str:
    """Return how much of its bottleneck a day uses."""
    if "falls_behind" in day:
        return f"asked for {100 * day['mean_use'][day['bottleneck']]:,.0f} % all day"
    return f"{100 * day['use'][day['bottleneck']]:.1f} %"


def seconds(value: float) -> str:
    """Return seconds with as many digits as matter."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
