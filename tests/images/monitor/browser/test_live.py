"""Pages that change by themselves while the volume does, and leave alone what their reader does."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import Page, expect
from tests.images.monitor.browser.conftest import LIMIT_MS, Site, until
from tests.images.monitor.conftest import DAY, START

pytestmark = pytest.mark.browser

expect.set_options(timeout=LIMIT_MS)


def mark(page: Page) -> None:
    """Leave a mark that a reload would take away."""
    page.evaluate("window.marked = true")


def answers(site: Site, path: str) -> Counter[str]:
    """Count the statuses of a path's answers."""
    lines = (line.split() for line in site.log.read_text().splitlines())
    return Counter(status for asked, status in lines if asked == path)


@pytest.fixture
def live(own_site: Site) -> Site:
    """A site with a run in progress and older ones."""
    for number in range(3):
        own_site.build.success(f"old{number}", started=START - (number + 1) * DAY)
    own_site.build.running("now")
    return own_site


def test_run_is_followed_to_its_end_without_a_reload(visit, live: Site) -> None:
    page = visit(live, live.run_path("now")).page
    expect(page.locator("h1")).to_have_text("The run is in progress")
    mark(page)
    live.build.progress("build_model", 0.81, "now", message="counting sheep")
    expect(page.locator("#main")).to_contain_text(re.compile(r"81\s?%"))
    expect(page.locator("#main")).to_contain_text("counting sheep")
    live.build.success("now")
    expect(page.locator("h1")).to_have_text("The run succeeded")
    assert page.evaluate("window.marked")


def test_overview_follows_the_run_in_progress(visit, live: Site) -> None:
    page = visit(live, "/home").page
    mark(page)
    live.build.progress("build_model", 0.62, "now")
    expect(page.locator("#main")).to_contain_text(re.compile(r"62\s?%"))
    live.build.failure("now")
    expect(page.locator("#main")).to_contain_text("Nothing is running")
    live.build.running("next", started=START + DAY)
    expect(page.get_by_role("link", name="next").first).to_be_visible()
    assert page.evaluate("window.marked")


def test_timeline_is_drawn_anew_with_the_run(visit, live: Site) -> None:
    page = visit(live, live.run_path("now")).page
    labels = "document.querySelector('data-chart').chart.data.labels.length"
    assert page.evaluate(labels) == 5
    live.build.success("now")
    until(page, f"{labels} === 10")


def test_what_the_reader_opened_and_where_they_are_stays(visit, live: Site) -> None:
    page = visit(live, live.run_path("now")).page
    box = page.locator("details", has_text="separate_data").last
    box.locator("summary").click()
    page.evaluate("scrollTo({ top: 300, behavior: 'instant' })")
    live.build.progress("build_model", 0.81, "now")
    expect(page.locator("#main")).to_contain_text(re.compile(r"81\s?%"))
    assert box.get_attribute("open") is not None
    assert page.evaluate("scrollY") == 300


def test_what_the_reader_types_and_chooses_stays(visit, live: Site) -> None:
    page = visit(live, "/runs").page
    page.get_by_role("checkbox", name="Compare old1").check()
    search = page.get_by_label("Search")
    search.press_sequentially("o")
    expect(page.get_by_text("4 runs")).to_be_visible()
    live.build.failure("new-one", started=START + DAY)
    expect(page.get_by_text("5 runs")).to_be_visible()
    assert page.get_by_role("checkbox", name="Compare old1").is_checked()
    expect(search).to_be_focused()
    assert search.input_value() == "o"
    search.press_sequentially("ld")
    expect(page.get_by_text("3 runs")).to_be_visible()
    assert search.input_value() == "old"


def test_answer_that_is_not_new_is_304(visit, live: Site) -> None:
    page = visit(live, "/home").page
    for _ in range(200):
        if answers(live, "/home")["304"] >= 2:
            break
        page.wait_for_timeout(100)
    found = answers(live, "/home")
    assert found["304"] >= 2
    assert set(found) == {"200", "304"}


def test_page_says_that_the_monitor_is_away_and_goes_on_after(browser, live: Site) -> None:
    page = browser.new_page()
    try:
        page.goto(live.url + live.run_path("now"))
        notice = page.locator("#connection")
        expect(notice).to_be_hidden()
        mark(page)
        live.stop()
        expect(notice).to_be_visible()
        expect(page.locator("h1")).to_have_text("The run is in progress")
        live.build.success("now")
        live.start()
        expect(page.locator("h1")).to_have_text("The run succeeded")
        expect(notice).to_be_hidden()
        assert page.evaluate("window.marked")
    finally:
        page.close()


def test_page_says_that_the_volume_is_away_and_goes_on_after(browser, live: Site) -> None:
    page = browser.new_page()
    try:
        page.goto(f"{live.url}/home")
        run = page.get_by_role("link", name="now").first
        # Only what was read before the volume went can still be shown after.
        expect(run).to_be_visible()
        marker = live.build.root / ".ad-click-volume"
        marker.unlink()
        expect(page.locator("#connection")).to_be_visible()
        expect(run).to_be_visible()
        marker.touch()
        expect(page.locator("#connection")).to_be_hidden()
    finally:
        page.close()
