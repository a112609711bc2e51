"""No page needs more than this host's own files, and every answer says so."""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import monitor

PACKAGE = Path(monitor.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
SCRIPTS = sorted((PACKAGE / "static").glob("*.js"))
ADDRESSES = ["/", "/home", "/success", "/runs", "/runs/a", "/model", "/compare", "/mails",
             "/mails/1", "/api/status", "/api/openapi.json", "/api/", "/health", "/ready",
             "/metrics", "/absent", "/api/absent", "/static/monitor.css", "/static/absent",
             "/language/fr", "/login", "/runs/a/artifacts/absent"]  # fmt: skip
USUAL = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def policy(answer):
    """The directives of an answer's content security policy."""
    text = answer.headers["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in text.split(";"))


@pytest.fixture
def browser(build, client):
    build.success("a")
    build.publish("a")
    build.mail("1", html="<p>")
    return client


def check(answer):
    assert USUAL.items() <= dict(answer.headers).items()
    assert "camera=()" in answer.headers["Permissions-Policy"]
    found = policy(answer)
    assert found["default-src"] == found["base-uri"] == found["frame-ancestors"] == "'none'"
    assert found["script-src"] == found["style-src"] == found["connect-src"] == "'self'"
    assert found["form-action"] == found["frame-src"] == "'self'"
    assert found["img-src"] == "'self' data:"
    assert "unsafe" not in str(found)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_has_the_headers(browser, address):
    answer = browser.get(address, buffered=True)
    check(answer)
    check(browser.head(address, buffered=True))
    if "ETag" in answer.headers:
        known = {"If-None-Match": answer.headers["ETag"]}
        check(browser.get(address, headers=known, buffered=True))


def test_refusal_of_every_kind_has_the_headers(build, serve):
    client = serve(MONITOR_PASSWORD="a quite long password")
    check(client.get("/api/status"))
    check(client.get("/home"))
    check(client.post("/login", data={"password": "wrong"}))
    check(client.post("/runs"))
    (build.root / ".ad-click-volume").unlink()
    check(client.get("/health"))
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    client.application.extensions["guesses"] = None
    check(client.post("/login", data={"password": "x"}))


def test_answers_are_asked_for_again_and_files_of_a_build_are_kept(browser):
    assert browser.get("/health").headers["Cache-Control"] == "no-cache"
    address = re.search(r'href="(/static/monitor\.css\?v=[^"]+)"', browser.get("/home").text)[1]
    assert "immutable" in browser.get(address, buffered=True).headers["Cache-Control"]
    unnamed = browser.get("/static/monitor.css", buffered=True)
    assert "immutable" not in unnamed.headers["Cache-Control"]
    absent = browser.get("/static/absent?v=1")
    assert (absent.status_code, "immutable" in absent.headers["Cache-Control"]) == (404, False)


def test_file_is_sent_compressed_to_a_browser_that_takes_it(browser):
    name = "/static/vendor/bootstrap/bootstrap.min.css?v=1"
    plain = browser.get(name, buffered=True)
    zipped = browser.get(name, headers={"Accept-Encoding": "br, gzip"}, buffered=True)
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    for answer in (plain, zipped):
        assert answer.mimetype == "text/css"
        assert answer.headers["Vary"] == "Accept-Encoding"
        check(answer)


@pytest.mark.parametrize(
    "name", ["../__init__.py", "%2e%2e/__init__.py", "..%2f__init__.py", "%00", "vendor", "vendor/"]
)
@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_no_file_but_those_of_static_is_sent(browser, name, encoding):
    answer = browser.get(f"/static/{name}", headers={"Accept-Encoding": encoding})
    assert answer.status_code == 404


def test_nothing_tells_which_server_or_session_it_is(browser):
    answer = browser.get("/home")
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_inline_styles_scripts_or_other_hosts(path):
    text = path.read_text()
    found = re.search(
        r"<script(?![^>]* src=\"{{ asset\()|<style|\sstyle=|[\s\"']on\w+=|hx-on|https?://"
        r"|\|\s*(safe|tojson|escapejs)|autoescape|Markup|javascript:|srcdoc",
        text,
    )
    assert not found, found
    for element in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text):
        assert re.search(r'(src|href)="{{ (asset\(|url_for\(|address }})', element), element


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_or_code_of_text(path):
    found = re.search(
        r"eval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|https?://"
        r"|setTimeout\(['\"`]|\.srcdoc|createContextualFragment|DOMParser|import\(",
        path.read_text(),
    )
    assert not found, found


def test_every_file_that_a_page_loads_is_there():
    names = {n for path in TEMPLATES for n in re.findall(r"asset\('([^']+)'\)", path.read_text())}
    assert "vendor/bootstrap/bootstrap.min.css" in names
    missing = [name for name in names if not (PACKAGE / "static" / name).is_file()]
    assert missing == [], "make venv installs the files of vendor/"


def test_htmx_is_told_to_run_no_code_and_to_ask_this_host_only(browser):
    settings = re.search(r"name=\"htmx-config\" content='([^']+)'", browser.get("/home").text)[1]
    for setting in ('"allowEval": false', '"includeIndicatorStyles": false',
                    '"selfRequestsOnly": true', '"historyCacheSize": 0'):  # fmt: skip
        assert setting in settings


class Elements(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("address", [a for a in ADDRESSES if not a.startswith("/static")])
def test_every_address_of_a_page_is_on_this_host(browser, address):
    answer = browser.get(address, follow_redirects=True)
    if answer.mimetype != "text/html":
        return
    for tag, attributes in Elements(answer.text).found:
        for name in ("src", "href", "action", "hx-get", "formaction", "data"):
            if tag != "data-chart" and attributes.get(name):
                assert re.match(r"(/(?![/\\])|#)", attributes[name]), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
