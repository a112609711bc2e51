"""The pictures of the simulation, as SVG whose bytes follow from the figures alone."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results import FOLDER
from simulation_tables import AS_IT_IS

STYLE: Any = {
    "svg.hashsalt": "simulation",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# A part that is used less limits nothing.
IDLE_SHARE = 0.5
COLOURS = {
    "hosts' CPUs": "#fd8d3c",
    "slots": "#fdd0a2",
    "scheduler": "#6baed6",
    "API server": "#9e9ac8",
    "database": "#74c476",
}
SIZE = (5.6, 4.2)  # inches: readable at the width of a phone


def draw_charts(results: dict[str, Any]) -> dict[str, str]:
    """Write the pictures; return their descriptions by path beside README.md."""
    pictures = {
        "pictures/simulation-p99.svg": ("How long runs take, by runs a day and hosts", draw_p99),
        "pictures/simulation-map.svg": ("What limits, by runs a day and hosts", draw_map),
        "pictures/simulation-validation.svg": ("Simulated beside measured", draw_validation),
    }
    with mpl.rc_context(STYLE):
        for path, (_, draw) in pictures.items():
            figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
            draw(figure.subplots(), results)
            target = FOLDER / path
            target.parent.mkdir(exist_ok=True)
            figure.savefig(target, metadata={"Date": None})
    return {path: text for path, (text, _) in pictures.items()}


def short(number: float) -> str:
    """Return a count as it fits beside an axis."""
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"


def draw_p99(ax: Axes, results: dict[str, Any]) -> None:
    """Draw a line for each number of hosts; it ends where they fall behind."""
    days = [day for day in results["days"] if day["control"] == AS_IT_IS]
    runs = sorted({day["runs"] for day in days})
    hosts = sorted({day["hosts"] for day in days})
    colours = mpl.colormaps["viridis"]
    drawn: set[tuple[float, ...]] = set()
    for number, count in enumerate(hosts):
        done = [d for d in days if d["hosts"] == count and "falls_behind" not in d]
        if not done:
            continue
        line = [d["runs"] for d in done], [d["seconds_p99"] for d in done]
        key = tuple(round(value, 1) for value in line[1])
        style = ":" if key in drawn else "-"
        drawn.add(key)
        colour = colours(number / len(hosts))
        label = f"{count:,} host{'s' if count > 1 else ''}"
        ax.plot(*line, style, marker="o", color=colour, label=label)
        if len(done) < len(runs):
            ax.annotate(
                "",
                xy=(1.35 * line[0][-1], 2.2 * line[1][-1]),
                xytext=(line[0][-1], line[1][-1]),
                arrowprops={"arrowstyle": "->", "color": colour, "linestyle": "--"},
            )
    ax.set(xscale="log", yscale="log", xlabel="runs a day")
    ax.set_ylabel("99 of 100 runs end within, s")
    ax.set_xticks(runs, [short(each) for each in runs])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.grid(axis="y", color="#eeeeee")
    ax.legend(fontsize=9, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def draw_map(ax: Axes, results: dict[str, Any]) -> None:
    """Draw a field for each number of runs and of hosts, in the colour of what is used most."""
    days = [day for day in results["days"] if day["control"] == AS_IT_IS]
    runs = sorted({day["runs"] for day in days})
    hosts = sorted({day["hosts"] for day in days})
    for day in days:
        x, y = runs.index(day["runs"]), hosts.index(day["hosts"])
        behind = "falls_behind" in day
        share = (day["mean_use"] if behind else day["use"])[day["bottleneck"]]
        colour = COLOURS[day["bottleneck"]] if share >= IDLE_SHARE else "#f0f0f0"
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colour, ec="white", lw=2))
        text = "falls\nbehind" if behind else f"{100 * share:.0f} %"
        ax.text(x, y, text, ha="center", va="center", fontsize=9 if behind else 11)
    ax.set(xlim=(-0.5, len(runs) - 0.5), ylim=(-0.5, len(hosts) - 0.5))
    ax.set_xticks(range(len(runs)), [short(each) for each in runs])
    ax.set_yticks(range(len(hosts)), [f"{each:,}" for each in hosts])
    ax.set(xlabel="runs a day", ylabel="hosts")
    ax.tick_params(length=0)
    used = {day["bottleneck"] for day in days}
    marks = [Rectangle((0, 0), 1, 1, color=COLOURS[name]) for name in COLOURS if name in used]
    labels = [name for name in COLOURS if name in used]
    marks.append(Rectangle((0, 0), 1, 1, color="#f0f0f0"))
    ax.legend(
        marks,
        [*labels, "nothing above 50 %"],
        fontsize=9,
        frameon=False,
        ncols=2,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        title="used most in the busiest hour",
        title_fontsize=9,
    )


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
