"""The monitor's container, run as docker-compose.yaml runs it, on a volume of the measurement."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MEMORY_LIMIT = "512m"
POLL_SECONDS = 0.02


def docker(*arguments: str) -> str:
    """Return the output of a docker command; a failure ends the measurement."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: docker {' '.join(arguments)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout.strip()


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class MonitorContainer:
    """One container of the monitor at a time, and the volume that keeps its index.

    ``started`` is the moment before the container was asked for.
    """

    volume: Path
    name: str = field(default_factory=lambda: f"ad-click-bench-monitor-{os.getpid()}")
    port: int = 0
    started: float = 0.0

    def start(self) -> None:
        """Start the container."""
        image = f"localhost/ad-click/monitor:{os.environ.get('IMAGE_TAG', 'latest')}"
        user = f"{os.environ['PIPELINE_UID']}:{os.environ['PIPELINE_GID']}"
        self.port = free_port()
        self.started = time.monotonic()
        docker(
            *("run", "--detach", "--pull=never", f"--name={self.name}", f"--user={user}"),
            *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true"),
            *("--tmpfs=/tmp", f"--memory={MEMORY_LIMIT}", f"--publish=127.0.0.1:{self.port}:5000"),
            f"--mount=type=bind,source={self.volume.resolve()},target=/shared_volume,readonly",
            *(f"--mount=type=volume,source={self.name},target=/index", "--env=INDEX=/index"),
            image,
        )

    def stop(self) -> None:
        """Stop the container and remove it; its index stays."""
        docker("stop", self.name)
        docker("rm", "--volumes", self.name)

    def forget(self) -> None:
        """Remove whatever is left of the container and its index."""
        for what in (("rm", "--force", "--volumes"), ("volume", "rm", "--force")):
            subprocess.run(["docker", *what, self.name], capture_output=True, check=False)

    def pids(self) -> list[int]:
        """Return the container's processes, as the host numbers them."""
        _, *lines = docker("top", self.name, "-eo", "pid").splitlines()
        return [int(line) for line in lines]

    def docker_memory(self) -> str:
        """Return the memory that docker stats tells."""
        usage = docker("stats", "--no-stream", "--format={{.MemUsage}}", self.name)
        return usage.partition("/")[0].strip()

    def seconds_until(
        self, path: str, good: Callable[[int, bytes], bool], limit: float
    ) -> float | None:
        """Return the seconds from the start until an address answers well.

        None where it is not there (404), or not well within the limit of seconds.
        """
        while time.monotonic() < self.started + limit:
            status, body = self.get(path)
            if good(status, body):
                return round(time.monotonic() - self.started, 3)
            if status == http.HTTPStatus.NOT_FOUND:
                return None
            time.sleep(POLL_SECONDS)
        return None

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of an address, status 0 where nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()
