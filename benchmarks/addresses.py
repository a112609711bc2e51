"""What a dashboard's users ask for: addresses in such variety that no cache holds them all."""

from __future__ import annotations

import random
import urllib.parse
from collections.abc import Callable

from history import History
from http_client import Request

STATES = ("success", "failed", "running")
SORTS = ("started", "seconds", "rows", "state", "accuracy", "roc_auc", "log_loss", "f1")
CAUSES = ("data refused", "quality gate missed", "crashed", "out of memory")
PAGE_ROWS = 25


class Addresses:
    """Draws addresses of the monitor at random, the same ones for the same seed."""

    def __init__(self, history: History, seed: int) -> None:
        self.ids = [run.run_id for run in history.newest]
        self.generator = random.Random(seed)

    def run(self) -> str:
        """Return a run's id as an address holds it; half of the time one of the newest hundred."""
        among = self.ids[:100] if self.generator.random() < 0.5 else self.ids
        return urllib.parse.quote(self.generator.choice(among), safe="")

    def page(self) -> int:
        """Return a page's number: most people look at the first ones."""
        last = max(1, len(self.ids) // PAGE_ROWS)
        return min(last, int(self.generator.paretovariate(0.6)))

    def runs(self) -> str:
        """Return the list of runs with a filter, an order and a page."""
        words: dict[str, object] = {}
        if self.generator.random() < 0.4:
            words["state"] = self.generator.choice(STATES)
        elif self.generator.random() < 0.2:
            words["cause"] = self.generator.choice(CAUSES)
        if self.generator.random() < 0.4:
            words["sort"] = self.generator.choice(SORTS)
            words["order"] = self.generator.choice(("asc", "desc"))
        if self.generator.random() < 0.2:
            words["q"] = self.generator.choice(self.ids)[:18]
        else:
            words["page"] = self.page()
        return f"/runs?{urllib.parse.urlencode(words)}"

    def compare(self, path: str) -> str:
        """Return the comparison of two runs."""
        return f"{path}?run={self.run()}&run={self.run()}"

    def draw(self, count: int) -> list[Request]:
        """Return requests in the shares of ``mix``."""
        kinds = list(self.mix())
        weights = [weight for weight, _ in self.mix().values()]
        drawn = self.generator.choices(kinds, weights, k=count)
        return [Request(kind, self.mix()[kind][1]()) for kind in drawn]

    def mix(self) -> dict[str, tuple[float, Callable[[], str]]]:
        """Return each kind of address with its weight and how one is made."""
        return {
            "/home": (10, lambda: "/home"),
            "/runs?…": (20, self.runs),
            "/runs/<run>": (20, lambda: f"/runs/{self.run()}"),
            "/compare?…": (8, lambda: self.compare("/compare")),
            "/model": (6, lambda: "/model"),
            "/mails": (5, lambda: "/mails"),
            "/api/status": (8, lambda: "/api/status"),
            "/api/metrics": (5, lambda: "/api/metrics"),
            "/api/runs?page=…": (8, lambda: f"/api/runs?page={self.page()}"),
            "/api/runs/<run>": (5, lambda: f"/api/runs/{self.run()}"),
            "/api/model": (2, lambda: "/api/model"),
            "/api/compare?…": (2, lambda: self.compare("/api/compare")),
            "/metrics": (0.5, lambda: "/metrics"),
        }
