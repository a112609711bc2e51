"""The shared volume as the monitor sees it: is it there, which runs, which model is published."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from .files import LARGE_LIMIT, Tree, UnreadableError
from .history import FILE as HISTORY
from .profile import read_profile
from .record import RUN_ID, Record
from .run import Run, read_run
from .stages import read_file

MARKER = ".ad-click-volume"
RELEASES = "releases/"
RELEASE = re.compile(r"[A-Za-z0-9_~:+-][A-Za-z0-9_.~:+-]{0,254}")


class TellingError(Exception):
    """An error that the reader is told, in one sentence; ``values`` go to its places (%(run)s).

    Sentence and values stay apart, so that a page can say it in the reader's language.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence % values if values else sentence)
        self.sentence = sentence
        self.values = values


class VolumeError(TellingError):
    """The volume is not there or is not the real one; the message says what to do."""


class NotFoundError(TellingError):
    """The volume holds no such run or model; the message says so."""


@dataclass(frozen=True)
class Model:
    """The published model: the run that made it and its summary, as data and as text."""

    run_id: str | None
    summary: Record
    text: str

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        return self.summary.time("created")


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
                "%(path)s is not the shared volume (it has no %(marker)s); "
                "mount it there, or set SHARED_VOLUME to where it is.",
                path=self.path.absolute(),
                marker=MARKER,
            ) from None
        except (UnreadableError, OSError) as error:
            raise VolumeError(
                "The shared volume %(path)s cannot be read: %(reason)s.",
                path=self.path.absolute(),
                reason=error,
            ) from None

    def run_ids(self) -> list[str]:
        """Return the ids of all runs, in no order. Folders with other names are no runs."""
        try:
            entries = self.tree.entries("runs")
        except (FileNotFoundError, UnreadableError):
            return []
        return [e.name for e in entries if e.is_folder and RUN_ID.fullmatch(e.name)]

    def run(self, run_id: str) -> Run:
        """Return a run, or raise NotFoundError."""
        if not RUN_ID.fullmatch(run_id):
            raise NotFoundError("That is no run id: letters, digits and _.~:+-, at most 200.")
        try:
            return read_run(self.tree, run_id)
        except (FileNotFoundError, UnreadableError):
            raise NotFoundError(
                "There is no run %(run)s on the shared volume.", run=run_id
            ) from None

    def with_profile(self, run: Run) -> Run:
        """Return a run with the profile of its data, which only the run that is looked at needs."""
        problems = list(run.problems)
        name = f"runs/{run.run_id}/data_preprocessing/profile.json"
        content = read_file(self.tree, name, problems, "", LARGE_LIMIT)
        return replace(run, profile=read_profile(content), problems=problems)

    def signature(self, run_id: str) -> str:
        """Return a text that changes whenever a file of the run's stages does.

        It is made of names, sizes and times, and cheap beside reading them. FileNotFoundError where
        there is no such run.
        """
        if not RUN_ID.fullmatch(run_id):
            raise FileNotFoundError(run_id)
        try:
            return self.tree.signature(f"runs/{run_id}")
        except UnreadableError as reason:
            raise FileNotFoundError(str(reason)) from None

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
            raise NotFoundError("The published model lacks its %(file)s.", file=missing) from None
        except UnreadableError as reason:
            raise NotFoundError(
                "The summary of the published model (%(folder)s) cannot be read: it %(reason)s.",
                folder=folder,
                reason=reason,
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
            return self.model().summary.run_id("run_id")
        except NotFoundError:
            return None

    def history_mark(self) -> str | None:
        """Return a text that changes whenever the history of decisions does."""
        try:
            with self.tree.open(HISTORY) as file:
                status = os.fstat(file.fileno())
        except (FileNotFoundError, UnreadableError):
            return None
        return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"

    def data_modified(self, path: str | None) -> float | None:
        """Return when a data file was last changed, in seconds since 1970; None where it is not."""
        try:
            return self.tree.modified(path) if path else None
        except (FileNotFoundError, UnreadableError):
            return None
