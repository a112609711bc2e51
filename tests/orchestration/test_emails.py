"""The mails' templates, rendered with the DAG's own Jinja environment."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "orchestration" / "dags" / "email"
PAGES = sorted(FOLDER.glob("*.html"))
HOSTILE = '<script>alert("x")</script>&\'"'
METRICS = {
    "accuracy": 0.97,
    "accuracy_interval": [0.9441, 0.9862],
    "interval_level": 0.95,
    "roc_auc": 0.98594,
    "average_precision": 0.98914,
    "positive_share": 0.48667,
    "log_loss": 0.12024,
    "baseline_log_loss": 0.69304,
    "precision": 0.98013,
    "recall": 0.96104,
    "f1": 0.97049,
    "train_accuracy": 0.97143,
    "baseline_accuracy": 0.51333,
    "train_rows": 700,
    "test_rows": 300,
}
GREEN = {
    "start_pipeline": {"source": "data/advertising.csv"},
    "load_data": {"rows": 1000},
    "data_preprocessing": {"rows": 1000, "warnings": []},
    "evaluate_model": METRICS,
    "model_summary": {"reason": "the gate is met"},
}
FAILURE = {
    "task_id": "load_data",
    "cause": "data refused",
    "message": "data/ads.csv line 42, column 'Age': 'fourty' is no integer",
    "advice": "Correct the file.",
}


@pytest.fixture
def render(dags: dict[str, Any], context: Any) -> Any:
    """Renders a template as Airflow renders it for a task."""

    def render(
        name: str,
        dag_id: str = "ml_pipeline_advertising",
        xcoms: dict[tuple[str, str], Any] | None = None,
        **known: Any,
    ) -> str:
        dag = dags[dag_id]
        given = context("mail")
        given["ti"].xcoms = xcoms or {}
        given |= {"dag": dag} | {"run_id": "manual__2026-11-23T19:30:00.1+00:00"} | known
        return dag.get_template_env().get_template(f"email/{name}").render(given)

    return render


def summaries(metrics: dict[str, dict[str, Any]]) -> dict[tuple[str, str], Any]:
    return {(stage, "return_value"): {"metrics": found} for stage, found in metrics.items()}


def failures(*found: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(failure["task_id"], "failure"): failure for failure in found}


class Page(HTMLParser):
    """Collects the elements, links and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_success_mail_has_the_metrics(render, kind):
    mail = render(f"success.{kind}", xcoms=summaries(GREEN))
    for name in ("accuracy", "roc_auc", "log_loss", "precision", "recall", "f1",
                 "average_precision", "positive_share", "baseline_log_loss"):  # fmt: skip
        assert f"{METRICS[name]:.4f}" in mail
    for words in ("95 %", "0.9441", "0.9862", "0.9714", "0.5133", "1000 rows"):
        assert words in mail
    assert "data/advertising.csv" in mail
    assert "the gate is met" in mail


COMPARISON = {
    "champion": {"run_id": "run-before", "sha256": "aa"},
    "compared": True,
    "rows": 300,
    "accuracy": {"difference": -0.0433},
    "roc_auc": {"difference": 0.00123},
    "log_loss": {"difference": 0.25},
}


@pytest.mark.parametrize("kind", ["html", "txt"])
@pytest.mark.parametrize("published", [True, False])
def test_success_mail_says_whether_the_model_was_published_and_why(render, kind, published):
    decided = {"model_summary": {"published": published, "reason": "it is as it is"}}
    mail = render(f"success.{kind}", xcoms=summaries(GREEN | decided))
    text = Page(mail).text if kind == "html" else mail
    words = "published" if published else "not published"
    assert f"The model was {words}" in text
    assert f"{words.capitalize()} because it is as it is." in text
    assert ("What was published before stays in use." in text) is not published


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_success_mail_gives_the_difference_to_the_published_model(render, kind):
    compared = {"evaluate_model": METRICS | {"comparison": COMPARISON}}
    mail = render(f"success.{kind}", xcoms=summaries(GREEN | compared))
    text = " ".join((Page(mail).text if kind == "html" else mail).split())
    assert (
        "Against the published model of run run-before, on 300 test rows: accuracy -0.0433, "
        "ROC AUC +0.0012, log loss +0.2500." in text
    )
    first = {"comparison": {"champion": None, "compared": False}}
    mail = render(f"success.{kind}", xcoms=summaries(GREEN | {"evaluate_model": METRICS | first}))
    assert "Against the published model" not in mail


@pytest.mark.parametrize(("published", "words"), [(True, "published"), (False, "not published")])
def test_subject_says_whether_the_model_was_published(dags, context, published, words):
    dag = dags["ml_pipeline_advertising"]
    given = context("success_email")
    given["ti"].xcoms = summaries({"model_summary": {"published": published}})
    subject = dag.get_template_env().from_string(dag.get_task("success_email").subject)
    assert subject.render(given | {"run_id": "r-1"}) == f"[ad-click] model {words}: r-1"


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_success_mail_of_an_older_run_has_the_metrics_that_it_has(render, kind):
    known = {"average_precision", "positive_share", "baseline_log_loss"}
    older = {name: value for name, value in METRICS.items() if name not in known}
    mail = render(f"success.{kind}", xcoms=summaries(GREEN | {"evaluate_model": older}))
    assert "0.1202" in mail
    assert "average precision" not in mail
    assert "share of clicks" not in mail


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_success_mail_has_the_warnings_of_the_stages(render, kind):
    warned = {
        "load_data": {"rows": 1000, "warnings": ["3 rows were dropped."]},
        "data_preprocessing": {"warnings": ["Feature 'a' is like an id.", "Feature 'b' too."]},
        "separate_data": {"warnings": ["2 test rows equal a training row."]},
        "build_model": {"warnings": ["The fit has not converged."]},
        "evaluate_model": METRICS | {"warnings": ["'Age' has drifted since run a."]},
    }
    mail = render(f"success.{kind}", xcoms=summaries(GREEN | warned))
    text = Page(mail).text if kind == "html" else mail
    said = [warning for metrics in warned.values() for warning in metrics["warnings"]]
    assert [text.count(warning) for warning in said] == [1, 1, 1, 1, 1, 1]
    assert "A person should look at this" in text
    assert sorted(said, key=text.index) == said


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_success_mail_without_warnings_says_nothing_of_them(render, kind):
    for metrics in ({"rows": 1}, {"rows": 1, "warnings": []}):
        mail = render(f"success.{kind}", xcoms=summaries(GREEN | {"load_data": metrics}))
        assert "A person should look" not in mail


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_warning_is_text_and_no_template(render, kind):
    warning = "Feature '{{ 7 * 7 }}{% raw %}<b>' is like an id."
    xcoms = summaries(GREEN | {"data_preprocessing": {"warnings": [warning]}})
    mail = render(f"success.{kind}", xcoms=xcoms)
    assert warning in (Page(mail).text if kind == "html" else mail)
    assert "<b>' is" not in mail or kind == "txt"


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_failure_mail_has_stage_cause_message_and_advice(render, kind):
    mail = render(f"failure.{kind}", xcoms=failures(FAILURE))
    text = Page(mail).text if kind == "html" else mail
    for words in FAILURE.values():
        assert words in text
    assert "No stage left its cause" not in text


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_failure_mail_names_each_stage_that_failed(render, kind):
    other = FAILURE | {"task_id": "trigger_flask_api", "cause": "timed out"}
    mail = render(f"failure.{kind}", xcoms=failures(FAILURE, other))
    for words in ("load_data", "data refused", "trigger_flask_api", "timed out"):
        assert words in mail


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_mail_about_a_crash_has_its_last_words(render, kind):
    crash = FAILURE | {"cause": "crashed", "last_words": ["Traceback", "ValueError: <no>"]}
    mail = render(f"failure.{kind}", xcoms=failures(crash))
    text = Page(mail).text if kind == "html" else mail
    assert re.search(r"Its last words:\s+Traceback\s+ValueError: <no>\s", text)
    assert "Its last words" not in render(f"failure.{kind}", xcoms=failures(FAILURE))


@pytest.mark.parametrize("kind", ["html", "txt"])
def test_failure_mail_without_a_cause_says_so(render, kind):
    assert "No stage left its cause" in render(f"failure.{kind}")


@pytest.mark.parametrize("kind", ["html", "txt"])
@pytest.mark.parametrize("name", ["success", "failure", "monitor_down"])
def test_links_lead_to_the_run(render, name, kind):
    dag_id = "flask_api_monitoring" if name == "monitor_down" else "ml_pipeline_advertising"
    urls = {"airflow_url": "http://air:8080", "monitor_url": "http://mon:5000"}
    mail = render(f"{name}.{kind}", dag_id, xcoms=summaries(GREEN), **urls)
    links = Page(mail).links if kind == "html" else re.findall(r"http\S+", mail)
    run = "manual__2026-11-23T19%3A30%3A00.1%2B00%3A00"
    expected = [f"http://air:8080/dags/{dag_id}/runs/{run}"]
    if name != "monitor_down":
        expected.insert(0, f"http://mon:5000/runs/{run}")
    assert links == expected


def test_every_text_in_a_page_is_escaped(render):
    hostile = {name: dict.fromkeys(found, HOSTILE) for name, found in GREEN.items()}
    hostile["data_preprocessing"] = {"warnings": [HOSTILE]}
    hostile["evaluate_model"] = METRICS | {"train_rows": HOSTILE, "test_rows": HOSTILE}
    xcoms = summaries(hostile)
    xcoms["load_data", "failure"] = dict.fromkeys(FAILURE, HOSTILE) | {"last_words": [HOSTILE]}
    names = {"run_id": HOSTILE, "airflow_url": HOSTILE, "monitor_url": HOSTILE}
    for path in PAGES:
        dag = SimpleNamespace(dag_id=HOSTILE)
        html = render(path.name, xcoms=xcoms, dag=dag, **names)
        assert "<script" not in html
        assert "script" not in Page(html).tags
        assert '"x"' not in html


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_expression_of_a_page_ends_in_the_escape(path):
    expressions = re.findall(r"{{(.*?)}}", path.read_text(), re.DOTALL)
    assert expressions
    for expression in expressions:
        assert re.search(r"\|\s*e\s*$", expression), expression


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_has_the_same_in_text(path):
    text = path.with_suffix(".txt").read_text()
    html = path.read_text()
    values = re.compile(r'\w+\["\w+"\](?:\[\d\])?|\b(?:run_id|airflow_url|monitor_url)\b')
    assert set(values.findall(html)) == set(values.findall(text))


@pytest.mark.parametrize("name", ["success", "failure", "monitor_down"])
def test_text_has_no_html_in_it(render, name):
    mail = render(f"{name}.txt", xcoms=summaries(GREEN) | failures(FAILURE))
    assert not re.search(r"</?\w+>|&\w+;", mail)
    assert "\n\n\n" not in mail


@pytest.mark.parametrize(
    ("dag_id", "task", "name"),
    [
        ("ml_pipeline_advertising", "success_email", "success"),
        ("ml_pipeline_advertising", "failure_email", "failure"),
        ("flask_api_monitoring", "failure_email", "monitor_down"),
    ],
)
def test_task_sends_both_kinds_of_its_mail(dags, dag_id, task, name):
    mail = dags[dag_id].get_task(task)
    # Airflow has replaced the files' names by what they hold.
    assert mail.html_content == (FOLDER / f"{name}.html").read_text()
    assert mail.text_content == (FOLDER / f"{name}.txt").read_text()
