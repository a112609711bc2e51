"""The history of decisions: whole lines, readable whatever happened to the last one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os

import pytest

from model_summary.history import append_line, read_history, release_in_use, releases_before


def test_line_is_added_whole(tmp_path):
    path = tmp_path / "history.jsonl"
    for number in range(3):
        append_line(path, f'{{"event": "published", "run_id": "{number}"}}')
    assert [line["run_id"] for line in read_history(tmp_path)] == ["0", "1", "2"]


def test_torn_line_is_passed_over_and_ended(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"event": "published", "run_id": "a"}\n{"event": "publ')
    append_line(path, '{"event": "refused", "run_id": "b"}')
    assert [line["run_id"] for line in read_history(tmp_path)] == ["a", "b"]


def test_no_history_is_an_empty_one(tmp_path):
    assert read_history(tmp_path) == []


@pytest.mark.parametrize("line", ["[]", "7", "{}", "\0\0"])
def test_line_that_is_no_decision_is_passed_over(tmp_path, line):
    (tmp_path / "history.jsonl").write_text(f'{line}\n{{"event": "refused"}}\n')
    assert len(read_history(tmp_path)) == 1


def test_full_disk_leaves_no_part_of_a_line(small_disk):
    path = small_disk / "history.jsonl"
    append_line(path, '{"event": "published"}')
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while file.write(b"0" * 4096):
            pass
    with pytest.raises(OSError, match="space"):
        append_line(path, "x" * 8192)
    assert path.read_text() == '{"event": "published"}\n'


def write_many(path):
    for number in range(200):
        append_line(path, f'{{"event": "refused", "run_id": "{os.getpid()}-{number}"}}')


def test_lines_of_two_processes_do_not_mix(tmp_path):
    path, fork = tmp_path / "history.jsonl", multiprocessing.get_context("fork")
    processes = [fork.Process(target=write_many, args=(path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len({line["run_id"] for line in read_history(tmp_path)}) == 400


def lines(*told):
    return [{"event": event, "release": release} for event, release in told]


def test_release_in_use_is_the_last_one_that_was_not_refused():
    assert release_in_use([]) is None
    history = lines(("published", "a"), ("published", "b"), ("rolled_back", "a"))
    assert release_in_use([*history, {"event": "refused"}]) == "a"


def test_release_before_is_what_was_in_use_when_it_was_published():
    history = lines(
        *(("published", "a"), ("published", "b"), ("rolled_back", "a")),
        *(("refused", None), ("published_by_hand", "c")),
    )
    assert releases_before(history) == {"a": None, "b": "a", "c": "a"}
