"""Open the run: is the volume fit for it, is the data file there, does its contract make sense?"""

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

from stage import Run, StageError, describe_file, run_script, timestamp
from start_pipeline.data_contract import columns_by_role, read_contract

# A run holds the rows as Parquet four times over, and Parquet is at most as large as its CSV.
SPACE_PER_BYTE = 4
# A packed file may become three times as large as it is, as Parquet of this pipeline.
SPACE_PER_PACKED_BYTE = 12
PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK", b"PAR1")
SPACE_AT_LEAST = 64 * 2**20
BUCKET = re.compile("s3a?://")


def run(run: Run) -> dict[str, Any]:
    """Write ``run.json``, which every later stage reads to know the data and its columns."""
    contract_path = run.input(".toml")
    contract = read_contract(contract_path, run.relative(contract_path))
    purpose, named = run.parameters["purpose"], run.parameters["source"] or contract["path"]
    source = describe_many(run, named) if purpose == "train_on_spark" else describe_one(run, named)

    names = columns_by_role(contract["columns"])
    if purpose == "predict":
        contract = without_target(contract, names["target"][0])
    run.write_json(
        "run.json",
        {
            "run_id": run.run_id,
            "purpose": purpose,
            "dataset": run.parameters["dataset"],
            "started": timestamp(),
            "source": source,
            "contract": {**contract, **describe_file(contract_path, run.volume)},
            "features": names["feature"],
            "target": names["target"][0],
            "time": next(iter(names["time"]), None),
            "group": next(iter(names["group"]), None),
            "parameters": run.parameters,
        },
    )
    return {"source": source["path"], "source_bytes": source["bytes"]}


def describe_one(run: Run, named: str) -> dict[str, Any]:
    """Return path, bytes and sha256 of a data file."""
    check_space(run.volume, space_needed(run.path(named)))  # before much is read for its checksum
    run.add_input(named)
    return run.inputs[named]


def describe_many(run: Run, named: str) -> dict[str, Any]:
    """Return the same of what Spark reads: a file, a folder with its ``files``, or object storage.

    The sha256 of a folder is that of its files' names and sha256, as sha256sum lists them. Of
    object storage nothing but the path is known yet.
    """
    if BUCKET.match(named):
        return {"path": named, "bytes": None, "sha256": None}
    folder = run.path(named)
    if not os.path.isdir(folder):  # unlike Path.is_dir, also answers for a name too long
        return describe_one(run, named)
    listed = sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] not in "._")
    if not listed:
        raise StageError(66, f"{named} is a folder without a file on the shared volume")
    for file in listed:
        run.add_input(run.relative(file))
    entries = [run.inputs[run.relative(file)] for file in listed]
    lines = "".join(f"{entry['sha256']}  {Path(entry['path']).name}\n" for entry in entries)
    return {
        "path": run.relative(folder),
        "bytes": sum(entry["bytes"] for entry in entries),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "files": len(entries),
    }


def without_target(contract: dict[str, Any], target: str) -> dict[str, Any]:
    """Return the contract that rows are held to whose clicks are to be predicted.

    Nobody knows the target yet. A file that has it is taken all the same, but like any column that
    the contract does not name it is left out. Copies of rows are kept: each is to be predicted.
    """
    columns = {name: rules for name, rules in contract["columns"].items() if name != target}
    return {**contract, "columns": columns, "duplicates": "keep"}


def space_needed(source: Path) -> int:
    """Return the bytes that a run on a data file needs; what it is, its first bytes say."""
    # What is no file, is missing or cannot be read is told of where it is read.
    if not os.path.isfile(source):
        return SPACE_AT_LEAST
    try:
        with source.open("rb") as file:
            packed = file.read(4).startswith(PACKED)
            size = source.stat().st_size
    except OSError:
        return SPACE_AT_LEAST
    return max(SPACE_AT_LEAST, (SPACE_PER_PACKED_BYTE if packed else SPACE_PER_BYTE) * size)


def check_space(volume: Path, needed: int) -> None:
    """Refuse to start (73) on a volume that has fewer bytes free than a run needs."""
    free = shutil.disk_usage(volume).free
    if free < needed:
        raise StageError(
            73,
            f"the shared volume has {free / 2**20:.0f} MiB free, a run on this data needs "
            f"{needed / 2**20:.0f} MiB; free some space or lower keep_runs",
        )


if __name__ == "__main__":
    run_script(__file__)
