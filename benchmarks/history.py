"""A shared volume with a long history of runs, as the pipeline would have left it.

``python3 benchmarks/history.py FOLDER --runs 10000`` makes one. No stage runs: figures and numbers
are invented, the same ones for the same seed and moment. Tables, models and figures are links to
one small stand-in each; every report, note and summary is a file of its own, as in a real history.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from mails import write_mails
from planned_run import OUTCOMES, PlannedRun, plan_run, seconds_of
from run_files import File, files_of

ROOT = Path(__file__).resolve().parent.parent
MARKER = ".ad-click-volume"
SPAN = timedelta(days=365)
LEAST_RUNS = 10
PART = 500  # runs that one process writes at a time
MAILS = 200
PUBLISHED = ("logistic_regression_model.pkl", "model_summary.txt", "model_summary.json")


def plan_outcomes(count: int, generator: random.Random) -> list[str]:
    """Return the outcome of each run, oldest first: the promised shares, then one that is running.

    Each outcome comes at least once.
    """
    if count < LEAST_RUNS:
        raise ValueError(f"a history has at least {LEAST_RUNS} runs, not {count}")
    outcomes = []
    for name, outcome in OUTCOMES.items():
        outcomes += [name] * max(1, round(outcome.share * count)) if outcome.share else []
    outcomes += ["success"] * (count - 1 - len(outcomes))
    generator.shuffle(outcomes)
    return [*outcomes, "running"]


def plan_runs(count: int, seed: int, now: datetime) -> list[PlannedRun]:
    """Return ``count`` runs, oldest first, spread over the year before ``now``."""
    generator = random.Random(seed)
    runs = []
    for number, outcome in enumerate(plan_outcomes(count, generator)):
        started = now - SPAN + SPAN * (number + generator.random()) / count
        runs.append(plan_run(number, outcome, started, generator))
    # The last one is running: its first stages are done, its model is being fitted now.
    last = runs[-1]
    runs[-1] = last.starting(now - timedelta(seconds=seconds_of(last)))
    return runs


def write_runs(volume: Path, runs: list[PlannedRun]) -> int:
    """Write runs into a volume and return how many files that made."""
    writer = Writer()
    for run in runs:
        writer.write(f"{volume}/runs/{run.run_id}", files_of(run))
    return writer.files


@dataclass
class Writer:
    """Writes files; contents that repeat become links to their first file."""

    first: dict[bytes, str] = field(default_factory=dict)
    files: int = 0

    def write(self, folder: str, files: Iterable[File]) -> None:
        """Write a run's files below ``folder``; files and folders get the times they tell."""
        newest: dict[str, float] = {}
        for file in files:
            path = f"{folder}/{file.path}"
            parent = path.rpartition("/")[0]
            moment = file.time.timestamp()
            if parent not in newest:
                os.makedirs(parent, exist_ok=True)
            newest[folder] = newest[parent] = moment  # told in the order of time
            self.write_file(path, file, moment)
        for parent, moment in newest.items():
            os.utime(parent, (moment, moment))

    def write_file(self, path: str, file: File, moment: float) -> None:
        """Write one file, or link it to one with the same content where those repeat."""
        self.files += 1
        if file.alike and (first := self.first.get(file.content)):
            os.link(first, path)
            return
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(opened, file.content)
        os.utime(opened, (moment, moment))
        os.close(opened)
        if file.alike:
            self.first[file.content] = path


def publish(volume: Path, run: PlannedRun) -> None:
    """Publish a run's model as its stage model_summary does: one release, and links to it."""
    made = volume / "runs" / run.run_id
    found = {path.name: path for path in made.rglob("*") if path.name in PUBLISHED}
    release = volume / "model" / "releases" / f"{run.run_id}~history1"
    release.mkdir(parents=True)
    (volume / "model" / "current").symlink_to(f"releases/{release.name}")
    for name in PUBLISHED:
        shutil.copyfile(found[name], release / name)
        (volume / "model" / name).symlink_to(f"current/{name}")


@dataclass(frozen=True)
class History:
    """A history on disk; ``runs`` are oldest first, the last one is running."""

    volume: Path
    runs: list[PlannedRun]
    files: int
    seconds: float

    @property
    def running(self) -> PlannedRun:
        """The run that is at work."""
        return self.runs[-1]

    @property
    def newest(self) -> Iterator[PlannedRun]:
        """The runs, newest first."""
        return reversed(self.runs)


def write_history(volume: Path, count: int, seed: int, now: datetime) -> History:
    """Write a history of ``count`` runs into the folder ``volume``, which must be empty or new."""
    begun = time.monotonic()
    volume.mkdir(parents=True, exist_ok=True)
    if any(volume.iterdir()):
        raise FileExistsError(f"{volume} is not empty")
    volume.chmod(0o755)  # a temporary folder is closed to the user that reads it
    shutil.copyfile(ROOT / "shared_volume" / MARKER, volume / MARKER)
    shutil.copytree(ROOT / "shared_volume" / "data", volume / "data")
    runs = plan_runs(count, seed, now)
    parts = [runs[start : start + PART] for start in range(0, count, PART)]
    with ProcessPoolExecutor() as pool:
        write_all = pool.map if len(parts) > 1 else map  # a short one starts no process
        files = sum(write_all(partial(write_runs, volume), parts))
    publish(volume, next(run for run in reversed(runs) if run.outcome == "success"))
    mailed = [run for run in runs if OUTCOMES[run.outcome].mailed]
    write_mails(volume / "mailbox", mailed[-MAILS:])
    return History(volume, runs, files, time.monotonic() - begun)


def main() -> None:
    """Make a history and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    os.umask(0o022)
    history = write_history(told.folder, told.runs, told.seed, datetime.now(UTC))
    print(f"{len(history.runs)} runs, {history.files} files in {history.seconds:.1f} s")


if __name__ == "__main__":
    main()
