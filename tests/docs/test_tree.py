"""What no tracked file may hold: secrets, addresses and paths of one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Hashes of packages.
LOCKS = re.compile(r"(^|/)((requirements|uv|learn|table)\.txt|package-lock\.json)$")
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a token of a well-known service": (
        r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_\w{36}|AIza[\w-]{35}|xox[bap]-\w+)"
    ),
    "a Fernet key": r"(?<![\w/+-])[\w-]{43}=(?![\w=])",
    "a long random hex value": (
        r"(?<![\w:/-])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{24,}(?!\w)"
    ),
    "a password in an address": r"://[^/\s:@{}$<>\"']+:[^/\s:@{}$<>\"']{4,}@",
}
# Mirrors and package indexes other than the public ones, and folders of one machine.
MACHINE = {
    "an index or mirror": (
        r"https?://[\w.-]*(mirror|artifactory|nexus|pypi\.)[\w.-]*\.(?!example)\w+"
    ),
    "a folder of a person": r"(?<![\w.])/(home|Users|root)/(?!\.cache\b)\w",
    "this checkout's folder": rf"{re.escape(str(ROOT))}\b",
}


def tracked() -> list[str]:
    """Return the files that git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no git checkout")
    return sorted(name for name in done.stdout.splitlines() if (ROOT / name).is_file())


def findings(patterns: dict[str, str]) -> list[str]:
    """Return each place where one of the patterns is found."""
    found = []
    for name in tracked():
        if LOCKS.search(name) or name == "tests/docs/test_tree.py":
            continue
        text = (ROOT / name).read_bytes().decode("utf-8", errors="ignore")
        for what, pattern in patterns.items():
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name}:{line}: {what}")
    return found


def test_no_file_holds_what_looks_like_a_secret() -> None:
    assert findings(SECRETS) == []


def test_no_file_holds_an_address_or_a_folder_of_one_machine() -> None:
    assert findings(MACHINE) == []


def test_generated_settings_are_not_tracked() -> None:
    settings = [name for name in tracked() if Path(name).name.startswith(".env")]
    assert settings == [".env.example"]
