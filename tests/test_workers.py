"""What two workers do with tests that can not run at once: the groups of workers.py, for real."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.workers import ROOT

HOOKS = """
import json, os, time
from pathlib import Path
import pytest
from tests.workers import *

@pytest.fixture
def settings():
    pass

@pytest.fixture
def built_images(settings):
    pass

@pytest.fixture(autouse=True)
def told(request):
    began = time.monotonic()
    yield
    time.sleep(0.05)  # so that two tests at once are seen to be
    note = [os.environ["PYTEST_XDIST_WORKER"], began, time.monotonic()]
    Path(request.config.rootpath, f"{request.node.name}.json").write_text(json.dumps(note))
"""
INI = "[pytest]\nmarkers =\n    image\n    stack\n    drill\n    browser\n"
TESTS = {
    "a": "def test_plain_1(): pass\ndef test_plain_2(): pass\ndef test_plain_3(): pass\n",
    "b": "@pytest.mark.stack\ndef test_engine_1(): pass\n"
    "@pytest.mark.image\ndef test_engine_2(): pass\ndef test_beside(): pass\n",
    "c": "def test_engine_3(settings): pass\n@pytest.mark.drill\ndef test_engine_4(): pass\n",
    "d": "@pytest.mark.drill\ndef test_built_1(built_images): pass\n"
    "@pytest.mark.drill\ndef test_built_2(built_images): pass\n",
    "e": "@pytest.mark.browser\ndef test_page_1(): pass\n",
    "f": "@pytest.mark.browser\ndef test_page_2(): pass\n"
    "@pytest.mark.browser\n@pytest.mark.stack\ndef test_engine_5(): pass\n",
}


def test_each_group_runs_on_one_worker_in_order_and_the_engines_is_begun_first(
    tmp_path: Path,
) -> None:
    (tmp_path / "conftest.py").write_text(HOOKS)
    (tmp_path / "pytest.ini").write_text(INI)
    for name, text in TESTS.items():
        (tmp_path / f"test_{name}.py").write_text(f"import pytest\n{text}")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 passed" in done.stdout
    notes = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("test_*.json")}
    for group in ("plain", "engine", "built", "page"):
        names = sorted(name for name in notes if name.startswith(f"test_{group}_"))
        assert len({notes[name][0] for name in names}) == 1, group
        for before, after in itertools.pairwise(names):
            assert notes[before][2] <= notes[after][1], (before, after)
    first = {worker: [] for worker in ("gw0", "gw1")}
    for name, (worker, began, _) in notes.items():
        first[worker].append((began, name))
    assert {min(ran)[1] for ran in first.values()} == {"test_engine_1", "test_built_1"}
