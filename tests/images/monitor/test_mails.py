"""The mails as a person reads them; a mail's markup does nothing but be read."""

import base64
import hashlib
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest

from monitor.mails import PAGE_SIZE, STYLES

TEMPLATES = Path(__file__).resolve().parents[3] / "orchestration/dags/email"
NUMBERS = {"rows": 1000, "source": "data/a.csv", "reason": "the gate is met", "accuracy": 0.97,
           "interval_level": 0.95, "accuracy_interval": [0.94, 0.98], "roc_auc": 0.98,
           "log_loss": 0.1, "precision": 0.9, "recall": 0.9, "f1": 0.9, "train_accuracy": 0.9,
           "train_rows": 700, "baseline_accuracy": 0.5, "test_rows": 300, "warnings": ["<b>"],
           "average_precision": 0.9, "positive_share": 0.5, "baseline_log_loss": 0.7}  # fmt: skip
FAILURE = {"task_id": "load_data", "cause": "data refused", "message": "<b>", "advice": "correct"}


def hashes(policy):
    return set(re.findall(r"'sha256-([^']+)'", policy))


def hash_of(style):
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def own_mail(name):
    """The markup of one of the pipeline's own mails, made as Airflow makes it."""

    def pull(task_ids, key=None):
        found = [None, FAILURE] if key else [{"metrics": NUMBERS}]
        return found if isinstance(task_ids, list) else found[0]

    given = {"ti": SimpleNamespace(xcom_pull=pull), "stages": [], "run_id": "a+b", "dag": FAILURE,
             "monitor_url": "http://m", "airflow_url": "http://a"}  # fmt: skip
    return jinja2.Template((TEMPLATES / name).read_text()).render(given)


def test_mailbox_without_mails_says_when_one_comes(page):
    assert "Airflow sends one at the end of each of its runs." in page("/mails")


def test_mails_are_listed_newest_first(build, page):
    build.mail("1", subject="first")
    build.mail("2", subject="second", date=build.start + timedelta(hours=1))
    found = page("/mails")
    assert re.findall(r'href="/mails/(\d)" lang="en">(\w+)<', found) == [
        ("2", "second"),
        ("1", "first"),
    ]
    assert "team@example.com" in found
    assert 'datetime="2026-11-23T19:30:00+00:00"' in found


def test_mails_are_found_by_their_words(build, page):
    build.mail("1", subject="run failed: a")
    build.mail("2", subject="model published: b")
    assert re.findall(r'href="/mails/(\d)"', page("/mails?q=FAILED")) == ["1"]
    assert "No mail fits that." in page("/mails?q=failed+b")


@pytest.mark.parametrize("query", ["page=0", "page=x", "q=", "odd=1"])
def test_query_that_makes_no_sense_counts_as_not_given(build, page, query):
    build.mail("1")
    assert 'href="/mails/1"' in page(f"/mails?{query}")


def test_long_list_of_mails_is_paged(build, page):
    for number in range(PAGE_SIZE + 1):
        build.mail(f"{number}", subject=f"s {number}", date=build.start - timedelta(hours=number))
    found = page("/mails?q=s&page=2")
    assert re.findall(r'href="/mails/(\d+)"', found) == [f"{PAGE_SIZE}"]
    assert 'href="/mails?page=1&amp;q=s"' in found


def test_mail_shows_its_head_its_text_and_its_markup_in_a_sealed_frame(build, page):
    build.mail("1", subject="Sujet é", text="plain", html="<p>markup</p>")
    found = page("/mails/1")
    for part in ("Sujet é", "pipeline@example.com", "team@example.com", "plain"):
        assert part in found
    frame = re.search(r"<iframe[^>]*>", found)[0]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame
    assert 'src="/mails/1/body"' in frame
    assert "<p>markup</p>" not in found


def test_mail_of_text_only_is_shown_open_and_has_no_markup(build, client, page):
    build.mail("1")
    found = page("/mails/1")
    assert '<details class="mt-3" open>' in found
    assert "<iframe" not in found
    assert client.get("/mails/1/body").status_code == 404


def test_mail_without_any_text_says_so(build, page):
    build.raw_mail("1", b"Content-Type: image/png\n\n")
    assert "This mail has no text." in page("/mails/1")
    assert "(no subject)" in page("/mails/1")


@pytest.mark.parametrize("name", ["success.html", "failure.html", "monitor_down.html"])
def test_every_style_of_the_pipelines_own_mails_is_allowed_by_its_hash(build, client, name):
    markup = own_mail(name)
    styles = re.findall(r'style="([^"]*)"', markup)
    assert styles
    build.mail("1", html=markup)
    answer = client.get("/mails/1/body")
    assert "<h1" in answer.text
    assert {hash_of(style) for style in styles} == hashes(answer.headers["Content-Security-Policy"])


def test_markup_of_a_mail_can_do_nothing(build, client):
    markup = "<script>alert(1)</script><img src=x onerror=alert(1)><style>b{}</style>"
    build.mail("1", html=markup)
    answer = client.get("/mails/1/body")
    policy = dict(
        directive.strip().partition(" ")[::2]
        for directive in answer.headers["Content-Security-Policy"].split(";")
    )
    assert (answer.mimetype, markup in answer.text) == ("text/html", True)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "script-src" not in policy
    assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert policy["img-src"] == "data:"
    assert policy["frame-ancestors"] == "'self'"
    assert "unsafe-inline" not in str(policy)
    assert policy["style-src"].split() == ["'unsafe-hashes'", f"'sha256-{hash_of('b{}')}'"]
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_header_stays_short_however_many_styles_a_mail_has(build, client):
    build.mail("1", html="".join(f"<p style='width:{n}px'>" for n in range(1000)))
    policy = client.get("/mails/1/body").headers["Content-Security-Policy"]
    assert (len(hashes(policy)), len(policy) < 4000) == (STYLES, True)


@pytest.mark.parametrize("markup", ["<![foo[x]]>", "<![ ", "<!doctype [", "<style>", "&#xd800;"])
def test_markup_that_cannot_be_parsed_is_shown_as_it_is(build, client, markup):
    build.mail("1", html=markup)
    assert client.get("/mails/1/body").status_code == 200


@pytest.mark.parametrize(
    "mail_id", ["absent", "..", "%2e%2e", "..%2fsecret", "a%20b", "link", "folder", "%00"]
)
@pytest.mark.parametrize("part", ["", "/body"])
def test_mail_that_is_none_is_not_found(build, client, mail_id, part):
    build.mail("1", html="<p>")
    build.write("mailbox/secret", "Subject: s\n\n")
    (build.root / "mailbox/new/link").symlink_to("1")
    (build.root / "mailbox/new/folder").mkdir()
    assert client.get(f"/mails/{mail_id}{part}").status_code == 404


def test_mail_appears_and_vanishes_with_its_file(build, page):
    build.mail("1")
    assert 'href="/mails/1"' in page("/mails")
    (build.root / "mailbox/new/1").unlink()
    assert 'href="/mails/1"' not in page("/mails")
