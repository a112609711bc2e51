"""The shared volume as the monitor sees it: is it there, which runs, which model is published."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .files import Tree, UnreadableError
from .record import Record
from .run import Run, read_run, read_start

MARKER = ".ad-click-volume"
RUN_ID = re.compile(r"[A-Za-z0-9_~:+-][A-Za-z0-9_.~:+-]{0,199}")
RELEASES = "releases/"
RELEASE = re.compile(r"[A-Za-z0-9_~:+-][A-Za-z0-9_.~:+-]{0,254}")


class VolumeError(Exception):
    """The volume is not there or is not the real one; the message says what to do."""


class NotFoundError(Exception):
    """The volume holds no such run or model; the message says so in one sentence."""


@dataclass(frozen=True)
class Model:
    """The published model: the run that made it and its summary, as data and as text."""

    run_id: str | None
    summary: Record
    text: str


@dataclass(frozen=True)
class Volume:
    """A shared volume. Every answer is read from disk when it is asked for."""

    path: Path

    @property
    def tree(self) -> Tree:
        """The files of the volume."""
        return Tree(self.path)

    def check(self) -> None:
        """Raise VolumeError unless this is a shared volume that can be read."""
        try:
            with self.tree.open(MARKER):
                pass
            os.scandir(self.path).close()
        except FileNotFoundError:
            raise VolumeError(
                f"{self.path.absolute()} is not the shared volume (it has no {MARKER}); "
                "mount it there, or set SHARED_VOLUME to where it is."
            ) from None
        except (UnreadableError, OSError) as error:
            raise VolumeError(
                f"The shared volume {self.path.absolute()} cannot be read: {error}."
            ) from None

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, newest first. Folders with other names are no runs."""
        try:
            entries = self.tree.entries("runs")
        except (FileNotFoundError, UnreadableError):
            return []
        ids = [e.name for e in entries if e.is_folder and RUN_ID.fullmatch(e.name)]
        started = {run_id: self.started(run_id) for run_id in ids}
        return sorted(ids, key=lambda run_id: (started[run_id], run_id), reverse=True)

    def started(self, run_id: str) -> datetime:
        """Return when a run started; one removed meanwhile sorts last."""
        try:
            return read_start(self.tree, run_id)
        except (FileNotFoundError, UnreadableError):
            return datetime.min.replace(tzinfo=UTC)

    def run(self, run_id: str) -> Run:
        """Return a run, or raise NotFoundError."""
        if not RUN_ID.fullmatch(run_id):
            raise NotFoundError("That is no run id: letters, digits and _.~:+-, at most 200.")
        try:
            return read_run(self.tree, run_id)
        except (FileNotFoundError, UnreadableError):
            raise NotFoundError(f"There is no run {run_id} on the shared volume.") from None

    def runs(self) -> Iterator[Run]:
        """Yield the runs, newest first, each read when it is asked for."""
        for run_id in self.run_ids():
            with contextlib.suppress(NotFoundError):  # removed by retention meanwhile
                yield self.run(run_id)

    def newest(self) -> Run:
        """Return the run that started last, or raise NotFoundError."""
        if run := next(self.runs(), None):
            return run
        raise NotFoundError("There is no run on the shared volume yet; start one in Airflow.")

    def newest_in(self, *states: str, among: int | None = None) -> Run | None:
        """Return the newest run in one of these states, among all or so many of the newest."""
        runs = itertools.islice(self.runs(), among)
        return next((run for run in runs if run.state in states), None)

    def model(self) -> Model:
        """Return the published model's card, or raise NotFoundError with the reason."""
        release = self.release()
        if release is None:
            raise NotFoundError("No model is published yet; the first accepted run publishes one.")
        folder = f"model/{RELEASES}{release}"
        try:
            summary = self.tree.record(f"{folder}/model_summary.json")
            text = self.tree.text(f"{folder}/model_summary.txt")
        except FileNotFoundError as missing:
            raise NotFoundError(f"The published model lacks its {missing}.") from None
        except UnreadableError as reason:
            raise NotFoundError(
                f"The summary of the published model ({folder}) {reason}."
            ) from None
        return Model(summary.text("run_id"), summary, text)

    def release(self) -> str | None:
        """Return the folder below ``model/releases/`` that ``model/current`` leads to."""
        try:
            target = str((self.path / "model" / "current").readlink())
        except OSError:
            return None
        name = target.removeprefix(RELEASES)
        return name if target.startswith(RELEASES) and RELEASE.fullmatch(name) else None

    def published(self) -> str | None:
        """Return the id of the run whose model is published."""
        try:
            run_id = self.model().run_id or ""
        except NotFoundError:
            return None
        return run_id if RUN_ID.fullmatch(run_id) else None
