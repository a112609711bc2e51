"""A load at a fixed rate, whatever the server does with it.

Each request has its moment. A latency counts from there to the last byte of the answer, so a server
that falls behind is charged for all that waits, and so is the generator when it sends late.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from http_client import NO_ANSWER, TIMEOUT_SECONDS, Answer, Client, Request

# A server that is this far behind does not bear the rate: what comes then counts as not answered.
MOST_OPEN = 500
GOOD = (200, 304)


@dataclass
class Latencies:
    """Seconds from each request's moment to its answer, by kind, and how the answers ended."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, kind: str, seconds: float, status: int) -> None:
        """Note one answer."""
        self.seconds[kind].append(seconds)
        self.statuses[kind][status] += 1

    def summarise(self) -> dict[str, dict[str, Any]]:
        """Return the figures of each kind, in milliseconds, and of all together under "all"."""
        kinds = {
            kind: describe(self.seconds[kind], self.statuses[kind]) for kind in sorted(self.seconds)
        }
        everything = [value for values in self.seconds.values() for value in values]
        return {"all": describe(everything, sum(self.statuses.values(), Counter())), **kinds}


def describe(seconds: list[float], statuses: Counter[int]) -> dict[str, Any]:
    """Return count, errors and percentiles; an error is any status but 200 and 304."""
    ordered = sorted(seconds)
    errors = {str(s or "no answer"): n for s, n in sorted(statuses.items()) if s not in GOOD}
    return {
        "requests": len(ordered),
        "errors": sum(errors.values()),
        **({"error_statuses": errors} if errors else {}),
        **{f"p{rank}_ms": round(1000 * percentile(ordered, rank), 2) for rank in (50, 90, 99)},
        "max_ms": round(1000 * ordered[-1], 2) if ordered else 0.0,
    }


def percentile(ordered: Sequence[float], rank: float) -> float:
    """Return the nearest-rank percentile of values in ascending order, 0 where there is none.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 99)
    (2, 4)
    """
    position = max(1, -(-len(ordered) * rank // 100))
    return ordered[int(position) - 1] if ordered else 0.0


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    """Keep Python's garbage collector from pausing the generator."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


async def send(
    port: int, requests: Sequence[Request], rate: float
) -> tuple[Latencies, list[float]]:
    """Send the requests at ``rate`` a second; return latencies, and the seconds each came late."""
    client, latencies, late = Client(port), Latencies(), []
    open_tasks: set[asyncio.Task[None]] = set()
    first = time.monotonic() + 0.1

    async def one(request: Request, planned: float) -> None:
        late.append(time.monotonic() - planned)
        answer = await client.ask(request)
        latencies.add(request.kind, time.monotonic() - planned, answer.status)

    for number, request in enumerate(requests):
        planned = first + number / rate
        if (wait := planned - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if len(open_tasks) >= MOST_OPEN:
            latencies.add(request.kind, TIMEOUT_SECONDS, NO_ANSWER)
            continue
        task = asyncio.create_task(one(request, planned))
        open_tasks.add(task)
        task.add_done_callback(open_tasks.discard)
    await asyncio.gather(*open_tasks)
    client.close()
    return latencies, late


def run_load(port: int, requests: Sequence[Request], rate: float) -> dict[str, Any]:
    """Return the figures of a load, with what the generator itself cost."""
    with no_collector():
        begun, cpu = time.monotonic(), time.process_time()
        latencies, late = asyncio.run(send(port, requests, rate))
        seconds, spent = time.monotonic() - begun, time.process_time() - cpu
    return {
        "rate": rate,
        "seconds": round(seconds, 1),
        "generator": {
            "cpu_share": round(spent / seconds, 3),
            "late_p99_ms": round(1000 * percentile(sorted(late), 99), 2),
        },
        "kinds": latencies.summarise(),
    }


def ask_once(port: int, request: Request) -> Answer:
    """Return one answer, on a connection of its own."""

    async def ask() -> Answer:
        client = Client(port)
        try:
            return await client.ask(request)
        finally:
            client.close()

    return asyncio.run(ask())
