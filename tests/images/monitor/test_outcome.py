"""The three fixed addresses: the truth about the newest finished run."""

import shutil
from datetime import timedelta

import pytest

DAY = timedelta(days=1)


def test_root_leads_to_success_when_the_newest_run_succeeded(build, client):
    build.failure("old", started=build.start - DAY)
    build.success()
    assert client.get("/").location == "/success"


def test_root_leads_to_failure_when_the_newest_run_failed(build, client):
    build.success("old", started=build.start - DAY)
    build.failure()
    assert client.get("/").location == "/failure"


def test_root_leads_to_the_newest_outcome_while_a_run_is_in_progress(build, client, page):
    build.failure("old", started=build.start - DAY)
    build.running()
    assert client.get("/").location == "/failure"
    assert 'In progress since <time datetime="2026-11-23T19:30:00+00:00"' in page("/failure")
    assert f"{build.run}</a>" in page("/failure").partition("The run failed")[0]


def test_root_leads_to_the_home_page_while_no_run_has_finished(build, client):
    assert client.get("/").location == "/home"
    build.running()
    assert client.get("/").location == "/home"


def test_where_the_root_leads_is_asked_each_time(build, client):
    build.success()
    assert client.get("/").headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("gone", [False, True])
def test_root_leads_to_an_outcome_while_its_run_is_begun_again_or_removed(build, serve, gone):
    client = serve(PAUSE=3600)
    build.failure()
    client.get("/health")
    if gone:
        shutil.rmtree(build.root / "runs")
    else:
        build.task("load_data", "running", try_number=2)
    assert client.get("/").location == "/failure"


@pytest.mark.parametrize("address", ["/home", "/success", "/failure"])
def test_empty_volume_says_how_to_start_a_run(page, address):
    assert "holds no run yet. To start one" in page(address)
    assert "make run" in page(address)


def test_success_page_shows_metrics_gate_figures_and_model(build, page):
    build.success()
    build.publish()
    found = page("/success")
    for part in ("The run succeeded", "0.9700", "between 0.9441 and 0.9841 with 95 % confidence",
                 "majority class gives 0.4867", "Quality gate met", "roc_curve.svg",
                 "it is the model in use", "1,000 rows, 0 rows dropped", "26.0 s",
                 "success mail: sent,"):  # fmt: skip
        assert part in found


def test_failure_page_shows_cause_message_log_command_and_advice(build, page):
    build.failure()
    found = page("/failure")
    for part in ("load_data failed: data refused (exit code 65)",
                 "data/bad.csv line 7, column Age: &#39;x&#39; is not an integer",
                 "docker run --rm localhost/ad-click/load_data --run-id",
                 "Last lines of its log", "not published", "failure mail: sent,",
                 "Correct the file at the line and column that the message names"):  # fmt: skip
        assert part in found


def test_missed_gate_shows_its_reasons(build, page):
    build.refusal()
    found = page("/failure")
    assert "Quality gate missed" in found
    assert "accuracy 0.8 is below min_accuracy 0.9" in found


def test_success_page_says_that_the_newest_run_failed(build, page):
    build.success("good", started=build.start - DAY)
    build.failure()
    found = page("/success")
    assert "The newest finished run failed" in found
    assert 'href="/failure"' in found
    assert 'The last run that succeeded: <a class="run-id" href="/runs/good">' in found


def test_failure_page_says_that_the_newest_run_succeeded(build, page):
    build.success()
    found = page("/failure")
    assert "The newest finished run succeeded" in found
    assert 'href="/success"' in found
    assert "No run on the volume has failed." in found


def test_outcome_page_says_that_no_run_has_finished(build, page):
    build.running()
    for address in ("/success", "/failure"):
        found = page(address)
        assert "No run has finished yet" in found
        assert "In progress since" in found


def test_outcome_page_knows_an_outcome_however_long_ago(build, page):
    build.failure("old", started=build.start - DAY)
    for number in range(30):
        build.success(f"r{number}", started=build.start + timedelta(minutes=number), tasks=False)
    assert 'The last run that failed: <a class="run-id" href="/runs/old">' in page("/failure")


def test_outcome_page_says_while_not_every_run_is_indexed(build, client, page):
    for number in range(30):
        build.opened(f"r{number}")
    client.application.extensions["watch"].patience = 0
    assert "still reading the volume: 25 runs so far" in page("/failure")
