"""``task.json``: its shape, its states, and what happens where it cannot be written."""

from __future__ import annotations

import json

import pytest

from task_note import TaskNote


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
        "ended": None,
        "seconds": None,
        "cause": None,
        "message": None,
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


def test_text_of_any_language_is_kept(volume, context):
    TaskNote(context("load_data")).fail(retried=False, message="Größe “中文” \x1b[31m")
    assert read(volume)["message"] == "Größe “中文” \x1b[31m"


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
