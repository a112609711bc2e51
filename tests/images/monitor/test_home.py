"""The home page: what runs now, did the last runs work, is the model good."""

import html
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.home import NEWEST

DAY = timedelta(days=1)


def test_run_in_progress_is_shown_with_the_stage_at_work(build, page):
    build.running()
    found = page("/home")
    assert f'href="/runs/{build.run}"' in found
    assert '<progress class="w-100" max="1" value="0.489"' in found
    assert '49 %: <strong>build_model</strong>, 40 %, <span lang="en">fitting</span>' in found


def test_last_run_is_shown_while_none_is_on(build, page):
    build.success("old", started=build.start - DAY)
    build.failure()
    found = page("/home")
    assert "Nothing is running. The last run:" in found
    assert "load_data: data refused" in found


def test_newest_runs_are_listed_newest_first_with_how_many_there_are(build, page):
    for number in range(NEWEST + 2):
        build.failure(f"r{number}", started=build.start + timedelta(minutes=number), tasks=False)
    build.success("good", started=build.start - DAY)
    found = page("/home")
    listed = re.findall(r'<tr id="run-(\w+)">', found)
    assert listed == [f"r{number}" for number in range(NEWEST + 1, 1, -1)]
    assert f'href="/runs?state=failed">{NEWEST + 2} failed</a>' in found
    assert 'href="/runs?state=success">1 succeeded</a>' in found
    assert "state=running" not in found


def test_published_model_is_shown_at_a_glance(build, page):
    build.publish("made-it")
    found = page("/home")
    assert "LogisticRegression, advertising" in found
    assert 'href="/runs/made-it"' in found
    assert re.findall(r'<dd class="fs-4 mb-0">(.*?)</dd>', found) == ["0.9700", "0.9891", "0.1202"]


def test_without_a_model_the_page_says_how_one_is_published(page):
    assert "the first run that meets the quality gate publishes one" in page("/home")


def test_trend_is_drawn_oldest_first_and_told_in_words(build, page):
    for number, accuracy in enumerate((0.9, None, 0.95)):
        build.opened(f"r{number}", started=build.start + timedelta(minutes=number))
        if accuracy:
            build.metrics(f"r{number}", accuracy=accuracy)
    found = page("/home")
    assert "Accuracy of the last 2 measured runs, from 0.9000 to 0.9500." in found
    data = json.loads(html.unescape(re.search(r'kind="trend".*? data="(.*?)"', found)[1]))
    assert data["pages"] == ["/runs/r0", "/runs/r2"]


def test_without_measures_there_is_no_trend(build, page):
    build.failure()
    assert "data-chart" not in page("/home")


@pytest.fixture
def live(airflow, serve, poll):
    """A browser of a monitor that asks Airflow, and the asking."""
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)

    def home():
        poll(client)
        return " ".join(client.get("/home").text.split())

    return home


def test_run_that_waits_in_airflow_is_shown(airflow, live):
    airflow.run("new", "queued", queued_at="2026-11-23T19:29:00Z")
    found = live()
    assert 'href="/runs/new"' in found
    assert "waits in Airflow since" in found


def test_run_that_left_something_on_the_volume_waits_no_more(build, airflow, live):
    airflow.run("new", "queued")
    build.opened("new")
    assert "waits in Airflow since" not in live()


def test_run_that_ended_in_airflow_is_not_in_progress(build, airflow, live):
    build.running()
    airflow.run(build.run, "failed", end_date="2026-11-23T19:40:00Z")
    assert "Nothing is running" in live()


def test_silent_airflow_is_said_and_the_rest_is_as_without_it(build, airflow, live):
    build.running()
    build.publish()
    airflow.answers = [(500, b"")]
    found = live()
    assert "Airflow does not answer at the moment" in found
    assert "0.9891" in found
    assert '<progress class="w-100" max="1" value="0.489"' in found
    assert "Airflow does not answer" not in live()


def test_monitor_that_is_not_told_of_airflow_does_not_miss_it(build, airflow, live, serve):
    airflow.answers = [(500, b"")]
    live()
    assert "Airflow does not answer" not in serve().get("/home").text


def test_volume_that_is_still_being_indexed_is_said(build, serve):
    for number in range(60):
        build.opened(f"r{number}")
    client = serve()
    client.application.extensions["watch"].patience = 0
    assert "still reading the volume: 25 runs so far" in " ".join(client.get("/home").text.split())
    for _ in range(2):
        found = client.get("/home").text
    assert "still reading the volume" not in found


def test_newest_run_that_vanishes_does_not_break_the_page(build, serve):
    client = serve(PAUSE=3600)
    build.running()
    client.get("/health")
    Path(build.root / "runs").rename(build.root / "elsewhere")
    assert client.get("/home").status_code == 200


def test_newest_model_that_was_not_published_is_told_with_the_drift_of_its_data(build, page):
    build.publish("champion")
    build.success("champion", started=build.start - DAY)
    assert "The newest model" not in page("/home")
    build.not_published()
    found = page("/home")
    assert "was not published. <span" in found
    assert "It is worse than the published model beyond chance." in found
    assert f'<a href="/runs/{build.run}#drift">The data have drifted</a>' in found
    assert "column Age has drifted" in found


def test_drift_is_told_no_longer_when_a_newer_run_finds_none(build, page):
    build.not_published(started=build.start - DAY)
    build.success("newer")
    assert "drifted" not in page("/home")


def test_model_that_a_person_published_after_all_is_not_told_as_refused(build, page):
    build.not_published()
    build.publish(build.run)
    assert "The newest model" not in page("/home")
