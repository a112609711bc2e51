"""The page of the published model, and what was published and refused before."""

import re
from datetime import timedelta

import pytest
from tests.images.monitor.conftest import COMPARISON, DRIFT, MEASURED, METRICS, PUBLISHED_FILES, iso

from monitor.model import PAGE_SIZE

MINUTE = timedelta(minutes=1)


@pytest.fixture
def history(page):
    """Each decision of the history: its words and its run."""

    def read(address="/model"):
        rows = page(address).partition('id="history"')[2].split("<tr>")[2:]
        return [
            (re.findall(r'<span class="badge[^>]*>([^<]+)<', row),
             re.search(r'href="/runs/([^"]+)"', row)[1])
            for row in rows
        ]  # fmt: skip

    return read


def test_card_of_the_model_in_use_is_shown(build, page):
    build.publish("made-it", scaler="standard", features=["Age", "Male"], target="Clicked on Ad",
                  reason="the gate is met", model={"sha256": "ef" * 32})  # fmt: skip
    found = page("/model")
    for part in ("LogisticRegression", "advertising", "data/advertising.csv", "standard",
                 "Age, Male", "Clicked on Ad", 'href="/runs/made-it"', "the gate is met",
                 "ef" * 32, "0.9700", "Quality gate met", "between 0.9441 and 0.9841",
                 "Accuracy 0.9700"):  # fmt: skip
        assert part in found


def test_without_a_model_the_page_says_how_one_comes_about(page):
    found = page("/model")
    assert "the first run that meets the quality gate publishes one" in found
    assert "make run" in found
    assert "Nothing yet." in found


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("{", "(model/releases/first) cannot be read: it is not whole, valid JSON"),
        (None, "lacks its"),
    ],
)
def test_model_that_cannot_be_read_is_named_and_the_history_is_there(build, page, damage, said):
    build.success()
    build.publish(release="first")
    summary = build.root / "model/releases/first/model_summary.json"
    summary.unlink() if damage is None else summary.write_text(damage)
    found = page("/model")
    assert said in found.partition('id="history"')[0]
    assert f'href="/runs/{build.run}"' in found


def test_history_is_of_all_decisions_newest_first(build, history):
    build.success("a")
    build.refusal("b", started=build.start + MINUTE)
    build.success("c", started=build.start + 2 * MINUTE)
    build.failure("d", started=build.start + 3 * MINUTE)
    build.running("e", started=build.start + 4 * MINUTE)
    build.publish("c")
    assert history() == [(["published", "in use"], "c"), (["refused"], "b"), (["published"], "a")]


def test_history_says_why(build, page):
    build.success("a")
    build.refusal("b")
    found = page("/model").partition('id="history"')[2]
    assert "the quality gate is met" in found
    assert "accuracy 0.8 is below min_accuracy 0.9" in found
    assert "0.8000" in found


def test_run_whose_summary_says_that_it_did_not_publish_was_refused(build, history):
    build.success("a")
    build.write("runs/a/model_summary/model_summary.json", {"published": False, "reason": "older"})
    assert history() == [(["refused"], "a")]


def test_long_history_is_paged(build, history, page):
    for number in range(PAGE_SIZE + 1):
        name = f"r{number:02}"
        build.opened(name, started=build.start - number * MINUTE)
        build.write(f"runs/{name}/model_summary/model_summary.json", {"published": True})
    assert len(history()) == PAGE_SIZE
    assert [run for _, run in history("/model?page=2")] == [f"r{PAGE_SIZE}"]
    assert 'href="/model?page=2"' in page("/model")


def test_newly_published_model_is_shown_at_once(build, client, page):
    build.publish("first")
    assert 'href="/runs/first"' in page("/model")
    build.publish("second")
    assert 'href="/runs/second"' in page("/model")


def test_history_file_tells_of_what_no_run_does(build, history, page):
    build.success("a")
    build.publish("a")
    build.decision("published", "a")
    refused = {"reason": "worse beyond chance", "previous": "a"}
    build.decision("refused", "b", time=iso(build.start + MINUTE), **refused)
    build.decision("published_by_hand", "b", time=iso(build.start + 2 * MINUTE), previous="a")
    build.decision("rolled_back", "a", time=iso(build.start + 3 * MINUTE), previous="b")
    assert history() == [(["rolled back", "in use"], "a"), (["published by hand"], "b"),
                         (["refused"], "b"), (["published"], "a")]  # fmt: skip
    found = page("/model").partition('id="history"')[2]
    assert "worse beyond chance" in found
    assert 'In use before: <a class="run-id" href="/runs/b">' in found
    assert 'Stays in use: <a class="run-id" href="/runs/a">' in found
    assert "0.9859" in found


def test_runs_that_the_history_file_does_not_know_are_in_the_history(build, history):
    build.success("old", started=build.start - MINUTE)
    build.refusal("missed-the-gate", started=build.start + MINUTE)
    build.decision("published", "a")
    assert history() == [(["refused"], "missed-the-gate"), (["published"], "a"),
                         (["published"], "old")]  # fmt: skip


def test_torn_last_line_of_the_history_is_left_out(build, history):
    build.decision("published", "a")
    with (build.root / "model/history.jsonl").open("a") as file:
        file.write('{"time": "2026-11-23T19:30:00Z", "event": "publ')
    assert history() == [(["published"], "a")]


def test_history_file_is_paged_and_no_more_than_the_newest_are_shown(build, history, monkeypatch):
    monkeypatch.setattr("monitor.model.MOST", PAGE_SIZE + 2)
    for number in range(PAGE_SIZE + 5):
        build.decision("published", f"r{number:02}", time=iso(build.start + number * MINUTE))
    assert len(history()) == PAGE_SIZE
    assert [run for _, run in history("/model?page=2")] == ["r04", "r03"]


def test_new_line_of_the_history_is_shown_at_once(build, history):
    build.decision("published", "a")
    assert len(history()) == 1
    build.decision("rolled_back", "b", time=iso(build.start + MINUTE))
    assert [run for _, run in history()] == ["b", "a"]


def test_published_files_are_listed_with_their_sha256(build, page):
    build.publish(files=PUBLISHED_FILES)
    found = page("/model").partition('id="files"')[2].partition("</section>")[0]
    for part in ("logistic_regression_model.onnx", "905 B", "2b" * 32, "1.8 kB"):
        assert part in found


def test_card_has_what_was_measured_and_compared(build, page):
    build.publish(metrics=METRICS | MEASURED, comparison=COMPARISON, drift=DRIFT)
    found = page("/model")
    for part in (
        "0.9441 \N{EN DASH} 0.9841",
        "61 to 120",
        "0.9567",
        'id="challenge"',
        'id="drift"',
    ):
        assert part in found
