"""Measure build_model_spark beside the five stages that it stands for, on the same rows.

``make bench ARGS="spark"``: both on one machine, in their containers, one after the other. Then one
cell near the end of the file is spoilt: how long until it is named.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from data import SETTINGS, make_volume, open_to_all
from data_file import ROOT, write_dataset
from data_ways import Ours, contract_of, read_json
from results import origin, save

SPARK = "build_model_spark"
PARTS = tuple(contract_of(SPARK)["parts"])
DATASET = "bench"
DATA_REFUSED = 65


def measure(ours: Ours) -> dict[str, Any]:
    """Return the seconds of the five stages by themselves, and those of Spark with its parts."""
    ours.run_stage("start_pipeline", "alone")
    alone = {stage: ours.run_stage(stage, "alone")["seconds"] for stage in PARTS}
    ours.run_stage("start_pipeline", "spark")
    spark = ours.run_stage(SPARK, "spark")
    folder = ours.volume / "runs" / "spark"
    metrics = [
        read_json(ours.volume / "runs" / run / "evaluate_model" / "metrics.json")
        for run in ("alone", "spark")
    ]
    return {
        "stages_seconds": sum(alone.values()),
        "stages": alone,
        "seconds": spark["seconds"],
        "parts": {part: read_json(folder / part / "report.json")["seconds"] for part in PARTS},
        "accuracy": [each["accuracy"] for each in metrics],
        "log_loss": [each["log_loss"] for each in metrics],
    }


def measure_refusal(ours: Ours, source: Path, line: int) -> dict[str, Any]:
    """Return how long Spark takes to name a bad cell in this line, and its words."""
    subprocess.run(["sed", "-i", f"{line}s/^[^,]*/much/", str(source)], check=True)
    ours.run_stage("start_pipeline", "spoilt")
    command = [*ours.container(SPARK), "--run-id", "spoilt"]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    report = read_json(ours.volume / "runs" / "spoilt" / SPARK / "report.json")
    message = report["error"]["message"]
    if done.returncode != DATA_REFUSED or f"line {line}," not in message:
        raise RuntimeError(f"line {line} was not refused as expected: {done.stdout[-2000:]}")
    return {"line": line, "seconds": seconds, "message": message}


def tables(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    rows, parts, stages = results["rows"], results["parts"], results["stages"]
    lines = [
        f"{rows:,} rows, {results['file_bytes'] / 1e6:.0f} MB, `local[*]` on "
        f"{results['machine']['cpus']} CPUs, {results['date']}.",
        "",
        "| work | the stage by itself, s | as a part of Spark, s |",
        "| --- | --- | --- |",
        *(f"| `{part}` | {stages[part]:.1f} | {parts[part]:.1f} |" for part in PARTS),
        f"| all, with what it takes to start | {results['stages_seconds']:.1f} | "
        f"{results['seconds']:.1f} |",
        "",
        f"A bad cell in line {results['refused']['line']:,} is named after "
        f"{results['refused']['seconds']:.0f} s: {results['refused']['message']}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    scratch = ROOT / ".build" / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="spark-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        volume = make_volume(folder)
        source = write_dataset(volume, DATASET, options.rows)
        open_to_all(volume)
        ours = Ours(volume, DATASET)
        results = {
            **origin(),
            "rows": options.rows,
            "file_bytes": source.stat().st_size,
            **measure(ours),
            "refused": measure_refusal(ours, source, options.rows - options.rows // 50),
        }
    text = tables(results)
    save("spark", results, text)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
