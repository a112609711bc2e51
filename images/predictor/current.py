"""The model that answers now: exchanged in one assignment when another one is published.

A thread looks each second where ``model/current`` leads. The new model is loaded beside the old
one, which answers meanwhile, and goes on answering where the new one cannot be used.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import current_app

from .published import Release, UnusableError, find_release
from .scoring import Model, load_model

LOOK_SECONDS = 1.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """The model that answers, since when, and why the published one does not, both or one None."""

    model: Model | None
    problem: str | None
    since: datetime | None = None
    release: Path | None = None


class Watch:
    """Keeps ``state`` what is published on a volume."""

    def __init__(self, volume: Path) -> None:
        self.volume = volume
        self.state = State(None, "nothing has been looked for yet")
        self.looked = time.monotonic()
        self.loads = self.failures = 0

    def look(self) -> None:
        """Load what is published unless it is what answers already."""
        before = self.state
        try:
            folder = find_release(self.volume)
            if folder != before.release:
                model = load_model(Release.open(folder))
                self.state = State(model, None, datetime.now(UTC), folder)
                self.loads += 1
                log.info("run %s answers, by %s", model.run_id, model.file)
            elif before.problem:  # the former model is published again
                self.state = State(before.model, None, before.since, folder)
        except UnusableError as problem:
            self.state = State(before.model, str(problem), before.since, before.release)
            if str(problem) != before.problem:
                self.failures += 1
                log.warning("%s", problem)
        self.looked = time.monotonic()

    def start(self) -> None:
        """Look once, and then each second in a thread that ends with the process."""
        self.look()
        threading.Thread(target=self.keep_looking, name="watch", daemon=True).start()

    def keep_looking(self) -> None:
        """Look for ever; nothing that a volume holds ends it."""
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                self.look()
            except Exception:
                log.exception("looking for the published model failed")


def current_watch() -> Watch:
    """Return the app's watch."""
    watch: Watch = current_app.extensions["watch"]
    return watch
