"""`make engine`: what it says where it cannot go on. No test starts or stops an engine."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def engine(**settings):
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **settings}
    command = [ROOT / "scripts/engine.sh"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_address_that_nothing_answers_exits_69(tmp_path):
    result = engine(DOCKER_HOST=f"unix://{tmp_path}/nothing.sock")
    assert result.returncode == 69
    assert result.stderr.strip() == (
        f"error: no Docker engine answers at DOCKER_HOST=unix://{tmp_path}/nothing.sock"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
def test_socket_that_the_user_may_not_use_exits_77():
    path = Path("/tmp") / f"ad-click-{os.getpid()}.sock"  # a socket's name has to be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        try:
            result = subprocess.run(
                ["setpriv", "--reuid=65534", "--clear-groups", ROOT / "scripts/engine.sh"],
                env={"PATH": os.environ["PATH"], "HOME": "/tmp", "DOCKER_HOST": f"unix://{path}"},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            path.unlink()
    assert result.returncode == 77
    assert "usermod -aG docker" in result.stderr


@pytest.mark.image
def test_engine_that_answers_is_used_as_it_is():
    result = engine()
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert result.stdout.startswith("engine: Docker ")
