"""What all pages share, and that no text of a run, a mail or Airflow is ever markup."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from monitor.reading.stages import MAILS, STAGES

TEXT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
MARKUP = "<script>alert(1)</script>"
RUNS = "run=evil&run=other"
PAGES = ["/home", "/runs", f"/runs?{urlencode({'q': TEXT, 'state': TEXT, 'sort': TEXT})}",
         "/runs?state=failed&q=alert", "/success", "/failure", "/runs/evil", "/runs/other",
         "/embed/runs/evil", "/model", f"/compare?{RUNS}", f"/compare?{urlencode({'run': TEXT})}",
         "/mails", f"/mails?{urlencode({'q': TEXT})}", "/mails/evil", "/api/", "/runs/waiting",
         f"/login?{urlencode({'back': TEXT})}"]  # fmt: skip


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def evil(build):
    """A run, a model and a mail with the same hostile text in every field that holds text."""
    told = {"cause": TEXT, "message": TEXT, "advice": TEXT, "docker_run": TEXT, "image": TEXT,
            "image_id": TEXT, "dag_id": TEXT, "logical_date": TEXT, "log_tail": [TEXT],
            "tries": [build.attempt(1, build.start, cause=TEXT, message=TEXT, state=TEXT)],
            "exit_code": 1}  # fmt: skip
    line = dict.fromkeys(("line", "column", "value", "rule"), TEXT)
    error = {"cause": TEXT, "message": TEXT, "code": 1}
    build.opened("evil", dataset=TEXT, source={"path": TEXT, "sha256": TEXT, "bytes": 1})
    for stage in STAGES:
        build.report(stage, "evil", metrics={f"rows{TEXT}": 1, "warnings": [TEXT]},
                     parameters={TEXT: TEXT}, versions={TEXT: TEXT}, error=error)  # fmt: skip
        build.task(stage, "failed", "evil", **told)
    for mail in MAILS:
        build.task(mail, "failed", "evil", **told)
    file = {"path": f"runs/evil/end_pipeline/{TEXT}", "bytes": 1, "sha256": TEXT}
    report = {"status": "done", "outputs": [file], "parameters": {TEXT: [TEXT, {TEXT: TEXT}]}}
    build.write("runs/evil/end_pipeline/report.json", report)
    build.metrics("evil", accuracy=0.5, gate={"passed": False, "reasons": [TEXT]})
    build.validation("evil", valid=False, file=TEXT, unknown_columns=[TEXT], violations=1,
                     violations_by_rule={TEXT: 1}, dropped_by_reason={TEXT: TEXT},
                     first_violations=[line, {**line, "line": None, "row": TEXT}])  # fmt: skip
    facts = {"type": TEXT, "role": TEXT, "top": [[TEXT, 1]], "minimum": TEXT, "maximum": TEXT}
    build.profile("evil", **{TEXT: facts, f"{TEXT}2": facts | {"minimum": None}})
    build.write("runs/evil/model_summary/model_summary.json", {"published": True, "reason": TEXT})
    build.publish("evil", dataset=TEXT, model_type=TEXT, scaler=TEXT, target=TEXT, reason=TEXT,
                  features=[TEXT], source={"path": TEXT}, model={"sha256": TEXT})  # fmt: skip
    build.write("model/releases/evil~x1y2z3a4/model_summary.txt", TEXT)
    build.mail("evil", subject=f"{TEXT} evil", text=TEXT, html=TEXT)


@pytest.fixture
def hostile(build, airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    evil(build)
    build.running("other", started=build.start + timedelta(minutes=1))
    build.progress("build_model", 0.5, "other", message=TEXT)
    build.task("start_pipeline", "up_for_retry", "other", cause=TEXT, message=TEXT)
    airflow.run("waiting", "queued", {"load_data": TEXT}, queued_at=TEXT)
    airflow.run(TEXT, "queued")
    poll(client)
    return client


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address[:20])
def test_hostile_text_stays_text_on_every_page(hostile, address):
    answer = hostile.get(address, follow_redirects=True)
    assert answer.status_code == 200
    assert MARKUP not in answer.text
    page = Page(answer.text)
    assert "alert(1)>49" not in page.text
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or "<" in name]
        assert tag != "script" or attributes["src"].startswith("/static/")
        assert tag != "img" or attributes["src"].startswith(("/static/", "/runs/"))
        assert tag != "base" or address.startswith("/embed")


@pytest.mark.parametrize(
    ("address", "times"),
    [("/runs/evil", 60), ("/model", 8), (f"/compare?{RUNS}", 4), ("/mails", 1), ("/mails/evil", 3),
     ("/runs", 2), ("/home", 4), ("/failure", 60), ("/runs/other", 3)],
)  # fmt: skip
def test_hostile_text_is_shown_as_it_is(hostile, address, times):
    assert Page(hostile.get(address).text).text.count(TEXT) >= times


@pytest.mark.parametrize("address", ["/absent", "/runs/absent", "/mails/absent", "/runs/a/b"])
def test_hostile_address_stays_text(hostile, address):
    for answer in (hostile.get(f"{address}{TEXT}"), hostile.get(f"{address}?{TEXT}")):
        assert answer.status_code == 404
        assert MARKUP not in answer.text


@pytest.mark.parametrize("address", ["/api/status?run_id=evil", "/api/runs", "/api/runs/evil",
                                     "/api/model", "/api/metrics", f"/api/compare?{RUNS}",
                                     "/api/runs/evil/artifacts"])  # fmt: skip
def test_hostile_text_in_the_api_is_json_and_nothing_else(hostile, address):
    answer = hostile.get(address)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert TEXT in str(answer.json) or "alert(1)" in answer.text


def test_mails_markup_is_only_in_its_sealed_frame(hostile):
    assert "sandbox" in hostile.get("/mails/evil/body").headers["Content-Security-Policy"]


def test_file_of_a_page_has_an_address_of_its_build(client):
    build = client.application.extensions["build"]
    found = re.findall(r'(?:src|href)="/static/[^"?]+\?v=([^"]+)"', client.get("/home").text)
    assert set(found) == {build}
    assert len(found) > 8


def test_page_marks_where_the_reader_is(client):
    found = " ".join(client.get("/runs").text.split())
    assert '<a class="nav-link text-nowrap active" aria-current="page" href="/runs">' in found
    assert found.count('aria-current="page"') == 1


@pytest.mark.parametrize("address", ["/home", "/runs?q=a&page=2", "/mails?q=b", "/model"])
def test_live_page_asks_for_itself_again_with_its_query(client, address):
    main = re.search(r"<main[^>]*>", client.get(address).text)[0]
    shown = address.replace("&", "&amp;")
    assert f'hx-get="{shown}"' in main
    assert 'hx-trigger="every 1500ms"' in main
    assert 'hx-swap="morph:outerHTML"' in main


def test_page_that_does_not_change_does_not_ask_again(build, client):
    build.mail("1")
    for address in ("/mails/1", "/compare", "/absent", "/api/"):
        assert "every 1500ms" not in client.get(address).text


@pytest.mark.parametrize("address", ["/home", "/runs", "/model", "/mails", "/compare", "/absent"])
def test_page_can_be_read_by_ear_and_by_keyboard(client, address):
    page = Page(client.get(address).text)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert ("a", {"class": "visually-hidden-focusable", "href": "#main"}) in page.elements
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for tag, attributes in page.elements if tag == "label"}
    for tag, attributes in page.elements:
        assert tag != "img" or "alt" in attributes
        if tag in ("input", "select") and attributes.get("type") != "hidden":
            assert attributes.get("id") in labelled or "aria-label" in attributes
