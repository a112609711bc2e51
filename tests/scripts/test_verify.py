"""`make verify`: what it mounts, which run it means, how it ends.

The engine is a script that verifies without an image; the chain itself is tried in tests/images.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.scripts.test_contract import ENGINE, ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts, a shared volume that has no run, and an engine without images."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "shared_volume").mkdir()
    (tmp_path / "shared_volume/.ad-click-volume").touch()
    (tmp_path / ".env").write_text("PIPELINE_UID=50000\nPIPELINE_GID=50001\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "engine.py").write_text(ENGINE)
    docker = tmp_path / "bin/docker"
    docker.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/engine.py" "$@"\n')
    docker.chmod(0o755)
    return tmp_path


def verify(checkout: Path, **given: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{checkout}/bin:{os.environ['PATH']}", "NOTES": f"{checkout}/notes", **given
    }  # fmt: skip
    return subprocess.run(
        ["bash", "scripts/verify.sh"], cwd=checkout, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_volume_is_mounted_read_only_and_there_is_no_network(checkout: Path) -> None:
    verify(checkout)
    notes = (checkout / "notes").read_text().splitlines()
    mount = f"type=bind,source={checkout}/shared_volume,target=/shared_volume,readonly"
    assert notes[notes.index("--mount") + 1] == mount
    assert notes[notes.index("--network") + 1] == "none"
    assert notes[notes.index("--user") + 1] == "50000:50001"


def test_without_a_published_model_it_exits_66(checkout: Path) -> None:
    done = verify(checkout)
    assert done.returncode == 66
    assert done.stderr.startswith("error: No model is published yet")


def test_run_is_the_one_that_is_named(checkout: Path) -> None:
    done = verify(checkout, RUN="trial")
    assert done.returncode == 66
    assert "run trial has made no model" in done.stderr


def test_broken_link_exits_65(checkout: Path) -> None:
    summary = checkout / "shared_volume/runs/trial/model_summary/model_summary.json"
    summary.parent.mkdir(parents=True)
    summary.write_text("{")
    done = verify(checkout, RUN="trial")
    assert done.returncode == 65
    assert done.stderr == (
        "broken: runs/trial/model_summary/model_summary.json is no file of valid JSON, as "
        "model_summary writes.\n"
    )


def test_image_that_is_not_built_exits_69(checkout: Path) -> None:
    (checkout / "notes.no-image").touch()
    done = verify(checkout)
    assert (done.returncode, "run 'make images'" in done.stderr) == (69, True)


def test_volume_that_is_not_there_exits_66(checkout: Path) -> None:
    done = verify(checkout, SHARED_VOLUME="./nowhere")
    assert (done.returncode, "there is no folder ./nowhere" in done.stderr) == (66, True)
