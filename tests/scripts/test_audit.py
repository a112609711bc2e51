"""`make audit`, with a stand-in for pip-audit: what it finds, and a database that is not there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Like pip-audit: prints what it found, and exits 1 where that is something.
TOOL = """#!/bin/sh
echo "$@" >> calls
case "$*" in *requirements.txt*) found={lock} ;; *) found={known} ;; esac
[ "$found" = none ] && exit 0
printf '{{"vulns": [{{"id": "%s"}}]}}\\n' "$found"
exit 1
"""


def audit(folder: Path, *, known: str, lock: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a checkout whose pip-audit finds these."""
    (folder / "scripts").mkdir()
    for name in ("audit.sh", "settings.sh", "build.sh"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts")
    tool = folder / ".venv" / "bin" / "pip-audit"
    tool.parent.mkdir(parents=True)
    tool.write_text(TOOL.format(known=known, lock=lock))
    tool.chmod(0o755)
    command = [folder / "scripts" / "audit.sh"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("lock", ["none", "CVE-1"])
def test_database_that_does_not_know_what_everybody_knows_is_not_there(tmp_path, lock):
    done = audit(tmp_path, known="none", lock=lock)
    assert done.returncode == 0
    assert done.stdout == (
        "audit: skipped, as PyPI's database of known vulnerabilities cannot be reached from here\n"
    )
    assert "requirements.txt" not in (tmp_path / "calls").read_text()


@pytest.mark.parametrize(("lock", "code"), [("none", 0), ("CVE-1", 1)])
def test_vulnerable_package_of_the_lock_ends_it_with_1(tmp_path, lock, code):
    done = audit(tmp_path, known="CVE-0", lock=lock)
    assert done.returncode == code
    assert ("CVE-1" in done.stdout) == (code == 1)
    call = (tmp_path / "calls").read_text().splitlines()[-1]
    # One that the database does not know is an error too, not a package without a fault.
    assert {"--strict", "--require-hashes", "requirements.txt"} <= set(call.split())


def test_pip_audit_reads_every_package_of_the_lock():
    script = (ROOT / "scripts" / "audit.sh").read_text()
    assert "audit --strict --require-hashes --requirement requirements.txt" in script
    command = [Path(sys.executable).parent / "pip-audit", "--dry-run", "--strict", "--disable-pip"]
    command += ["--require-hashes", "--requirement", "requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    count = int(re.search(r"would have audited (\d+) packages", done.stderr).group(1))
    # All but those of other systems and other Pythons.
    assert 0 <= (ROOT / "requirements.txt").read_text().count("==") - count < 10
