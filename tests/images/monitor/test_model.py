"""The page of the published model, and what was published and refused before."""

import re
from datetime import timedelta

import pytest

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
