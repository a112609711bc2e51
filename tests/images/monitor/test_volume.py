"""volume.py: which runs there are, in which order, and which model is published."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from monitor.volume import NotFoundError, Volume, VolumeError


def test_runs_are_newest_first_by_their_start(build, volume):
    build.opened("z-old", started=build.start)
    build.opened("a-new", started=build.start + timedelta(days=1))
    assert volume.run_ids() == ["a-new", "z-old"]


def test_run_without_run_json_counts_from_its_first_report(build, volume):
    build.report("load_data", "by-hand", started=build.start + timedelta(days=1))
    build.opened("old")
    assert volume.run_ids() == ["by-hand", "old"]


def test_empty_run_folder_counts_from_its_own_time(build, volume):
    folder = build.root / "runs/empty"
    folder.mkdir(parents=True)
    os.utime(folder, (1000, 1000))
    assert volume.run("empty").started == datetime.fromtimestamp(1000, UTC)


@pytest.mark.parametrize("name", [".hidden", "a b", "<script>", "x" * 201, "caf\udce9", "a\nb"])
def test_folder_whose_name_is_no_run_id_is_no_run(build, volume, name):
    (build.root / "runs" / name).mkdir(parents=True)
    assert volume.run_ids() == []
    with pytest.raises(NotFoundError):
        volume.run(name)


@pytest.mark.parametrize("name", ["..", "../data", "a/b", ""])
def test_run_id_cannot_leave_the_runs(build, volume, name):
    build.write("data/advertising.csv", "")
    with pytest.raises(NotFoundError):
        volume.run(name)


def test_linked_run_folder_is_no_run(build, volume):
    build.success("real")
    (build.root / "runs/link").symlink_to("real")
    assert volume.run_ids() == ["real"]
    with pytest.raises(NotFoundError):
        volume.run("link")


def test_file_among_the_runs_is_no_run(build, volume):
    build.write("runs/file", "")
    assert volume.run_ids() == []


def test_no_runs_folder_is_no_run(volume):
    with pytest.raises(NotFoundError, match="no run on the shared volume yet"):
        volume.newest()


def test_newest_finished_run_is_found_behind_a_running_one(build, volume):
    build.failure("old", started=build.start - timedelta(days=1))
    build.running()
    assert volume.newest_in("success", "failed").run_id == "old"


def test_published_model_is_that_of_the_current_release(build, volume):
    build.publish("first")
    build.publish("second")
    assert volume.published() == "second"


def test_release_named_as_the_run_is_found_too(build, volume):
    build.publish("first", release="first")
    assert volume.published() == "first"


@pytest.mark.parametrize("target", ["../data", "releases/../../data", "/etc", "releases/", "other"])
def test_current_that_leads_elsewhere_is_no_model(build, volume, target):
    build.write("data/model_summary.json", {"run_id": "x"})
    (build.root / "model").mkdir()
    (build.root / "model/current").symlink_to(target)
    assert volume.published() is None


def test_damaged_summary_of_the_published_model_is_named(build, volume):
    build.publish("first", release="first")
    build.write("model/releases/first/model_summary.json", "{")
    with pytest.raises(NotFoundError, match="not whole, valid JSON"):
        volume.model()


def test_volume_without_its_marker_is_refused(tmp_path):
    with pytest.raises(VolumeError, match=r"has no \.ad-click-volume"):
        Volume(tmp_path).check()


def test_volume_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(VolumeError, match="set SHARED_VOLUME"):
        Volume(tmp_path / "absent").check()
