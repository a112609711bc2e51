"""What each step of a program costs; standard library only, so that it adds nothing itself."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HIGH_WATER = re.compile(r"^VmHWM:\s*([0-9]+) kB$", re.MULTILINE)


class Steps:
    """Seconds, seconds of CPU and the most memory of each step, in order."""

    def __init__(self) -> None:
        self.costs: dict[str, dict[str, float]] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done meanwhile."""
        forget_peak()
        clock, cpu = time.monotonic(), time.process_time()
        yield
        self.costs[name] = {
            "seconds": time.monotonic() - clock,
            "cpu_seconds": time.process_time() - cpu,
            "peak_memory_bytes": peak_memory(),
        }

    def say(self, folder: Path, metrics: dict[str, Any]) -> None:
        """Print all as one line of JSON, with the bytes of the files that were written."""
        written = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(json.dumps({"steps": self.costs, "bytes_written": written, "metrics": metrics}))


def peak_memory() -> int:
    """Return the most memory that this process has held since its peak was forgotten, in bytes.

    Not getrusage's ru_maxrss, which begins with the memory of the process that started this one.
    """
    found = HIGH_WATER.search(Path("/proc/self/status").read_text())
    assert found, "Linux says it"
    return 1024 * int(found[1])


def forget_peak() -> None:
    """Let the peak begin anew at what is held now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
