"""What make up refuses before it starts anything, and in which words."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.image


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def up(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run make up with settings of its own, for a stack that nobody has."""
    own = {"COMPOSE_PROJECT_NAME": "ad-click-test-up", "SHARED_VOLUME": f"{folder}/volume"}
    environment = {**os.environ, "ENV_FILE": f"{folder}/.env"} | own
    environment |= {name: str(value) for name, value in settings.items()}
    return subprocess.run(
        ["make", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("setting", ["AIRFLOW_PORT", "MONITOR_PORT", "PREDICTOR_PORT"])
def test_taken_port_is_named_with_its_setting(tmp_path, taken_port, setting) -> None:
    free = {"AIRFLOW_PORT": 28765, "MONITOR_PORT": 28766, "PREDICTOR_PORT": 28767}
    done = up(tmp_path, **free | {setting: taken_port})
    assert done.returncode != 0
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert f"port {taken_port} is taken" in error
    assert f"set {setting} in {tmp_path}/.env" in error


def test_port_of_a_monitor_without_a_password_is_looked_for_on_this_machine(
    tmp_path, taken_port
) -> None:
    done = up(tmp_path, BIND_ADDRESS="127.0.0.2", AIRFLOW_PORT=28765, MONITOR_PORT=taken_port)
    assert f"error: port {taken_port} is taken" in done.stderr


def test_one_port_for_two_services_is_refused(tmp_path) -> None:
    done = up(tmp_path, AIRFLOW_PORT=28765, MONITOR_PORT=28765)
    assert done.returncode != 0
    assert "AIRFLOW_PORT and MONITOR_PORT are both 28765" in done.stderr
    done = up(tmp_path, AIRFLOW_PORT=28764, MONITOR_PORT=28765, PREDICTOR_PORT=28765)
    assert "MONITOR_PORT and PREDICTOR_PORT are both 28765" in done.stderr


def test_folder_that_is_no_shared_volume_is_refused(tmp_path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "holiday.jpg").touch()
    done = up(tmp_path)
    assert done.returncode != 0
    assert "is no volume of this project" in done.stderr
    assert [p.name for p in (tmp_path / "volume").iterdir()] == ["holiday.jpg"]
