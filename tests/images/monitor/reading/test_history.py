"""history.py: what was decided about models, whatever state the file is in."""

import pytest
from tests.images.monitor.conftest import START

from monitor.reading import history
from monitor.reading.history import EVENTS, read_history


def test_decisions_are_newest_first_with_all_that_is_told(build, volume):
    build.decision("published", "a")
    build.decision("rolled_back", "b", previous="a", reason="asked for", accuracy=0.9)
    newest, oldest = read_history(volume.tree)
    assert (newest.event, newest.run_id, newest.previous) == ("rolled_back", "b", "a")
    assert (newest.reason, newest.accuracy, newest.roc_auc) == ("asked for", 0.9, 0.9859)
    assert (oldest.run_id, oldest.time, oldest.sha256) == ("a", START, "1a" * 32)


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_is_known(build, volume, event):
    build.decision(event)
    assert [decision.event for decision in read_history(volume.tree)] == [event]


@pytest.mark.parametrize(
    "line",
    ['{"event": "published", "run_', "[]", "7", "", "\x00\xff", '{"event": "odd", "run_id": "x"}',
     '{"event": "published", "run_id": "../x"}', '{"event": ["published"], "run_id": "x"}',
     '{"event": "published"}', "[" * 10**5],
)  # fmt: skip
def test_line_that_holds_no_decision_is_left_out(build, volume, line):
    build.decision("published", "a")
    with (build.root / "model/history.jsonl").open("a") as file:
        file.write(line)
    assert [decision.run_id for decision in read_history(volume.tree)] == ["a"]


def test_of_a_long_file_the_whole_lines_at_its_end_are_read(build, volume, monkeypatch):
    monkeypatch.setattr(history, "TAIL", 700)
    for number in range(20):
        build.decision("published", f"r{number:02}")
    assert [decision.run_id for decision in read_history(volume.tree)] == ["r19", "r18"]


def test_no_history_is_empty(volume):
    assert read_history(volume.tree) == []


def test_link_is_not_followed(build, volume):
    build.decision("published", "a")
    path = build.root / "model/history.jsonl"
    path.rename(build.root / "elsewhere.jsonl")
    path.symlink_to("../elsewhere.jsonl")
    assert read_history(volume.tree) == []
