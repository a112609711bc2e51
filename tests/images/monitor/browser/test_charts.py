"""Charts are really drawn, say what the tables say, and lead to their runs."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect
from tests.images.monitor.browser.conftest import LIMIT_MS, Site, until
from tests.images.monitor.conftest import RUN

pytestmark = pytest.mark.browser

expect.set_options(timeout=LIMIT_MS)

PAGES = {"timeline": f"/runs/{RUN}", "trend": "/home", "comparison": "/compare?run=old00&run=old01"}
# How many colours the pixels of the canvas have: one where nothing is drawn.
COLOURS = """() => {
  const canvas = document.querySelector("data-chart").shadowRoot.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def chart(page: Page, expression: str) -> object:
    """Return a value of the page's first chart."""
    return page.evaluate(f"document.querySelector('data-chart').chart.{expression}")


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("person", [{}, {"size": "phone", "scheme": "dark"}], ids=["light", "dark"])
def test_chart_is_drawn(visit, site: Site, kind: str, person: dict[str, str]) -> None:
    page = visit(site, PAGES[kind], **person).page
    assert page.locator("data-chart").get_attribute("kind") == kind
    assert page.evaluate(COLOURS) > 20
    assert page.locator("data-chart").bounding_box()["height"] > 100


def test_timeline_has_a_line_for_each_task_that_began(visit, site: Site) -> None:
    page = visit(site, f"/runs/{RUN}").page
    tasks = page.locator("section[aria-labelledby=stages] tbody th").all_inner_texts()
    assert chart(page, "data.labels") == tasks
    assert len(tasks) == 10


def test_timeline_tells_waits_and_tries_apart(visit, site: Site) -> None:
    page = visit(site, "/runs/running").page
    assert chart(page, "data.labels")[-1] == "build_model"
    tries = "data.datasets[1].data.filter((bar) => bar.y === 'build_model').length"
    assert chart(page, tries) == 2
    assert chart(page, "data.datasets[0].data.length") > 0


def test_numbers_of_a_chart_are_written_as_the_readers_language_does(visit, site: Site) -> None:
    tick = "scales.y.ticks.map((tick) => tick.label)"
    compare = "/compare?run=old00&run=refused"
    assert "0.2" in chart(visit(site, compare).page, tick)
    assert "0,2" in chart(visit(site, compare, language="fr").page, tick)


def test_click_on_a_point_of_the_trend_opens_its_run(visit, site: Site) -> None:
    page = visit(site, "/home").page
    canvas = page.locator("data-chart canvas")
    canvas.scroll_into_view_if_needed()
    points = "getDatasetMeta(0).data"
    last = chart(page, f"{points}.length") - 3
    position = {axis: chart(page, f"{points}[{last}].{axis}") for axis in ("x", "y")}
    data = json.loads(page.locator("data-chart").get_attribute("data"))
    canvas.click(position=position)
    expect(page).to_have_url(site.url + data["pages"][last])


def test_chart_fits_a_window_that_grows_and_shrinks(visit, site: Site) -> None:
    page = visit(site, "/home").page
    for width in (700, 1200, 400):
        page.set_viewport_size({"width": width, "height": 800})
        until(page, f"document.querySelector('data-chart').chart.width <= {width}")
        until(page, f"document.querySelector('data-chart').chart.width > {width / 2}")


def test_chart_says_what_it_shows_to_those_who_do_not_see_it(visit, site: Site) -> None:
    page = visit(site, "/home").page
    expect(page.get_by_role("img", name="Accuracy of the last")).to_be_visible()
