"""When the health check of a worker is satisfied."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "orchestration" / "health.py"


@pytest.fixture
def queue() -> Iterator[socket.socket]:
    """Listens as a queue does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def healthy(tmp_path: Path, port: int, *, swept: float | None) -> bool:
    """Ask as the engine does; the file of the sweeps is this test's own, so many seconds old."""
    mark = tmp_path / "swept"
    if swept is not None:
        mark.touch()
        os.utime(mark, (time.time() - swept, time.time() - swept))
    text = SOURCE.read_text().replace('SWEPT = "/tmp/swept"', f"SWEPT = {str(mark)!r}")
    assert str(mark) in text
    broker = f"rediss://:word@queue:{port}/0"
    done = subprocess.run(
        [sys.executable, "-ISc", text, "worker"],
        env={"AIRFLOW__CELERY__BROKER_URL": broker},
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_worker_that_is_connected_and_swept_lately_is_healthy(tmp_path, queue):
    port = queue.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        assert healthy(tmp_path, port, swept=5)


def test_worker_that_lost_the_queue_is_not_healthy(tmp_path, queue):
    assert not healthy(tmp_path, queue.getsockname()[1], swept=5)


@pytest.mark.parametrize("swept", [1000, None])
def test_worker_whose_engine_nobody_sweeps_is_not_healthy(tmp_path, queue, swept):
    port = queue.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        assert not healthy(tmp_path, port, swept=swept)
