"""Airflow as these tests import it: with a home of its own, and the contracts of this checkout."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

ROOT = Path(__file__).resolve().parents[2]
HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
# Airflow reads its environment when it is first imported, which is before any fixture.
os.environ["AIRFLOW_HOME"] = HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "false"
os.environ["AD_CLICK_IMAGES"] = str(ROOT / "images")


@pytest.fixture(scope="session")
def dags() -> dict[str, Any]:
    """The DAGs, as the DAG processor reads them."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "orchestration" / "dags")
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    return bag.dags


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared volume of the test's own; its path has a space."""
    import task_note

    folder = tmp_path / "shared volume"
    folder.mkdir()
    (folder / ".ad-click-volume").touch()
    monkeypatch.setattr(task_note, "VOLUME", folder)
    return folder


class Instance(SimpleNamespace):
    """What tasks ask of their task instance; keeps what they push."""

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.pushed[key] = value

    def xcom_pull(self, task_ids: Any, key: str = "return_value") -> Any:
        """Return what the tasks named pushed, as Airflow does: a list for a list of tasks."""
        if isinstance(task_ids, str):
            return self.xcoms.get((task_ids, key))
        return [self.xcoms[task, key] for task in task_ids if (task, key) in self.xcoms]


@pytest.fixture
def context() -> Callable[..., dict[str, Any]]:
    """Makes the context of one try of a task."""

    def make(task_id: str, **known: Any) -> dict[str, Any]:
        given = {"dag_id": "dag", "run_id": "manual__1", "try_number": 1, "max_tries": 2}
        ti = Instance(task_id=task_id, pushed={}, xcoms={}, **given | known)
        return {"ti": ti, "run_id": ti.run_id, "outlet_events": {}}

    return make


@pytest.fixture
def execute() -> Callable[[Any, dict[str, Any]], Any]:
    """Runs a task's ``execute`` as Airflow's task runner does."""
    import contextvars

    from airflow.sdk.bases.operator import ExecutorSafeguard

    def run(task: Any, context: dict[str, Any]) -> Any:
        copied = contextvars.copy_context()
        copied.run(ExecutorSafeguard.tracker.set, task)
        return copied.run(task.execute, context)

    return run


class Mailbox:
    """Keeps the mails that a server took; refuses every recipient at refused.example."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own name
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        """Take a recipient or refuse it."""
        if address.endswith("@refused.example"):
            return "550 5.1.1 no such\x1bmailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        self.mails.append(envelope)
        return "250 kept"


def knows(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
    """The only account is `me` with the password `secret`."""
    right = (login.login, login.password) == (b"me", b"secret")
    # Not handled: aiosmtpd then answers a refusal itself.
    return AuthResult(success=right, handled=False)


class ImplicitTLS(Controller):
    """A server that speaks TLS from its first byte, as on port 465."""

    def _trigger_server(self) -> None:
        # Controller would greet itself, with a client that trusts public authorities alone.
        with socket.create_connection((self.hostname, self.port)) as plain:
            context = ssl._create_unverified_context()
            with context.wrap_socket(plain) as client:
                client.recv(100)


@pytest.fixture
def serve() -> Iterator[Callable[..., Controller]]:
    """Starts mail servers on 127.0.0.1; ``handler.mails`` are those that one took."""
    started: list[Controller] = []

    def start(*, implicit_tls: ssl.SSLContext | None = None, **options: Any) -> Controller:
        kind = ImplicitTLS if implicit_tls else Controller
        if options.pop("login", False):
            options |= {"authenticator": knows, "auth_required": True, "auth_require_tls": False}
        server = kind(
            Mailbox(), hostname="127.0.0.1", port=free_port(), ssl_context=implicit_tls, **options
        )
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def unused_port() -> int:
    """A port of 127.0.0.1 at which nothing listens."""
    return free_port()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


REFUSAL = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b'Content-Length: 38\r\n\r\n{"message": "device or resource busy"}'
)


class Relay:
    """Passes a TCP port on to the engine's socket, until it breaks.

    It answers so many calls to remove a container itself, with the refusal of a busy engine.
    """

    def __init__(self, path: str, port: int = 0, refusals: int = 0) -> None:
        self.path = path
        self.refusals = refusals
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.ends: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Connect each client to the engine."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self.path)
                self.ends += [client, engine]
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass bytes on until one side ends."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.refusals and data.startswith(b"DELETE "):
                    self.refusals -= 1
                    source.sendall(REFUSAL)
                else:
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def break_off(self) -> None:
        """End every connection and take no other."""
        for end in (self.listener, *self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def socket_url(settings: dict[str, str]) -> str:
    """Where the engine's socket is."""
    return f"unix://{settings.get('DOCKER_SOCKET') or '/var/run/docker.sock'}"


@pytest.fixture
def make_relay(socket_url: str) -> Iterator[Callable[..., Relay]]:
    """Makes relays to the engine, on a port that is given or any."""
    made: list[Relay] = []

    def make(port: int = 0, refusals: int = 0) -> Relay:
        made.append(Relay(socket_url.removeprefix("unix://"), port, refusals))
        return made[-1]

    yield make
    for relay in made:
        relay.break_off()
