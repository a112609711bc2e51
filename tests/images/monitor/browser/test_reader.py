"""A page follows its reader: language, time zone, colours."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from tests.images.monitor.browser.conftest import Site, path_of, reader, until

pytestmark = pytest.mark.browser

# 2026-11-22 19:30 UTC, when RUN started on the site: as each reader's language and zone write it.
STARTED = {
    ("en", "Europe/Paris"): "Nov 22, 2026, 8:30:00\u202fPM",
    ("fr", "Europe/Paris"): "22 nov. 2026, 20:30:00",
    ("en", "Asia/Tokyo"): "Nov 23, 2026, 4:30:00\u202fAM",
    ("fr", "America/New_York"): "22 nov. 2026, 14:30:00",
}
EXACT = "2026-11-22 19:30:00.000 UTC"


def language_of(page: Page) -> str:
    return page.locator("html").get_attribute("lang")


def theme_of(page: Page) -> str:
    return page.locator("html").get_attribute("data-bs-theme")


def tick_colour(page: Page) -> str:
    return page.evaluate("document.querySelector('data-chart').chart.options.scales.x.ticks.color")


@pytest.mark.parametrize(("language", "accuracy"), [("en", "0.9700"), ("fr", "0,9700")])
def test_language_is_the_browsers(visit, site: Site, language: str, accuracy: str) -> None:
    page = visit(site, site.run_path(), language=language).page
    assert language_of(page) == language
    assert page.locator(".scores dd").first.inner_text() == accuracy


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_switch_of_the_language_stays_on_the_page_and_is_kept(visit, site: Site, size: str) -> None:
    page = visit(site, "/runs?q=old&state=success", size=size).page
    if size == "phone":
        page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Français").click()
    until(page, "document.documentElement.lang === 'fr'")
    assert path_of(page) == "/runs?q=old&state=success"
    page.goto(f"{site.url}/model")
    assert language_of(page) == "fr"
    assert page.locator(".scores dd").first.inner_text() == "0,9700"


def test_chosen_language_stands_above_the_browsers(visit, site: Site) -> None:
    page = visit(site, "/home", language="fr").page
    page.get_by_role("link", name="English").click()
    until(page, "document.documentElement.lang === 'en'")
    assert page.locator("[aria-current=true]").inner_text() == "English"


@pytest.mark.parametrize(("language", "zone"), STARTED)
def test_times_are_in_the_readers_zone_from_the_first_page_on(
    browser, site: Site, language: str, zone: str
) -> None:
    with reader(browser, language=language, zone=zone) as context:
        page = context.new_page()
        page.goto(site.url + site.run_path())
        page.get_by_text(zone).wait_for()
        time = page.locator("#facts + dl time").first
        assert time.inner_text() == STARTED[language, zone]
        assert time.get_attribute("title") == EXACT


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_the_systems(visit, site: Site, scheme: str) -> None:
    page = visit(site, "/home", scheme=scheme).page
    assert theme_of(page) == scheme
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(33, 37, 41)"}[scheme]


def test_change_of_the_systems_colours_is_followed_by_page_and_charts(visit, site: Site) -> None:
    page = visit(site, "/home").page
    before = tick_colour(page)
    page.emulate_media(color_scheme="dark")
    until(page, "document.documentElement.dataset.bsTheme === 'dark'")
    assert tick_colour(page) != before


def test_button_goes_round_the_colours_and_is_kept(visit, site: Site) -> None:
    page = visit(site, "/home", scheme="dark").page
    button = page.locator("[data-theme-switch]")
    seen = []
    for _ in range(4):
        seen.append((button.inner_text(), theme_of(page)))
        button.click()
        page.reload()
    assert [theme for _, theme in seen] == ["dark", "light", "dark", "dark"]
    texts = [text for text, _ in seen]
    assert texts[0] == texts[3]
    assert len(set(texts)) == 3


def test_chosen_colours_stand_above_the_systems_in_form_fields_too(visit, site: Site) -> None:
    page = visit(site, "/runs", scheme="dark").page
    page.locator("[data-theme-switch]").click()
    scheme = "getComputedStyle(document.querySelector('#q')).colorScheme"
    assert (theme_of(page), page.evaluate(scheme)) == ("light", "light")
