"""Measure the same nine containers by other orchestrators, by the DAG and by none.

``make bench ARGS="orchestrators"`` runs this on the stack that is up. All take turns with the plain
chain of containers, beside which each is a ratio. ``--without-stack`` leaves out the DAG run and
the stage that talks to the monitor, and works on a volume of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chains import TOOLS, Chains, tool_versions
from data import SETTINGS, make_volume, open_to_all
from measure import ROOT, STAGES, Airflow
from processes import machine_seconds
from results import origin, save, spread

LABELS = {
    "plain": "plain `docker run`",
    "airflow": "the DAG, under Airflow",
    "luigi": "luigi, `luigi.contrib.docker_runner`",
    "cwltool": "cwltool, a workflow of command line tools",
    "dagster": "Dagster, ops by Pipes for Docker",
}


def measure(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, Any]:
    """Return the seconds of each way, and the CPUs that were busy, of each turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, run in ways.items():
            used, start = machine_seconds(), time.monotonic()
            seconds[name].append(run())
            busy[name].append((machine_seconds() - used) / (time.monotonic() - start))
            print(f"{repeat + 1}: {name} {seconds[name][-1]:.1f} s", flush=True)
    return {
        name: {"seconds": spread(seconds[name]), "busy_cpus": spread(busy[name])} for name in ways
    }


def ratios(measured: dict[str, Any]) -> dict[str, float]:
    """Return the median of each turn's time over that of the turn's plain chain."""
    plain = measured["plain"]["seconds"]["all"]
    return {
        name: statistics.median(
            one / beside for one, beside in zip(way["seconds"]["all"], plain, strict=True)
        )
        for name, way in measured.items()
    }


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    stages = len(results["stages"])
    busy = statistics.median(way["busy_cpus"]["median"] for way in results["ways"].values())
    lines = [
        f"Measured on {results['date']} by `{results['command']}`, "
        f"{results['machine']['cpus']} CPUs, {stages} stages, medians of {results['repeats']} in "
        f"turns. Meanwhile {busy:.1f} CPUs were busy, with these runs and all else on the machine.",
        "",
        "| by | version | s (range) | times the plain chain |",
        "| --- | --- | --- | --- |",
    ]
    for name, way in sorted(results["ways"].items(), key=lambda pair: results["ratios"][pair[0]]):
        time = way["seconds"]
        lines.append(
            f"| {LABELS[name]} | {results['versions'].get(name, '')} | {time['median']:.1f} "
            f"({time['minimum']:.1f} to {time['maximum']:.1f}) | "
            f"**{results['ratios'][name]:.2f}** |"
        )
    return "\n".join(lines)


@contextmanager
def own_volume(folder: Path) -> Iterator[None]:
    """Let the stages work on a volume of this measurement's own, with the bundled sample."""
    volume = make_volume(folder)
    for name in ("advertising.csv", "advertising.toml"):
        shutil.copy(ROOT / "shared_volume" / "data" / name, volume / "data" / name)
    open_to_all(volume)
    os.environ["SHARED_VOLUME"] = str(volume)
    yield


def without_network() -> tuple[str, ...]:
    """Return the stages that need no network of a stack."""
    contracts = {s: (ROOT / "images" / s / "stage.toml").read_text() for s in STAGES}
    return tuple(s for s in STAGES if tomllib.loads(contracts[s])["network"] == "none")


def airflow_version() -> str:
    """Return the version of Airflow, as its image pins it."""
    lines = (ROOT / "orchestration" / "requirements.txt").read_text().splitlines()
    pinned = next(line for line in lines if line.startswith("apache-airflow-core=="))
    return pinned.partition("==")[2].split()[0]


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without-stack", action="store_true", help="print and keep nothing")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench")
    options = parser.parse_args()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    options.folder.mkdir(parents=True, exist_ok=True)
    stages = without_network() if options.without_stack else STAGES
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="orchestrators-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        chains = Chains(folder, stages)
        chains.install()
        ways: dict[str, Callable[[], float]] = {"plain": chains.plain_seconds}
        for tool in TOOLS:
            ways[tool] = lambda tool=tool: chains.tool_seconds(tool)  # type: ignore[misc]
        if options.without_stack:
            with own_volume(folder):
                measured = measure(ways, options.repeats)
        else:
            ways["airflow"] = Airflow().run_seconds
            measured = measure(ways, options.repeats)
    results = {
        **origin(airflow=airflow_version(), **tool_versions()),
        "repeats": options.repeats,
        "stages": list(stages),
        "ways": measured,
        "ratios": ratios(measured),
    }
    print(table(results))
    if not options.without_stack:
        save("orchestrators", results, table(results))


if __name__ == "__main__":
    main()
