"""A cluster on one machine: the control host's engine is this one's, the worker host's one inside.

Both share a folder, which has another path in there, and are connected by a cable.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import DAG, ROOT, Stack, dag_is_there, docker
from tests.drills.machine import Machine, why_not

CONTROL, WORKER = "10.213.47.1", "10.213.47.2"
SHARED_THERE = "/run/ad-click/shared"
# build_model, which waits until it may go on, and says when it is at work twice in one folder.
WATCHED = """
import fcntl
import time
from pathlib import Path

from build_model.work import run as work

VOLUME = Path("/shared_volume")


def run(run):
    marks = VOLUME / "runs" / run.run_id
    with (marks / ".at-work").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (marks / ".twice-at-once").touch()
        (marks / ".begun").touch()
        while not (VOLUME / "go-on").exists():
            time.sleep(0.2)
        return work(run)
"""
# What `make up` does once the images are there.
UP = """
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
scripts/certificates.sh
compose up --detach --wait --quiet-pull
"""


@dataclass
class Cluster:
    """A stack with two engines."""

    stack: Stack
    machine: Machine
    environment: dict[str, str]
    worker_environment: dict[str, str]

    def docker(self, there: bool, *arguments: str, check: bool = True) -> str:
        """Return what one of the two engines answers."""
        host = [f"--host=unix://{self.machine.socket}"] if there else []
        command = ["docker", *host, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def containers(self, there: bool) -> list[str]:
        """Return the ids of the stages' containers on an engine, at work or not."""
        mine = f"label=ad-click.project={self.stack.settings['COMPOSE_PROJECT_NAME']}"
        return self.docker(there, "ps", "--all", "--quiet", "--filter", mine).split()

    def worker(self, there: bool) -> str:
        """Return the id of an engine's worker, by which Airflow names it."""
        name = self.stack.service("airflow-worker")
        return self.docker(there, "inspect", "--format={{.Config.Hostname}}", name).strip()

    def make_worker(self, *arguments: str) -> str:
        """Run `make worker` on the worker host."""
        return run(in_there(self.machine, "worker", *arguments), self.worker_environment)

    @property
    def go(self) -> Path:
        """The file that lets build_model do its work."""
        return self.stack.volume / "go-on"

    def trigger(self, number: int, dag: str = DAG, **conf: object) -> list[str]:
        """Start runs, which take over unchanged work unless told to force it; return their ids."""
        path, body = f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf}
        return [str(self.stack.airflow("POST", path, body)["dag_run_id"]) for _ in range(number)]

    def states(self, runs: list[str]) -> Counter[str]:
        """Return how many of these runs are in which state."""
        path = "/api/v2/dags/~/dagRuns?limit=100&order_by=-run_after"
        found = self.stack.airflow("GET", path)["dag_runs"]
        known = {run["dag_run_id"]: run["state"] for run in found}
        return Counter(known[run] for run in runs)

    def until_over(self, runs: list[str]) -> None:
        """Wait until all of these runs are."""

        def over() -> int:
            states = self.states(runs)
            return states["success"] + states["failed"]

        self.stack.until(over, {len(runs)})

    def until_begun(self, runs: list[str]) -> None:
        """Wait until build_model is at work in all of these runs."""
        self.stack.until(lambda: len(self.marks(runs, ".begun")), {len(runs)})

    def hosts(self, runs: list[str]) -> Counter[str]:
        """Return how many tasks of these runs which worker has had."""
        tasks = (task for run in runs for task in self.stack.tasks(run).values())
        return Counter(task["hostname"] for task in tasks if task["hostname"])

    def tries(self, runs: list[str], task: str) -> set[int]:
        """Return the numbers of the tries that a task of these runs is at."""
        return {self.stack.tasks(run)[task]["try_number"] for run in runs}

    def marks(self, runs: list[str], mark: str) -> list[str]:
        """Return those of these runs whose build_model has left a mark."""
        return [run for run in runs if (self.stack.volume / "runs" / run / mark).exists()]


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run a command in the checkout and return what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_there(machine: Machine, *arguments: str) -> list[str]:
    """Return a call of make as one that is run on the worker host."""
    return machine.inside("make", f"--directory={ROOT}", "--no-print-directory", *arguments)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def rewrite(path: Path, **settings: str) -> None:
    """Give settings of a file other values."""
    lines = path.read_text().splitlines()
    changed = [
        f"{name}={settings.get(name, value)}" if sign else line
        for line, (name, sign, value) in ((line, line.partition("=")) for line in lines)
    ]
    path.write_text("\n".join(changed) + "\n")


@contextmanager
def own_images(built: str, tag: str) -> Iterator[None]:
    """Give all images as they were built another tag for a while, and build_model the watched work.

    So nobody else meets that work, and nobody has to wait for its end.
    """
    listed = docker("image", "ls", "--format={{.Repository}}", f"localhost/ad-click/*:{built}")
    names = [f"{name}:{tag}" for name in listed.split()]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.py").write_text(WATCHED)
        image = f"localhost/ad-click/build_model:{built}"
        Path(folder, "Dockerfile").write_text(
            f"FROM {image}\n"
            f"COPY --from={image} /app/build_model/main.py /app/build_model/work.py\n"
            "COPY --chmod=644 main.py /app/build_model/main.py\n"
        )
        watched = f"localhost/ad-click/build_model:{tag}"
        try:
            for name in names:
                docker("tag", name.replace(f":{tag}", f":{built}"), name)
            docker("buildx", "build", "--quiet", "--load", "--tag", watched, folder)
            yield
        finally:
            docker("image", "rm", "--force", *names)


@contextmanager
def two_engines(settings: dict[str, str]) -> Iterator[Cluster]:
    """Give a running cluster of two engines, and leave nothing of it."""
    if reason := why_not():
        # Under CI a test that is left out would look like one that passed.
        root_in_ci = os.environ.get("CI") and os.geteuid() == 0
        (pytest.fail if root_in_ci else pytest.skip)(reason)
    with ExitStack() as stack:
        short = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        test = ROOT / ".test"
        test.mkdir(exist_ok=True)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-", dir=test)))
        folder.chmod(0o755)
        disk = Path(tempfile.mkdtemp(prefix="machine-", dir=test))
        airflow, monitor, predictor, redis, api = map(str, free_ports(5))
        project = f"{settings['COMPOSE_PROJECT_NAME']}-cluster"
        environment = {
            **os.environ,
            "ENV_FILE": str(folder / "env"),
            "COMPOSE_PROJECT_NAME": project,
            "SHARED_VOLUME": str(folder / "volume"),
            "AIRFLOW_PORT": airflow,
            "MONITOR_PORT": monitor,
            "PREDICTOR_PORT": predictor,
            "CLUSTER_BIND_ADDRESS": CONTROL,
            "CLUSTER_REDIS_PORT": redis,
            "CLUSTER_API_PORT": api,
            "CLUSTER_CERTIFICATES": str(folder / "control"),
            "IMAGE_TAG": f"{settings['IMAGE_TAG']}-cluster",
            **{name: settings[name] for name in ("BASE_IMAGE", "POSTGRES_IMAGE")},
        }
        run(["scripts/env.sh"], environment)
        volume = folder / "volume"
        machine = Machine(
            short, disk, cable=(f"{CONTROL}/30", f"{WORKER}/30"), mounts={SHARED_THERE: volume}
        )
        stack.callback(machine.scrap)
        machine.boot()
        stack.enter_context(own_images(settings["IMAGE_TAG"], environment["IMAGE_TAG"]))

        down = 'source scripts/settings.sh; source scripts/compose.sh; load_settings "$ENV_FILE";'
        down += "VOLUMES=1 scripts/down.sh"
        stack.callback(run, ["bash", "-c", down], environment)
        run(["bash", "-euo", "pipefail", "-c", UP], environment)

        # As a person does it: the settings, then the images, then the worker.
        run(["make", "worker-settings"], environment)
        told = (folder / "control" / "worker.env").read_text()
        # The environment wins over the file, and may hold this host's settings, as of `make bench`.
        names = {line.partition("=")[0] for line in told.splitlines()} | {"ENV_FILE"}
        there = {name: value for name, value in os.environ.items() if name not in names}
        there |= {"ENV_FILE": str(folder / "worker.env"), "DOCKER_HOST": f"unix://{machine.socket}"}
        Path(there["ENV_FILE"]).write_text(told)
        rewrite(
            Path(there["ENV_FILE"]),
            SHARED_VOLUME=SHARED_THERE,
            DOCKER_SOCKET=str(machine.socket),
            CLUSTER_CERTIFICATES=str(folder / "worker"),
        )
        archive = str(folder / "images.tar.gz")
        run(["make", "images-save", f"ARGS={shlex.quote(archive)}"], environment)
        run(in_there(machine, "images-load", f"ARGS={shlex.quote(archive)}"), there)
        Path(archive).unlink()

        lines = Path(environment["ENV_FILE"]).read_text().splitlines()
        known = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
        cluster = Cluster(Stack(known), machine, environment, there)
        cluster.make_worker()
        user = known["AIRFLOW_ADMIN_USER"]
        cluster.stack.log_in(user, known["AIRFLOW_ADMIN_PASSWORD"])
        cluster.stack.until(lambda: str(dag_is_there(cluster.stack)), {"True"})
        yield cluster
