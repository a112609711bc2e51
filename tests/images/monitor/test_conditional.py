"""ETags and kept answers: asking again costs next to nothing, and never shows another's answer."""

import json
import os
from datetime import timedelta

import pytest

from monitor.conditional import KEPT, Answers, answer

ADDRESSES = ["/home", "/runs", "/runs?state=success", "/success", "/failure", "/runs/a", "/model",
             "/mails", "/mails/1", "/compare", "/compare?run=a&run=b", "/embed/runs/a", "/api/runs",
             "/api/runs/a", "/api/model"]  # fmt: skip


@pytest.fixture
def browser(build, client):
    build.success("a")
    build.failure("b", started=build.start - timedelta(days=1))
    build.publish("a")
    build.mail("1")
    return client


def etag(client, address):
    return client.get(address).headers["ETag"]


def again(client, address, tag):
    return client.get(address, headers={"If-None-Match": tag})


@pytest.mark.parametrize("address", ADDRESSES)
def test_answer_that_the_browser_has_is_304_without_a_body(browser, address):
    first = browser.get(address)
    second = again(browser, address, first.headers["ETag"])
    assert (second.status_code, second.data) == (304, b"")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert second.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_answer_is_kept_by_the_reader_alone_and_asked_for_again(browser, address):
    answer = browser.get(address)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert {"Accept-Language", "Cookie"} <= set(answer.vary)


@pytest.mark.parametrize("form", ['W/"{}"', '"x", "{}"', "*"])
def test_etag_is_known_in_a_list_and_weakened_by_a_proxy(browser, form):
    tag = etag(browser, "/runs/a").strip('"')
    assert again(browser, "/runs/a", form.format(tag)).status_code == 304


@pytest.mark.parametrize("address", ["/home", "/runs", "/runs/a", "/api/runs/a", "/success"])
def test_changed_run_is_another_answer(build, browser, address):
    before = etag(browser, address)
    build.report("build_model", "a", metrics={"rows": 12345})
    after = again(browser, address, before)
    assert (after.status_code, after.headers["ETag"] != before) == (200, True)


@pytest.mark.parametrize("address", ["/runs/a", "/embed/runs/a", "/api/runs/a"])
def test_page_of_a_run_is_the_same_while_others_change(build, browser, address):
    before = etag(browser, address)
    build.running("c", started=build.start + timedelta(days=1))
    build.report("load_data", "b")
    assert again(browser, address, before).status_code == 304


@pytest.mark.parametrize("address", ["/home", "/model", "/runs/a", "/success", "/api/model"])
def test_newly_published_model_is_another_answer(build, browser, address):
    before = etag(browser, address)
    build.publish("b")
    assert again(browser, address, before).status_code == 200


@pytest.mark.parametrize("address", ["/mails", "/home"])
def test_new_mail_is_another_answer(build, browser, address):
    before = etag(browser, address)
    build.mail("2")
    assert again(browser, address, before).status_code == 200


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_language_and_zone_has_its_own_answer(browser, address):
    tags = {etag(browser, address)}
    browser.set_cookie("zone", "Europe/Paris")
    tags.add(etag(browser, address))
    browser.set_cookie("language", "fr")
    tags.add(etag(browser, address))
    assert len(tags) == 3


def test_no_answer_is_shared_between_languages(browser):
    for _ in range(2):
        for code in ("en", "fr"):
            answer = browser.get("/runs/a", headers={"Accept-Language": code})
            assert f'<html lang="{code}">' in answer.text


@pytest.mark.parametrize(
    "query", ["", "q=a", "q=b", "page=2", "sort=seconds", "sort=seconds&order=asc", "x=1"]
)
def test_each_query_has_its_own_answer(browser, query):
    others = {etag(browser, f"/runs?{q}") for q in ("state=failed", "cause=x", "dataset=x")}
    assert etag(browser, f"/runs?{query}") not in others


def test_page_and_its_embedded_form_are_two_answers(browser):
    assert "<header" in browser.get("/runs/a").text
    assert "<header" not in browser.get("/embed/runs/a").text
    assert "<header" in browser.get("/runs/a").text


@pytest.mark.parametrize("address", ADDRESSES)
def test_head_of_an_answer_is_that_of_the_answer(browser, address):
    whole, head = browser.get(address), browser.head(address)
    assert (head.status_code, head.data) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control"):
        assert head.headers[name] == whole.headers[name], name
    assert browser.head(address, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def test_silence_of_a_run_is_another_answer_although_no_file_changed(build, serve, monkeypatch):
    client = serve()
    build.running()
    address = f"/runs/{build.run}"
    monkeypatch.setattr("monitor.runs.SILENCE", timedelta(days=10**5))
    before = etag(client, address)
    monkeypatch.undo()
    assert again(client, address, before).status_code == 200


def test_silence_of_airflow_is_another_answer(build, airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    build.running("on")
    poll(client)
    pages = {address: etag(client, address) for address in ("/home", "/runs/on")}
    airflow.stop()
    poll(client)
    for address, before in pages.items():
        assert again(client, address, before).status_code == 200


def test_state_in_airflow_is_another_answer(build, airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    build.running("on")
    airflow.run("on", "running", {"evaluate_model": "scheduled"})
    poll(client)
    before = etag(client, "/api/runs/on")
    airflow.run("on", "running", {"evaluate_model": "up_for_retry"})
    poll(client)
    after = again(client, "/api/runs/on", before)
    assert json.loads(after.data)["stages"][5]["state"] == "up_for_retry"


def test_answer_is_made_once_while_it_is_the_same(client):
    made = []

    def make():
        made.append(1)
        return f"answer {len(made)}"

    def ask(version):
        with client.application.test_request_context("/x"):
            return answer(make, version).get_data(as_text=True)

    assert [ask(1), ask(1), ask(2), ask(1)] == ["answer 1", "answer 1", "answer 2", "answer 1"]


def test_oldest_answers_are_let_go_of_first():
    answers = Answers()
    quarter = os.urandom(KEPT // 4 - 1000)  # which cannot be compressed
    for number in range(4):
        answers.keep(str(number), quarter)
    answers.get("0")
    answers.keep("new", quarter)
    assert [answers.get(name) is None for name in ("0", "1", "new")] == [False, True, False]
    assert answers.size <= KEPT


def test_answer_kept_again_counts_once():
    answers = Answers()
    for _ in range(3):
        answers.keep("a", b"x" * 1000)
    assert answers.get("a") == b"x" * 1000
    assert answers.size == len(answers.bodies["a"]) < 100


def test_answer_larger_than_all_that_is_kept_leaves_nothing():
    answers = Answers()
    answers.keep("large", os.urandom(KEPT + 1))
    assert (answers.get("large"), answers.size) == (None, 0)


def test_another_build_has_other_answers(serve, build):
    build.success("a")
    first = serve()
    before = etag(first, "/runs/a")
    second = serve()
    second.application.extensions["build"] = "another"
    assert again(second, "/runs/a", before).status_code == 200
