"""What the measurement of the data comes to: medians, ratios beside the aims, tables."""

from __future__ import annotations

from typing import Any

from data_ways import STAGES, Measured
from results import spread

FLAT_STAGES = ("load_data", "data_preprocessing", "separate_data")
LEARNING_STAGES = ("build_model", "evaluate_model")
FEATURES = 5
GROWTH_AIM, MEMORY_AIM, MATRIX_AIM = 1.2, 700e6, 2.5
TIME_AIMS = {"polars": 1.5, "original": 0.4}
COSTS = ("seconds", "cpu_seconds", "peak_memory_bytes")
LABELS = {
    "ours": "the stages",
    "polars": "one program of polars and scikit-learn",
    "original": "pandas and pickles",
}
Sizes = dict[str, dict[str, Any]]


def summarise(measured: list[Measured], rows: int) -> dict[str, Any]:
    """Return the spread of what one way took for ``rows`` rows, as a whole and step by step."""
    steps = {
        step: {key: spread([one["steps"][step][key] for one in measured]) for key in COSTS}
        for step in measured[0]["steps"]
    }
    return {
        **{key: spread([one[key] for one in measured]) for key in COSTS},
        "others_cpus": spread([one["others_cpus"] for one in measured]),
        "bytes_written_per_row": measured[0]["bytes_written"] / rows,
        "accuracy": measured[0]["accuracy"],
        **{key: measured[0][key] for key in ("train_rows",) if key in measured[0]},
        "steps": steps,
    }


def find_ratios(sizes: Sizes) -> dict[str, Any]:
    """Return what is held to an aim: growth of memory, memory beside the matrix, time beside.

    ``sizes`` are the summaries of each way by the number of rows, from few to many.
    """
    few, many = (sizes[end] for end in (min(sizes, key=int), max(sizes, key=int)))
    peaks = [peaks_of(size["ways"]["ours"]) for size in (few, many)]
    matrix = 4 * FEATURES * many["ways"]["ours"]["train_rows"]
    return {
        "memory_growth": {stage: peaks[1][stage] / peaks[0][stage] for stage in STAGES},
        "memory_beside_matrix": {stage: peaks[1][stage] / matrix for stage in LEARNING_STAGES},
        "time_beside": beside(many["ways"], "seconds"),
        "cpu_time_beside": beside(many["ways"], "cpu_seconds"),
    }


def beside(ways: dict[str, dict[str, Any]], key: str) -> dict[str, float]:
    """Return the median of the stages' cost over that of each other way."""
    ours = ways["ours"][key]["median"]
    return {name: ours / way[key]["median"] for name, way in ways.items() if name != "ours"}


def peaks_of(way: dict[str, Any]) -> dict[str, float]:
    """Return the median of each step's peak memory."""
    return {step: cost["peak_memory_bytes"]["median"] for step, cost in way["steps"].items()}


def tables(results: dict[str, Any], pictures: dict[str, str]) -> str:
    """Return the results as Markdown; ``pictures`` are their descriptions by path."""
    sizes: Sizes = results["sizes"]
    versions = results["versions"]
    named = [f"{name} {versions[name]}" for name in ("polars", "pandas") if name in versions]
    others = [w["others_cpus"]["maximum"] for s in sizes.values() for w in s["ways"].values()]
    lines = [
        f"Measured on {results['date']} by `{results['command']}`, "
        f"{results['machine']['cpus']} CPUs, stages {results['where']}, medians of "
        f"{results['repeats']} in turns{''.join(f', {name}' for name in named)}. Meanwhile "
        f"everything else on the machine kept at most {max(others):.1f} CPUs busy.",
        "",
        *(line for path, text in pictures.items() for line in (f"![{text}]({path})", "")),
        *way_table(sizes),
        "",
        *stage_table(sizes),
        "",
        *aim_table(sizes, results["ratios"]),
    ]
    return "\n".join(lines)


def way_table(sizes: Sizes) -> list[str]:
    """Return the rows of the table of the ways as a whole."""
    lines = [
        "| rows | way | wall time, s (range) | CPU, s | peak memory, MB | written, bytes a row | "
        "accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for rows, size in sizes.items():
        for name, way in size["ways"].items():
            time = way["seconds"]
            lines.append(
                f"| {int(rows):,} | {LABELS[name]} | **{time['median']:.1f}** "
                f"({time['minimum']:.1f} to {time['maximum']:.1f}) | "
                f"{way['cpu_seconds']['median']:.1f} | {megabytes(way)} | "
                f"{way['bytes_written_per_row']:.0f} | {way['accuracy']:.4f} |"
            )
    return lines


def stage_table(sizes: Sizes) -> list[str]:
    """Return the rows of the table of the steps: times of the largest size, memory of each."""
    ways = sizes[max(sizes, key=int)]["ways"]
    lines = [
        "| stage | "
        + " | ".join(f"{name}, s" for name in ways)
        + " | "
        + " | ".join(f"memory at {int(rows):,} rows, MB" for rows in sizes)
        + " |",
        "| --- |" + " --- |" * (len(ways) + len(sizes)),
    ]
    for stage in STAGES:
        steps = [way["steps"].get(stage) for way in ways.values()]
        times = [f"{step['seconds']['median']:.1f}" if step else "" for step in steps]
        memory = [megabytes(size["ways"]["ours"]["steps"][stage]) for size in sizes.values()]
        lines.append(f"| `{stage}` | " + " | ".join([*times, *memory]) + " |")
    return lines


def megabytes(cost: dict[str, Any]) -> str:
    """Return the median of a peak of memory in MB."""
    return f"{cost['peak_memory_bytes']['median'] / 1e6:.0f}"


def aim_table(sizes: Sizes, ratios: dict[str, Any]) -> list[str]:
    """Return the rows of the table of what is held to an aim."""
    few, many = min(sizes, key=int), max(sizes, key=int)
    peaks = peaks_of(sizes[many]["ways"]["ours"])
    lines = ["| what | measured | aim |", "| --- | --- | --- |"]
    if few != many:
        lines += [
            f"| `{stage}`, memory at {int(many):,} rows over that at {int(few):,} | "
            f"**{ratios['memory_growth'][stage]:.2f}** | {GROWTH_AIM} |"
            for stage in FLAT_STAGES
        ]
    lines += [
        f"| `{stage}`, memory at {int(many):,} rows | **{peaks[stage] / 1e6:.0f} MB** | "
        f"{MEMORY_AIM / 1e6:.0f} MB |"
        for stage in FLAT_STAGES
    ]
    lines += [
        f"| `{stage}`, memory over the training matrix in float32 | **{ratio:.1f}** | "
        f"{MATRIX_AIM} |"
        for stage, ratio in ratios["memory_beside_matrix"].items()
    ]
    lines += [
        f"| time of the stages over that of {LABELS[name]} | **{ratio:.2f}** | {TIME_AIMS[name]} |"
        for name, ratio in ratios["time_beside"].items()
    ]
    return lines + [
        f"| the same, CPU time, {LABELS[name]} | **{ratio:.2f}** | |"
        for name, ratio in ratios["cpu_time_beside"].items()
    ]
