"""The fuzz target: its kept inputs, each looked at, and a short run that looks for more."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hostile.fuzz_oracle import check_input
from tests.hostile.seeds import CORPUS, seeds
from tests.images.conftest import IMAGES, ROOT

KEPT = sorted(CORPUS.iterdir())
RUNS = 2_000


@pytest.mark.parametrize("path", KEPT, ids=[path.name for path in KEPT])
def test_kept_input_breaks_no_promise(path: Path) -> None:
    check_input(path.read_bytes())


def test_corpus_is_small_and_holds_the_seeds() -> None:
    assert sum(path.stat().st_size for path in KEPT) < 200_000
    assert set(seeds()) <= {path.name for path in KEPT}


def test_short_run_finds_no_input_that_breaks_a_promise(tmp_path: Path) -> None:
    """The same seed tries the same inputs; `make fuzz` looks for others."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("atheris has no build for this machine")
    (tmp_path / "found").mkdir()
    here = Path(__file__).parent
    command = [
        # The fuzzer's memory is limited, and begins with that of the process that starts it: not
        # this one, which has run other tests, but a shell.
        *("sh", "-c", '"$@"; exit $?', "sh"),
        *(sys.executable, str(here / "fuzz_load_data.py"), str(tmp_path / "found"), str(CORPUS)),
        *(f"-runs={RUNS}", "-seed=5", f"-dict={here / 'fuzz.dict'}", "-max_len=4096"),
        *(f"-artifact_prefix={tmp_path}/", "-rss_limit_mb=2048", "-print_final_stats=1"),
    ]
    environment = {**os.environ, "PYTHONPATH": f"{IMAGES}:{ROOT}", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert f"stat::number_of_executed_units: {RUNS}" in done.stderr
