"""Every command of the documents runs, on the tests' own stack."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.docs.documents import ROOT, TEXT, blocks

DAG = "ml_pipeline_advertising"
COMMANDS: list[tuple[str, str]] = blocks("bash")
SHOWN: list[tuple[str, str]] = blocks("text")
RUN_LIMIT_SECONDS = 1800

# Blocks that are not run here, each with its reason.
NOT_RUN = {
    "make test\n": "is what runs these tests",
    "make clean\n": "would delete the environment that runs these tests",
    "make down\n": "is run by the fixture `stack`, which other tests still need",
    "VOLUMES=1 make down\n": "is run by the fixture `stack`, before and after",
}
# Blocks that are shown and not run: the first line of each, with its reason.
ONLY_SHOWN = {
    "settings: .env made, with random secrets": "what make run prints",
    "SHARED_VOLUME=/tmp/ad-click PYTHONPATH=images": "a server, which would not end",
    "  accuracy           0.9794": "what make run prints of the second data set",
    "images/          does the work": "a drawing of the tree",
    "BIND_ADDRESS=0.0.0.0": "settings, not commands; would open the pages to the network",
    "MAIL_TO=you@example.com": "settings, not commands; a real account",
    "sudo chown": "needs root",
    "export https_proxy": "needs a proxy",
    "sudo systemctl": "needs root, and starts an engine",
    "sudo usermod": "needs root, and changes a user",
    "COMPOSE_PROJECT_NAME=ad-click-two": "settings, not commands",
    "SPARK_NETWORK=spark": "settings, not commands",
    'make stage STAGE=start_pipeline ARGS="--run-id on-spark': "is run by tests/spark",
    "scrape_configs:": "settings of Prometheus, which is not part of the stack",
    "docker save": "needs a second machine",
    "make images-load": "needs a second machine",
    "#:schema": "a data contract, not commands",
    '[columns."Age"]': "a part of a data contract, not commands",
    "[drift]": "a part of a data contract, not commands",
    "data/mine.toml, line": "what a refusal says",
    "data/mine.csv, line": "what a refusal says",
    "tar --extract": "would replace the settings and the volume",
}

RUN = [(name, block) for name, block in COMMANDS if block not in NOT_RUN]
printed: dict[str, str] = {}


@pytest.fixture
def runs_end(stack: Any) -> Any:
    """After a test, wait until no run is at work."""
    yield
    path = f"/api/v2/dags/{DAG}/dagRuns?state=running&state=queued"
    stack.until(lambda: str(stack.airflow("GET", path)["total_entries"]), {"0"})


def adapt(text: str, settings: dict[str, str], scratch: Path) -> str:
    """Turn what a default `.env` holds into what the tests' own holds."""
    env_file = os.environ.get("ENV_FILE", ".test/.env")
    folder = settings["SHARED_VOLUME"].removeprefix("./")
    text = re.sub(r"(?<!:/)(?<!\w)shared_volume", folder, text)
    text = re.sub(r"(?<= )\.env\b", env_file, text)
    text = re.sub(r"(localhost/ad-click/\w+)(?=[ \n])", rf"\1:{settings['IMAGE_TAG']}", text)
    text = text.replace(":5000", f":{settings['MONITOR_PORT']}")
    text = text.replace(":5002", f":{settings['PREDICTOR_PORT']}")
    text = text.replace(":8080", f":{settings['AIRFLOW_PORT']}")
    return text.replace("/tmp/ad-click", f"{scratch}/ad-click")


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return the environment in which make and docker compose mean the tests' own stack."""
    env_file = os.environ.get("ENV_FILE", ".test/.env")
    return {**os.environ, "ENV_FILE": env_file, "COMPOSE_ENV_FILES": str(ROOT / env_file)}


@pytest.fixture(scope="session")
def no_draft(settings: dict[str, str]) -> None:
    """No data set of the documents' own, as for a new user: a contract is never overwritten."""
    for name in ("mine", "other"):
        for path in (ROOT / settings["SHARED_VOLUME"] / "data").glob(f"{name}.*"):
            path.unlink()


@pytest.mark.stack
@pytest.mark.parametrize(
    ("name", "block"), RUN, ids=[f"{name}: {block.splitlines()[0][:60]}" for name, block in RUN]
)
def test_command_of_a_document_runs(
    name: str,
    block: str,
    stack: Any,
    runs_end: None,
    no_draft: None,
    settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    script = adapt(block, settings, tmp_path_factory.getbasetemp())
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_LIMIT_SECONDS,
    )
    printed[block] = done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.stack
def test_readme_shows_what_make_run_prints(
    stack: Any, settings: dict[str, str], tmp_path: Path
) -> None:
    if "make run\n" not in printed:
        pytest.skip("only together with the test that runs `make run`")
    (shown,) = [block for _, block in SHOWN if block.startswith("settings: .env made")]
    shown = adapt(shown.replace(":latest", f":{settings['IMAGE_TAG']}"), settings, tmp_path)
    # As for a new user: the services were started a moment before, by the fixture.
    seen = stack.started + printed["make run\n"]
    for line in shown.splitlines()[1:]:
        # The first line tells of a new .env; numbers differ from run to run.
        pattern = re.sub(r"\d+(\\?[.:+-]?\w+)*", r"\\S+", re.escape(line))
        pattern = re.sub(r"(\\ )+", r"\\s+", pattern).replace("…", ".*")
        assert re.search(f"^{pattern}$", seen, re.MULTILINE), line


def test_every_block_that_is_not_run_has_its_reason() -> None:
    assert {block for _, block in COMMANDS if block in NOT_RUN} == set(NOT_RUN)
    unexplained = [b for _, b in SHOWN if not b.startswith(tuple(ONLY_SHOWN))]
    assert unexplained == []
    unused = [start for start in ONLY_SHOWN if not any(b.startswith(start) for _, b in SHOWN)]
    assert unused == []


def test_every_fenced_block_is_of_a_known_kind() -> None:
    for name, text in TEXT.items():
        kinds = re.findall(r"^```(.*)$", text, re.MULTILINE)
        assert set(kinds[::2]) <= {"bash", "text", "mermaid"}, name
        assert set(kinds[1::2]) <= {""}, name
