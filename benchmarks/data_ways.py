"""Three ways from a data file to a published model, and what each takes of the machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment import BESIDE
from measure import forced
from processes import machine_seconds

ROOT = Path(__file__).resolve().parent.parent
STAGES = (
    *("start_pipeline", "load_data", "data_preprocessing", "separate_data"),
    *("build_model", "evaluate_model", "model_summary"),
)
# The stage is a child of the shell, which tells at the end what its children used.
TELL_TIMES = '"$@"; code=$?; times >&2; exit $code'
TIMES = re.compile(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*\Z")
Measured = dict[str, Any]


def contract_of(stage: str) -> dict[str, Any]:
    """Return what a stage's contract says."""
    return tomllib.loads((ROOT / "images" / stage / "stage.toml").read_text())


@dataclass(frozen=True)
class Ours:
    """The stages up to the published model, one after the other, on a volume of its own."""

    volume: Path
    dataset: str
    in_process: bool = False
    memory: str = ""  # a limit for every stage in place of its own

    def run(self) -> Measured:
        """Return what the stages took, each and all, and remove what they wrote."""
        run_id = f"bench-{time.time_ns()}"
        stages = {stage: self.run_stage(stage, run_id) for stage in STAGES}
        folder = self.volume / "runs" / run_id
        metrics = read_json(folder / "evaluate_model" / "metrics.json")
        shutil.rmtree(folder)
        return {
            **{key: sum(s[key] for s in stages.values()) for key in ("seconds", "cpu_seconds")},
            "peak_memory_bytes": max(stage["peak_memory_bytes"] for stage in stages.values()),
            "bytes_written": sum(stage["bytes_written"] for stage in stages.values()),
            "train_rows": metrics["train_rows"],
            "accuracy": metrics["accuracy"],
            "steps": stages,
        }

    def run_stage(self, stage: str, run_id: str) -> Measured:
        """Run one stage and return what it took: the container's time, the process's memory."""
        arguments = ["--run-id", run_id, *forced(contract_of(stage))]
        if stage in ("start_pipeline", "load_data"):
            arguments += ["--dataset", self.dataset]
        command = self.process(stage) if self.in_process else self.container(stage)
        variables = os.environ | {"SHARED_VOLUME": str(self.volume)}
        spent = measure([*command, *arguments], variables)
        if not self.in_process:
            spent["cpu_seconds"] = children_seconds(spent["stderr"])
        report = read_json(self.volume / "runs" / run_id / stage / "report.json")
        return {
            "seconds": spent["seconds"],
            "cpu_seconds": spent["cpu_seconds"],
            "peak_memory_bytes": report["peak_memory_bytes"],
            "bytes_written": sum(output["bytes"] for output in report["outputs"]),
        }

    def process(self, stage: str) -> list[str]:
        """Return the command that runs a stage without Docker."""
        return [sys.executable, str(ROOT / "images" / "stage.py"), stage]

    def container(self, stage: str) -> list[str]:
        """Return the command that runs a stage in its image, behind the walls of its contract."""
        limits = contract_of(stage)["resources"]
        memory = self.memory or limits["memory"]
        user = f"{os.environ['PIPELINE_UID']}:{os.environ['PIPELINE_GID']}"
        return [
            *("docker", "run", "--rm", "--init", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"),
            *("--security-opt=no-new-privileges", "--network=none", f"--user={user}"),
            *(f"--memory={memory}", f"--memory-swap={memory}", f"--cpus={limits['cpus']}"),
            *(f"--pids-limit={limits['pids']}", f"--volume={self.volume}:/shared_volume"),
            *("--entrypoint=sh", image_of(stage), "-c", TELL_TIMES, "sh"),
            *("python3", "/app/stage.py", stage),
        ]


@dataclass(frozen=True)
class Beside:
    """One of the programs of ``beside/``, in the environment whose programs are in ``programs``."""

    programs: Path
    program: str
    files: tuple[Path, ...]
    folder: Path

    def run(self) -> Measured:
        """Return what the program and its steps took, and remove what it wrote."""
        self.folder.mkdir()
        command = [str(self.programs / "python"), str(BESIDE / self.program)]
        spent = measure([*command, *map(str, self.files), str(self.folder)], dict(os.environ))
        shutil.rmtree(self.folder)
        told = json.loads(spent["stdout"].splitlines()[-1])
        peaks = [step["peak_memory_bytes"] for step in told["steps"].values()]
        return {
            "seconds": spent["seconds"],
            "cpu_seconds": spent["cpu_seconds"],
            "peak_memory_bytes": max(peaks),
            "bytes_written": told["bytes_written"],
            "accuracy": told["metrics"]["accuracy"],
            "steps": told["steps"],
        }


def image_of(stage: str) -> str:
    """Return the name of a stage's image."""
    return f"localhost/ad-click/{stage}:{os.environ['IMAGE_TAG']}"


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text())


def measure(command: list[str], variables: dict[str, str]) -> Measured:
    """Run a command; return its time, its CPU time and its output. A failure ends all."""
    before = os.times()
    start = time.monotonic()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    after = os.times()
    if done.returncode:
        told = done.stdout[-1000:] + done.stderr[-2000:]
        sys.exit(f"error: exit code {done.returncode}: {' '.join(command)}\n{told}")
    user = after.children_user - before.children_user
    system = after.children_system - before.children_system
    output = {"stdout": done.stdout, "stderr": done.stderr}
    return {"seconds": seconds, "cpu_seconds": user + system, **output}


def children_seconds(told: str) -> float:
    """Return the CPU seconds at the end of what the shell's ``times`` told: its children's."""
    found = TIMES.search(told)
    assert found, f"the shell tells the times: {told[-200:]!r}"
    user_minutes, user, system_minutes, system = map(float, found.groups())
    return 60 * (user_minutes + system_minutes) + user + system


def in_turns(ways: dict[str, Callable[[], Measured]], repeats: int) -> dict[str, list[Measured]]:
    """Return what each way took each time; the ways take turns, so that noise meets all.

    ``others_cpus`` is how many CPUs everything else on the machine kept busy meanwhile.
    """
    measured: dict[str, list[Measured]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, run in ways.items():
            busy, start = machine_seconds(), time.monotonic()
            took = run()
            others = machine_seconds() - busy - took["cpu_seconds"]
            took["others_cpus"] = others / (time.monotonic() - start)
            measured[name].append(took)
            print(
                f"{repeat + 1}: {name} {took['seconds']:.1f} s, "
                f"{took['peak_memory_bytes'] / 1e6:.0f} MB, "
                f"others use {took['others_cpus']:.2f} CPUs",
                flush=True,
            )
    return measured
