"""The list of runs and the page of a run, whatever state it and its files are in."""

import csv
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from tests.images.monitor.conftest import DRIFT

from monitor.reading.files import LARGE_LIMIT
from monitor.reading.index import SORTS
from monitor.reading.profile import QUANTILES
from monitor.reading.stages import STAGES
from monitor.runs import PAGE_SIZE, SILENCE

CRASH = {"code": 70, "cause": "crashed", "message": "crashed with ValueError: x"}


@pytest.fixture
def listed(page):
    """The runs that the list shows for a query, in order."""

    def read(query=""):
        return re.findall(r'<tr id="run-([^"]+)">', page(f"/runs?{query}"))

    return read


@pytest.fixture
def three(build):
    build.success("good", started=build.start)
    build.failure("bad", started=build.start + timedelta(minutes=1))
    build.refusal("refused", started=build.start + timedelta(minutes=2))


def links(page, address):
    """The queries of the links on a page that lead to the list again."""
    found = re.findall(r'href="/runs\?([^"]*)"', page(address))
    return [html.unescape(query) for query in found]


def test_list_of_no_runs_says_how_to_start_one(page):
    found = page("/runs")
    assert "0 runs" in found
    assert "make run" in found


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ("", ["refused", "bad", "good"]),
        ("q=bad.csv", ["bad"]),
        ("q=MAX_ITER%3D1000+gate", ["refused", "good"]),
        ("state=success", ["good"]),
        ("state=success&state=failed", ["refused", "bad", "good"]),
        ("cause=data+refused", ["bad"]),
        ("dataset=advertising&state=failed", ["refused", "bad"]),
        ("published=yes", ["good"]),
        ("published=no", ["refused"]),
        ("sort=started&order=asc", ["good", "bad", "refused"]),
        ("sort=accuracy", ["good", "refused", "bad"]),
        ("sort=accuracy&order=asc", ["refused", "good", "bad"]),
        ("sort=run_id&order=asc", ["bad", "good", "refused"]),
    ],
)
def test_list_is_of_the_runs_that_the_query_asks_for(listed, query, runs):
    assert listed(query) == runs


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "query",
    ["state=odd", "sort=nothing", "sort=run_id;DROP", "order=up", "published=maybe", "page=0",
     "page=-1", "page=x", "page=" + "9" * 5000, "unknown=1"],
    ids=lambda query: query[:20],
)  # fmt: skip
def test_value_that_makes_no_sense_counts_as_not_given(listed, query):
    assert listed(query) == ["refused", "bad", "good"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("query", ["q=nothing", "cause=x&dataset=y", "page=9&q=good"])
def test_query_that_nothing_fits_says_so_and_leads_back(page, query):
    found = page(f"/runs?{query}")
    assert "No run fits that." in found
    assert '<a href="/runs">Show all runs</a>' in found


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "name", ["endpoint", "_method", "_scheme", "_external", "_anchor", "self", "values"]
)
def test_query_that_the_list_does_not_know_is_asked_no_further(page, name):
    address = f"/runs?q=a&{name}=POST"
    found = links(page, address)
    assert found
    assert not [query for query in found if name in query]


@pytest.mark.usefixtures("three")
def test_order_and_filters_are_kept_by_the_links_to_another_order(page):
    found = links(page, "/runs?state=failed&state=success&q=a&sort=seconds&page=1")
    assert "q=a&state=failed&state=success&sort=seconds&order=asc" in found
    assert "q=a&state=failed&state=success&sort=accuracy&order=desc" in found


@pytest.mark.usefixtures("three")
def test_form_holds_what_was_asked_for(page):
    found = page("/runs?q=bad&state=failed&dataset=advertising&sort=seconds&order=asc")
    for part in ('value="bad"', '<option value="failed" selected>', "<option selected>adv",
                 'type="hidden" name="sort" value="seconds"', 'name="order" value="asc"',
                 'aria-sort="ascending"'):  # fmt: skip
        assert part in found


def test_long_list_is_paged(build, page, listed):
    for number in range(PAGE_SIZE + 2):
        build.opened(f"r{number:02}", started=build.start - timedelta(minutes=number))
    assert listed("page=2") == ["r25", "r26"]
    assert f"{PAGE_SIZE + 2} runs" in page("/runs?page=2")
    assert "page=2&state=running" in links(page, "/runs?state=running")


def test_list_shows_what_came_of_each_run(build, page):
    build.success()
    build.failure("bad", started=build.start + timedelta(minutes=1))
    found = page("/runs")
    for part in ("26.0 s", "0.9700", "0.9859", "0.1202", "load_data: data refused", "advertising",
                 ">published</span>"):  # fmt: skip
        assert part in found


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("sort", SORTS)
def test_every_order_can_be_asked_for(listed, sort):
    assert len(listed(f"sort={sort}")) == 3


def test_link_to_a_run_leads_to_it(build, page):
    build.running()
    assert f'href="/runs/{build.run}"' in page("/runs")
    assert "The run is in progress" in page(f"/runs/{quote(build.run, safe='')}")
    assert "The run is in progress" in page(f"/runs/{build.run}")


@pytest.mark.parametrize(
    ("address", "reason"),
    [("/runs/absent", "There is no run absent on the shared volume."),
     ("/runs/a%20b", "That is no run id"), ("/runs/%3Cb%3E", "That is no run id")],
)  # fmt: skip
def test_run_that_is_not_there_is_a_page_with_status_404(client, address, reason):
    answer = client.get(address)
    assert (answer.status_code, reason in answer.text) == (404, True)
    assert answer.mimetype == "text/html"


def test_page_of_a_run_shows_all_that_is_known(build, page):
    build.success()
    build.validation(unknown_columns=["Mood"])
    found = page(f"/runs/{build.run}")
    for part in ("The run succeeded", build.run, "data/advertising.csv", "107.0 kB",
                 "sha256 " + "ab" * 32, "ml_pipeline_advertising", "1,000 rows kept, 0 dropped",
                 "Mood", "max_iter", "1000", "0.3", "true", "pandas", "3.0.1", "1.0 MB",
                 "cd" * 32, "143", "one two"):  # fmt: skip
        assert part in found


def test_data_check_names_each_violation(build, page):
    first = [{"line": n, "column": "Age", "value": "x", "rule": "is no integer"} for n in (7, 9)]
    build.failure()
    build.validation(valid=False, violations=2, violations_by_rule={"is no integer": 2},
                     first_violations=first)  # fmt: skip
    found = page(f"/runs/{build.run}")
    assert "2 violations of the data contract:" in found
    assert '<td data-label="Line" class="beside">7</td>' in found
    assert '<td data-label="Column" class="message beside">Age</td>' in found
    assert (
        '<td class="message" lang="en">is no integer</td><td class="text-end ps-4">2</td>' in found
    )


def test_all_thousand_listed_violations_are_shown(build, page):
    first = [{"line": n, "row": None, "column": "Age", "value": f"v{n}", "rule": "is no integer"}
             for n in range(2, 1102)]  # fmt: skip
    build.failure()
    build.validation(valid=False, violations=5000, violations_by_rule={"is no integer": 5000},
                     first_violations=first)  # fmt: skip
    found = page(f"/runs/{build.run}")
    assert "5,000 violations of the data contract:" in found
    assert "The first 1,000 violations, each with its place in the file" in found
    assert ">v1001<" in found
    assert ">v1002<" not in found


def test_violations_of_a_file_without_lines_have_rows(build, page):
    first = [{"line": None, "row": 7, "column": "Age", "value": None, "rule": "is missing"}]
    build.failure()
    build.validation(valid=False, violations=1, first_violations=first)
    found = page(f"/runs/{build.run}")
    assert '<td data-label="Row" class="beside">7</td>' in found
    assert '<th scope="col">Row</th>' in found


def test_data_check_tells_rows_read_kept_and_dropped_by_reason(build, page):
    build.success()
    build.validation(rows_read=1010, rows=1000, rows_dropped=10,
                     dropped_by_reason={"'Age' is missing": 7, "is a copy": 3})  # fmt: skip
    found = page(f"/runs/{build.run}")
    assert "1,010 rows read, 1,000 rows kept, 10 dropped" in found
    assert "Why rows were dropped" in found
    assert '&#39;Age&#39; is missing</td><td class="text-end ps-4">7</td>' in found


def test_many_unknown_columns_and_rules_are_cut_short(build, page):
    build.failure()
    build.validation(valid=False, violations=900, unknown_columns=[f"u{n}" for n in range(250)],
                     violations_by_rule={f"rule {n}": 1 for n in range(900)})  # fmt: skip
    found = page(f"/runs/{build.run}")
    assert "u99</span> and 150 more" in found
    assert "rule 49<" in found
    assert "rule 50<" not in found
    assert "The first 50 are shown." in found


def test_warnings_of_all_stages_stand_above_the_facts(build, page):
    build.success()
    build.report("load_data", metrics={"warnings": ["3 rows were dropped."]})
    build.report("data_preprocessing", metrics={"warnings": ["Feature 'a' is like an id."]})
    found = page(f"/runs/{build.run}")
    assert "2 warnings" in found
    for stage, text in (("load_data", "3 rows were dropped."),
                        ("data_preprocessing", "Feature &#39;a&#39; is like an id.")):  # fmt: skip
        assert f'<span lang="en">{text}</span>' in found
        assert f'text-body-secondary">{stage}</span>' in found
    assert found.index("2 warnings") < found.index(">Started<")


def test_run_without_warnings_says_nothing_of_them(build, page):
    build.success()
    build.report("load_data", metrics={"warnings": []})
    assert "warning" not in page(f"/runs/{build.run}").partition('id="main"')[2]


def test_profile_shows_each_column(build, page):
    build.success()
    found = page(f"/runs/{build.run}").partition('id="profile"')[2]
    for part in ("506 of 1,000 rows are clicks (50.6 %).", "<bdi>Age</bdi>", "integer, feature",
                 "36.169 ± 8.0561", "24 · 30 · 35 · 42 · 50", "<bdi>Country</bdi>",
                 "text, unused", "<bdi>Nepal</bdi>", "28, 2.83 %", "(empty)"):  # fmt: skip
        assert part in found, part
    assert '<rect x="26.8" y="1" width="29.3"' in found
    assert found.count("<bdi>Age</bdi>") == 1


def test_column_that_preprocessing_changed_is_shown_before_and_after(build, page):
    build.success()
    column = {"type": "number", "role": "feature", "count": 900, "mean": 1.5}
    sides = {
        "before": {"columns": {"x": column}},
        "after": {"columns": {"x": column | {"count": 1}}},
    }
    build.write(f"runs/{build.run}/data_preprocessing/profile.json", sides)
    found = page(f"/runs/{build.run}").partition('id="profile"')[2]
    assert "number, feature, before" in found
    assert "number, feature, after" in found


def test_profile_of_ten_thousand_columns_is_cut_short(build, client):
    build.success()
    name = "x" * 100
    facts = {"type": "category", "role": "feature", "count": 9, "missing": 0, "distinct": 9,
             "top": [["v" * 80, 1]]}  # fmt: skip
    build.profile(**{f"{name}{n}": facts for n in range(10_000)})
    found = client.get(f"/runs/{build.run}").text
    assert "Shown are the first 200 of 10,000 columns" in found
    assert found.count("<bdi>xxx") == 200
    assert len(found) < 400_000
    answer = client.get(f"/api/runs/{build.run}")
    assert len(answer.data) < 200_000
    assert len(answer.json["profile"]["before"]["columns"]) == 200
    assert answer.json["profile"]["before"]["columns_total"] == 10_000


def test_profile_that_is_too_large_is_named_and_left_out(build, page):
    build.success()
    build.write(f"runs/{build.run}/data_preprocessing/profile.json", " " * (LARGE_LIMIT + 1))
    found = page(f"/runs/{build.run}")
    assert "data_preprocessing/profile.json is larger than 8388608 bytes" in found
    assert 'id="profile"' not in found


LONG = "\N{RIGHT-TO-LEFT OVERRIDE}\x1b[31m\0" + "n" * 10_000


def test_text_of_the_data_is_shortened_and_on_one_line(build, client):
    build.failure()
    build.report("load_data", metrics={"warnings": [LONG]})
    build.profile(**{LONG: {"type": "text", "role": "feature", "count": 2, "top": [[LONG, 2]]}})
    violation = dict.fromkeys(("line", "column", "value", "rule"), LONG)
    build.validation(valid=False, violations=1, first_violations=[violation],
                     violations_by_rule={LONG: 1}, dropped_by_reason={LONG: 1},
                     unknown_columns=[LONG])  # fmt: skip
    found = client.get(f"/runs/{build.run}").text
    assert found.count("\\u202e\\x1b[31m\\x00nnn") >= 8
    assert not re.search("[\u202e\x1b\0]", found)
    assert "n" * 501 not in found


@pytest.fixture
def violations(build, client):
    """The lines of the CSV of a violation's list."""

    def read(*found):
        build.failure()
        build.validation(valid=False, violations=len(found), first_violations=list(found))
        answer = client.get(f"/runs/{build.run}/violations.csv")
        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        assert answer.headers["Content-Disposition"] == "attachment; filename=violations.csv"
        return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))

    return read


def test_violations_can_be_saved_as_csv(violations, build, page):
    found = violations({"line": 7, "row": None, "column": "Age", "value": 'a "b", c', "rule": "r"})
    assert found == [["line", "row", "column", "value", "rule"], ["7", "", "Age", 'a "b", c', "r"]]
    assert f'href="/runs/{quote(build.run, safe=":+")}/violations.csv"' in page(
        f"/runs/{build.run}"
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formula(violations, start):
    text = f"{start}HYPERLINK(1)"
    _, row = violations({"line": 2, "column": text, "value": text, "rule": text})
    assert [cell[:1] for cell in row[2:]] == ["'", "'", "'"]
    assert row[3].startswith(f"'{start}") or start in "\t\r"


def test_csv_holds_one_line_a_violation_and_no_control_characters(violations):
    found = violations({"line": 2, "value": "a\nb\0\x1b\N{RIGHT-TO-LEFT OVERRIDE}"}, {"line": -3})
    assert found[1][3] == "a\\nb\\x00\\x1b\\u202e"
    assert found[2][0] == "'-3"
    assert len(found) == 3


def test_csv_of_a_run_without_a_check_is_not_there(build, client):
    build.opened()
    assert client.get(f"/runs/{build.run}/violations.csv").status_code == 404
    assert client.get("/runs/absent/violations.csv").status_code == 404


def test_measures_of_rare_clicks_stand_beside_what_a_guess_gives(build, page):
    build.success()
    found = page(f"/runs/{build.run}")
    for part in ("Average precision", "0.9891", "gives a log loss of 0.6931",
                 "Clicks are 51.3 % of the test rows", "Calibration: the probability",
                 ">3.12 %<", ">98.7 %<"):  # fmt: skip
        assert part in found, part
    build.write(f"runs/{build.run}/evaluate_model/metrics.json",
                {"accuracy": 0.9, "gate": {"passed": True}})  # fmt: skip
    assert "better than the majority class" in page(f"/runs/{build.run}")


def test_model_of_a_run_is_in_use_replaced_refused_or_undecided(build, page):
    build.success("a")
    build.success("b")
    build.refusal("c")
    build.running("d")
    build.publish("b")
    assert "published, and replaced since" in page("/runs/a")
    assert 'href="/compare?run=b&amp;run=a"' in page("/runs/a")
    assert "it is the model in use" in page("/runs/b")
    assert "not published" in page("/runs/c")
    assert "not decided yet" in page("/runs/d")


def test_model_that_another_run_made_before_is_the_one_in_use_without_a_decision(build, page):
    build.success("a")
    build.publish("a")
    build.success("b")
    path = "runs/b/model_summary/model_summary.json"
    summary = json.loads((build.root / path).read_text())
    build.write(path, summary | {"same_as": "a", "reason": "it is the same model as that of a"})
    found = page("/runs/b")
    assert "published, it is the model in use. " in found
    assert "It is the same model as that of a." in found
    assert 'href="/runs/b"' not in page("/model").partition('id="history"')[2]


def test_earlier_tries_are_told_with_their_causes(build, page):
    build.running()
    build.task("build_model", "running", try_number=3,
               tries=[build.attempt(1, build.start), build.attempt(2, build.start)])  # fmt: skip
    found = page(f"/runs/{build.run}")
    assert "try 3" in found
    assert found.count("crashed, <time") == 2
    assert "try 1 crashed" in found


def test_stage_that_will_be_tried_again_says_why(build, page):
    build.running()
    build.task("build_model", "up_for_retry", cause="crashed", message="broke", exit_code=70)
    found = page(f"/runs/{build.run}")
    assert "build_model waits for another try: crashed (exit code 70)" in found
    assert "The run is in progress" in found


def test_advice_of_the_orchestration_stands_above_the_tables(build, page):
    build.failure()
    build.task("load_data", "failed", cause="data refused", advice="Ask Ann.")
    assert "Ask Ann." in page("/failure")


def test_run_in_progress_without_a_sign_of_life_says_so(build, page):
    build.running()
    assert "There has been no sign of life since" in page(f"/runs/{build.run}")
    build.progress("build_model", 0.95, updated=datetime.now(UTC).isoformat())
    assert "no sign of life" not in page(f"/runs/{build.run}")
    old = datetime.now(UTC) - SILENCE - timedelta(seconds=1)
    build.progress("build_model", 0.955, updated=old.isoformat())
    assert "no sign of life" in page(f"/runs/{build.run}")


def test_mails_about_a_run_are_linked_as_soon_as_they_come(build, client, page):
    build.success()
    address = f"/runs/{build.run}"
    assert "read it" not in page(address)
    etag = client.get(address).headers["ETag"]
    build.mail("1.mail")
    build.mail("2.mail", subject="[ad-click] model published: another")
    assert 'href="/mails/1.mail">read it</a>' in page(address)
    assert "2.mail" not in page(address)
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200


def test_run_by_hand_says_that_it_sends_no_mails(build, page):
    build.success(tasks=False)
    found = page(f"/runs/{build.run}")
    assert "Airflow sends mails for its own runs only" in found
    assert "hand" in found


def test_page_of_a_run_leads_to_its_page_in_airflow(build, serve):
    build.success()
    found = serve(AIRFLOW_URL="http://airflow.example:8080/").get(f"/runs/{build.run}").text
    quoted = quote(build.run, safe="")
    dag = "http://airflow.example:8080/dags/ml_pipeline_advertising"
    assert f'href="{dag}/runs/{quoted}"' in found


def test_page_of_a_prediction_leads_to_its_own_dag(build, serve):
    build.task("start_pipeline", "success", dag_id="predict_advertising")
    found = serve(AIRFLOW_URL="http://airflow.example:8080").get(f"/runs/{build.run}").text
    assert 'href="http://airflow.example:8080/dags/predict_advertising/runs/' in found


def test_stage_that_waits_in_airflow_is_queued(build, airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    build.running()
    airflow.run(build.run, "running", {"evaluate_model": "queued"})
    poll(client)
    address = f"/runs/{build.run}"
    assert '<span class="badge text-bg-info">queued</span>' in client.get(address).text
    airflow.run(build.run, "failed")
    poll(client)
    assert "The run failed" in client.get(address).text


def test_run_that_only_airflow_knows_has_a_page(airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    airflow.run("new", "queued", {"start_pipeline": "scheduled"}, queued_at="2026-11-23T19:29:00Z")
    assert client.get("/runs/new").status_code == 404
    poll(client)
    assert "The run waits for its start" in client.get("/runs/new").text
    airflow.stop()
    poll(client)
    assert client.get("/runs/new").status_code == 404


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "\x00", '{"state": "\\ud800"}', "9" * 5000, " " * (LARGE_LIMIT + 1)],
    ids=lambda content: content[:10],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    [
        "start_pipeline/run.json",
        "load_data/validation.json",
        "data_preprocessing/profile.json",
        "build_model/report.json",
        "build_model/task.json",
        "build_model/progress.json",
        "evaluate_model/metrics.json",
        "model_summary/model_summary.json",
    ],
)
def test_damaged_file_never_breaks_a_page(build, client, page, name, content):
    build.success()
    build.write(f"runs/{build.run}/{name}", content)
    found = page(f"/runs/{build.run}")
    harmless = content.startswith('{"state"')
    assert ("Some files of this run cannot be shown" in found) != harmless
    assert (name in found.partition("Some files")[2].partition("</section>")[0]) != harmless
    for address in ("/home", "/runs", f"/api/runs/{build.run}"):
        assert client.get(address).status_code == 200


FACTS = ("count", "missing", "distinct", "minimum", "maximum", "mean", "std")


def strange(value):
    return {
        "state": value, "started": value, "ended": value, "seconds": value,
        "try_number": value, "exit_code": value, "log_tail": [value, {}], "docker_run": value,
        "fraction": value, "metrics": {"rows": value, "train_rows": value}, "tries": [value, {}],
        "parameters": {"C": value}, "versions": {"python": value}, "peak_memory_bytes": value,
        "error": value, "cause": value, "message": value, "queued": value, "updated": value,
        "dag_id": value, "source": {"path": value, "bytes": value, "sha256": value},
        "dataset": value, "published": value, "reason": value, "accuracy": value,
        "log_loss": value, "accuracy_interval": [value, value], "interval_level": value,
        "baseline_accuracy": value, "confusion_matrix": [[value, value], [value, value]],
        "gate": {"passed": False, "min_accuracy": value, "min_roc_auc": value, "reasons": [value]},
        "rows": value, "rows_dropped": value, "violations": value, "file": value, "valid": value,
        "violations_by_rule": {"rule": value}, "unknown_columns": [value],
        "first_violations": [{"line": value, "column": value, "value": value, "rule": value}],
        "rows_read": value, "dropped_by_reason": {"reason": value}, "warnings": [value, value],
        "calibration": [{"rows": value, "predicted": value, "observed": value}, value],
        "average_precision": value, "baseline_log_loss": value, "positive_share": value,
        "status": "up to date", "why": value, "taken_from": value, "calibration_error": value,
        "intervals": {"accuracy": [value, value], "f1": value},
        "segments": [value, {"column": value, "segment": value, "rows": value,
                             "accuracy_interval": [value, value], "accuracy": value}],
        "yardstick": {"majority_class": {"accuracy": value}, "hist_gradient_boosting": value},
        "cross_validation": {"folds": value, "repeats": value, "accuracy": {"mean": value}},
        "champion": {"run_id": value}, "verdict": value, "why_not": value,
        "roc_auc": {"difference": value, "interval": [value, value], "p_value": value},
        "reference": {"run_id": value}, "drifted": value,
        "features": [value, {"column": value, "psi": value, "p_value": value, "test": value,
                             "missing_now": value, "missing_then": value, "drifted": value}],
        "target": {"share_then": value, "share_now": value, "p_value": value},
        "score": {"rows": value, "accuracy_then": value, "log_loss_now": value, "p_value": value},
        "thresholds": {"psi": value, "p_value": [value]},
        "before": {"rows": value, "classes": {"0": value, "1": value}, "columns": {
            "facts": dict.fromkeys((*FACTS, "type", "role", "quantiles", "top"), value),
            "quantiles": {"quantiles": dict.fromkeys(QUANTILES, value), "minimum": value,
                          "maximum": 5, "top": [[value, value], [value], value]},
            "column": value}},
        "after": {"rows": value, "classes": {"0": value, "1": 1}, "columns": {"facts": value}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [1e17, -1e18, 1e300, -1e300, 2**63 - 1, 2**64 - 1, 10**30, 1.5, True, None, "never", "",
     "0001-01-01", "9999-12-31T23:59:59.999999", [], {}, [[]], {"a": {"b": [1]}}],
    ids=repr,
)  # fmt: skip
def test_strange_values_never_break_a_page(build, client, value):
    build.success("usual")
    build.success()
    content = strange(value)
    output = {"path": f"runs/{build.run}/../../x", "bytes": value, "sha256": value}
    for name in ("report", "task", "progress"):
        build.write(f"runs/{build.run}/build_model/{name}.json", content | {"outputs": [output]})
    for name in ("start_pipeline/run.json", "evaluate_model/metrics.json",
                 "evaluate_model/comparison.json", "evaluate_model/drift.json",
                 "load_data/validation.json", "data_preprocessing/profile.json",
                 "model_summary/model_summary.json"):  # fmt: skip
        build.write(f"runs/{build.run}/{name}", content)
    build.publish(metrics=content, source=content["source"], created=value, model_type=value,
                  features=value, train_score=value, comparison=content, drift=content,
                  files={"model": {"bytes": value, "sha256": value}, "x": value},
                  contract={"columns": {"a": value, "b": {
                      "role": "feature", "type": value, "minimum": value, "maximum": value,
                      "unit": value, "missing": value, "allowed": [value]}}})  # fmt: skip
    build.decision("published", time=value, reason=value, accuracy=value, roc_auc=value,
                   sha256=value, previous=value)  # fmt: skip
    both = f"run={build.run}&run=usual"
    for address in ("/", "/home", "/runs", "/success", "/failure", "/model", f"/compare?{both}",
                    f"/runs/{build.run}", f"/embed/runs/{build.run}", "/metrics", "/health",
                    "/ready", "/api/status", f"/api/status?run_id={build.run}", "/api/metrics",
                    "/api/runs", f"/api/runs/{build.run}", "/api/model", f"/api/compare?{both}",
                    "/api/model/history", "/predict", "/predict?b=1",
                    f"/api/runs/{build.run}/artifacts"):  # fmt: skip
        assert client.get(address).status_code in (200, 302), address
    assert json.loads(client.get(f"/api/runs/{build.run}").data)["run_id"] == build.run


def test_stage_that_took_over_earlier_work_says_whose_and_why(build, page):
    build.not_published()
    found = page(f"/runs/{build.run}").partition('id="stages"')[2]
    row = found.partition(">load_data<")[2].partition("</tr>")[0]
    assert '<span class="badge text-bg-success">up to date</span>' in row
    assert "nothing has changed" in row
    assert 'Taken from <a class="run-id" href="/runs/champion">champion</a>.' in row
    row = found.partition(">build_model<")[2].partition("</tr>")[0]
    assert ">succeeded<" in row
    assert "parameter max_iter 1000 &gt; 500" in row


def test_stage_that_is_up_to_date_is_done(build, page):
    build.stages(STAGES, build.run, build.start, tasks=False)
    for stage in STAGES:
        build.report(stage, status="up to date", taken_from="../x")
    found = page(f"/runs/{build.run}")
    assert "The run succeeded" in found
    assert "Taken from" not in found


def test_metrics_have_their_intervals_and_what_else_was_measured(build, page):
    build.not_published()
    found = page(f"/runs/{build.run}").partition('id="metrics"')[2]
    for part in ("0.9441 \N{EN DASH} 0.9841", "0.0712 \N{EN DASH} 0.1748", "with 95 % confidence",
                 "off by 0.0213 on average", "always the majority class", "0.5133", "0.9567",
                 "5 folds, 3 times", "0.9671 ± 0.0142", "61 to 120",
                 "0.3424 \N{EN DASH} 1.0000"):  # fmt: skip
        assert part in found
    assert "between 0.9441 and 0.9841" not in found


def test_warnings_of_metrics_and_drift_are_those_of_the_run(build, page):
    build.not_published()
    build.report("evaluate_model", metrics={"warnings": [DRIFT["warnings"][0]]})
    found = page(f"/runs/{build.run}").partition('id="warnings"')[2].partition("</section>")[0]
    assert "the test rows are few (300)" in found
    assert found.count(DRIFT["warnings"][0]) == 1


def test_comparison_shows_both_models_with_verdict_and_chance(build, page):
    build.not_published()
    found = page(f"/runs/{build.run}").partition('id="challenge"')[2].partition("</section>")[0]
    for part in ('<span class="badge text-bg-danger">worse</span>',
                 "It is worse than the published model beyond chance.", "the same 300 test rows",
                 'href="/runs/champion"', "\N{MINUS SIGN}0.0300", "p = 0.0039", "+0.0601",
                 "lies between \N{MINUS SIGN}0.0292 and \N{MINUS SIGN}0.0047"):  # fmt: skip
        assert part in found


def test_drift_shows_columns_target_scores_and_thresholds(build, page):
    build.not_published()
    found = page(f"/runs/{build.run}").partition('id="drift"')[2].partition("</section>")[0]
    for part in ("0.3125", "Kolmogorov-Smirnov", "p &lt; 0.0001", "0 %, 12.5 %", "51.3 %",
                 "0.9133", "p = 0.0021", "psi 0.2", "p_value 0.01", "300 test rows"):  # fmt: skip
        assert part in found
    assert found.count(">drifted<") == 3  # the whole, the score, the one column


def test_first_run_says_why_there_is_nothing_to_compare_with(build, page):
    build.success()
    why = "no model is published yet"
    none = {"verdict": "first", "reason": why, "why_not": why, "champion": None, "rows": 0}
    build.write(f"runs/{build.run}/evaluate_model/comparison.json", none)
    build.write(f"runs/{build.run}/evaluate_model/drift.json", {"reference": None, "why_not": why})
    found = page(f"/runs/{build.run}")
    assert found.count("No model is published yet.") == 2
    assert ">no drift<" not in found


def test_run_without_the_newer_files_has_no_sections_for_them(build, page):
    build.success()
    found = page(f"/runs/{build.run}")
    for part in ('id="challenge"', 'id="drift"', "Segments", "Beside other ways", "off by"):
        assert part not in found
