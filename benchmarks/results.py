"""Where the figures are kept: results.json, and a table of README.md between two marks."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
END = "\n<!-- end -->"


def origin() -> dict[str, Any]:
    """Return when and on what a measurement is made."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release()},
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
