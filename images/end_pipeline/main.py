"""Close the run, and remove runs that are too old to keep."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from lease import GONE, alone_in
from lease import NAME as LEASE
from reuse import forget_removed
from stage import FINISHED, RUN_ID, Run, log, read_report, run_script, timestamp

ABANDONED_AFTER_SECONDS = 24 * 3600
# A stage at work renews its lease each second.
LEFT_AFTER_SECONDS = 3600
# What ends a run: one that trains a model, one that predicts by it.
LAST_STAGES = ("end_pipeline", "predict")


def run(run: Run) -> dict[str, Any]:
    """Write ``end.json``: when the run ended, how long it took, which runs were removed."""
    opened = run.read_json("start_pipeline/run.json")
    summary = run.read_json("model_summary.json")
    ended = timestamp()
    took = datetime.fromisoformat(ended) - datetime.fromisoformat(opened["started"])
    seconds = max(0.0, took.total_seconds())  # the clocks of two machines may differ
    removed = remove_old_runs(run.volume, run.run_id, run.parameters["keep_runs"])
    forget_removed(run.volume)
    end = {"ended": ended, "run_seconds": seconds, "removed": removed}
    run.write_json("end.json", end)
    if run.parameters["openlineage"]:
        from end_pipeline.events import write_events  # slow to import, and seldom asked for

        write_events(run, run.output("openlineage.jsonl"))
    return {"published": summary["published"], "removed_runs": len(removed)} | {
        key: end[key] for key in ("ended", "run_seconds")
    }


def remove_old_runs(volume: Path, this_run: str, keep: int) -> list[str]:
    """Remove all but the ``keep`` newest runs and return the removed ones' ids.

    Kept besides: this run, the published one, and any that may still be at work. What is no run's
    folder is left alone.
    """
    runs = volume / "runs"
    for leftover in runs.glob(".removing-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folders = [p for p in runs.iterdir() if is_run(p)]
    folders.sort(key=started, reverse=True)
    now = time_of(runs)
    with publishing_held(volume):  # or what is published might be another run's by then
        spared = {this_run, published_run(volume)}
        old = [p for p in folders[keep:] if p.name not in spared and is_over(p, now)]
        doomed = {p.name: aside for p in old if (aside := set_aside(p))}
    for run_id, aside in doomed.items():
        shutil.rmtree(aside, ignore_errors=True)
        log.info("removed run %s", run_id)
    return list(doomed)


@contextlib.contextmanager
def publishing_held(volume: Path) -> Iterator[None]:
    """Have nothing published meanwhile, on whichever host."""
    model = volume / "model"
    with alone_in(model) if model.is_dir() else contextlib.nullcontext():
        yield


def set_aside(folder: Path) -> Path | None:
    """Rename a run, so that a half-removed one never looks like a run, and return its new path.

    None where another run's end was first.
    """
    # Two hosts may do so with two runs of one name, one of which was begun anew.
    aside = folder.with_name(f".removing-{folder.name}~{os.urandom(4).hex()}")
    try:
        return folder.rename(aside)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def is_run(folder: Path) -> bool:
    """Tell whether a folder below ``runs/`` is a run's."""
    named = RUN_ID.fullmatch(folder.name) is not None
    return named and folder.is_dir() and not folder.is_symlink()


def started(folder: Path) -> str:
    """Return when a run started, UTC in ISO 8601."""
    try:
        opened = json.loads((folder / "start_pipeline" / "run.json").read_text(encoding="utf-8"))
        return str(opened["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(changed(folder)))


def published_run(volume: Path) -> str | None:
    """Return the id of the run whose model is published."""
    try:
        summary = json.loads((volume / "model" / "model_summary.json").read_text(encoding="utf-8"))
        return str(summary["run_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_over(folder: Path, now: float) -> bool:
    """Tell whether a run is closed, or nothing in it has changed for a day before ``now``.

    Never where a stage is at work, such as one that was cleared to be done again.
    """
    if any(now - changed(lease) < LEFT_AFTER_SECONDS for lease in folder.glob(f"*/{LEASE}")):
        return False
    if any(read_report(folder / last).get("status") in FINISHED for last in LAST_STAGES):
        return True
    newest = max(changed(p) for p in (folder, *folder.glob("*")))
    return now - newest > ABANDONED_AFTER_SECONDS


def time_of(folder: Path) -> float:
    """Return now, in seconds since 1970, by the clock that dates the files in a folder.

    A volume from elsewhere may have another than this machine, and one that is off would have runs
    at work look abandoned.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def changed(path: Path) -> float:
    """Return when a path was last changed, in seconds since 1970; 0 for one that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:  # or, on a network's mount, a handle that is stale
        return 0.0


if __name__ == "__main__":
    run_script(__file__)
