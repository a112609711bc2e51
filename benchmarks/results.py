"""Where the figures are kept: results.json, and a table of README.md between two marks."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
END = "\n<!-- end -->"


def origin(**versions: str) -> dict[str, Any]:
    """Return when, on what and with which versions a measurement is made.

    Python's and the Docker engine's are told by themselves.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "memory_bytes": memory}
    own = {"python": platform.python_version(), "docker": docker_version()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": " ".join(
            ["python3", *(os.path.relpath(a) for a in sys.argv[:1]), *sys.argv[1:]]
        ),
        "machine": machine,
        "versions": own | versions,
    }


def docker_version() -> str | None:
    """Return the version of the Docker engine, None without one."""
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the median, the quartiles, the ends, and every single value."""
    kept = [round(value, 4) for value in values]
    low, _, high = (
        statistics.quantiles(kept, n=4, method="inclusive") if len(kept) > 1 else kept * 3
    )
    return {
        "median": statistics.median(kept),
        "quartiles": [round(low, 4), round(high, 4)],
        "minimum": min(kept),
        "maximum": max(kept),
        "all": kept,
    }


def save(name: str, results: dict[str, Any], tables: str) -> None:
    """Replace the results and the tables of one measurement; those of others stay."""
    path = FOLDER / "results.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {name: results}, indent=2, ensure_ascii=False) + "\n")
    readme = FOLDER / "README.md"
    mark = f"<!-- {name}: written by make bench -->\n"
    before, start, rest = readme.read_text().partition(mark)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{readme} has no place for the tables: {mark.strip()} and {END.strip()}")
    readme.write_text(before + start + tables + end + after)
