"""What holds for every page, at each size, in both themes: quiet, narrow enough, accessible."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.images.monitor.browser.conftest import Site, Visit, until, visited
from tests.images.monitor.conftest import RUN

pytestmark = pytest.mark.browser

RUNS = f"run={RUN.replace('+', '%2B')}&run=refused&run=failed"
PAGES = {
    "home": "/home",
    "runs": "/runs",
    "second page of runs": "/runs?page=2&sort=accuracy",
    "no run fits": "/runs?q=nothing-like-it",
    "success": "/success",
    "failure": "/failure",
    "run that succeeded": f"/runs/{RUN}",
    "run that failed": "/runs/failed",
    "run that was refused": "/runs/refused",
    "run in progress": "/runs/running",
    "run with a torn file": "/runs/torn",
    "choose runs": "/compare?run=absent",
    "compare": f"/compare?{RUNS}",
    "run that was not published": "/runs/worse",
    "model": "/model",
    "predict": "/predict",
    "prediction": "/predict?Daily+Time+Spent+on+Site=70.5&Age=30&Male=1",
    "model card": "/model/card",
    "lineage": "/model/verify",
    "mails": "/mails",
    "mail": "/mails/1.M1P1.mailbox",
    "API": "/api/",
    "error": "/nothing",
    "embedded": "/embed/runs/failed",
}
EMPTY = {"no run": "/home", "no runs": "/runs", "no outcome": "/success", "no model": "/model",
         "no mail": "/mails",
         "no predictor": "/predict"}  # fmt: skip
REFUSED = {"refused row": "/predict?Age=300"}
PLACES = {"site": PAGES, "refusing_site": REFUSED, "empty_site": EMPTY,
          "guarded_site": {"login": "/"}}  # fmt: skip
READERS = (("desktop", "en"), ("phone", "fr"))
NARROWEST = 360


@dataclass
class Findings:
    """What a look at a page has found."""

    complaints: list[str]
    widths: dict[int, int]
    violations: list[str]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((place, path, *reader), id=f"{name}-{reader[0]}")
        for place, pages in PLACES.items()
        for name, path in pages.items()
        for reader in READERS
    ],
)
def findings(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Findings]:
    """Look at a page with all of its details open: once for all rules."""
    place, path, size, language = request.param
    site: Site = request.getfixturevalue(place)
    with visited(browser, site, path, size=size, language=language) as visit:
        page = visit.page
        if path == "/api/":
            page.locator(".opblock").first.wait_for()
        page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
        violations = look_over(visit, "light") + look_over(visit, "dark")
        widths = {}
        for width in (page.viewport_size["width"], NARROWEST):
            page.set_viewport_size({"width": width, "height": 800})
            widths[width] = settled_width(page)
        yield Findings(visit.complaints, widths, violations)


def settled_width(page: Page) -> int:
    """Return how wide a page is; its charts follow their window a moment later."""
    with contextlib.suppress(AssertionError):
        until(page, "document.documentElement.scrollWidth <= innerWidth", milliseconds=5000)
    return int(page.evaluate("document.documentElement.scrollWidth"))


def look_over(visit: Visit, theme: str) -> list[str]:
    """Return the grave violations of the rules of accessibility that axe finds in a theme."""
    visit.page.emulate_media(color_scheme=theme)
    return [
        f"{theme}: {found['id']} {found['impact']} {node['target']} {node['failureSummary']}"
        for found in Axe().run(visit.page).response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def test_page_errs_in_nothing_and_asks_no_other_host(findings: Findings) -> None:
    assert findings.complaints == []


def test_page_is_no_wider_than_its_window(findings: Findings) -> None:
    assert all(page <= window for window, page in findings.widths.items()), findings.widths


def test_page_has_no_grave_violation_of_accessibility(findings: Findings) -> None:
    assert findings.violations == []


def test_first_page_leads_to_the_newest_outcome(visit, site: Site) -> None:
    seen = visit(site, "/")
    assert seen.page.url == f"{site.url}/success"
    assert seen.page.locator("h1").inner_text() == "The run succeeded"


def test_first_page_without_a_run_says_how_to_start_one(visit, empty_site: Site) -> None:
    seen = visit(empty_site, "/")
    assert seen.page.url == f"{empty_site.url}/home"
    assert "make run" in seen.page.locator("#main").inner_text()
