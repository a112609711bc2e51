"""The data of the charts: waits, tries and what goes on now, as plain values."""

import html
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.charts import comparison_chart, timeline_chart, to_attribute, trend_chart, trend_words
from monitor.reading.stages import STAGES


@pytest.fixture
def timeline(client, build, volume):
    """The timeline of the run that is built, its bars as short lines."""

    def draw(run=None):
        with client.application.test_request_context():
            chart = timeline_chart(run or volume.run(build.run))
        return [
            (bar["task"], bar["kind"], bar["state"], bar["from"], bar["to"])
            for bar in chart["bars"]
        ]

    return draw


def seconds(build, number):
    return build.start + timedelta(seconds=number)


def test_bar_is_from_start_to_end_of_a_try_after_the_wait_for_the_task_before(build, timeline):
    build.opened()
    build.task("start_pipeline", "success")
    build.task("load_data", "failed", started=seconds(build, 5))
    assert timeline() == [
        ("start_pipeline", "try", "success", 0, 2),
        ("load_data", "waiting", "waiting", 2, 5),
        ("load_data", "try", "failed", 5, 7),
    ]


def test_wait_is_from_when_airflow_had_the_task_ready(build, timeline):
    build.opened()
    build.task("start_pipeline", "success")
    build.task("load_data", "success", started=seconds(build, 9), queued="2026-11-23T19:30:04Z")
    assert timeline()[1] == ("load_data", "waiting", "waiting", 4, 9)


def test_each_try_has_its_bar_and_its_wait(build, timeline):
    build.opened()
    former = [build.attempt(1, build.start), build.attempt(2, seconds(build, 15))]
    build.task("start_pipeline", "running", started=seconds(build, 30), tries=former)
    assert timeline() == [
        ("start_pipeline", "try", "failed", 0, 2),
        ("start_pipeline", "waiting", "waiting", 2, 15),
        ("start_pipeline", "try", "failed", 15, 17),
        ("start_pipeline", "waiting", "waiting", 17, 30),
        ("start_pipeline", "try", "running", 30, None),
    ]


def test_task_at_work_has_a_bar_without_an_end(build, timeline):
    build.running()
    assert timeline()[-1] == ("build_model", "try", "running", 12, None)


def test_task_that_waits_for_a_retry_has_the_bar_of_its_try(build, timeline):
    build.opened()
    build.task("start_pipeline", "up_for_retry", cause="crashed")
    assert timeline() == [("start_pipeline", "try", "up_for_retry", 0, 2)]


def test_task_that_is_queued_waits_until_now(build, volume, timeline):
    build.running()
    run = volume.run(build.run)
    queued = replace(run.stages[5], state="queued", queued=seconds(build, 20))
    stages = [*run.stages[:5], queued, *run.stages[6:]]
    assert timeline(replace(run, stages=stages))[-1] == (
        "evaluate_model", "waiting", "queued", 20, None)  # fmt: skip


def test_mail_is_on_the_timeline_after_the_stages(build, timeline):
    build.success()
    tasks = list(dict.fromkeys(bar[0] for bar in timeline()))
    assert tasks == [*STAGES, "success_email"]


def test_try_without_a_start_has_no_bar(build, timeline):
    build.opened()
    build.task(
        "start_pipeline", "success", tries=[build.attempt(1, build.start) | {"started": "x"}]
    )
    assert timeline() == [("start_pipeline", "try", "success", 0, 2)]


def test_run_by_hand_has_the_bars_of_its_reports(build, timeline):
    build.opened()
    build.report("start_pipeline")
    assert timeline() == [("start_pipeline", "try", "success", 0, 1.5)]


def test_run_of_which_nothing_has_started_has_no_bars(build, timeline, page):
    build.opened()
    assert timeline() == []
    assert 'kind="timeline"' not in page(f"/runs/{build.run}")


def test_script_is_told_when_the_run_started_and_its_words(build, client, volume):
    build.running()
    with client.application.test_request_context():
        chart = timeline_chart(volume.run(build.run))
    assert chart["started"] == build.start.timestamp()
    assert chart["tasks"] == list(STAGES[:5])
    assert {bar["label"] for bar in chart["bars"]} == {"succeeded", "waiting", "in progress"}


@pytest.fixture
def trend(client, build, watch, index):
    def draw(function=trend_chart):
        watch.look(9)
        with client.application.test_request_context():
            return function(index.trend(9))

    return draw


def test_trend_has_a_point_for_each_measured_run_oldest_first(build, trend):
    for number in range(3):
        build.opened(f"r{number}", started=seconds(build, number))
        build.metrics(f"r{number}", accuracy=0.9 + number / 100, log_loss=None)
    build.write("runs/r1/model_summary/model_summary.json", {"published": True})
    chart = trend()
    assert chart["pages"] == ["/runs/r0", "/runs/r1", "/runs/r2"]
    assert chart["published"] == [None, True, None]
    assert [(line["label"], line["axis"]) for line in chart["lines"]] == [
        ("accuracy", "gain"), ("average precision", "gain"), ("ROC AUC", "gain"),
        ("log loss", "loss")]  # fmt: skip
    assert chart["lines"][0]["values"] == [0.9, 0.91, 0.92]
    assert chart["lines"][3]["values"] == [None, None, None]


def test_trend_is_told_in_words_too(build, trend):
    assert trend(trend_words) == "No run has been measured yet."
    build.success()
    assert trend(trend_words) == (
        "Accuracy of the last 1 measured runs, from 0.9700 to 0.9700.")  # fmt: skip


def test_comparison_has_a_value_for_each_score_of_each_run(build, client, volume):
    build.success("a")
    build.running("b")
    with client.application.test_request_context():
        chart = comparison_chart([volume.run("a"), volume.run("b")])
    assert chart["labels"][:3] == ["accuracy", "average precision", "ROC AUC"]
    assert chart["runs"][0]["values"] == [
        *(0.97, 0.9891, 0.9859, 0.1202, 0.0301, 0.9801, 0.961, 0.9705)
    ]
    assert chart["runs"][1]["values"] == [None] * 8
    assert [run["label"][:2] for run in chart["runs"]] == ["1.", "2."]


HOSTILE = "\"'><script>alert(1)</script>&amp;"


def test_data_of_a_chart_is_one_attribute_whatever_it_holds(client):
    text = '<data-chart data="{{ content | chart }}"></data-chart>'
    template = client.application.jinja_env.from_string(text)
    shown = template.render(content={HOSTILE: [HOSTILE, None, 0.5]})
    attribute = re.fullmatch(r'<data-chart data="([^"<>]*)"></data-chart>', shown)[1]
    assert json.loads(html.unescape(attribute)) == {HOSTILE: [HOSTILE, None, 0.5]}


def test_data_of_a_chart_is_json_that_a_browser_reads():
    assert json.loads(to_attribute({"a": None, "é": [1.5]})) == {"a": None, "é": [1.5]}
