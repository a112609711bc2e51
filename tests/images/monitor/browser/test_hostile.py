"""Text of data, logs and mails stays text: nothing of it ever runs in a browser."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from tests.images.monitor.browser.conftest import LIMIT_MS, Site, Visit, reader
from tests.images.monitor.conftest import DAY, START, Builder

pytestmark = pytest.mark.browser

expect.set_options(timeout=LIMIT_MS)

# A browser in which any part of this runs has `top.hacked`, shows a dialog or leaves the page.
SCRIPT = "top.hacked=1;alert(1)"
EVIL = (
    f"<script>{SCRIPT}</script><img src=x onerror={SCRIPT}><svg onload={SCRIPT}>"
    f"\"'><a href=javascript:{SCRIPT}>x</a></textarea></details>{{{{7*7}}}}${{7*7}}"
)
LINK = f"javascript:{SCRIPT}"
PLAIN = ("<script>top.hacked=1", "{{7*7}}${7*7}")
MAIL = f"""<html><head><meta http-equiv="refresh" content="0; url=/health"><script>{SCRIPT}</script>
<style>p {{ color: #198754 }}</style><base href="http://other.example/"></head>
<body style="color: #0d6efd" onload="{SCRIPT}"><h1 style="color: #146c43">Made</h1><p>styled</p>
<img src=x onerror="{SCRIPT}"><a id="evil" href="{LINK}">evil</a>
<a id="good" href="{{address}}">good</a>
<form action="/language/fr"><button id="send">send</button></form></body></html>"""


def evil(*names: str, **more: object) -> dict[str, object]:
    return dict.fromkeys(names, EVIL) | more


def poison(build: Builder) -> None:
    """Write evil text into each field of each file that holds text."""
    run = "evil"
    source = evil("path", "sha256", bytes=1)
    build.failure(run)
    build.opened(run, dataset=EVIL, source=source)
    build.task("load_data", "failed", run, log_tail=[EVIL, LINK],
               tries=[build.attempt(1, START, state=EVIL, cause=EVIL, message=EVIL)],
               **evil("cause", "message", "advice", "docker_run", "dag_id", "logical_date",
                      "image", "image_id"))  # fmt: skip
    build.report("data_preprocessing", run, metrics={"warnings": [EVIL, LINK]})
    facts = evil("type", "role", "minimum", "maximum", top=[[EVIL, 1]])
    build.profile(run, **{EVIL: facts, f"x{EVIL}": facts | {"minimum": None}})
    build.validation(run, valid=False, unknown_columns=[EVIL], violations=1, file=EVIL,
                     violations_by_rule={EVIL: 1}, dropped_by_reason={EVIL: EVIL},
                     first_violations=[evil("line", "column", "value", "rule")])  # fmt: skip
    build.report("build_model", run, parameters={EVIL: LINK}, versions={EVIL: EVIL},
                 metrics={f"rows {EVIL}": 1}, outputs=("a.txt",), image=EVIL)  # fmt: skip
    build.metrics(run, gate={"passed": False, "reasons": [EVIL, LINK]})
    build.write(f"runs/{run}/build_model/report.json", {
        "status": "done", "parameters": {EVIL: LINK}, "versions": {EVIL: EVIL},
        "metrics": {f"rows {EVIL}": 1},
        "outputs": [{"path": f"runs/{run}/build_model/{EVIL}", "bytes": 1, "sha256": EVIL}],
    })  # fmt: skip
    build.write(f"runs/{run}/model_summary/model_summary.json",
                {"published": False, "reason": EVIL})  # fmt: skip
    build.running("busy", started=START + DAY)
    build.progress("build_model", 0.4, "busy", message=EVIL)
    build.publish("other", model_type=EVIL, dataset=EVIL, scaler=EVIL, features=[EVIL, LINK],
                  target=EVIL, reason=EVIL, source=source, model={"sha256": EVIL})  # fmt: skip
    headers = "".join(f"{name}: {EVIL}\n" for name in ("From", "To", "Subject"))
    build.raw_mail("1.M1P1.mailbox", f"{headers}\n{EVIL}".encode())


@pytest.fixture(scope="module")
def evil_site(start_site) -> Site:

    def fill(site: Site) -> None:
        poison(site.build)
        site.build.mail("2.M1P1.mailbox", html=MAIL.replace("{address}", f"{site.url}/model"))

    return start_site(fill)


def unhacked(page: Page) -> None:
    """Fail if anything ran, of what stood there or of what was merged in by the next answers."""
    page.wait_for_timeout(2000)
    assert page.evaluate("window.hacked") is None


Q = quote(EVIL)


@pytest.mark.parametrize(
    "path",
    ["/home", "/runs", "/failure", "/success", "/runs/evil", "/runs/busy", "/model", "/mails",
     "/mails/1.M1P1.mailbox", "/compare?run=evil&run=busy", "/embed/runs/evil"],
)  # fmt: skip
def test_text_of_files_is_shown_as_text(visit, evil_site: Site, path: str) -> None:
    page = visit(evil_site, path).page
    page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    if path != "/success":
        shown = page.locator("#main").inner_text()
        assert all(text in shown for text in PLAIN), shown
    unhacked(page)
    assert page.url == evil_site.url + path


@pytest.mark.parametrize(
    "path",
    [f"/runs?q={Q}", f"/mails?q={Q}", f"/compare?run={Q}", f"/{Q}", f"/runs/{Q}",
     f"/runs?state={Q}&sort={Q}&dataset={Q}", f"/language/en?back={Q}"],
)  # fmt: skip
def test_text_of_the_address_is_shown_as_text(visit, evil_site: Site, path: str) -> None:
    page = visit(evil_site, path).page
    unhacked(page)


def test_what_a_chart_says_at_the_pointer_is_text(visit, evil_site: Site) -> None:
    page = visit(evil_site, "/runs/evil").page
    chart = page.locator("data-chart")
    box = chart.bounding_box()
    for step in range(10):
        page.mouse.move(box["x"] + box["width"] * (0.2 + step / 13), box["y"] + 40)
    unhacked(page)


def open_mail(visit, site: Site) -> tuple[Visit, Page]:
    seen = visit(site, "/mails/2.M1P1.mailbox")
    expect(seen.page.frame_locator("iframe").locator("h1")).to_have_text("Made")
    return seen, seen.page


def only_held(seen: Visit) -> None:
    """Take away what the browser said about what it held back in a mail; nothing else was said."""
    held = ("Blocked", "forbids", "violates", "Refused", "sandboxed", "Not allowed", "failed:")
    assert [said for said in seen.complaints if not any(word in said for word in held)] == []
    seen.complaints.clear()


def test_mail_is_sealed(visit, evil_site: Site) -> None:
    seen, page = open_mail(visit, evil_site)
    frame = page.frame_locator("iframe")
    frame.locator("#send").click()
    page.wait_for_timeout(1000)
    assert page.frames[1].url.endswith("/mails/2.M1P1.mailbox/body")
    assert page.locator("iframe").get_attribute("sandbox") == (
        "allow-popups allow-popups-to-escape-sandbox"
    )
    unhacked(page)
    only_held(seen)


def test_script_link_of_a_mail_does_nothing(visit, evil_site: Site) -> None:
    seen, page = open_mail(visit, evil_site)
    page.frame_locator("iframe").locator("#evil").click()
    page.wait_for_timeout(1000)
    for opened in page.context.pages:
        assert opened.evaluate("window.hacked") is None
    only_held(seen)


def test_mail_has_its_own_styles(visit, evil_site: Site) -> None:
    seen, page = open_mail(visit, evil_site)
    frame = page.frame_locator("iframe")
    for element, colour in (("h1", "rgb(20, 108, 67)"), ("body", "rgb(13, 110, 253)"),
                            ("p", "rgb(25, 135, 84)")):  # fmt: skip
        expect(frame.locator(element)).to_have_css("color", colour)
    only_held(seen)


def test_link_of_a_mail_opens_a_page_of_its_own(visit, evil_site: Site) -> None:
    seen, page = open_mail(visit, evil_site)
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").locator("#good").click()
    expect(opened.value).to_have_url(f"{evil_site.url}/model")
    expect(opened.value.locator("#main")).to_be_visible()
    assert page.url.endswith("/mails/2.M1P1.mailbox")
    only_held(seen)


@pytest.mark.parametrize("kind", ["svg", "html", "json"])
def test_file_of_a_run_runs_nothing(browser, evil_site: Site, kind: str) -> None:
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{SCRIPT}</script></svg>'
    evil_site.build.write(f"runs/evil/build_model/x.{kind}", drawn)
    with reader(browser) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        address = f"{evil_site.url}/runs/evil/artifacts/build_model/x.{kind}"
        if kind == "html":  # no browser shows it: it is saved
            with page.expect_download() as saved:
                page.evaluate("(address) => { location.href = address }", address)
            assert saved.value.suggested_filename == "x.html"
        else:
            page.goto(address)
            page.wait_for_timeout(500)
        assert asked == []
