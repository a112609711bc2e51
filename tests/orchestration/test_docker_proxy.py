"""What the proxy lets through to a real engine, and what not."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import requests

pytestmark = pytest.mark.image

PROXY_PORT = "2375/tcp"


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


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
    return start("--volume=/var/run/docker.sock:/var/run/docker.sock")


def call(proxy: str, method: str, path: str) -> requests.Response:
    request = requests.Request(method, proxy).prepare()
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
        ("POST", "{version}/containers/create", 400),
        ("POST", "{version}/containers/none/attach?stream=1", 404),
        ("POST", "{version}/containers/none/start", 404),
        ("POST", "{version}/containers/none/wait", 404),
        ("POST", "{version}/containers/none/stop?t=5", 404),
        ("POST", "{version}/containers/none/kill", 404),
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
        ("POST", "/containers/some/exec"),
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


def test_engine_out_of_reach_is_answered_with_503_and_a_sentence(start: Callable[..., str]):
    answer = requests.get(f"{start()}/version", timeout=60)
    assert answer.status_code == 503
    assert "cannot reach the Docker engine" in answer.json()["message"]
