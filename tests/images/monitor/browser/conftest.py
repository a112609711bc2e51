"""A real monitor on volumes of the tests' own, and a real browser that looks at it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request
from tests.images.monitor.conftest import (
    COMPARISON,
    CONTRACT,
    DAY,
    DRIFT,
    MEASURED,
    METRICS,
    PUBLISHED_FILES,
    RUN,
    START,
    Builder,
    iso,
)
from tests.images.monitor.predictor_server import PredictorServer

from monitor import SETTINGS

IMAGES = Path(__file__).resolve().parents[4] / "images"
START_LIMIT_SECONDS = 60
LIMIT_MS, STEP_MS = 30_000, 50
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
LOCALES = {"en": "en-US", "fr": "fr-FR"}
PASSWORD = "correct horse battery"
# A browser says on its console, and nowhere else, which policy it has held.
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`${event.violatedDirective} forbids ${event.blockedURI}`));
"""
CARD = f"""# Model card: advertising

## Lineage

- sha256 of the model: {"ab" * 32}

| stage | sha256 of its report | code |
| --- | --- | --- |
| load\\_data | {"ab" * 32} | {"cd" * 32} |

```python
print(model.predict_proba(rows[model.feature_names_in_])[:, 1], "{"a long line " * 9}")
```
"""


@dataclass
class Site:
    """A monitor that gunicorn serves as in its container, and the volume that it reads."""

    build: Builder
    folder: Path
    settings: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """A line for each request: its path and its status."""
        return self.folder / "access.log"

    def start(self) -> None:
        """Start it, on its port, also after it was stopped."""
        usual = SETTINGS | {"SHARED_VOLUME": str(self.build.root), "INDEX": str(self.folder)}
        command = (sys.executable, "-m", "gunicorn", "monitor:create_app()")
        options = {
            "--config": str(IMAGES / "monitor/gunicorn.conf.py"),
            "--bind": f"127.0.0.1:{self.port}",
            "--access-logfile": str(self.log),
            "--access-logformat": "%(U)s %(s)s",
            "--error-logfile": str(self.folder / "error.log"),
        }
        self.process = subprocess.Popen(
            [*command, *(part for option in options.items() for part in option)],
            env={**os.environ, **usual, **self.settings},
            cwd=self.folder,
        )
        self.wait("/health")

    def wait(self, path: str) -> None:
        """Wait until it answers that it is well (``/health``), or has read it all (``/ready``)."""
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while not self.answers(path):
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "error.log").read_text()
            assert time.monotonic() < deadline, f"{path} does not answer"
            time.sleep(0.1)

    def answers(self, path: str = "/health") -> bool:
        """Return whether it answers, and well."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=START_LIMIT_SECONDS):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def run_path(self, run_id: str = RUN) -> str:
        """Return the path of a run's page."""
        return f"/runs/{quote(run_id, safe='')}"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running_site(
    folder: Path, fill: Callable[[Site], None] | None = None, **settings: str
) -> Iterator[Site]:
    """A site that runs, on an empty volume, or on one that it has read as ``fill`` wrote it."""
    site = Site(Builder(folder / "shared_volume"), folder, settings, free_port())
    site.build.write(".ad-click-volume", "")
    try:
        if fill:
            fill(site)
        site.start()
        if fill:
            site.wait("/ready")
        yield site
    finally:
        site.stop()


@dataclass
class Visit:
    """A page, and whatever it did that no page may do."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)

    def goto(self, path: str) -> None:
        """Open a path of the site."""
        self.page.goto(self.site.url + path)

    def listen(self) -> None:
        """Write down each error, dialog, failed request and request to another host."""
        page, note = self.page, self.complaints.append
        page.context.add_init_script(TELL_VIOLATIONS)
        page.on("console", self.hear)
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("dialog", lambda dialog: (note(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("requestfailed", self.check_failure)
        page.on("request", lambda request: self.check_host(request.url))

    def hear(self, message: ConsoleMessage) -> None:
        """Note an error; that a page has the status of an error is none."""
        own = message.location["url"] == self.page.url and "status of 4" in message.text
        if message.type == "error" and not own:
            self.complaints.append(f"console: {message.text}")

    def check_failure(self, request: Request) -> None:
        """Note a request that failed, but not one that was given up for the next page."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url} {request.failure}")

    def check_host(self, address: str) -> None:
        """Note an address that is not on the site."""
        if not address.startswith((self.site.url, "data:", "blob:")):
            self.complaints.append(f"another host: {address}")


@pytest.fixture(scope="session")
def start_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Start a site that is filled first, with settings of its own; it ends with the tests."""
    with ExitStack() as sites:
        yield lambda fill=None, **settings: sites.enter_context(
            running_site(tmp_path_factory.mktemp("site"), fill, **settings)
        )


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A site for one test, which changes its volume."""
    with running_site(tmp_path) as site:
        yield site


@pytest.fixture(scope="session")
def site(start_site: Callable[..., Site], predictor: PredictorServer) -> Site:
    """A site with runs in all states, more than a page of them; tests only look at it."""
    return start_site(fill, PREDICTOR_URL=predictor.url)


@pytest.fixture(scope="session")
def predictor() -> Iterator[PredictorServer]:
    """A predictor that has the same answer for every row."""
    server = PredictorServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def refusing_site(start_site: Callable[..., Site]) -> Iterator[Site]:
    """A site whose predictor refuses every row for its age."""
    server = PredictorServer()
    broken = {"row": 0, "field": "Age", "rule": "the value is above the maximum 120"}
    server.refuse(422, detail="row 0, field 'Age': too old", errors=[broken])
    site = start_site(PREDICTOR_URL=server.url)
    site.build.publish(contract=CONTRACT)
    yield site
    server.stop()


@pytest.fixture(scope="session")
def empty_site(start_site: Callable[..., Site]) -> Site:
    """A site on a volume without runs."""
    return start_site()


@pytest.fixture(scope="session")
def guarded_site(start_site: Callable[..., Site]) -> Site:
    """A site that asks for a password."""
    return start_site(MONITOR_PASSWORD=PASSWORD)


def fill(site: Site) -> None:
    """Write 30 runs, of which the newest is in progress, and some mails."""
    build = site.build
    for number in range(24):
        run = f"old{number:02}"
        build.success(run, started=START - (number + 4) * DAY)
        build.metrics(run, accuracy=0.95 - number / 1000)
    build.not_published("worse", started=START - 28 * DAY)
    build.metrics("worse", accuracy=0.9, **MEASURED)
    build.refusal("refused", started=START - 3 * DAY)
    build.failure("failed", started=START - 2 * DAY)
    build.success("torn", started=START - 1.5 * DAY)
    build.write("runs/torn/build_model/report.json", '{"status": ')
    build.success(started=START - DAY)
    parts = {"metrics": METRICS | MEASURED, "comparison": COMPARISON, "drift": DRIFT}
    build.publish(release="first", contract=CONTRACT, files=PUBLISHED_FILES, **parts)
    build.decision("published", time=iso(START - DAY), previous="old00")
    build.decision("refused", "worse", time=iso(START - DAY / 2), reason=COMPARISON["reason"])
    build.write("model/releases/first/model_card.md", CARD)
    former = [build.attempt(1, START + DAY / 7200)]
    build.running("running", started=START)
    build.task("build_model", "running", "running", try_number=2, tries=former)
    build.mail(html='<h1 style="color: #146c43">The model was published</h1>')
    build.mail("2.M1P1.mailbox", subject="[ad-click] run failed: failed")


@contextmanager
def reader(
    browser: Browser,
    size: str = "desktop",
    language: str = "en",
    zone: str = "Europe/Paris",
    scheme: str = "light",
) -> Iterator[BrowserContext]:
    """A browser as one person has it, with nothing kept from before."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale=LOCALES[language],
        timezone_id=zone,
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",  # colours are what they are going to be
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(LIMIT_MS)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def visited(browser: Browser, site: Site, path: str = "", **person: str) -> Iterator[Visit]:
    """A visit of a page by a reader whose time zone is known already."""
    with reader(browser, **person) as context:
        zone = person.get("zone", "Europe/Paris")
        context.add_cookies([{"name": "zone", "value": zone, "url": site.url}])
        visit = Visit(context.new_page(), site)
        visit.listen()
        if path:
            visit.goto(path)
        yield visit


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Visit a page of a site; what it complains about fails the test."""
    with ExitStack() as visits:
        opened: list[Visit] = []

        def open_page(site: Site, path: str = "", **person: str) -> Visit:
            opened.append(visits.enter_context(visited(browser, site, path, **person)))
            return opened[-1]

        yield open_page
        complaints = [complaint for visit in opened for complaint in visit.complaints]
    assert complaints == []


def path_of(page: Page) -> str:
    """Return the path and the query of a page's address."""
    parts = urlsplit(page.url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@contextmanager
def leaving() -> Iterator[None]:
    """Let a page be left for the next one while it is asked."""
    try:
        yield
    except Error as error:
        if "context was destroyed" not in error.message:
            raise


def until(page: Page, expression: str, milliseconds: int = LIMIT_MS) -> Any:
    """Return what an expression gives in a page, as soon as that counts as true."""
    # The page's policy forbids Playwright's own wait_for_function, which evaluates texts.
    for _ in range(milliseconds // STEP_MS):
        with leaving():
            if answer := page.evaluate(expression):
                return answer
        page.wait_for_timeout(STEP_MS)
    raise AssertionError(f"never true: {expression}")
