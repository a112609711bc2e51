"""The pictures of the data measurement, as SVG whose bytes follow from the figures alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from data_tables import FLAT_STAGES, LABELS, LEARNING_STAGES, Sizes, peaks_of
from data_ways import STAGES
from results import FOLDER

STYLE: Any = {
    "svg.hashsalt": "benchmarks",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
COLOURS = {stage: f"C{number}" for number, stage in enumerate(STAGES)}


def draw_charts(name: str, sizes: Sizes) -> dict[str, str]:
    """Write the pictures of a measurement; return their descriptions by path beside README.md."""
    pictures = {
        f"pictures/{name}-time.svg": ("Time of each stage, and of the other ways", draw_time),
        f"pictures/{name}-memory.svg": ("Peak memory over rows", draw_memory),
    }
    with mpl.rc_context(STYLE):
        for path, (_, draw) in pictures.items():
            figure = Figure(figsize=(8, 3.2), layout="constrained")
            draw(figure.subplots(), sizes)
            target: Path = FOLDER / path
            target.parent.mkdir(exist_ok=True)
            figure.savefig(target, metadata={"Date": None})
    return {path: text for path, (text, _) in pictures.items()}


def draw_time(ax: Axes, sizes: Sizes) -> None:
    """Draw a bar for each way at the largest size, its steps one behind the other."""
    rows = max(sizes, key=int)
    ways = sizes[rows]["ways"]
    labels = [LABELS[name].replace(" and ", "\nand ") for name in ways]
    for place, way in enumerate(ways.values()):
        left = 0.0
        for step in STAGES:
            if step in way["steps"]:
                seconds = way["steps"][step]["seconds"]["median"]
                ax.barh(place, seconds, left=left, color=COLOURS[step])
                left += seconds
        rest = max(0.0, way["seconds"]["median"] - left)
        ax.barh(place, rest, left=left, color="lightgrey")
    for step in STAGES:
        ax.barh(0, 0, color=COLOURS[step], label=step)
    ax.barh(0, 0, color="lightgrey", label="start of the program")
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlabel(f"seconds for {int(rows):,} rows")
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


def draw_memory(ax: Axes, sizes: Sizes) -> None:
    """Draw a line for each way and for each of our large stages over the number of rows."""
    rows = [int(size) for size in sizes]
    lines: dict[str, tuple[list[Any], str]] = {}
    for name in next(iter(sizes.values()))["ways"]:
        if name != "ours":
            ways = (size["ways"][name] for size in sizes.values())
            lines[LABELS[name]] = [way["peak_memory_bytes"]["median"] for way in ways], "--"
    for stage in (*FLAT_STAGES, *LEARNING_STAGES):
        peaks = [peaks_of(size["ways"]["ours"])[stage] for size in sizes.values()]
        lines[stage] = peaks, "-"
    for label, (values, style) in lines.items():
        colour = COLOURS.get(label, "black" if "pandas" in label else "grey")
        megabytes = [value / 1e6 for value in values]
        ax.plot(rows, megabytes, style, marker="o", label=label, color=colour)
    ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="peak memory, MB")
    ax.set_xticks(rows, [f"{size:,}" for size in rows])
    ax.minorticks_off()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:.0f}")
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
