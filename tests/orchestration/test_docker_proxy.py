"""What the proxy lets through to a real engine, and what not."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker import APIClient
from docker.errors import APIError

from contracts import image_name
from stage_operator import StageOperator

# docker-py closes the sockets of its streams when they are collected, not before.
pytestmark = [
    pytest.mark.image,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

ROOT = Path(__file__).resolve().parents[2]
STAGES = sorted(path.parent.name for path in ROOT.glob("images/*/stage.toml"))
PROXY_PORT = "2375/tcp"
PROJECT = f"ad-click-proxy-{os.getpid()}"
# Longer than docker-py waits for an answer by itself.
QUIET_SECONDS = 65


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def stack_of_the_tests(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("IMAGE_TAG", settings["IMAGE_TAG"])
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", PROJECT)
    yield
    label = f"label=ad-click.project={PROJECT}"
    for left in docker("ps", "--all", "--quiet", "--filter", label).split():
        docker("rm", "--force", left)
    gc.collect()


@pytest.fixture(scope="module")
def start(settings: dict[str, str]) -> Iterator[Callable[..., str]]:
    """Starts a proxy as compose does, with more options of docker run; returns its address."""
    started: list[str] = []
    image = f"localhost/ad-click/docker-proxy:{settings['IMAGE_TAG']}"

    def run(*options: str) -> str:
        hardening = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")
        publish = f"--publish=127.0.0.1::{PROXY_PORT}"
        started.append(docker("run", "--detach", publish, *hardening, *options, image))
        address = docker("port", started[-1], PROXY_PORT)
        wait_until_it_listens(f"http://{address}")
        return f"http://{address}"

    yield run
    docker("rm", "--force", *started)


def wait_until_it_listens(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            requests.get(f"{url}/_ping", timeout=10)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, f"{url} does not listen"
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module")
def proxy(start: Callable[..., str]) -> str:
    socket = "--volume=/var/run/docker.sock:/var/run/docker.sock"
    return start(socket, f"--env=COMPOSE_PROJECT_NAME={PROJECT}")


def call(proxy: str, method: str, path: str, body: str | None = None) -> requests.Response:
    headers = {"Content-Type": "application/json"} if body else {}
    request = requests.Request(method, proxy, data=body, headers=headers).prepare()
    request.url = proxy + path  # as it is: requests would tidy the path up
    with requests.Session() as session:
        return session.send(request, timeout=60)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_ping", 200),
        ("GET", "/version", 200),
        ("GET", "{version}/version", 200),
        ("GET", "{version}/images/json", 200),
        ("GET", "{version}/images/localhost/ad-click/none:1.0/json", 404),
        ("GET", "{version}/containers/json?all=1", 200),
        ("POST", "{version}/containers/none/attach?logs=0&stdout=1&stderr=1&stream=1", 404),
        ("POST", "{version}/containers/none/start", 404),
        ("POST", "{version}/containers/none/wait", 404),
        ("POST", "{version}/containers/none/stop?t=5", 404),
        ("GET", "{version}/containers/none/json", 404),
        ("GET", "{version}/containers/none/logs?stdout=1", 404),
        ("DELETE", "{version}/containers/none?force=1", 404),
    ],
)
def test_call_of_the_operator_is_answered_by_the_engine(
    proxy: str, method: str, path: str, status: int
):
    version = "/v" + call(proxy, "GET", "/version").json()["ApiVersion"]
    assert call(proxy, method, path.format(version=version)).status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/info"),
        ("GET", "/v1.45/info"),
        ("GET", "/v1.45/v1.45/version"),
        ("GET", "//version"),
        ("GET", "/events"),
        ("GET", "/secrets"),
        ("GET", "/volumes"),
        ("GET", "/networks"),
        ("GET", "/containers/some/archive?path=/"),
        ("GET", "/containers/%2e%2e/json"),
        ("GET", "/images/some/../../containers/json"),
        ("POST", "/build"),
        ("POST", "/v1.45/images/create?fromImage=alpine"),
        ("GET", "/v1.24/version"),
        ("POST", "/v1.12/containers/some/start"),
        ("POST", "/containers/some/attach"),
        ("POST", "/containers/some/attach?stdin=1&stream=1"),
        ("POST", "/containers/some/attach?stream=1&%73tdin=1"),
        ("POST", "/containers/some/exec"),
        ("POST", "/containers/some/kill"),
        ("POST", "/containers/some/rename?name=other"),
        ("POST", "/containers/some/update"),
        ("POST", "/containers/prune"),
        ("POST", "/containers/json"),
        ("POST", "/exec/some/start"),
        ("POST", "/volumes/create"),
        ("PUT", "/containers/some/archive?path=/"),
        ("DELETE", "/images/some"),
        ("DELETE", "/volumes/some"),
        ("DELETE", "/containers/some/json"),
    ],
)
def test_any_other_call_is_answered_with_403_and_a_sentence(proxy: str, method: str, path: str):
    answer = call(proxy, method, path)
    assert answer.status_code == 403
    assert "does not allow this call" in answer.json()["message"]


def test_call_that_is_not_to_have_a_body_is_refused_with_one(proxy: str):
    for path in ("/containers/none/start", "/containers/none/attach?stream=1"):
        assert call(proxy, "POST", path).status_code == 404
        assert call(proxy, "POST", path, '{"Privileged": true}').status_code == 403
        chunked = requests.post(proxy + path, data=iter([b"{}"]), timeout=60)
        assert chunked.status_code == 403


# Containers that are to be made


def stage_body(stage: str = "build_model", source: str = "/srv/ad click/\u00e4") -> dict[str, Any]:
    """Return what StageOperator has docker-py ask the engine for."""
    task = StageOperator(stage=stage)
    task.command = ["--run-id=manual__1", '--source=a "b" {c} \\ \u00e4.csv']
    context: Any = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id=stage, try_number=1)}
    client = APIClient(version="1.45")
    config = client.create_container_config(
        image=task.image,
        command=task.command,
        environment=task.environment_of_stage(),
        labels=task.labels_of(context),
        host_config=client.create_host_config(**task.host_config(source)),
    )
    return {name: value for name, value in config.items() if value is not None}


def create(proxy: str, body: str) -> requests.Response:
    """Ask for a container, and remove it if one was made."""
    answer = call(proxy, "POST", "/v1.45/containers/create", body)
    if answer.status_code == 201:
        docker("rm", "--force", answer.json()["Id"])
    return answer


def refusal(proxy: str, body: str) -> str:
    """Ask for a container that must not be made; return the reason."""
    answer = create(proxy, body)
    assert answer.status_code == 403
    return str(answer.json()["message"])


@pytest.mark.parametrize("stage", STAGES)
def test_container_of_every_stage_may_be_made(proxy: str, stage: str, tmp_path: Path):
    answer = create(proxy, json.dumps(stage_body(stage, str(tmp_path))))
    assert answer.status_code == 201, answer.text


ANOTHER_IMAGE = {
    "that was pulled": "alpine:latest",
    "named like ours elsewhere": "example.com/localhost/ad-click/build_model:latest",
    "by its id": "sha256:" + "0" * 64,
    "that runs as root": "localhost/ad-click/docker-proxy:latest",
    "without a tag": "localhost/ad-click/build_model",
}


@pytest.mark.parametrize("image", ANOTHER_IMAGE.values(), ids=ANOTHER_IMAGE.keys())
def test_container_of_another_image_is_refused(proxy: str, image: str):
    assert "is of no image of this project" in refusal(
        proxy, json.dumps(stage_body() | {"Image": image})
    )


def test_no_image_but_the_proxys_own_runs_as_root(settings: dict[str, str]):
    words = {path.parent.name for path in ROOT.glob("images/*/Dockerfile")} | {"airflow"}
    users = {
        word: docker("image", "inspect", "--format", "{{.Config.User}}", image_name(word))
        for word in sorted(words)
    }
    owner = f"{settings['PIPELINE_UID']}:{settings['PIPELINE_GID']}"
    assert users == dict.fromkeys(sorted(words), owner)


@pytest.mark.parametrize(
    "network",
    [
        *("host", "bridge", "default", "container:some", "other_monitor"),
        # The project is named after this process, which the test must not be.
        pytest.param(f"{PROJECT}_socket", id="its own socket"),
    ],
)
def test_container_in_another_network_is_refused(proxy: str, network: str):
    body = stage_body()
    body["HostConfig"]["NetworkMode"] = network
    assert "is in another network" in refusal(proxy, json.dumps(body))


def test_container_in_the_network_of_spark_gets_past_the_proxy(proxy: str):
    body = stage_body("build_model_spark")
    body["HostConfig"]["NetworkMode"] = f"{PROJECT}_spark"
    body["Env"] = ["SPARK_MASTER=spark://spark-master:7077", "AWS_SECRET_ACCESS_KEY=a/b+c="]
    body["HostConfig"]["Mounts"][0]["Source"] = "/srv"
    assert create(proxy, json.dumps(body)).status_code == 201


def test_container_whose_network_is_not_named_is_refused(proxy: str):
    body = stage_body()
    del body["HostConfig"]["NetworkMode"]
    # Not HostConfig's, and so of no effect.
    body["Labels"]["NetworkMode"] = "none"
    assert "is in another network" in create(proxy, json.dumps(body)).json()["message"]


MOUNT = {"Target": "/shared_volume", "Source": "/srv", "Type": "bind", "ReadOnly": False}
OTHER_MOUNTS = {
    "elsewhere": [MOUNT | {"Target": "/etc"}],
    "of a volume": [MOUNT | {"Type": "volume", "Source": "database"}],
    "two": [MOUNT, MOUNT],
    "with a propagation": [MOUNT | {"BindOptions": {"Propagation": "shared"}}],
    "of a relative path": [MOUNT | {"Source": "database"}],
}


@pytest.mark.parametrize("mounts", OTHER_MOUNTS.values(), ids=OTHER_MOUNTS.keys())
def test_container_with_another_mount_is_refused(proxy: str, mounts: Any):
    body = stage_body()
    body["HostConfig"]["Mounts"] = mounts
    assert "has a mount other than one bind at /shared_volume" in refusal(proxy, json.dumps(body))


@pytest.mark.parametrize(
    "wall", ["CapDrop", "SecurityOpt", "ReadonlyRootfs", "NanoCpus", "PidsLimit", "MemorySwap"]
)
def test_container_with_a_mount_and_without_a_wall_is_refused(proxy: str, wall: str):
    body = stage_body()
    del body["HostConfig"][wall]
    assert "has a mount and lacks a wall or a limit" in refusal(proxy, json.dumps(body))


def test_container_without_a_limit_of_memory_is_refused(proxy: str):
    body = stage_body()
    del body["HostConfig"]["Memory"]
    assert "has no limit of memory" in create(proxy, json.dumps(body)).json()["message"]


NEVER_ASKED_FOR = {
    "Privileged": True,
    "CapAdd": ["SYS_ADMIN"],
    "CapDrop": [],
    "Binds": ["/:/host"],
    "VolumesFrom": ["some"],
    "Devices": [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg"}],
    "DeviceRequests": [],
    "DeviceCgroupRules": ["a *:* rwm"],
    "PidMode": "host",
    "IpcMode": "host",
    "UTSMode": "host",
    "UsernsMode": "host",
    "CgroupnsMode": "host",
    "CgroupParent": "/",
    "GroupAdd": ["0"],
    "SecurityOpt": ["seccomp=unconfined"],
    "ReadonlyRootfs": False,
    "Tmpfs": {"/tmp": "rw,exec"},
    "Sysctls": {"net.ipv4.ip_forward": "1"},
    "MaskedPaths": [],
    "Runtime": "other",
    "OomKillDisable": True,
    "PidsLimit": 0,
    "MemorySwap": -1,
    "RestartPolicy": {"Name": "always"},
    "PortBindings": {"80/tcp": [{"HostPort": "80"}]},
    "LogConfig": {"Type": "syslog", "Config": {}},
    "ExtraHosts": ["monitor:127.0.0.1"],
    "Init": "no",
}


@pytest.mark.parametrize("key", NEVER_ASKED_FOR)
def test_container_with_what_is_never_asked_for_is_refused(proxy: str, key: str):
    body = stage_body()
    body["HostConfig"][key] = NEVER_ASKED_FOR[key]
    assert "asks for what the pipeline never does" in refusal(proxy, json.dumps(body))


@pytest.mark.parametrize(
    "key", ["User", "Volumes", "NetworkingConfig", "Healthcheck", "Binds", "Privileged", "Memory"]
)
def test_container_with_more_beside_its_host_config_is_refused(proxy: str, key: str):
    body = stage_body() | {key: {"User": "0:0"}.get(key, {})}
    assert "asks for what the pipeline never does" in create(proxy, json.dumps(body)).text


# Each with what the engine would make of it: Go takes keys in any case, and the last one of a name.
TRICKS: dict[str, Callable[[str], str]] = {
    "key in another case": lambda text: text.replace(
        '"HostConfig": {', '"HostConfig": {"privileged": true, '
    ),
    "key spelt by a code": lambda text: text.replace(
        '"HostConfig": {', '"HostConfig": {"\\u0050rivileged": true, '
    ),
    "second image": lambda text: text[:-1] + ', "Image": "alpine"}',
    "second image in another case": lambda text: text[:-1] + ', "image": "alpine"}',
    "second host config": lambda text: text[:-1] + ', "HostConfig": {"Privileged": true}}',
    "second host config of nothing": lambda text: text[:-1] + ', "HostConfig": null}',
    "host config in another case": lambda text: text[:-1] + ', "hostconfig": {"CapAdd": ["ALL"]}}',
    "wall taken back": lambda text: text.replace(
        '"HostConfig": {', '"HostConfig": {"CapDrop": ["ALL"], "CapDrop": null, '
    ),
    "second list of mounts": lambda text: text.replace(
        '"HostConfig": {', '"HostConfig": {"Mounts": [], "Mounts": [{"Target": "/etc"}], '
    ),
    "second source, in another case": lambda text: text.replace(
        '"Source": ', '"target": "/etc", "Source": '
    ),
    "long s, which Go takes for an s": lambda text: text.replace(
        '"HostConfig"', '"Ho\u017ftConfig"'
    ),
    "no quotes around it": lambda text: f"[{text}]",
    "text before it": lambda text: "\ufeff" + text,
    "another after it": lambda text: text + ' {"HostConfig": {"Privileged": true}}',
    "in blanks": lambda text: text.replace("{", "{\n\t"),
    "cut off": lambda text: text[:-1],
    "empty": lambda text: "{}",
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
def test_json_that_two_readers_may_read_differently_is_refused(
    proxy: str, trick: Callable[[str], str]
):
    text = json.dumps(stage_body())
    assert trick(text) != text
    assert "does not allow this container" in refusal(proxy, trick(text).encode().decode("latin-1"))


def test_wall_is_no_wall_if_the_engine_reads_what_the_proxy_overlooks(proxy: str, tmp_path: Path):
    """The reason for the test above: what it sends would be privileged."""
    text = TRICKS["key in another case"](json.dumps(stage_body(source=str(tmp_path))))
    api = ["curl", "--silent", "--unix-socket", "/var/run/docker.sock"]
    post = [*api, "--json", text, "http://docker/v1.45/containers/create"]
    made = json.loads(subprocess.run(post, check=True, capture_output=True, text=True).stdout)["Id"]
    assert docker("inspect", "--format", "{{.HostConfig.Privileged}}", made) == "true"


def test_long_description_is_refused_in_words(proxy: str):
    body = stage_body()
    body["Cmd"] = ["x" * 14_000]
    assert create(proxy, json.dumps(body)).status_code != 403
    body["Cmd"] = ["x" * 20_000]
    assert "is described in more than 15000 bytes" in refusal(proxy, json.dumps(body))
    padded = json.dumps(stage_body()) + " " * 40_000 + "{}"
    assert create(proxy, padded).status_code == 403


def test_proxy_that_is_not_told_the_stack_lets_none_but_a_monitors_network(
    start: Callable[..., str], tmp_path: Path
):
    proxy = start("--volume=/var/run/docker.sock:/var/run/docker.sock")
    body = stage_body(source=str(tmp_path))
    for network, status in (("other_monitor", 201), ("other_socket", 403), ("host", 403)):
        body["HostConfig"]["NetworkMode"] = network
        assert create(proxy, json.dumps(body)).status_code == status


# Whole tasks


@pytest.fixture
def network() -> Iterator[str]:
    name = f"{PROJECT}_monitor"
    docker("network", "create", "--internal", name)
    yield name
    docker("network", "rm", name)


def test_stage_runs_through_the_proxy(
    proxy: str, volume: Path, settings: dict[str, str], context: Any, execute: Any, monkeypatch: Any
):
    shutil.copytree(ROOT / "shared_volume" / "data", volume / "data")
    # The operator's note is written by whoever runs the tests, the rest by the pipeline's user.
    folder = volume / "runs" / "manual__1" / "start_pipeline"
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        for path in (volume, *folder.parents[:2], folder):
            os.chown(path, int(settings["PIPELINE_UID"]), int(settings["PIPELINE_GID"]))
    monkeypatch.setattr(StageOperator, "volume_source", lambda task: str(volume))
    task = StageOperator(stage="start_pipeline", docker_url=proxy.replace("http", "tcp"))
    task.command = ["--run-id=manual__1"]
    assert execute(task, context("start_pipeline"))["status"] == "done"


def test_watchdog_runs_through_the_proxy(proxy: str, network: str, dags: Any, execute: Any):
    task = dags["flask_api_monitoring"].get_task("probe_monitor")
    task = task.prepare_for_execution()
    task.docker_url, task.image = [proxy.replace("http", "tcp")], image_name("monitor")
    task.network_mode, task.labels = network, task.labels | {"ad-click.project": PROJECT}
    task.entrypoint, task.command = ["python3", "-c"], ["print('it answers')"]
    assert execute(task, {}) == "it answers"
    label = f"label=ad-click.project={PROJECT}"
    assert docker("ps", "--all", "--quiet", "--filter", label) == ""


def test_stream_that_is_silent_for_long_is_not_cut(proxy: str, tmp_path: Path):
    client = APIClient(proxy.replace("http", "tcp"), version="1.45")
    work = f"import time; time.sleep({QUIET_SECONDS}); print('done')"
    body = stage_body("start_pipeline", str(tmp_path))
    body |= {"Entrypoint": ["python3", "-c"], "Cmd": [work]}
    container = client.create_container_from_config(body)["Id"]
    heard: dict[str, bytes] = {}
    attached = client.attach(container, stream=True)
    client.start(container)

    def listen(name: str, stream: Iterator[bytes]) -> None:
        heard[name] = b"".join(stream)

    threads = [
        threading.Thread(target=listen, args=("attach", attached)),
        threading.Thread(
            target=listen, args=("logs", client.logs(container, stream=True, follow=True))
        ),
    ]
    for thread in threads:
        thread.start()
    assert client.wait(container)["StatusCode"] == 0
    for thread in threads:
        thread.join()
    assert heard == {"attach": b"done\n", "logs": b"done\n"}


def test_refusal_reaches_the_task_in_words(proxy: str, tmp_path: Path):
    client = APIClient(proxy.replace("http", "tcp"), version="1.45")
    body = stage_body(source=str(tmp_path))
    body["HostConfig"]["Privileged"] = True
    with pytest.raises(APIError, match="asks for what the pipeline never does"):
        client.create_container_from_config(body)


def test_engine_out_of_reach_is_answered_with_503_and_a_sentence(start: Callable[..., str]):
    answer = requests.get(f"{start()}/version", timeout=60)
    assert answer.status_code == 503
    assert "cannot reach the Docker engine" in answer.json()["message"]


def test_check_ends_a_proxy_whose_socket_is_of_an_engine_that_is_gone(settings: dict[str, str]):
    """It has no socket here, which is to the proxy what one is that nobody listens at."""
    image = f"localhost/ad-click/docker-proxy:{settings['IMAGE_TAG']}"
    container = docker("run", "--detach", "--read-only", "--cap-drop=ALL", image)
    deadline = time.monotonic() + 60
    while docker("inspect", "--format={{.State.Running}}", container) == "true":
        check = ["docker", "exec", container, "python3", "/health.py"]
        assert subprocess.run(check, capture_output=True, check=False).returncode != 0
        assert time.monotonic() < deadline
    assert docker("inspect", "--format={{.State.ExitCode}}", container) == "0"
    docker("rm", container)
