"""The stack that the tests marked `stack` share: all of its services, for real."""

from __future__ import annotations

import contextlib
import email
import email.policy
import fcntl
import functools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.workers import (  # noqa: F401 - pytest finds its hooks here
    pytest_collection_modifyitems,
    pytest_configure_node,
    pytest_xdist_make_scheduler,
)

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / os.environ.get("ENV_FILE", ".test/.env")
REAL_DATA = ROOT.parent / "shared" / "data" / "advertising.csv"
DAG = "ml_pipeline_advertising"
RUN_LIMIT_SECONDS = 600


@dataclass
class Stack:
    """A running stack, as its users meet it: by HTTP, by its volume, by make."""

    settings: dict[str, str]
    started: str = ""  # what make up printed
    token: str = ""

    @property
    def volume(self) -> Path:
        """The shared volume's folder on this host."""
        return ROOT / self.settings["SHARED_VOLUME"]

    @property
    def airflow_url(self) -> str:
        """Airflow's address as the links have it, for a browser."""
        return f"http://localhost:{self.settings['AIRFLOW_PORT']}"

    @property
    def monitor_url(self) -> str:
        """The monitor's address."""
        return f"http://127.0.0.1:{self.settings['MONITOR_PORT']}"

    def log_in(self, user: str, password: str) -> None:
        """Get a token with a generated password."""
        account = {"username": user, "password": password}
        self.token = self.airflow("POST", "/auth/token", account)["access_token"]

    def airflow(self, method: str, path: str, body: object = None) -> Any:
        """Call Airflow's REST API."""
        url = f"http://127.0.0.1:{self.settings['AIRFLOW_PORT']}{path}"
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=RUN_LIMIT_SECONDS) as response:
            return json.load(response)

    def monitor(self, path: str) -> tuple[int, str]:
        """Return the status and the body of a page of the monitor."""
        try:
            with urllib.request.urlopen(self.monitor_url + path, timeout=120) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def monitor_json(self, path: str) -> Any:
        """Return a JSON answer of the monitor."""
        status, body = self.monitor(path)
        assert status == 200, body
        return json.loads(body)

    def trigger(self, dag: str = DAG, **conf: object) -> str:
        """Start a run whose stages do all work, whatever earlier runs have made; return its id."""
        if dag == DAG:
            conf = {"force": True, **conf}
        run = self.airflow(
            "POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf}
        )
        return str(run["dag_run_id"])

    def wait(self, run_id: str, dag: str = DAG) -> str:
        """Wait until a run is over and return its state."""
        path = f"/api/v2/dags/{dag}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
        return self.until(lambda: self.airflow("GET", path)["state"], {"success", "failed"})

    def until(self, ask: Any, wanted: set[Any]) -> str:
        """Ask again and again until the answer is one of those wanted."""
        deadline = time.monotonic() + RUN_LIMIT_SECONDS
        while (answer := ask()) not in wanted:
            assert time.monotonic() < deadline, f"still {answer!r}"
            time.sleep(0.5)
        return str(answer)

    def run(self, **conf: object) -> tuple[str, str]:
        """Run the pipeline to its end and return the run's id and state."""
        run_id = self.trigger(**conf)
        return run_id, self.wait(run_id)

    def tasks(self, run_id: str, dag: str = DAG) -> dict[str, dict[str, Any]]:
        """Return a run's task instances by task id."""
        quoted = urllib.parse.quote(run_id, safe="")
        path = f"/api/v2/dags/{dag}/dagRuns/{quoted}/taskInstances"
        return {t["task_id"]: t for t in self.airflow("GET", path)["task_instances"]}

    def task_log(self, run_id: str, task: str, try_number: int = 1) -> str:
        """Return a task's log as Airflow shows it."""
        quoted = urllib.parse.quote(run_id, safe="")
        path = f"/api/v2/dags/{DAG}/dagRuns/{quoted}/taskInstances/{task}/logs/{try_number}"
        return json.dumps(self.airflow("GET", path), ensure_ascii=False)

    def read_json(self, run_id: str, name: str) -> Any:
        """Return a JSON file of a run."""
        return json.loads((self.volume / "runs" / run_id / name).read_text())

    def mails(self, run_id: str) -> list[EmailMessage]:
        """Return the mails about a run, from the mailbox's Maildir."""
        found = []
        for path in sorted((self.volume / "mailbox" / "new").iterdir()):
            with path.open("rb") as file:
                message = email.message_from_binary_file(file, policy=email.policy.default)
            if run_id in str(message["Subject"]):
                found.append(message)
        return found

    def stage_output(self, run_id: str, stage: str, pattern: str) -> list[Path]:
        """Return the files of a stage's folder that match a pattern."""
        return list((self.volume / "runs" / run_id / stage).glob(pattern))

    def published(self) -> dict[str, bytes]:
        """Return the bytes of what is published, by name."""
        names = ("logistic_regression_model.pkl", "model_summary.txt", "model_summary.json")
        return {name: (self.volume / "model" / name).read_bytes() for name in names}

    def containers(self) -> list[str]:
        """Return the stage containers that this stack has, running or not."""
        mine = f"label=ad-click.project={self.settings['COMPOSE_PROJECT_NAME']}"
        stages = ("--filter", mine, "--filter", "label=ad-click.stage")
        return docker("ps", "--all", "--quiet", *stages).split()

    def service(self, name: str) -> str:
        """Return the name of a service's container."""
        return f"{self.settings['COMPOSE_PROJECT_NAME']}-{name}-1"

    def add_data(self, name: str, content: bytes) -> str:
        """Put a data file on the volume and return its path there."""
        (self.volume / "data" / name).write_bytes(content)
        return f"data/{name}"


def docker(*arguments: str) -> str:
    """Run a docker command and return its output."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(*arguments: str, check: bool = True, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run make on the tests' own stack."""
    environment = {**os.environ, "ENV_FILE": str(SETTINGS.relative_to(ROOT)), **settings}
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def read_settings() -> dict[str, str]:
    """Return the settings of the tests' own stack."""
    if not SETTINGS.is_file():
        pytest.skip(f"{SETTINGS} is not there: these tests are run by `make test`")
    lines = SETTINGS.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.fixture(scope="session")
def settings() -> dict[str, str]:
    """The settings of the tests' own stack."""
    return read_settings()


@pytest.fixture(scope="session")
def stack(settings: dict[str, str]) -> Iterator[Stack]:
    """A stack of the tests' own, taken down before and after."""
    make("down", VOLUMES="1")
    volume = ROOT / settings["SHARED_VOLUME"]
    for folder in ("runs", "model", "mailbox/new"):
        shutil.rmtree(volume / folder, ignore_errors=True)
    stack = Stack(settings, make("up").stdout)
    stack.log_in(settings["AIRFLOW_ADMIN_USER"], settings["AIRFLOW_ADMIN_PASSWORD"])
    stack.until(lambda: str(dag_is_there(stack)), {"True"})
    yield stack
    make("down", VOLUMES="1")


def dag_is_there(stack: Stack, dag: str = DAG) -> bool:
    """Tell whether Airflow has read a DAG."""
    try:
        return bool(stack.airflow("GET", f"/api/v2/dags/{dag}")["dag_id"] == dag)
    except urllib.error.HTTPError as error:
        error.close()
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; a test opens a context or a page of its own in it."""
    path = shutil.which("chromium")
    if path is None:
        # Under CI a test that is left out would look like one that passed.
        left_out = pytest.fail if os.environ.get("CI") else pytest.skip
        left_out("there is no chromium: `make test` as root on Debian installs it")
    with sync_playwright() as playwright:
        # The pages are the project's own; its sandbox works neither for root nor in a container.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def real_data() -> bytes:
    """The public data set that the reference results are known for."""
    if not REAL_DATA.is_file():
        pytest.skip(f"the real data set is not at {REAL_DATA}")
    return REAL_DATA.read_bytes()


@pytest.fixture
def run_make() -> Any:
    """Run a target of the Makefile on the tests' own stack."""
    return make


@contextlib.contextmanager
def images_locked(how: int) -> Iterator[None]:
    """Images are others than were built (``LOCK_SH``), or are to be those (``LOCK_EX``)."""
    with SETTINGS.with_name("images.lock").open("w") as file:
        fcntl.flock(file, how)
        yield


@pytest.fixture(scope="session")
def built_images(settings: dict[str, str]) -> dict[str, str]:
    """The ids of the stages' images as they were built, by stage, whatever other tests replace."""
    stages = sorted(path.parent.name for path in ROOT.glob("images/*/stage.toml"))
    names = [f"localhost/ad-click/{stage}:{settings['IMAGE_TAG']}" for stage in stages]
    with images_locked(fcntl.LOCK_EX):
        ids = docker("image", "inspect", "--format", "{{.Id}}", *names).split()
    return dict(zip(stages, ids, strict=True))


@contextlib.contextmanager
def replaced_work(settings: dict[str, str], stage: str, work: str) -> Iterator[None]:
    """Give a stage's image, for a while, another work than its own, which is ``<stage>.work``."""
    image = f"localhost/ad-click/{stage}:{settings['IMAGE_TAG']}"
    kept = docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    with images_locked(fcntl.LOCK_SH):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "main.py").write_text(work)
            Path(folder, "Dockerfile").write_text(
                f"FROM {image}\n"
                f"COPY --from={image} /app/{stage}/main.py /app/{stage}/work.py\n"
                f"COPY --chmod=644 main.py /app/{stage}/main.py\n"
            )
            docker("buildx", "build", "--quiet", "--load", "--tag", image, folder)
        try:
            yield
        finally:
            docker("tag", kept, image)


@pytest.fixture(scope="session")
def replace_work(settings: dict[str, str]) -> Any:
    """Gives a stage's image another work for a while: ``with replace_work(stage, work):``."""
    return functools.partial(replaced_work, settings)


@pytest.fixture
def crashing_data_preprocessing(settings: dict[str, str]) -> Iterator[None]:
    """The image of data_preprocessing is, for one test, one whose work raises."""
    work = 'def run(run):\n    raise RuntimeError("made to fail")\n'
    with replaced_work(settings, "data_preprocessing", work):
        yield


@pytest.fixture
def slow_build_model(settings: dict[str, str]) -> Iterator[None]:
    """The image of build_model is, for one test, one whose work does not end by itself."""
    work = "import time\n\n\ndef run(run):\n    time.sleep(600)\n"
    with replaced_work(settings, "build_model", work):
        yield


@pytest.fixture
def hidden_image(settings: dict[str, str]) -> Iterator[str]:
    """The image of build_model is, for one test, not there; its name."""
    image = f"localhost/ad-click/build_model:{settings['IMAGE_TAG']}"
    kept = f"{image}-kept"
    with images_locked(fcntl.LOCK_SH):
        docker("tag", image, kept)
        docker("image", "rm", image)
        yield image
        docker("tag", kept, image)
        docker("image", "rm", kept)
