"""The pictures of the simulation, as SVG whose bytes follow from the figures alone."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results import FOLDER
from simulation_tables import AS_IT_IS, WIDER

STYLE: Any = {
    "svg.hashsalt": "simulation",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# A part that is used less limits nothing.
IDLE_SHARE = 0.5
UNUSED = "#f0f0f0"
COLOURS = {
    "hosts' CPUs": "#fd8d3c",
    "slots": "#fdd0a2",
    "scheduler": "#6baed6",
    "API server": "#9e9ac8",
    "database": "#74c476",
    "control host's CPUs": "#de9ed6",
}
SIZES = (5.6, 4.4), (5.6, 6.2), (5.6, 3.8)  # inches: readable at the width of a phone


def draw_charts(results: dict[str, Any]) -> dict[str, str]:
    """Write the pictures; return their descriptions by path beside README.md."""
    texts = {
        "pictures/simulation-p99.svg": "How long runs take, by runs a day and hosts",
        "pictures/simulation-map.svg": "What limits, by runs a day and hosts",
        "pictures/simulation-validation.svg": "Simulated beside measured",
    }
    with mpl.rc_context(STYLE):
        figures = [Figure(size, layout="constrained", facecolor="white") for size in SIZES]
        draw_p99(figures[0].subplots(), results)
        draw_map(figures[1], results)
        draw_validation(figures[2].subplots(), results)
        for path, figure in zip(texts, figures, strict=True):
            (FOLDER / path).parent.mkdir(exist_ok=True)
            figure.savefig(FOLDER / path, metadata={"Date": None})
    return texts


def short(number: float) -> str:
    """Return a count as it fits beside an axis."""
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"


def lines_of(days: list[dict[str, Any]]) -> dict[tuple[int, ...], list[dict[str, Any]]]:
    """Return the days by the numbers of hosts that they are alike for, within a twentieth."""
    lines: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for hosts in sorted({day["hosts"] for day in days}):
        line = [day for day in days if day["hosts"] == hosts and "falls_behind" not in day]
        for alike, other in lines.items():
            pairs = zip(line, other, strict=False)
            near = all(abs(a["seconds_p99"] / b["seconds_p99"] - 1) < 0.05 for a, b in pairs)
            if near and len(line) == len(other):
                lines[(*alike, hosts)] = lines.pop(alike)
                break
        else:
            lines[(hosts,)] = line
    return {hosts: line for hosts, line in lines.items() if line}


def draw_p99(ax: Axes, results: dict[str, Any]) -> None:
    """Draw a line for each number of hosts; an arrow leads to where they fall behind."""
    runs = sorted({day["runs"] for day in results["days"]})
    number = 0
    for control, style in ((AS_IT_IS, "-"), (WIDER, "--")):
        days = [day for day in results["days"] if day["control"] == control]
        for hosts, line in lines_of(days).items():
            many = f"{hosts[0]:,} to {hosts[-1]:,}" if hosts[1:] else f"{hosts[0]:,}"
            label = f"{many} host{'s' if hosts != (1,) else ''}"
            x, y = [day["runs"] for day in line], [day["seconds_p99"] for day in line]
            colour = f"C{number}"
            number += 1
            ax.plot(x, y, style, marker="o", color=colour, label=label)
            if x[-1] < runs[-1]:
                arrow = {"arrowstyle": "->", "color": colour, "linestyle": ":"}
                ax.annotate("", (1.5 * x[-1], 2.5 * y[-1]), (x[-1], y[-1]), arrowprops=arrow)
    ax.set(xscale="log", yscale="log", xlabel="runs a day")
    ax.set_ylabel("99 of 100 runs end within, s")
    ax.set_xticks(runs, [short(each) for each in runs])
    ax.set_ylim(10, 4 * max(day.get("seconds_p99", 0) for day in results["days"]))
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.grid(axis="y", color="#eeeeee")
    title = "solid: control host as it is; dashed: a wider one"
    ax.legend(
        fontsize=9,
        frameon=False,
        ncols=2,
        loc="lower center",
        bbox_to_anchor=(0.45, 1),
        title=title,
        title_fontsize=9,
    )


def draw_map(figure: Figure, results: dict[str, Any]) -> None:
    """Draw a field for each number of runs and of hosts, in the colour of what is used most."""
    controls = (AS_IT_IS, WIDER)
    days = {name: [d for d in results["days"] if d["control"] == name] for name in controls}
    heights = [len({day["hosts"] for day in days[name]}) for name in controls]
    runs = sorted({day["runs"] for day in results["days"]})
    panels = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for ax, name in zip(panels, controls, strict=True):
        draw_fields(ax, days[name], runs)
        ax.set_title(f"control host: {name}", fontsize=10, loc="left")
    panels[1].set_xlabel("runs a day")
    used = [name for name in COLOURS if name in {day["bottleneck"] for day in results["days"]}]
    marks = {name: COLOURS[name] for name in used} | {"nothing above 50 %": UNUSED}
    figure.legend(
        [Rectangle((0, 0), 1, 1, color=colour) for colour in marks.values()],
        list(marks),
        fontsize=9,
        frameon=False,
        ncols=2,
        loc="outside upper center",
        title="used most in the busiest hour",
        title_fontsize=9,
    )


def draw_fields(ax: Axes, days: list[dict[str, Any]], runs: list[int]) -> None:
    """Draw the fields of one control host."""
    hosts = sorted({day["hosts"] for day in days})
    for day in days:
        x, y = runs.index(day["runs"]), hosts.index(day["hosts"])
        behind = "falls_behind" in day
        share = (day["mean_use"] if behind else day["use"])[day["bottleneck"]]
        colour = COLOURS[day["bottleneck"]] if share >= IDLE_SHARE else UNUSED
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=colour, ec="white", lw=2))
        text = "falls\nbehind" if behind else f"{100 * share:.0f} %"
        ax.text(x, y, text, ha="center", va="center", fontsize=8 if behind else 10)
    ax.set(xlim=(-0.5, len(runs) - 0.5), ylim=(-0.5, len(hosts) - 0.5))
    ax.set_xticks(range(len(runs)), [short(each) for each in runs])
    ax.set_yticks(range(len(hosts)), [f"{each:,}" for each in hosts])
    ax.set_ylabel("hosts")
    ax.tick_params(length=0)


def draw_validation(ax: Axes, results: dict[str, Any]) -> None:
    """Draw what was measured and what the same comes to in the simulation."""
    rows = results["validation"]
    runs = [row["runs"] for row in rows]
    for name, colour, text in (
        ("last", "#fd8d3c", "until the last has ended"),
        ("median", "#6baed6", "median run"),
    ):
        measured = [row[f"{name}_measured"] for row in rows]
        simulated = [row[f"{name}_simulated"] for row in rows]
        ax.plot(runs, measured, "o", ms=8, color=colour, label=f"{text}, measured")
        ax.plot(runs, simulated, "-", color=colour, label=f"{text}, simulated")
    ax.set(xlabel="runs asked for at once, on one host", ylabel="seconds", ylim=(0, None))
    ax.set_xticks(runs)
    ax.grid(axis="y", color="#eeeeee")
    ax.legend(fontsize=9, frameon=False)
