"""The walls around a stage, tried from inside each image, started as StageOperator does."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
INSIDE = (Path(__file__).parent / "walls_inside.py").read_text()
STAGES = sorted(path.parent.name for path in ROOT.glob("images/*/stage.toml"))
PROJECT = f"ad-click-walls-{os.getpid()}"
# What only reads the settings of compose shows of a service's container.
SERVICES = (
    "airflow-apiserver",
    "airflow-dag-processor",
    "airflow-scheduler",
    "docker-proxy",
    "mailbox",
    "monitor",
    "postgres",
    "predictor",
)
NO_CAPABILITY = "0" * 16

pytestmark = [pytest.mark.drill, pytest.mark.image]

each_stage = pytest.mark.parametrize("stage", STAGES)


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    """The network that stands for the monitor's."""
    name = f"{PROJECT}_monitor"
    docker("network", "create", name)
    yield
    docker("network", "rm", name)


class Walls:
    """Starts containers of stages by StageOperator's own settings, but with other work."""

    def __init__(self, folder: Path, docker_url: str) -> None:
        from docker import APIClient

        self.folder, self.client = folder, APIClient(docker_url, version="auto")
        self.made: list[str] = []

    def task(self, stage: str) -> Any:
        from stage_operator import StageOperator

        task = StageOperator(stage=stage)
        task.command = ["--run-id=manual__1"]
        return task

    def create(self, stage: str, *work: str) -> str:
        """Create the container that StageOperator would, to do other work in it."""
        task = self.task(stage)
        known: dict[str, Any] = {"entrypoint": ["python3", "-c", INSIDE]} if work else {}
        container = self.client.create_container(
            image=task.image,
            command=list(work) or task.command,
            environment=task.environment_of_stage(),
            host_config=self.client.create_host_config(**task.host_config(str(self.folder))),
            **known,
        )
        self.made.append(container["Id"])
        return str(container["Id"])

    def run(self, stage: str, *work: str) -> tuple[str, list[str]]:
        """Run work to its end; return the container and the lines that it printed."""
        container = self.create(stage, *work)
        self.client.start(container)
        self.client.wait(container)
        return container, self.client.logs(container).decode().splitlines()

    def ask(self, stage: str, *work: str) -> dict[str, Any]:
        """Return the answer of work that ends by itself."""
        _, lines = self.run(stage, *work)
        assert lines, f"{work} said nothing"
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        known: dict[str, Any] = self.client.inspect_container(container)
        return known

    def remove(self) -> None:
        """Remove every container."""
        if self.made:
            docker("rm", "--force", *self.made)
        self.client.close()


@pytest.fixture
def walls(
    settings: dict[str, str],
    network: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Walls]:
    monkeypatch.setenv("AD_CLICK_IMAGES", str(ROOT / "images"))
    monkeypatch.setenv("IMAGE_TAG", settings["IMAGE_TAG"])
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", PROJECT)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    import contracts

    monkeypatch.setattr(contracts, "IMAGES", ROOT / "images")
    volume = tmp_path / "shared volume"
    volume.mkdir()
    volume.chmod(0o777)
    socket = settings.get("DOCKER_SOCKET") or "/var/run/docker.sock"
    walls = Walls(volume, f"unix://{socket}")
    yield walls
    walls.remove()


def limits_of(stage: str) -> dict[str, Any]:
    import contracts

    limits: dict[str, Any] = contracts.read_contract(stage)["resources"]
    return limits


def mebibytes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


@each_stage
def test_stage_has_no_rights_writes_to_its_volume_and_reaches_no_host(
    stage: str, walls: Walls, settings: dict[str, str], times: Callable[[int], None]
) -> None:
    """From inside: become root, mount, write to every folder, execute, open sockets, and so on."""
    seen = walls.ask(stage, "look")
    times(len(seen["tries"]))
    status = seen["status"]
    assert status["Uid"].split() == [settings["PIPELINE_UID"]] * 4
    assert status["Gid"].split() == [settings["PIPELINE_GID"]] * 4
    assert "0" not in status["Groups"].split()
    capabilities = {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert capabilities == {NO_CAPABILITY}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # a filter, which is the engine's own: none is named
    assert seen["writable"] == ["/dev/mqueue", "/dev/shm", "/shared_volume", "/tmp"]
    assert seen["tmp_bytes"] == 256 * 2**20
    assert {name: error for name, error in seen["tries"].items() if error is None} == {}
    for name in ("execute in /tmp", "execute in /dev/shm"):
        assert seen["tries"][name] == "EACCES"
    assert seen["tries"]["speak to the engine"] == "ENOENT"
    assert len(seen["processes"]) == 2  # the engine's init, and this one
    secrets = [n for n in seen["environment"] if re.search("PASSWORD|SECRET|KEY|TOKEN", n)]
    assert secrets == []


@each_stage
def test_stage_without_a_network_has_none(stage: str, walls: Walls) -> None:
    """Look for an interface beside the loopback; the one stage with a network has one, its own."""
    import contracts

    alone = contracts.read_contract(stage).get("network", "none") == "none"
    assert walls.ask(stage, "look")["interfaces"] == (["lo"] if alone else ["eth0", "lo"])


@each_stage
def test_fork_bomb_ends_at_the_limit_of_processes(
    stage: str, walls: Walls, times: Callable[[int], None]
) -> None:
    """Fork without end, each child too."""
    limit = limits_of(stage)["pids"]
    ended = walls.ask(stage, "bomb")
    times(ended["processes"])
    assert ended["error"] == "EAGAIN"
    assert ended["processes"] <= limit
    assert ended["processes"] > limit // 2  # it was this limit and no other that ended it


@each_stage
def test_memory_hog_is_killed_at_the_limit_and_gets_no_swap(stage: str, walls: Walls) -> None:
    """Take memory without end."""
    limit = mebibytes(limits_of(stage)["memory"]) * 2**20
    container, lines = walls.run(stage, "hog")
    known = walls.inspect(container)
    assert known["State"]["OOMKilled"] is True
    assert known["State"]["ExitCode"] == 137
    assert limit * 0.7 < int(lines[-1]) < limit
    assert known["HostConfig"]["Memory"] == known["HostConfig"]["MemorySwap"] == limit


@each_stage
def test_work_of_more_processes_than_cpus_is_held_back(stage: str, walls: Walls) -> None:
    """Keep two processes more busy than the stage may have CPUs."""
    cpus = limits_of(stage)["cpus"]
    burnt = walls.ask(stage, "burn", str(round(cpus)))
    quota, period = map(int, burnt["quota"].split())
    assert quota / period == cpus
    assert burnt["periods"] > 0  # the kernel counts what this group uses against its quota
    assert burnt["cpus"] < cpus * 1.2  # on a busy machine it gets less


def test_temporary_folder_is_full_at_its_size(walls: Walls) -> None:
    """Write to /tmp without end, in a stage that has the memory for it."""
    filled = walls.ask("build_model", "fill")
    assert filled == {"written": 256 * 2**20, "error": "ENOSPC"}


def test_log_without_end_does_not_fill_the_disk_of_the_engine(walls: Walls) -> None:
    """Print 40 MB."""
    container, lines = walls.run("start_pipeline", "chatter")
    assert lines[-1] == "{}"
    assert sum(len(line) + 1 for line in lines) < 20 * 10**6
    config = walls.inspect(container)["HostConfig"]["LogConfig"]
    assert config == {"Type": "json-file", "Config": {"max-file": "2", "max-size": "10m"}}


# What the walls are for the engine, where they are not given: as it makes them of itself.
ASKED_FOR = {
    "Privileged": False,
    "CapAdd": None,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true"],
    "ReadonlyRootfs": True,
    "Binds": None,
    "VolumesFrom": None,
    "Devices": None,
    "DeviceRequests": None,
    "GroupAdd": None,
    "PidMode": "",
    "IpcMode": "private",
    "UTSMode": "",
    "UsernsMode": "",
    "Links": None,
    "PublishAllPorts": False,
    "OomKillDisable": False,
    "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=256m"},
    "Init": True,
    "Runtime": "runc",
}


def expected(stage: str, source: Path) -> dict[str, Any]:
    import contracts

    limits = limits_of(stage)
    memory = mebibytes(limits["memory"]) * 2**20
    network = contracts.network_name(contracts.read_contract(stage).get("network", "none"))
    return ASKED_FOR | {
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": round(limits["cpus"] * 1e9),
        "PidsLimit": limits["pids"],
        "NetworkMode": network,
        "Mounts": [{"Type": "bind", "Source": str(source), "Target": "/shared_volume"}],
    }


def of_the_engine(known: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Return some settings; what is not set is None, False or empty by the engine's version."""
    host = known["HostConfig"]
    return {
        name: (host.get(name) or None) if value in (None, False) else host.get(name)
        for name, value in names.items()
    }


def wanted(names: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value not in (None, False) else None for name, value in names.items()}


@each_stage
def test_engine_knows_every_wall_of_a_stage(stage: str, walls: Walls) -> None:
    """Ask the engine what it made of the operator's settings."""
    names = expected(stage, walls.folder)
    known = walls.inspect(walls.create(stage))
    assert of_the_engine(known, names) == wanted(names)
    assert known["Config"]["User"] not in ("", "0", "root")
    assert known["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")


@each_stage
def test_command_that_repeats_a_stage_has_every_wall_too(stage: str, walls: Walls) -> None:
    """Make a container by the command of task.json, and ask the engine what it made of it."""
    task = walls.task(stage)
    words = shlex.split(task.by_hand(str(walls.folder), task.environment_of_stage()))
    assert words[:3] == ["docker", "run", "--rm"]
    walls.made.append(docker("create", *words[3:]))
    names = expected(stage, walls.folder)
    assert of_the_engine(walls.inspect(walls.made[-1]), names) == wanted(names)


# What JSON allows and a reader may overlook, put anywhere into a description.
HARM = (
    '"Privileged": true',
    '"privileged": true',
    '"CapAdd": ["ALL"]',
    '"CapDrop": null',
    '"CapDrop": []',
    '"SecurityOpt": null',
    '"ReadonlyRootfs": false',
    '"Binds": ["/:/host"]',
    '"PidMode": "host"',
    '"NetworkMode": "host"',
    '"networkMode": "host"',
    '"User": "0:0"',
    '"Image": "alpine"',
    '"HostConfig": null',
    '"HostConfig": {}',
    '"HostConfig": {"Privileged": true}',
    '"Mounts": [{"Target": "/etc", "Source": "/etc", "Type": "bind"}]',
    '"Target": "/etc"',
    '"PidsLimit": -1',
    '"Memory": 0',
    '"MemorySwap": -1',
)
TRIES = 400


def spoil(text: str, draw: random.Random) -> str:
    """Return a description with harm at a place where an object begins or goes on."""
    for _ in range(draw.randint(1, 3)):
        harm = draw.choice(HARM)
        if draw.random() < 0.2:
            harm = re.sub("[A-Z]", lambda found: f"\\u{ord(found[0]):04x}", harm, count=1)
        if draw.random() < 0.2:
            harm = harm.replace(": ", draw.choice([":", " : ", ":\n"]), 1)
        places = [found.end() for found in re.finditer(r"\{|, (?=\")", text)]
        place = draw.choice(places)
        text = f"{text[:place]}{harm}, {text[place:]}"
        if draw.random() < 0.2:
            quote = draw.choice([found.start() for found in re.finditer('"', text)])
            text = text[:quote] + draw.choice(["\\", " ", '"']) + text[quote:]
        if draw.random() < 0.3:
            text = (
                draw.choice(["\ufeff", " ", "", "{}"]) + text + draw.choice(["", " ", "{}", ",{}"])
            )
    return text


@pytest.fixture
def proxy(settings: dict[str, str]) -> Iterator[str]:
    image = f"localhost/ad-click/docker-proxy:{settings['IMAGE_TAG']}"
    socket = settings.get("DOCKER_SOCKET") or "/var/run/docker.sock"
    options = [f"--volume={socket}:/var/run/docker.sock", "--publish=127.0.0.1::2375"]
    options += ["--read-only", "--cap-drop=ALL", f"--env=COMPOSE_PROJECT_NAME={PROJECT}"]
    container = docker("run", "--detach", *options, image)
    url = f"http://{docker('port', container, '2375')}"
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(f"{url}/_ping", timeout=10)
            break
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the proxy does not listen"
            time.sleep(0.1)
    yield url
    docker("rm", "--force", container)


def test_no_description_of_a_container_gets_a_wall_past_the_proxy(
    proxy: str, walls: Walls, times: Callable[[int], None]
) -> None:
    """Put harm into what the operator sends, at random places and in random spellings."""
    task = walls.task("build_model")
    config = walls.client.create_container_config(
        image=task.image,
        command=task.command,
        environment=task.environment_of_stage(),
        labels={"a": "b"},
        host_config=walls.client.create_host_config(**task.host_config(str(walls.folder))),
    )
    text = json.dumps({name: value for name, value in config.items() if value is not None})
    names = expected("build_model", walls.folder)
    draw = random.Random(1)
    answers = []
    with requests.Session() as session:
        for number in range(TRIES + 1):
            body = spoil(text, draw) if number else text
            answer = session.post(
                f"{proxy}/v1.45/containers/create",
                data=body.encode(),
                headers={"Content-Type": "application/json"},
                timeout=60,
            )
            answers.append(answer.status_code)
            if answer.status_code == 201:
                walls.made.append(answer.json()["Id"])
                known = walls.inspect(walls.made[-1])
                assert of_the_engine(known, names) == wanted(names), body
                assert known["Config"]["Image"] == task.image
                assert known["Config"]["User"] not in ("", "0", "root", "0:0")
    times(TRIES)
    assert answers[0] == 201  # the very words of the operator
    assert answers.count(403) > TRIES * 0.9


@pytest.mark.stack
@pytest.mark.parametrize("service", SERVICES)
def test_service_has_no_rights_and_a_root_that_it_can_not_change(service: str, stack: Any) -> None:
    """Look at the first process of each service, and write to its root."""
    check_service(stack.service(service), service)


def check_service(container: str, service: str) -> None:
    text = docker("exec", container, "cat", "/proc/1/status")
    status = dict(line.split(":", 1) for line in text.splitlines())
    assert (status["Uid"].split()[0] == "0") == (service == "docker-proxy")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name].strip() == NO_CAPABILITY
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    command = ["docker", "exec", container, "touch", "/etc/wall"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Read-only file system" in done.stderr
    (known,) = json.loads(docker("inspect", container))
    host = known["HostConfig"]
    assert host["Memory"] > 0
    assert not host["Privileged"]
    assert (host["PidMode"], host["UsernsMode"], host["CapAdd"]) == ("", "", None)
    assert host["IpcMode"] == "private"
