"""Publish the model of a finished run by hand, or roll back: what make publish and rollback run.

    python3 -m model_summary.publish_by_hand RUN
    python3 -m model_summary.publish_by_hand --roll-back

Nothing is loaded, and nothing is published that a report of the run does not prove.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from model_summary.publish import SUMMARY, locked, publish, roll_back
from model_summary.text import write_summary
from stage import (
    FINISHED,
    RUN_ID,
    StageError,
    as_stage_error,
    data_refused,
    describe_file,
    open_volume,
    read_object,
    read_report,
    to_json,
)

TEXT = "model_summary.txt"
# Where a published file is made; each run's report of that stage has its sha256.
MAKERS = ("build_model", "evaluate_model", "model_summary")


def publish_run(volume: Path, run_id: str) -> str:
    """Publish a finished run's model and return what to say.

    A run that is not there or not finished is a StageError (66), one that missed the gate or whose
    files are not those of its reports too (65).
    """
    if not RUN_ID.fullmatch(run_id):
        raise StageError(2, f"{run_id!r} is no run id: letters, digits and _.~:+-, at most 200")
    folder = volume / "runs" / run_id
    if not folder.is_dir():
        raise StageError(66, f"there is no run {run_id} on the shared volume")
    check_finished(folder)
    files = proven_files(volume, folder)
    summary = json.loads(files[SUMMARY].read_text(encoding="utf-8"))
    before = summary["reason"]
    summary["reason"] = "it was published by hand" + ("" if summary["published"] else f"; {before}")
    summary["published"] = True
    with tempfile.TemporaryDirectory() as scratch, locked(volume / "model"):
        if not folder.is_dir():  # an end of another run may have removed it meanwhile
            raise StageError(66, f"run {run_id} is no longer on the shared volume")
        files |= {name: Path(scratch, name) for name in (SUMMARY, TEXT)}
        files[SUMMARY].write_text(to_json(summary), encoding="utf-8")
        files[TEXT].write_text(write_summary(summary), encoding="utf-8")
        release = publish(volume / "model", files, "published_by_hand")
    return f"the model of run {run_id} is published, as model/releases/{release.name}"


def check_finished(folder: Path) -> None:
    """Refuse a run that missed the gate (65) or did not come to its summary (66)."""
    gate = read_object(folder / "evaluate_model" / "metrics.json").get("gate", {})
    if gate and not gate["passed"]:
        reasons = "; ".join(gate["reasons"])
        raise data_refused(f"the model of run {folder.name} missed the quality gate: {reasons}")
    report = read_report(folder / "model_summary")
    if report.get("status") not in FINISHED:
        state = "failed" if report else "has not run"
        raise StageError(66, f"model_summary {state} in run {folder.name}; finish that run first")


def proven_files(volume: Path, folder: Path) -> dict[str, Path]:
    """Return the files to publish by name; one that is missing (66) or changed (65) is refused."""
    made = {
        Path(entry["path"]).name: entry
        for stage in MAKERS
        for entry in read_report(folder / stage).get("outputs", [])
    }
    summary = prove(volume, folder, made, SUMMARY)
    content = read_object(summary)
    names = content.get("files") or {Path(content["model"]["path"]).name: content["model"]}
    files = {name: prove(volume, folder, made, name) for name in (*names, TEXT)}
    for name, known in names.items():
        if known["sha256"] != made[name]["sha256"]:
            raise data_refused(
                f"{made[name]['path']} is not the file of the run's {SUMMARY}; run model_summary "
                f"again in run {folder.name}"
            )
    return {**files, SUMMARY: summary}


def prove(volume: Path, folder: Path, made: dict[str, Any], name: str) -> Path:
    """Return the path of a file whose bytes are those that the stage which made it reported."""
    if name not in made:
        raise StageError(66, f"no report of run {folder.name} names {name}; run the stages again")
    known = made[name]
    path = volume / str(known["path"])
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise StageError(66, f"{known['path']} is missing on the shared volume")
    if describe_file(path, volume)["sha256"] != known["sha256"]:
        raise data_refused(
            f"{known['path']} was changed after the run: its sha256 is not that of the report"
        )
    return path


def main(arguments: list[str]) -> int:
    """Do what the command line says; print one sentence and return an exit code."""
    parser = argparse.ArgumentParser(prog="publish_by_hand", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("run_id", nargs="?", metavar="RUN", help="the finished run")
    what.add_argument("--roll-back", action="store_true", help="use the release before")
    given = parser.parse_args(arguments)
    try:
        volume = open_volume()
        if given.roll_back:
            with locked(volume / "model"):
                former, now = roll_back(volume / "model")
            said = f"rolled back from the model of run {former} to that of run {now}"
        else:
            said = publish_run(volume, given.run_id)
    except Exception as raised:
        error = as_stage_error(raised)
        print(f"error: {error}", file=sys.stderr)
        return error.code
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
