"""Two to five runs side by side: what differs, and which is best."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from monitor.compare import Line, compare_runs
from monitor.reading.evaluation import SCORES

MINUTE = timedelta(minutes=1)


@pytest.fixture
def six(build):
    names = ["a", "b", "c", "d", "e", "f"]
    for number, name in enumerate(names):
        build.success(name, started=build.start + number * MINUTE)
        build.metrics(name, accuracy=0.9 + number / 100, log_loss=0.5 - number / 4)
    return names


def asking(*names):
    return f"/compare?{urlencode([('run', name) for name in names])}"


def shown(page, *names):
    """The runs that the comparison shows, in order."""
    found = page(asking(*names)).partition("<ol>")[2].partition("</ol>")[0]
    return re.findall(r'href="/runs/([^"]+)"', found)


@pytest.mark.usefixtures("six")
def test_one_run_or_none_leads_to_the_choice(page):
    assert "Choose two to 5 runs" in page("/compare")
    found = page(asking("a"))
    assert "Choose two to 5 runs" in found
    assert 'id="run1" name="run" maxlength="200" value="a"' in found


@pytest.mark.usefixtures("six")
@pytest.mark.parametrize("names", ["ab", "ba", "abcde"])
def test_two_to_five_runs_are_shown_in_the_order_asked_for(page, names):
    assert shown(page, *names) == list(names)


@pytest.mark.usefixtures("six")
def test_of_six_runs_the_first_five_are_shown(page):
    assert shown(page, *"abcdef") == list("abcde")


@pytest.mark.usefixtures("six")
def test_run_that_is_named_twice_is_shown_once(page):
    assert shown(page, "a", "b", "a") == ["a", "b"]
    assert "Choose two to 5 runs" in page(asking("a", "a"))


@pytest.mark.usefixtures("six")
def test_run_that_is_not_there_is_named_and_the_others_are_shown(page):
    assert shown(page, "a", "absent", "b") == ["a", "b"]
    found = page(asking("a", "absent", "b", "../data"))
    assert 'There is no run <span class="run-id">absent</span>.' in found
    assert '<span class="run-id">../data</span>' in found


@pytest.mark.usefixtures("six")
def test_empty_fields_of_the_form_name_no_run(page):
    assert shown(page, "a", "", "b", "", "") == ["a", "b"]
    assert "There is no run" not in page(asking("a", "", "b", "", ""))


def test_plus_that_nobody_quoted_is_no_space(build, page):
    build.success()
    build.success("other")
    assert shown(page, build.run.replace("+", " "), "other") == [build.run, "other"]


@pytest.mark.usefixtures("six")
def test_each_run_can_be_left_out(page):
    assert 'href="/compare?run=a&amp;run=c">leave out</a>' in page(asking(*"abc"))


@pytest.fixture
def compared(volume):
    return lambda *names: compare_runs([volume.run(name) for name in names])


def line(lines, name):
    return next(line for line in lines if line.name == name)


@pytest.mark.usefixtures("six")
def test_best_is_the_most_and_of_losses_the_least(compared):
    scores = compared("c", "a", "b").scores
    assert [line.name for line in scores] == list(SCORES)
    assert line(scores, "accuracy") == Line("accuracy", [0.92, 0.9, 0.91], (0,))
    assert line(scores, "log_loss").values == [0.0, 0.5, 0.25]
    assert line(scores, "log_loss").best == (0,)
    assert (line(scores, "f1").best, line(scores, "f1").differs) == ((), False)


def test_brier_score_is_a_loss_too_and_several_may_be_best(build, compared):
    for name, brier in (("a", 0.1), ("b", 0.2), ("c", 0.1), ("d", None)):
        build.opened(name)
        build.metrics(name, brier_score=brier)
    assert line(compared(*"abcd").scores, "brier_score").best == (0, 2)


def test_single_measure_is_no_best(build, compared):
    build.success("a")
    build.running("b")
    found = line(compared("a", "b").scores, "accuracy")
    assert (found.values, found.best, found.differs) == ([0.97, None], (), True)


def test_parameters_data_seconds_and_versions_are_compared(build, compared):
    build.success("a")
    build.success("b")
    build.report("build_model", "b", parameters={"C": 2.0, "max_iter": 1000, "new": 1}, seconds=9)
    build.report("load_data", "b", versions={"python": "3.12.0"})
    build.opened("b", dataset="other", source={"path": "data/b.csv", "sha256": "ef" * 32})
    build.validation("b", rows=7)
    found = compared("a", "b")
    assert line(found.parameters, "C") == Line("C", [1.0, 2.0])
    assert line(found.parameters, "new").values == [None, 1]
    assert not line(found.parameters, "max_iter").differs
    assert line(found.seconds, "build_model").values == [1.5, 9]
    assert line(found.data, "dataset").values == ["advertising", "other"]
    assert line(found.data, "rows").values == [1000, 7]
    assert line(found.data, "sha256").differs
    assert not line(found.versions, "pandas").differs


def test_figures_stand_side_by_side(build, compared, page):
    build.success("a")
    build.running("b")
    path = "evaluate_model/figures/roc_curve.svg"
    assert compared("a", "b").figures == [Line("roc_curve.svg", [path, None])]
    found = page(asking("a", "b"))
    assert f'src="/runs/a/artifacts/{path}"' in found
    assert 'alt="ROC curve, run 1"' in found


@pytest.mark.usefixtures("six")
def test_differences_and_the_best_are_marked(page):
    rows = re.findall(
        r'<tr( class="differs")?> <th scope="row".*?>([\w ]+?)[ <]', page(asking("a", "b"))
    )
    assert (' class="differs"', "accuracy") in rows
    assert ("", "F1") in rows
    found = page(asking("a", "b"))
    assert found.count('<span class="badge text-bg-success">best</span>') == 2
    assert '0.9100 <span class="badge text-bg-success">best</span>' in found
    assert '0.2500 <span class="badge text-bg-success">best</span>' in found


def test_run_that_waits_in_airflow_can_be_compared(build, airflow, serve, poll):
    client = serve(AIRFLOW_API_URL=airflow.url, AIRFLOW_VIEWER_PASSWORD=airflow.password)
    build.success("a")
    airflow.run("new", "queued")
    poll(client)
    assert 'href="/runs/new"' in client.get(asking("a", "new")).text
