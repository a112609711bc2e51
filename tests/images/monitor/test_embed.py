"""The pages in Airflow's frame: those alone may be framed, and by Airflow alone."""

import re
from datetime import timedelta

import pytest

AIRFLOW = "http://localhost:8080"


def ancestors(answer):
    policy = answer.headers["Content-Security-Policy"]
    return policy.partition("frame-ancestors ")[2].partition(";")[0].split()


@pytest.fixture
def browser(build, serve):
    build.success("a")
    return serve(AIRFLOW_URL=AIRFLOW)


@pytest.mark.parametrize(
    ("airflow_url", "origins"),
    [
        (AIRFLOW, [AIRFLOW, "http://127.0.0.1:8080"]),
        ("http://localhost:8080/", [AIRFLOW, "http://127.0.0.1:8080"]),
        ("https://airflow.example/base/path?x", ["https://airflow.example"]),
        ("http://127.0.0.1:8080", ["http://127.0.0.1:8080"]),
        ("", ["'none'"]),
        ("airflow.example", ["'none'"]),
        ("javascript:alert(1)", ["'none'"]),
    ],
)
@pytest.mark.parametrize("address", ["/embed/", "/embed/runs/a", "/embed/runs/absent"])
def test_airflow_and_nobody_else_may_frame_an_embedded_page(
    build, serve, address, airflow_url, origins
):
    build.success("a")
    answer = serve(AIRFLOW_URL=airflow_url).get(address)
    assert ancestors(answer) == origins
    assert "X-Frame-Options" not in answer.headers


@pytest.mark.parametrize(
    "address",
    ["/", "/home", "/success", "/runs", "/runs/a", "/model", "/api/status", "/health", "/absent",
     "/embedded", "/static/monitor.css", "/login"],
)  # fmt: skip
def test_no_other_page_may_be_framed(browser, address):
    answer = browser.get(address, buffered=True)
    assert ancestors(answer) == ["'none'"]
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_embedded_page_is_as_strict_in_all_else(browser):
    whole = browser.get("/runs/a").headers["Content-Security-Policy"]
    embedded = browser.get("/embed/runs/a").headers["Content-Security-Policy"]
    assert embedded.partition("frame-ancestors")[0] == whole.partition("frame-ancestors")[0]


def test_embedded_page_is_the_runs_without_the_frame_of_the_site(browser):
    found = browser.get("/embed/runs/a").text
    assert "The run succeeded" in found
    assert "<header" not in found
    assert "<footer" not in found
    assert 'hx-get="/embed/runs/a"' in found


@pytest.mark.parametrize("address", ["/embed", "/embed/", "/embed/?dag_id=ml_pipeline_advertising"])
def test_dag_page_shows_the_newest_run(build, browser, address):
    build.failure("b", started=build.start - timedelta(days=1))
    found = browser.get(address).text
    assert "The run succeeded" in found
    assert 'id="main"' in found


def test_dag_page_shows_no_run_of_another_dag(build, browser):
    later = build.start + timedelta(days=1)
    build.failure("b", started=later)
    for stage in ("start_pipeline", "load_data"):
        build.task(stage, "failed", "b", started=later, dag_id="predict_advertising")
    assert "The run succeeded" in browser.get("/embed/").text
    assert "The run failed" in browser.get("/embed/?dag_id=predict_advertising").text
    none = browser.get("/embed/?dag_id=ml_pipeline_advertising_spark").text
    assert "To start one" in none


def test_pipelines_page_shows_runs_by_hand_too(build, browser):
    build.failure("b", started=build.start + timedelta(days=1), tasks=False)
    assert "The run failed" in browser.get("/embed/").text


def test_page_of_another_dag_says_that_it_leaves_no_runs(browser):
    found = browser.get("/embed/?dag_id=flask_api_monitoring").text
    assert "This DAG leaves no runs on the shared volume" in found
    assert "The run succeeded" not in found


def test_links_in_the_frame_lead_to_pages_that_may_be_framed_or_to_files(build, serve):
    build.success("b", started=build.start - timedelta(days=1))
    build.success("a")
    build.publish("b")
    build.mail("1", subject="[ad-click] model published: a")
    found = serve(AIRFLOW_URL=AIRFLOW).get("/embed/runs/a").text
    links = re.findall(r"<a([^>]*)>", found)
    assert 'href="/embed/runs/b"' in "".join(links)
    assert all(" download" in link or 'href="/embed/' in link for link in links)


@pytest.mark.parametrize("wrong", [False, True])
def test_login_that_a_framed_page_asks_for_may_be_framed_too(serve, wrong):
    client = serve(AIRFLOW_URL=AIRFLOW, MONITOR_PASSWORD="a quite long password")
    asked = client.get("/embed/runs/a").location
    answer = client.post(asked, data={"password": "wrong"}) if wrong else client.get(asked)
    assert ancestors(answer) == [AIRFLOW, "http://127.0.0.1:8080"]
    assert "X-Frame-Options" not in answer.headers
    assert 'type="password"' in answer.text


@pytest.mark.parametrize("back", ["/", "/runs", "//evil/embed", "/runs?x=/embed"])
def test_login_of_any_other_page_may_not_be_framed(serve, back):
    client = serve(AIRFLOW_URL=AIRFLOW, MONITOR_PASSWORD="a quite long password")
    answer = client.get("/login", query_string={"back": back})
    assert (ancestors(answer), answer.headers["X-Frame-Options"]) == (["'none'"], "DENY")


def test_dag_page_without_runs_says_how_to_start_one(serve):
    answer = serve(AIRFLOW_URL=AIRFLOW).get("/embed/")
    assert (answer.status_code, "To start one" in answer.text) == (200, True)
    assert "make run" in answer.text
    assert "<a " not in answer.text


def test_run_that_is_not_there_is_404_in_the_frame_too(browser):
    assert browser.get("/embed/runs/absent").status_code == 404


def test_unreadable_volume_is_said_in_the_frame(build, browser):
    (build.root / ".ad-click-volume").unlink()
    answer = browser.get("/embed/runs/a")
    assert answer.status_code == 503
    assert ancestors(answer) == [AIRFLOW, "http://127.0.0.1:8080"]
