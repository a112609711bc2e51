"""How soon many people who watch a running run see what it does."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from history import History
from http_client import Client, Request
from load import Latencies, no_collector, percentile
from run_files import progress
from run_outputs import to_json

CLIENTS = 100
POLL_SECONDS = 1.5
WRITE_SECONDS = 0.5
STEP = re.compile(rb"live step (\d+)")


@dataclass
class Watch:
    """What the clients have seen: ``written`` is each step's moment, ``delays`` are in seconds."""

    until: float
    written: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    latencies: Latencies = field(default_factory=Latencies)
    unseen: int = 0

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until


async def write_steps(history: History, watch: Watch) -> None:
    """Let the running run say another step each half second, as its stage would."""
    run = history.running
    stage = run.ending.stage or ""
    path = history.volume / "runs" / run.run_id / stage / "progress.json"
    while not watch.over:
        step = len(watch.written)
        said = progress(run, stage, step % 200 / 200, f"live step {step}", datetime.now(UTC))
        replace_file(path, to_json(said))
        watch.written.append(time.monotonic())
        await asyncio.sleep(WRITE_SECONDS)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, as the stages do."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


async def poll(port: int, target: str, first: float, watch: Watch) -> None:
    """Ask for the run's page at a fixed pace, as a browser that holds the last answer."""
    client, planned = Client(port), first
    headers: dict[str, str] = {}
    seen: int | None = None
    while planned < watch.until:
        await asyncio.sleep(max(0.0, planned - time.monotonic()))
        answer = await client.ask(Request("run page", target), headers)
        now = time.monotonic()
        watch.latencies.add("run page", now - planned, answer.status)
        if etag := answer.headers.get("etag"):
            headers = {"If-None-Match": etag}
        if found := STEP.search(answer.body):
            step = int(found[1])
            if seen is not None:
                watch.delays += [now - watch.written[n] for n in range(seen + 1, step + 1)]
            seen = max(step, seen or 0)
        planned += POLL_SECONDS
    client.close()
    # What was written in the last two polls may not have been asked for any more.
    due = sum(moment < watch.until - 2 * POLL_SECONDS for moment in watch.written)
    watch.unseen += max(0, due - 1 - seen) if seen is not None else due


async def watch_run(history: History, port: int, seconds: float) -> Watch:
    """Let the running run work and the clients watch it."""
    first = time.monotonic() + 0.5
    watch = Watch(first + seconds)
    target = f"/runs/{urllib.parse.quote(history.running.run_id, safe='')}"
    starts = [first + POLL_SECONDS * number / CLIENTS for number in range(CLIENTS)]
    polls = (poll(port, target, start, watch) for start in starts)
    await asyncio.gather(write_steps(history, watch), *polls)
    return watch


def measure_live(history: History, port: int, seconds: float) -> dict[str, Any]:
    """Return how long a change takes to be seen, and how quick the answers were."""
    with no_collector():
        watch = asyncio.run(watch_run(history, port, seconds))
    delays = sorted(watch.delays)
    statuses: Counter[int] = watch.latencies.statuses["run page"]
    return {
        "clients": CLIENTS,
        "poll_seconds": POLL_SECONDS,
        "write_seconds": WRITE_SECONDS,
        "changes_seen": len(delays),
        "changes_unseen": watch.unseen,
        "seen_after_p50_seconds": round(percentile(delays, 50), 3) if delays else None,
        "seen_after_max_seconds": round(delays[-1], 3) if delays else None,
        "not_modified_share": round(statuses[304] / max(1, statuses.total()), 3),
        "answers": watch.latencies.summarise()["run page"],
    }
