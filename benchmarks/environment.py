"""A virtual environment of its own for programs to compare with, never the project's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BESIDE = Path(__file__).resolve().parent / "beside"


def make_environment(folder: Path, requirements: Path) -> Path:
    """Install pinned packages below a folder and return the folder of their programs.

    With their bytecode, as the stages' images have theirs: else the first start would compile it.
    """
    uv = str(Path(sys.executable).parent / "uv")
    python = f"--python={folder / 'bin' / 'python'}"
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", python]
    for command in (
        [uv, "venv", "--quiet", f"--python={sys.executable}", str(folder)],
        [*install, "--requirement", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"error: {' '.join(command)}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return folder / "bin"


def pinned_versions(requirements: Path) -> dict[str, str]:
    """Return the version of each package that a file of requirements pins."""
    lines = requirements.read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)
