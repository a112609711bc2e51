"""The pages: the truth about the newest run, whatever state it and its files are in."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from monitor.files import LIMIT

SCRIPT = "<script>alert(1)</script>"


def text(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def test_home_leads_to_success_when_the_newest_run_succeeded(build, client):
    build.failure("old", started=build.start - timedelta(days=1))
    build.success()
    assert client.get("/").location == "/success"


def test_home_leads_to_failure_when_the_newest_run_failed(build, client):
    build.success("old", started=build.start - timedelta(days=1))
    build.failure()
    assert client.get("/").location == "/failure"


def test_home_leads_to_the_newest_outcome_while_a_run_is_in_progress(build, client):
    build.failure("old", started=build.start - timedelta(days=1))
    build.running()
    assert client.get("/").location == "/failure"
    assert f"{build.run}</a> is in progress since" in text(client, "/failure")


def test_home_shows_the_first_run_while_it_is_in_progress(build, client):
    build.running()
    page = text(client, "/")
    assert "The run is in progress" in page
    assert '<progress max="1" value="0.4"' in page


@pytest.mark.parametrize("address", ["/", "/success", "/failure"])
def test_empty_volume_says_how_to_start_a_run(client, address):
    assert "No run yet" in text(client, address)


def test_success_page_shows_metrics_gate_figures_and_model(build, client):
    build.success()
    build.publish()
    page = text(client, "/success")
    for part in ("The run succeeded", "0.9700", "between 0.9441 and 0.9841 with 95 % confidence",
                 "majority class gives 0.4867", "Quality gate met", "roc_curve.svg",
                 "it is the model in use", "1,000 rows, 0 rows dropped", "26.0 s",
                 "success email: sent at"):  # fmt: skip
        assert part in page


def test_failure_page_shows_cause_message_log_and_command(build, client):
    build.failure()
    page = text(client, "/failure")
    for part in ("load_data failed: data refused (exit code 65)",
                 "data/bad.csv line 7, column Age: &#39;x&#39; is not an integer",
                 "docker run --rm localhost/ad-click/load_data --run-id",
                 "Last lines of its log", "not published", "failure email: sent at"):  # fmt: skip
        assert part in page


def test_missed_gate_shows_its_reasons(build, client):
    build.failure()
    gate = {"passed": False, "min_accuracy": 0.99, "reasons": ["accuracy 0.97 is below 0.99"]}
    build.write(f"runs/{build.run}/evaluate_model/metrics.json", {"gate": gate})
    page = text(client, "/failure")
    assert "Quality gate missed" in page
    assert "accuracy 0.97 is below 0.99" in page


def test_success_page_says_that_the_newest_run_failed(build, client):
    build.success("good", started=build.start - timedelta(days=1))
    build.failure()
    page = text(client, "/success")
    assert "The newest finished run failed" in page
    assert 'href="/failure"' in page
    assert 'The last run that succeeded is <a class="run-id" href="/runs/good">' in page


def test_failure_page_says_that_the_newest_run_succeeded(build, client):
    build.success()
    page = text(client, "/failure")
    assert "The newest finished run succeeded" in page
    assert "None of the newest 100 runs on the volume has failed." in page


def test_outcome_page_says_that_no_run_has_finished(build, client):
    build.running()
    page = text(client, "/success")
    assert "No run has finished yet" in page
    assert "is in progress since" in page


def test_link_to_a_run_leads_to_it(build, client):
    build.running()
    address = f"/runs/{quote(build.run, safe='')}"
    assert "The run is in progress" in text(client, address)
    assert f'href="/runs/{build.run}"' in text(client, "/success")


def test_run_that_is_not_there_is_a_page_with_status_404(client):
    answer = client.get("/runs/absent")
    assert answer.status_code == 404
    assert "There is no run absent on the shared volume." in answer.text


def test_every_value_is_escaped(build, client):
    build.failure()
    build.write(f"runs/{build.run}/start_pipeline/run.json",
                {"dataset": SCRIPT, "source": {"path": SCRIPT}})  # fmt: skip
    build.task("load_data", "failed", cause=SCRIPT, message=SCRIPT, log_tail=[SCRIPT],
               docker_run=SCRIPT, dag_id=SCRIPT)  # fmt: skip
    build.report("build_model", metrics={f"rows{SCRIPT}": 1}, outputs=("x",))
    build.write(f"runs/{build.run}/model_summary/model_summary.json", {"reason": SCRIPT})
    build.write(
        f"runs/{build.run}/evaluate_model/metrics.json",
        {"gate": {"passed": False, "reasons": [SCRIPT]}},
    )
    page = text(client, "/failure")
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;") >= 9


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "\x00", '{"state": "\\ud800"}', "9" * 5000, " " * (LIMIT + 1)]
)
@pytest.mark.parametrize(
    "name",
    [
        "start_pipeline/run.json",
        "build_model/report.json",
        "build_model/task.json",
        "build_model/progress.json",
        "evaluate_model/metrics.json",
        "model_summary/model_summary.json",
    ],
)
def test_damaged_file_never_breaks_a_page(build, client, name, content):
    build.success()
    build.write(f"runs/{build.run}/{name}", content)
    page = text(client, f"/runs/{build.run}")
    harmless = content.startswith('{"state"')
    assert ("Some files of this run cannot be shown" in page) != harmless
    assert (name in page.partition("Some files")[2].partition("</section>")[0]) != harmless


def test_strange_values_never_break_a_page(build, client):
    build.success()
    text_of_all = {
        "state": "odd", "started": "never", "seconds": -1e18, "try_number": 1.5, "exit_code": True,
        "log_tail": [1, {}], "docker_run": 5, "fraction": 1e17, "metrics": {"rows": 1e17},
        "outputs": [{"path": f"runs/{build.run}/../../x", "bytes": 1e17}],
    }  # fmt: skip
    for name in ("report", "task", "progress"):
        build.write(f"runs/{build.run}/build_model/{name}.json", text_of_all)
    build.write(
        f"runs/{build.run}/start_pipeline/run.json",
        {"source": {"path": "x", "bytes": "many"}, "started": "0001-01-01"},
    )
    text(client, f"/runs/{build.run}")
    assert client.get(f"/api/status?run_id={build.run}").status_code == 200
