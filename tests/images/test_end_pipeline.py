"""end_pipeline: closing the run, and which runs are kept."""

import os
import time

import pytest

from end_pipeline.main import remove_old_runs, set_aside
from lease import NAME

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def runs(bare_volume):
    """Make runs; the number is the hour of the day that each started in."""

    def make(hour: int, *, closed: bool = True, age: float = 0, run_id: str | None = None) -> str:
        run_id = run_id or f"run{hour:02}"
        started = {"started": f"2026-11-23T{hour:02}:00:00.000Z"}
        bare_volume.write(f"runs/{run_id}/start_pipeline/run.json", started)
        if closed:
            bare_volume.write(f"runs/{run_id}/end_pipeline/report.json", {"status": "done"})
        folder = bare_volume.path / "runs" / run_id
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (time.time() - age,) * 2)
        return run_id

    return make


def left(volume) -> list[str]:
    return sorted(p.name for p in (volume.path / "runs").iterdir() if p.name != ".done")


def test_newest_runs_are_kept_by_their_start_and_not_by_their_name(bare_volume, runs):
    runs(1, run_id="zzz"), runs(3, run_id="aaa"), runs(2, run_id="mmm")
    assert remove_old_runs(bare_volume.path, "aaa", 2) == ["zzz"]
    assert left(bare_volume) == ["aaa", "mmm"]


def test_no_run_is_removed_while_there_are_few(bare_volume, runs):
    runs(1), runs(2)
    assert remove_old_runs(bare_volume.path, "run02", 2) == []
    assert left(bare_volume) == ["run01", "run02"]


def test_published_run_and_this_run_are_kept(bare_volume, runs):
    for hour in range(5):
        runs(hour)
    bare_volume.write("model/model_summary.json", {"run_id": "run00"})
    assert remove_old_runs(bare_volume.path, "run01", 1) == ["run03", "run02"]
    assert left(bare_volume) == ["run00", "run01", "run04"]


def test_running_run_is_kept_and_abandoned_one_removed(bare_volume, runs):
    runs(1, closed=False, age=DAY + 60), runs(2, closed=False, age=DAY - 60), runs(3)
    assert remove_old_runs(bare_volume.path, "run03", 1) == ["run01"]
    assert left(bare_volume) == ["run02", "run03"]


@pytest.mark.parametrize(("age", "kept"), [(60, ["run01", "run02"]), (2 * HOUR, ["run02"])])
def test_closed_run_of_which_a_stage_is_at_work_again_is_kept(bare_volume, runs, age, kept):
    runs(1, age=2 * DAY), runs(2)
    lease = bare_volume.write(f"runs/run01/build_model/{NAME}", "{}")
    os.utime(lease, (time.time() - age,) * 2)
    remove_old_runs(bare_volume.path, "run02", 1)
    assert left(bare_volume) == kept


def test_run_that_an_end_of_another_run_removes_is_not_removed_twice(bare_volume, runs):
    runs(1)
    folder = bare_volume.path / "runs" / "run01"
    aside = set_aside(folder)
    assert aside.name.startswith(".removing-run01~")
    assert set_aside(folder) is None
    runs(1)  # begun anew, and removed once more
    assert set_aside(folder).name != aside.name


def test_nothing_is_published_while_it_is_decided_what_to_remove(bare_volume, runs, monkeypatch):
    runs(1), runs(2)
    (bare_volume.path / "model").mkdir()
    held = []
    monkeypatch.setattr(
        "end_pipeline.main.published_run",
        lambda volume: held.append((volume / "model" / NAME).exists()),
    )
    assert remove_old_runs(bare_volume.path, "run02", 1) == ["run01"]
    assert held == [True]


def test_run_that_predicts_is_over_when_its_predictions_are_made(bare_volume, runs):
    for hour in (1, 2):
        runs(hour, closed=False)
    bare_volume.write("runs/run01/predict/report.json", {"status": "done"})
    bare_volume.write("runs/run02/predict/report.json", {"status": "failed"})
    runs(3)
    assert remove_old_runs(bare_volume.path, "run03", 1) == ["run01"]
    assert left(bare_volume) == ["run02", "run03"]


def test_run_that_failed_to_start_is_dated_by_its_folder(bare_volume, runs):
    bare_volume.write("runs/broken/start_pipeline/report.json", {"status": "failed"})
    for path in (bare_volume.folder("start_pipeline", "broken"), bare_volume.path / "runs/broken"):
        os.utime(path, (0, 0))
    runs(1)
    assert remove_old_runs(bare_volume.path, "run01", 1) == ["broken"]


def test_what_is_no_run_is_left_alone(bare_volume, runs, tmp_path):
    runs(2)
    (tmp_path / "elsewhere").mkdir()
    bare_volume.write("runs/notes.txt", "mine")
    bare_volume.write("runs/.hidden/x", "mine")
    bare_volume.write("runs/with space/x", "mine")
    (bare_volume.path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    assert remove_old_runs(bare_volume.path, "run02", 1) == []
    assert left(bare_volume) == [".hidden", "link", "notes.txt", "run02", "with space"]


def test_removal_that_was_cut_short_is_completed(bare_volume, runs):
    runs(1)
    bare_volume.write("runs/.removing-old/load_data/table.parquet", "x")
    assert remove_old_runs(bare_volume.path, "run01", 5) == []
    assert left(bare_volume) == ["run01"]


def test_stage_closes_the_run(whole_run):
    end = whole_run.read("end_pipeline/end.json")
    opened = whole_run.read("start_pipeline/run.json")
    assert end["ended"] > opened["started"]
    assert (end["run_seconds"] > 0, end["removed"]) == (True, [])
    metrics = whole_run.report("end_pipeline")["metrics"]
    assert (metrics["published"], metrics["removed_runs"]) == (True, 0)


def test_keep_runs_limits_the_runs(finished, runs):
    (finished.path / "runs" / "old" / "end_pipeline").mkdir(parents=True)
    finished.write("runs/old/end_pipeline/report.json", {"status": "done"})
    finished.write("runs/old/start_pipeline/run.json", {"started": "2020-01-01T00:00:00.000Z"})
    ended = finished.run("end_pipeline", "--keep-runs", "1")
    assert ended.code == 0
    assert finished.read("end_pipeline/end.json")["removed"] == ["old"]
    assert left(finished) == ["demo"]


def test_notes_of_the_work_of_removed_runs_are_removed_too(finished):
    assert {p.parent.name for p in (finished.path / "runs" / ".done").glob("*/*")} == {
        *("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
    }
    gone = finished.write("runs/.done/build_model/abc", {"run_id": "old", "report": "x"})
    kept = finished.write("runs/.done/build_model/def", {"run_id": "demo", "report": "x"})
    assert finished.run("end_pipeline").code == 0
    assert (gone.exists(), kept.exists()) == (False, True)


def test_run_that_took_everything_over_is_over(bare_volume, runs):
    runs(1), runs(2)
    bare_volume.write("runs/run01/end_pipeline/report.json", {"status": "up to date"})
    assert remove_old_runs(bare_volume.path, "run02", 1) == ["run01"]


def test_run_whose_model_was_not_published_is_not_closed(finished):
    finished.folder("model_summary/report.json").unlink()
    ended = finished.run("end_pipeline")
    assert ended.code == 66
    assert "model_summary has not run in run demo" in ended.message


def test_keep_runs_of_0_exits_2(finished):
    ended = finished.run("end_pipeline", "--keep-runs", "0")
    assert ended.code == 2
    assert "keep_runs must be at least 1" in ended.message
