"""``task.json``: its shape, its states, and what happens where it cannot be written."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest

from task_note import LIMIT_BYTES, TaskNote


def read(volume, task="load_data"):
    return json.loads((volume / "runs" / "manual__1" / task / "task.json").read_text())


def test_new_note_is_running(volume, context):
    TaskNote(context("load_data"), image="some/image:1")
    note = read(volume)
    assert note.pop("started").endswith("Z")
    assert note == {
        "dag_id": "dag",
        "run_id": "manual__1",
        "task_id": "load_data",
        "try_number": 1,
        "state": "running",
        "queued": None,
        "ended": None,
        "seconds": None,
        "cause": None,
        "message": None,
        "tries": [],
        "image": "some/image:1",
    }


def test_note_of_a_success_has_its_end_and_no_cause(volume, context):
    TaskNote(context("load_data")).succeed(exit_code=0)
    note = read(volume)
    assert (note["state"], note["cause"], note["exit_code"]) == ("success", None, 0)
    assert note["ended"] >= note["started"]
    assert note["seconds"] >= 0


@pytest.mark.parametrize(
    ("try_number", "retried", "state"),
    [
        (1, True, "up_for_retry"),
        (2, True, "up_for_retry"),
        (3, True, "failed"),
        (1, False, "failed"),
    ],
)
def test_failed_try_is_final_when_no_other_follows(volume, context, try_number, retried, state):
    TaskNote(context("load_data", try_number=try_number)).fail(retried=retried, cause="crashed")
    assert (read(volume)["state"], read(volume)["cause"]) == (state, "crashed")


def test_note_says_when_the_try_was_queued_where_airflow_tells(volume, context):
    queued = datetime(2026, 11, 23, 20, 30, 43, 425528, tzinfo=UTC)
    TaskNote(context("load_data", queued_dttm=queued))
    assert read(volume)["queued"] == "2026-11-23T20:30:43.425Z"


def test_earlier_tries_are_kept_oldest_first(volume, context):
    failure = {"cause": "crashed", "message": "why", "exit_code": 70, "oom_killed": False}
    for number in (1, 2):
        note = TaskNote(context("load_data", try_number=number), image="some/image:1")
        note.fail(retried=True, **failure, advice="Read the log.", log_tail=["last words"])
    times = {key: read(volume)[key] for key in ("started", "ended", "seconds")}
    TaskNote(context("load_data", try_number=3)).succeed()
    tries = read(volume)["tries"]
    assert [entry["try_number"] for entry in tries] == [1, 2]
    assert tries[1] == {"try_number": 2, "state": "failed", **times, **failure}


def test_a_cleared_task_keeps_the_try_that_succeeded(volume, context):
    TaskNote(context("load_data")).succeed(exit_code=0, oom_killed=False)
    TaskNote(context("load_data", try_number=2, max_tries=3))
    (entry,) = read(volume)["tries"]
    assert (entry["state"], entry["exit_code"], entry["cause"]) == ("success", 0, None)


def test_a_try_that_never_ended_was_lost(volume, context):
    TaskNote(context("load_data"))
    TaskNote(context("load_data", try_number=2))
    (entry,) = read(volume)["tries"]
    assert (entry["state"], entry["cause"], entry["ended"]) == ("failed", "lost", None)
    assert "Airflow was stopped" in entry["message"]


def test_only_the_last_20_tries_are_kept(volume, context):
    for number in range(1, 31):
        TaskNote(context("load_data", try_number=number)).fail(retried=True, cause="crashed")
    assert [entry["try_number"] for entry in read(volume)["tries"]] == list(range(10, 30))


def test_a_try_begun_again_is_no_try_before_itself(volume, context):
    TaskNote(context("load_data")).fail(retried=True, cause="crashed")
    TaskNote(context("load_data", try_number=2))
    TaskNote(context("load_data", try_number=2))
    assert [entry["try_number"] for entry in read(volume)["tries"]] == [1]


def test_tries_of_a_forgotten_run_of_the_same_name_are_dropped(volume, context):
    for number in (1, 2, 3):
        TaskNote(context("load_data", try_number=number)).fail(retried=True, cause="crashed")
    TaskNote(context("load_data"))
    assert read(volume)["tries"] == []


OWN = {"dag_id": "dag", "run_id": "manual__1", "task_id": "load_data", "try_number": 1}


@pytest.mark.parametrize(
    "found",
    [
        "",
        "{",
        "[1]",
        "null",
        "[" * 100_000,
        json.dumps(OWN | {"dag_id": "another"}),
        json.dumps(OWN | {"try_number": "1"}),
        json.dumps(OWN)[:-1] + ', "x": "' + "x" * LIMIT_BYTES + '"}',
    ],
    ids=["empty", "cut", "list", "null", "deep", "of another DAG", "number as text", "too long"],
)
def test_foreign_file_in_the_place_of_the_note_tells_of_no_try(volume, context, found):
    path = volume / "runs" / "manual__1" / "load_data" / "task.json"
    path.parent.mkdir(parents=True)
    path.write_text(found)
    TaskNote(context("load_data", try_number=2)).succeed()
    assert (read(volume)["state"], read(volume)["tries"]) == ("success", [])


@pytest.mark.parametrize("tries", [None, "many", 3, [None, 1, {"try_number": None}, {}]])
def test_note_with_broken_tries_still_tells_of_its_own(volume, context, tries):
    path = volume / "runs" / "manual__1" / "load_data" / "task.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(OWN | {"state": "up_for_retry", "tries": tries}))
    TaskNote(context("load_data", try_number=2))
    (entry,) = read(volume)["tries"]
    assert (entry["try_number"], entry["state"], entry["message"]) == (1, "failed", None)


def test_bytes_that_are_no_text_and_a_pipe_tell_of_no_try(volume, context):
    folder = volume / "runs" / "manual__1" / "load_data"
    folder.mkdir(parents=True)
    (folder / "task.json").write_bytes(b"\xff\xfe{")
    TaskNote(context("load_data", try_number=2))
    assert read(volume)["tries"] == []
    (folder / "task.json").unlink()
    os.mkfifo(folder / "task.json")
    TaskNote(context("load_data", try_number=3))
    assert read(volume)["tries"] == []


def test_text_of_any_language_is_kept(volume, context):
    TaskNote(context("load_data")).fail(retried=False, message="Größe “中文” \x1b[31m")
    assert read(volume)["message"] == "Größe “中文” \x1b[31m"


def test_half_a_character_is_no_second_error(volume, context):
    TaskNote(context("load_data")).fail(retried=False, message="half \ud83d")
    assert read(volume)["message"] == "half ?"


def test_note_leaves_no_temporary_file(volume, context):
    TaskNote(context("load_data")).update(image_id="sha256:1")
    names = [path.name for path in (volume / "runs" / "manual__1" / "load_data").iterdir()]
    assert names == ["task.json"]


def test_volume_that_cannot_be_written_is_no_second_error(volume, context):
    (volume / "runs").write_text("a file where the folder should be")
    TaskNote(context("load_data")).fail(retried=True, cause="output cannot be written")
    assert (volume / "runs").is_file()


def test_folder_in_the_place_of_the_note_is_no_second_error(volume, context):
    (volume / "runs" / "manual__1" / "load_data" / "task.json").mkdir(parents=True)
    TaskNote(context("load_data")).succeed()
    names = [path.name for path in (volume / "runs" / "manual__1" / "load_data").iterdir()]
    assert names == ["task.json"]


@pytest.mark.parametrize("run_id", ["..", ".", ".hidden"])
def test_run_id_that_starts_with_a_dot_writes_nothing(volume, context, run_id):
    TaskNote(context("load_data", run_id=run_id)).succeed()
    assert [path.name for path in volume.iterdir()] == [".ad-click-volume"]
