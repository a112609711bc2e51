"""`make publish` and `make rollback`: what they start, and how they refuse.

The engine is a script that does the work without an image; tests/images has the real one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = f"""import os, subprocess, sys
arguments = sys.argv[1:]
with open(os.environ["NOTES"], "a") as notes:
    notes.write("\\n".join([*arguments, ""]))
if arguments[0] == "image":
    sys.exit(os.path.exists(os.environ["NOTES"] + ".no-image"))
mount = arguments[arguments.index("--mount") + 1]
volume = dict(part.partition("=")[::2] for part in mount.split(","))["source"]
command = arguments[arguments.index("-m"):]
environment = {{**os.environ, "PYTHONPATH": {str(ROOT / "images")!r}, "SHARED_VOLUME": volume}}
sys.exit(subprocess.run([sys.executable, *command], env=environment).returncode)
"""


@dataclass
class Checkout:
    """A copy of the scripts with a shared volume, and an engine that needs no image."""

    folder: Path

    @property
    def notes(self) -> list[str]:
        return (self.folder / "notes").read_text().splitlines()

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "NOTES": f"{self.folder}/notes",
        }
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "images" / "model_summary").mkdir(parents=True)
    shutil.copy(ROOT / "images/model_summary/stage.toml", tmp_path / "images/model_summary")
    (tmp_path / "shared_volume" / "runs" / "half").mkdir(parents=True)
    (tmp_path / "shared_volume" / ".ad-click-volume").touch()
    (tmp_path / ".env").write_text("PIPELINE_UID=50000\nPIPELINE_GID=50001\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "engine.py").write_text(ENGINE)
    # Not by a line that names this Python: its path may hold a blank.
    start = f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/engine.py" "$@"\n'
    (tmp_path / "bin" / "docker").write_text(start)
    (tmp_path / "bin" / "docker").chmod(0o755)
    return Checkout(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["publish"], 2, "error: name a finished run of the shared volume: make publish RUN=<run"),
        (["publish", "RUN=none"], 66, "error: there is no run none on the shared volume"),
        (["publish", "RUN=half"], 66, "error: model_summary has not run in run half; finish that"),
        (["publish", "RUN=../x"], 2, "error: '../x' is no run id: letters, digits and"),
        (["publish", "RUN=--roll-back"], 66, "error: there is no run --roll-back on the shared"),
        (["rollback"], 66, "error: no model is published, so there is none to roll back from"),
    ],
)
def test_refusal_is_one_sentence_with_its_code(
    checkout: Checkout, arguments: list[str], code: int, message: str
) -> None:
    done = checkout.make(*arguments)
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert len(said) == 1
    assert said[0].startswith(message)
    assert f"Error {code}" in done.stderr


def test_image_writes_to_the_volume_only_and_has_no_network_and_no_rights(
    checkout: Checkout,
) -> None:
    checkout.make("rollback")
    for words in (
        ["--network", "none"],
        ["--user", "50000:50001"],
        ["--cap-drop", "ALL"],
        ["--security-opt", "no-new-privileges:true"],
        ["--read-only"],
        ["--mount", f"type=bind,source={checkout.folder}/shared_volume,target=/shared_volume"],
        ["--memory", "256m", "--memory-swap", "256m"],
    ):
        at = checkout.notes.index(words[0])
        assert checkout.notes[at : at + len(words)] == words


def test_image_that_is_not_built_is_said(checkout: Checkout) -> None:
    (checkout.folder / "notes.no-image").touch()
    done = checkout.make("rollback")
    assert "Error 69" in done.stderr
    assert "model_summary:latest is not built, or Docker is not running" in done.stderr


def test_folder_that_is_missing_is_said(checkout: Checkout) -> None:
    shutil.rmtree(checkout.folder / "shared_volume")
    done = checkout.make("rollback")
    assert "Error 66" in done.stderr
    assert "there is no folder ./shared_volume: run 'make env'" in done.stderr
