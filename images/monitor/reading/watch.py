"""Keeps the index as the volume is.

Every answer is preceded by ``refresh``: a look at what may have changed, of some milliseconds, so
that no page is older than that. ``Sweeper`` is a thread of one of the processes; it indexes a
volume that is new to the index, and then looks at every run again and again for changes that
nothing announced, such as a file edited by hand.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .files import UnreadableError
from .index import Index
from .mailbox import FOLDER as MAILS
from .mailbox import mail_ids, read_envelope
from .run import Run
from .volume import NotFoundError, Volume, VolumeError

# These may change at any time: so many of the newest runs, and of those in progress.
WATCHED = 5
# What one answer does for a volume that is new to the index; the Sweeper does the rest.
PATIENCE_SECONDS = 0.03
BATCH = 25
SWEEP = 50

log = logging.getLogger(__name__)


@dataclass
class Watch:
    """Brings the index of a volume up to date. ``pause`` is how long a look lasts, in seconds."""

    volume: Volume
    index: Index
    pause: float = 0.2
    patience: float = PATIENCE_SECONDS
    looking: threading.Lock = field(default_factory=threading.Lock, repr=False)
    looked: float = -math.inf  # the clock may begin with the machine
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep the newest runs that were read, by their signature."""
        self.read = functools.lru_cache(maxsize=32)(self.read_signed)

    def read_signed(self, run_id: str, signature: str) -> Run:
        """Read a run; the signature only tells one reading from another."""
        return self.volume.run(run_id)

    def run(self, run_id: str) -> tuple[Run, str]:
        """Return a run as it is now, and its signature; NotFoundError where there is none."""
        try:
            signature = self.volume.signature(run_id)
        except FileNotFoundError:
            return self.volume.run(run_id), ""  # which raises, with the reason
        return self.read(run_id, signature), signature

    def refresh(self) -> None:
        """Look at what may have changed, unless another thread does or somebody just did."""
        if not self.looking.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self.looked >= self.pause:
                self.look(self.patience)
                self.looked = time.monotonic()
        except sqlite3.OperationalError as error:  # another process is writing for long
            log.warning("the index was not brought up to date: %s", error)
        finally:
            self.looking.release()

    def look(self, patience: float) -> bool:
        """Index what is new, drop what is gone, look at the runs that may change.

        Returns whether all that is new was indexed within ``patience`` seconds.
        """
        try:
            new, gone = self.compare_runs()
            ready = self.index_runs(new, patience)
            self.index.put_runs((), gone)
            self.check(self.index.watched(WATCHED))
            self.compare_mails(patience)
            self.index.keep(whole=int(ready))
        except BaseException:  # the index is busy, say: the next look has all of this to do
            self.seen.clear()
            raise
        return ready

    def compare_runs(self) -> tuple[list[str], list[str]]:
        """Return the runs that the index lacks, newest folder first, and those that are gone."""
        changed = self.changed("runs")
        if not changed and self.index.whole:
            return [], []
        there, known = set(self.volume.run_ids()), set(self.index.signatures())
        return sorted(there - known, key=self.folder_time, reverse=True), list(known - there)

    def folder_time(self, run_id: str) -> float:
        """Return when a run's folder was last changed, 0 where it is gone."""
        try:
            return os.stat(self.volume.path / "runs" / run_id, follow_symlinks=False).st_mtime
        except OSError:
            return 0.0

    def changed(self, folder: str) -> bool:
        """Return whether names came or went in a folder since the last call."""
        try:
            stamp = os.stat(self.volume.path / folder).st_mtime_ns
        except OSError:
            stamp = 0
        # A name that comes within the clock's tick of a look leaves the time as it was: look twice.
        settled = time.time_ns() - stamp > 1_000_000_000
        same = self.seen.pop(folder, None) == stamp
        if settled:
            self.seen[folder] = stamp
        return not same

    def index_runs(self, run_ids: list[str], patience: float) -> bool:
        """Index runs for so many seconds, at least a few; return whether all were."""
        end = time.monotonic() + patience
        left = iter(run_ids)
        while batch := list(itertools.islice(left, BATCH)):
            self.index.put_runs(list(self.read_all(batch)))
            if time.monotonic() > end:
                break
        return next(left, None) is None

    def read_all(self, run_ids: list[str]) -> Iterator[tuple[str, Run]]:
        """Yield each run with its signature; one that is gone meanwhile is left out."""
        for run_id in run_ids:
            with contextlib.suppress(FileNotFoundError, NotFoundError):
                # The signature first: what changes while the run is read makes it be read again.
                signature = self.volume.signature(run_id)
                yield signature, self.volume.run(run_id)

    def check(self, signatures: dict[str, str]) -> None:
        """Index those runs again whose files are not those that they were indexed from."""
        changed = []
        for run_id, signature in signatures.items():
            with contextlib.suppress(FileNotFoundError):
                if self.volume.signature(run_id) != signature:
                    changed.append(run_id)
        self.index.put_runs(list(self.read_all(changed)))

    def compare_mails(self, patience: float) -> None:
        """Index mails for so many seconds."""
        if not self.changed(MAILS):
            return
        there, known = mail_ids(self.volume.tree), self.index.indexed_mails()
        new = [mail_id for mail_id in reversed(there) if mail_id not in known]
        end = time.monotonic() + patience
        while new and time.monotonic() <= end:
            batch, new = new[:BATCH], new[BATCH:]
            mails = []
            for mail_id in batch:
                with contextlib.suppress(FileNotFoundError, UnreadableError):
                    mails.append(read_envelope(self.volume.tree, mail_id))
            self.index.put_mails(mails)
        if new:
            self.seen.pop(MAILS, None)
        self.index.put_mails((), known.difference(there))


class Sweeper(threading.Thread):
    """Looks at everything, in one of the processes that share the index.

    ``jobs`` are done by that process too, once a round, each in its own time.
    """

    def __init__(self, watch: Watch, jobs: tuple[Callable[[], None], ...] = ()) -> None:
        super().__init__(daemon=True, name="sweeper")
        self.watch = watch
        self.jobs = jobs
        self.place = ""

    def run(self) -> None:
        """Wait to be the one that sweeps, then sweep for ever."""
        self.watch.index.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{self.watch.index.path}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)  # the process's end releases it, however it ends
        while True:
            try:
                time.sleep(self.round())
            except VolumeError:  # every answer says so
                time.sleep(5)
            except Exception:
                log.exception("the sweep met an error and goes on")
                time.sleep(5)

    def round(self) -> float:
        """Do a part of the work and return how long to rest: at least as long as it took."""
        started = time.monotonic()
        self.watch.volume.check()
        if self.watch.look(patience=0.5):
            self.sweep()
            for job in self.jobs:
                job()
            return 1.0
        return (time.monotonic() - started) / 2

    def sweep(self) -> None:
        """Look at the next runs, in the order of their names."""
        known = self.watch.index.ask(
            "SELECT run_id, signature FROM runs WHERE run_id > ? ORDER BY run_id LIMIT ?",
            (self.place, SWEEP),
        )
        self.place = known[-1][0] if len(known) == SWEEP else ""
        self.watch.check(dict(known))
