"""Measure the stages on data files of any size, beside two other ways of doing the same.

``make bench ARGS="data"`` takes a minute or some; ``make bench-full`` has ten million rows. The
stages run in their containers; ``--in-process`` runs them without Docker. A hundred million rows,
each stage within 2 GB:

    python3 benchmarks/data.py --rows 100000000 --only ours --memory 2g --repeats 1
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from data_charts import draw_charts
from data_file import ROOT, write_dataset
from data_tables import Sizes, find_ratios, summarise, tables
from data_ways import STAGES, Beside, Ours, image_of, in_turns
from environment import BESIDE, make_environment, pinned_versions
from results import origin, save

DATASET = "bench"
REQUIREMENTS = BESIDE / "requirements.txt"
# What a fresh .env says; scripts/bench.sh gives those that are there.
SETTINGS = {
    "IMAGE_TAG": "latest",
    "PIPELINE_UID": str(os.getuid() or 50000),
    "PIPELINE_GID": str(os.getgid() or 50000),
}
MARKER = ".ad-click-volume"


def measure_size(rows: int, folder: Path, programs: Path, options: argparse.Namespace) -> Any:
    """Return what each way takes for a file of ``rows`` rows, made and removed here."""
    volume = make_volume(folder)
    source = write_dataset(volume, DATASET, rows)
    open_to_all(volume)
    print(f"{rows:,} rows, {source.stat().st_size / 1e6:.0f} MB", flush=True)
    contract, scratch = source.with_suffix(".toml"), folder / "beside"
    ways = {
        "ours": Ours(volume, DATASET, options.in_process, options.memory).run,
        "polars": Beside(programs, "polars_way.py", (source, contract), scratch).run,
        "original": Beside(programs, "original.py", (source,), scratch).run,
    }
    measured = in_turns({name: ways[name] for name in options.only}, options.repeats)
    file_bytes = source.stat().st_size
    shutil.rmtree(volume)
    told = {name: summarise(each, rows) for name, each in measured.items()}
    return {"file_bytes": file_bytes, "ways": told}


def make_volume(folder: Path) -> Path:
    """Return an empty shared volume."""
    volume = folder / "volume"
    for name in ("data", "runs", "model"):
        (volume / name).mkdir(parents=True)
    shutil.copy(ROOT / "shared_volume" / MARKER, volume / MARKER)
    return volume


def open_to_all(volume: Path) -> None:
    """Let the user of the containers write; the folder itself is the measurement's alone."""
    for name in ("runs", "model"):
        (volume / name).chmod(0o777)


def image_ids(options: argparse.Namespace) -> dict[str, str]:
    """Return the first digits of each image's id; none for stages without Docker."""
    if options.in_process:
        return {}
    command = ["docker", "image", "inspect", *map(image_of, STAGES)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ids = (image["Id"].removeprefix("sha256:")[:12] for image in json.loads(found))
    return dict(zip(STAGES, ids, strict=True))


def parse_options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="1000000,10000000", help="sizes, with commas")
    parser.add_argument("--repeats", type=int, default=3, help="how often each way is measured")
    parser.add_argument("--only", default="ours,polars,original", help="ways, with commas")
    parser.add_argument("--memory", default="", help="limit of every stage in place of its own")
    parser.add_argument("--in-process", action="store_true", help="stages without Docker")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench")
    parser.add_argument("--name", default="", help="the place of the results in results.json")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if "ours" not in options.only:
        parser.error("--only leaves out ours, which the others are beside")
    options.rows = sorted(int(rows) for rows in options.rows.split(","))
    options.name = options.name or ("data_ours" if options.only == ["ours"] else "data")
    return options


def main() -> None:
    """Measure and write the results."""
    options = parse_options()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    options.folder.mkdir(parents=True, exist_ok=True)
    sizes: Sizes = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="data-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        beside = options.only != ["ours"]
        programs = make_environment(folder / "python", REQUIREMENTS) if beside else folder
        for rows in options.rows:
            sizes[str(rows)] = measure_size(rows, folder, programs, options)
    where = "in processes without Docker" if options.in_process else "in their containers"
    results = {
        **origin(**(pinned_versions(REQUIREMENTS) if beside else {})),
        "where": where + (f" of {options.memory} each" if options.memory else ""),
        "repeats": options.repeats,
        "images": image_ids(options),
        "sizes": sizes,
        "ratios": find_ratios(sizes),
    }
    text = tables(results, draw_charts(options.name, sizes))
    save(options.name, results, text)
    print(text)


if __name__ == "__main__":
    main()
