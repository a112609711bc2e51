"""`make contract`: which file it means, what it writes, what it never overwrites.

The engine is a script that drafts the contract without an image; tests/images has the real one.
"""

from __future__ import annotations

import os
import shutil
import stat
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
ROWS = "size;seen;clicked\n" + "".join(f"{n % 7}.5;{n};{n % 2}\n" for n in range(40))


@dataclass
class Checkout:
    """A copy of the scripts with a shared volume, and an engine that needs no image."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "shared_volume" / "data"

    @property
    def notes(self) -> list[str]:
        return (self.folder / "notes").read_text().splitlines()

    def contract(self, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "NOTES": f"{self.folder}/notes",
            **given,
        }
        return subprocess.run(
            ["make", "contract", *arguments],
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
    (tmp_path / "images" / "load_data").mkdir(parents=True)
    shutil.copy(ROOT / "images/load_data/stage.toml", tmp_path / "images/load_data")
    checkout = Checkout(tmp_path)
    checkout.data.mkdir(parents=True)
    (checkout.data.parent / ".ad-click-volume").touch()
    (checkout.data / "shop.csv").write_text(ROWS)
    (tmp_path / ".env").write_text("PIPELINE_UID=50000\nPIPELINE_GID=50001\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "engine.py").write_text(ENGINE)
    # Not by a line that names this Python: its path may hold a blank.
    start = f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/engine.py" "$@"\n'
    (tmp_path / "bin" / "docker").write_text(start)
    (tmp_path / "bin" / "docker").chmod(0o755)
    return checkout


@pytest.mark.parametrize(
    "csv",
    [
        "data/shop.csv",
        "shared_volume/data/shop.csv",
        "./shared_volume/data/shop.csv",
        "{}/shop.csv",
    ],
)
def test_file_is_named_as_on_the_volume_or_from_here(checkout: Checkout, csv: str) -> None:
    done = checkout.contract(f"CSV={csv.format(checkout.data)}")
    assert done.returncode == 0, done.stderr
    assert 'path = "data/shop.csv"\n' in (checkout.data / "shop.toml").read_text()
    assert done.stdout.endswith("then: make run DATASET=shop\n")


def test_contract_can_be_read_by_the_pipelines_user_and_nothing_else_is_left(
    checkout: Checkout,
) -> None:
    checkout.contract("CSV=data/shop.csv")
    assert stat.S_IMODE((checkout.data / "shop.toml").stat().st_mode) == 0o644
    assert sorted(path.name for path in checkout.data.iterdir()) == ["shop.csv", "shop.toml"]


def test_what_to_look_at_is_printed(checkout: Checkout) -> None:
    done = checkout.contract("CSV=data/shop.csv")
    assert "column 'seen': role = \"unused\": every value is another one, like an id" in done.stderr


def test_contract_that_is_there_is_not_overwritten(checkout: Checkout) -> None:
    (checkout.data / "shop.toml").write_text("mine")
    done = checkout.contract("CSV=data/shop.csv")
    assert (
        "shop.toml is there already and is not overwritten: remove it, or set NAME" in done.stderr
    )
    assert "Error 2" in done.stderr
    assert (checkout.data / "shop.toml").read_text() == "mine"


def test_data_set_may_have_another_name_and_another_target(checkout: Checkout) -> None:
    (checkout.data / "shop.csv").write_text("a;b;clicked\n1;x;0\n0;x;1\n1;y;0\n0;y;1\n")
    done = checkout.contract("CSV=data/shop.csv", "NAME=mine", "TARGET=a")
    assert done.returncode == 0, done.stderr
    text = (checkout.data / "mine.toml").read_text()
    assert '[columns."a"]' in text
    assert 'role = "target"' in text[text.index('[columns."a"]') : text.index('[columns."b"]')]
    assert not (checkout.data / "shop.toml").exists()


def test_name_comes_from_the_files_name(checkout: Checkout) -> None:
    (checkout.data / "my shop $(id).2025.csv").write_text(ROWS)
    # In a make variable $$ is one sign.
    done = checkout.contract("CSV=data/my shop $$(id).2025.csv")
    assert done.returncode == 0, done.stderr
    assert (checkout.data / "my_shop___id_.toml").is_file()


def test_name_of_the_machine_is_no_name_of_a_data_set(checkout: Checkout) -> None:
    assert checkout.contract("CSV=data/shop.csv", NAME="DESKTOP-1").returncode == 0
    assert (checkout.data / "shop.toml").is_file()


def test_image_reads_the_volume_only_and_has_no_network_and_no_rights(checkout: Checkout) -> None:
    checkout.contract("CSV=data/shop.csv")
    for words in (
        ["--network", "none"],
        ["--user", "50000:50001"],
        ["--cap-drop", "ALL"],
        ["--security-opt", "no-new-privileges:true"],
        ["--read-only"],
        ["--mount", f"type=bind,source={checkout.data.parent},target=/shared_volume,readonly"],
        ["--memory", "2g", "--memory-swap", "2g"],
    ):
        at = checkout.notes.index(words[0])
        assert checkout.notes[at : at + len(words)] == words


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "error: name a file of the shared volume: make contract CSV=data/x.csv"),
        (["CSV=data/none.csv"], 66, "error: there is no file data/none.csv, nor one of that name"),
        (["CSV=/etc/passwd"], 2, "error: /etc/passwd is not on the shared volume: copy it to"),
        (["CSV=data/shop.csv", "NAME=../x"], 2, "error: '../x' can't name a data set: use letters"),
        (["CSV=data/shop.csv", "NAME=a b"], 2, "error: 'a b' can't name a data set: use letters"),
        (["CSV=data/shop.csv", "TARGET=none"], 65, "the column 'none' is not in the file; found: "),
        (["CSV=data/.csv"], 2, "error: '' can't name a data set"),
        (["CSV=data"], 66, "error: data is no file on the shared volume"),
    ],
)
def test_refusal_is_one_sentence_with_its_code(
    checkout: Checkout, arguments: list[str], code: int, message: str
) -> None:
    (checkout.data / ".csv").write_text(ROWS)
    done = checkout.contract(*arguments)
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert message in said[-1]
    assert f"Error {code}" in done.stderr
    assert list(checkout.data.glob("*.toml")) == []
    assert list(checkout.data.glob(".draft*")) == []


def test_image_that_is_not_built_is_said(checkout: Checkout) -> None:
    (checkout.folder / "notes.no-image").touch()
    done = checkout.contract("CSV=data/shop.csv")
    assert "Error 69" in done.stderr
    assert (
        "load_data:latest is not built, or Docker is not running: run 'make images'" in done.stderr
    )
