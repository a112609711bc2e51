"""The page to try the API, and the pages that Airflow shows in a frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.images.monitor.browser.conftest import LIMIT_MS, STEP_MS, Site, reader
from tests.images.monitor.conftest import DAY, START

pytestmark = pytest.mark.browser

expect.set_options(timeout=LIMIT_MS)


# What Airflow allows its frames.
SANDBOX = "allow-downloads allow-forms allow-same-origin allow-scripts"


class Outer(BaseHTTPRequestHandler):
    """A page with the address of its query in a frame, as Airflow's pages have one."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        address = self.path.partition("?")[2]
        frame = f'<iframe sandbox="{SANDBOX}" src="{address}"></iframe>'
        self.wfile.write(f'<!doctype html><link rel="icon" href="data:,">{frame}'.encode())

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def outer_server() -> Iterator[str]:
    """Serve such pages and give their origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Outer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def airflow() -> Iterator[str]:
    with outer_server() as origin:
        yield origin


@pytest.fixture(scope="module")
def embedding_site(start_site, airflow: str) -> Site:
    """A site whose Airflow is at another origin."""

    def fill(site: Site) -> None:
        site.build.success("good", started=START - DAY)
        site.build.publish("good")
        site.build.failure("bad")

    return start_site(fill, AIRFLOW_URL=airflow)


def test_embedded_run_has_no_frame_of_its_own(visit, embedding_site: Site) -> None:
    page = visit(embedding_site, "/embed/runs/bad").page
    expect(page.locator("h1")).to_have_text("The run failed")
    assert page.locator("header, footer").count() == 0


def test_embedded_newest_run_is_shown_in_airflow(browser, embedding_site: Site, airflow: str):
    with reader(browser) as context:
        page = context.new_page()
        page.goto(f"{airflow}/?{embedding_site.url}/embed")
        frame = page.frame_locator("iframe")
        expect(frame.locator("h1")).to_have_text("The run failed")
        frame.get_by_role("link", name="good").first.click()
        expect(frame.locator("h1")).to_have_text("The run succeeded")
        assert frame.locator("header").count() == 0
        assert len(context.pages) == 1


def test_embedded_run_is_live(browser, embedding_site: Site, airflow: str) -> None:
    embedding_site.build.running("live", started=START - 2 * DAY)
    with reader(browser) as context:
        page = context.new_page()
        page.goto(f"{airflow}/?{embedding_site.url}/embed/runs/live")
        frame = page.frame_locator("iframe")
        expect(frame.locator("h1")).to_have_text("The run is in progress")
        embedding_site.build.success("live", started=START - 2 * DAY)
        expect(frame.locator("h1")).to_have_text("The run succeeded")


def until_refused(page: Page) -> None:
    """Wait until the browser shows, in the page's frame, that it may not be shown there."""
    for _ in range(LIMIT_MS // STEP_MS):
        if page.frames[1].url.startswith("chrome-error:"):
            return
        page.wait_for_timeout(STEP_MS)
    raise AssertionError(page.frames[1].url)


@pytest.mark.parametrize("path", ["/embed/runs/bad", "/embed"])
def test_no_other_page_may_embed(browser, embedding_site: Site, path: str) -> None:
    with outer_server() as stranger, reader(browser) as context:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{stranger}/?{embedding_site.url}{path}")
        until_refused(page)
        for _ in range(LIMIT_MS // STEP_MS):  # what is said arrives a moment later
            if any("frame-ancestors" in text for text in said):
                break
            page.wait_for_timeout(STEP_MS)
        assert any("frame-ancestors" in text for text in said), said


@pytest.mark.parametrize("path", ["/home", "/runs/bad", "/login"])
def test_no_other_page_is_embedded_even_in_airflow(
    browser, embedding_site: Site, airflow: str, path: str
) -> None:
    with reader(browser) as context:
        page = context.new_page()
        page.goto(f"{airflow}/?{embedding_site.url}{path}")
        until_refused(page)


def test_api_page_lists_every_address_and_tries_one(visit, site: Site) -> None:
    page = visit(site, "/api/").page
    document = page.request.get(f"{site.url}/api/openapi.json").json()
    expect(page.locator(".opblock")).to_have_count(len(document["paths"]))
    shown = [text.replace("\u200b", "") for text in
             page.locator(".opblock-summary-path").all_inner_texts()]  # fmt: skip
    assert shown == list(document["paths"])
    status = page.locator("#operations-api-get_api_status")
    status.locator(".opblock-summary-control").click()
    status.get_by_role("button", name="Try it out").click()
    status.get_by_role("button", name="Execute").click()
    answer = status.locator(".live-responses-table tbody")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text('"running"')


def test_opened_address_of_the_api_page_is_accessible(visit, site: Site) -> None:
    page = visit(site, "/api/").page
    status = page.locator("#operations-api-get_api_status")
    status.locator(".opblock-summary-control").click()
    status.get_by_role("button", name="Try it out").wait_for()
    found = Axe().run(page).response["violations"]
    grave = [f for f in found if f["impact"] in ("serious", "critical")]
    found = [f"{f['id']} {n['html']} {n['failureSummary']}" for f in grave for n in f["nodes"]]
    assert found == []
