"""The list of runs, worked with as a person does: by mouse, by keyboard, on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect
from tests.images.monitor.browser.conftest import LIMIT_MS, STEP_MS, Site, path_of, until
from tests.images.monitor.conftest import RUN

pytestmark = pytest.mark.browser

expect.set_options(timeout=LIMIT_MS)


def shown(page: Page) -> list[str]:
    """Return the ids of the runs that the list shows."""
    return page.locator("tbody .run-id").all_inner_texts()


def wait_for_count(page: Page, count: str) -> None:
    """Wait until the list says how many runs fit."""
    expect(page.get_by_text(count, exact=True)).to_be_visible()


def test_search_finds_while_one_types(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    wait_for_count(page, "30 runs")
    page.get_by_label("Search").press_sequentially("gate missed")
    wait_for_count(page, "1 run")
    assert shown(page) == ["refused"]
    assert path_of(page).startswith("/runs?q=gate%20missed")


def test_answer_that_comes_late_does_not_undo_a_search(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    asked: list[Route] = []
    page.route(f"{site.url}/runs", lambda route: asked.append(route))  # from now on they wait
    for _ in range(LIMIT_MS // STEP_MS):
        if asked:
            break
        page.wait_for_timeout(STEP_MS)
    page.get_by_label("Search").fill("gate missed")
    wait_for_count(page, "1 run")
    with page.expect_response(f"{site.url}/runs"):
        asked[0].continue_()
    page.wait_for_timeout(500)
    assert shown(page) == ["refused"]
    page.unroute_all(behavior="ignoreErrors")


def test_search_that_finds_nothing_says_so_and_leads_back(visit, site: Site) -> None:
    page = visit(site, "/runs?q=absent").page
    page.get_by_role("link", name="Show all runs").click()
    wait_for_count(page, "30 runs")


@pytest.mark.parametrize(
    ("label", "choice", "found"),
    [
        ("State", "failed", ["failed", "refused"]),
        ("State", "in progress", ["running"]),
        ("Cause", "data refused", ["failed"]),
        ("Model", "refused", ["refused", "worse"]),
    ],
)
def test_filter_keeps_what_is_chosen(visit, site: Site, label, choice, found) -> None:
    page = visit(site, "/runs").page
    page.get_by_label(label, exact=True).select_option(label=choice)
    expect(page.locator("tbody tr")).to_have_count(len(found))
    assert sorted(shown(page)) == found


def test_filtered_list_stays_filtered_while_it_is_live(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    page.get_by_label("State", exact=True).select_option(label="failed")
    wait_for_count(page, "2 runs")
    with page.expect_request(lambda request: "state=failed" in request.url):
        pass
    page.wait_for_timeout(2000)
    assert sorted(shown(page)) == ["failed", "refused"]


def test_header_sorts_and_sorts_the_other_way(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    header = page.get_by_role("columnheader", name="accuracy")
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    assert set(shown(page)[:2]) == {RUN, "torn"}
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert shown(page)[0] == "refused"


def test_pages_of_the_list_follow_each_other(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    first = shown(page)
    assert len(first) == 25
    page.get_by_role("link", name="Page 2").click()
    expect(page.locator("[aria-current=page]", has_text="2")).to_be_visible()
    assert len(shown(page)) == 5
    assert not set(first) & set(shown(page))


def test_back_leads_to_the_list_as_it_was(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    page.get_by_label("State", exact=True).select_option(label="failed")
    wait_for_count(page, "2 runs")
    page.go_back()
    wait_for_count(page, "30 runs")
    assert page.get_by_label("State", exact=True).input_value() == ""


def test_two_to_five_chosen_runs_are_compared(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    button = page.get_by_role("button", name="Compare 2 to 5 chosen runs")
    boxes = page.get_by_role("checkbox").all()
    expect(button).to_be_disabled()
    boxes[0].check()
    expect(button).to_be_disabled()
    for box in boxes[1:5]:
        box.check()
        expect(button).to_be_enabled()
    expect(boxes[5]).to_be_disabled()
    boxes[4].uncheck()
    expect(boxes[5]).to_be_enabled()
    chosen = [box.get_attribute("value") for box in boxes[:4]]
    button.click()
    expect(page.locator("h1")).to_have_text("Compare runs")
    assert page.locator("#main ol .run-id").all_inner_texts() == chosen


def test_comparison_marks_what_differs_and_what_is_best(visit, site: Site) -> None:
    page = visit(site, "/compare?run=old00&run=refused").page
    accuracy = page.get_by_role("row", name="accuracy")
    expect(accuracy).to_contain_text("0.9500 best")
    expect(accuracy).to_contain_text("differs")
    expect(page.get_by_role("row", name="max_iter")).not_to_contain_text("differs")
    page.get_by_role("link", name="leave out").first.click()
    expect(page.get_by_label("Run 1")).to_have_value("refused")


def test_skip_link_is_first_and_leads_to_the_content(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search")).to_be_focused()


def test_keyboard_leads_to_every_page(visit, site: Site) -> None:
    page = visit(site, "/home").page
    for place in ("Runs", "Compare", "Model", "Mails", "API", "Overview"):
        page.locator("header nav").get_by_role("link", name=place, exact=True).focus()
        page.keyboard.press("Enter")
        here = page.locator("header nav [aria-current=page]")
        expect(here).to_have_text(place)


def test_keyboard_opens_the_menu_of_a_phone(visit, site: Site) -> None:
    page = visit(site, "/home", size="phone").page
    menu = page.get_by_role("button", name="Menu")
    runs = page.locator("header").get_by_role("link", name="Runs", exact=True)
    expect(runs).to_be_hidden()
    menu.focus()
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(runs).to_be_visible()
    until(page, "!document.querySelector('.collapsing')")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(runs).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/runs")


def test_keyboard_sends_the_search_and_keeps_its_place(visit, site: Site) -> None:
    page = visit(site, "/mails").page
    search = page.get_by_label("Search")
    search.fill("failed")
    search.press("Enter")
    expect(page.locator("#main li")).to_have_count(1)
    expect(search).to_be_focused()


def test_every_focus_is_seen(visit, site: Site) -> None:
    page = visit(site, "/runs").page
    for _ in range(20):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
              const style = getComputedStyle(document.activeElement);
              return style.outlineStyle !== "none" || style.boxShadow !== "none";
            }"""
        )
        assert seen, page.evaluate("document.activeElement.outerHTML")


def test_phone_sorts_too(visit, site: Site) -> None:
    page = visit(site, "/runs", size="phone").page
    page.get_by_role("link", name="Time", exact=True).click()
    expect(page.get_by_role("columnheader", name="Time")).to_have_attribute(
        "aria-sort", "descending"
    )


def test_copy_button_copies_the_command(visit, site: Site) -> None:
    page = visit(site, "/runs/failed").page
    button = page.locator("[data-copy=command-load_data]")
    button.click()
    expect(button).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "docker run --rm localhost/ad-click/load_data --run-id failed"
    expect(button).to_have_text("Copy")


def test_login_lets_in_who_has_the_password_and_out_again(visit, guarded_site: Site) -> None:
    page = visit(guarded_site, "/runs?q=x").page
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the password.")
    page.get_by_label("Password").fill("correct horse battery")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{guarded_site.url}/runs?q=x")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
