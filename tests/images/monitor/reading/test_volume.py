"""volume.py: which runs there are, which model is published, is this the volume at all."""

import os
from datetime import UTC, datetime

import pytest

from monitor.reading.volume import NotFoundError, Volume, VolumeError


def test_runs_are_the_folders_below_runs(build, volume):
    build.opened("first")
    build.report("load_data", "by-hand")
    assert set(volume.run_ids()) == {"first", "by-hand"}


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
    with pytest.raises(FileNotFoundError):
        volume.signature(name)


@pytest.mark.parametrize("name", ["..", "../data", "a/b", ""])
def test_run_id_cannot_leave_the_runs(build, volume, name):
    build.write("data/advertising.csv", "")
    with pytest.raises(NotFoundError):
        volume.run(name)
    with pytest.raises(FileNotFoundError):
        volume.signature(name)


def test_linked_run_folder_is_no_run(build, volume):
    build.success("real")
    (build.root / "runs/link").symlink_to("real")
    assert volume.run_ids() == ["real"]
    with pytest.raises(NotFoundError):
        volume.run("link")
    with pytest.raises(FileNotFoundError):
        volume.signature("link")


def test_file_among_the_runs_is_no_run(build, volume):
    build.write("runs/file", "")
    assert volume.run_ids() == []


@pytest.mark.parametrize("target", [None, "elsewhere"])
def test_runs_that_are_not_there_or_linked_are_none(build, volume, target):
    build.write("elsewhere/run/start_pipeline/run.json", {})
    if target:
        (build.root / "runs").symlink_to(target)
    assert volume.run_ids() == []
    with pytest.raises(NotFoundError, match="no run run on the shared volume"):
        volume.run("run")


def test_signature_changes_with_a_report_and_not_with_a_look(build, volume):
    build.running()
    before = volume.signature(build.run)
    volume.run(build.run)
    assert volume.signature(build.run) == before
    build.report("build_model", metrics={"rows": 700})
    assert volume.signature(build.run) != before


def test_published_model_is_that_of_the_current_release(build, volume):
    build.publish("first")
    build.publish("second")
    assert volume.published() == "second"
    assert volume.model().created == build.start


def test_release_named_as_the_run_is_found_too(build, volume):
    build.publish("first", release="first")
    assert (volume.published(), volume.release()) == ("first", "first")


@pytest.mark.parametrize("target", ["../data", "releases/../../data", "/etc", "releases/", "other"])
def test_current_that_leads_elsewhere_is_no_model(build, volume, target):
    build.write("data/model_summary.json", {"run_id": "x"})
    (build.root / "model").mkdir()
    (build.root / "model/current").symlink_to(target)
    assert (volume.published(), volume.release()) == (None, None)


def test_damaged_summary_of_the_published_model_is_named(build, volume):
    build.publish("first", release="first")
    build.write("model/releases/first/model_summary.json", "{")
    with pytest.raises(NotFoundError, match="not whole, valid JSON"):
        volume.model()


def test_lost_summary_of_the_published_model_is_named(build, volume):
    build.publish("first", release="first")
    (build.root / "model/releases/first/model_summary.txt").unlink()
    with pytest.raises(NotFoundError, match=r"lacks its .*model_summary\.txt"):
        volume.model()


@pytest.mark.parametrize("run_id", ["../data", "<script>", 7, None])
def test_published_run_that_is_no_run_id_is_none(build, volume, run_id):
    build.publish("first", release="first")
    build.write("model/releases/first/model_summary.json", {"run_id": run_id})
    assert volume.published() is None


def test_data_file_tells_when_it_was_last_changed(build, volume):
    os.utime(build.write("data/advertising.csv", "x"), (1000, 1000))
    assert volume.data_modified("data/advertising.csv") == 1000


@pytest.mark.parametrize("path", [None, "", "data/absent.csv", "../secret", "/etc/passwd"])
def test_data_file_that_is_not_on_the_volume_tells_nothing(build, volume, path):
    build.write("../secret", "x")
    assert volume.data_modified(path) is None


def test_volume_without_its_marker_is_refused(tmp_path):
    with pytest.raises(VolumeError, match=r"has no \.ad-click-volume"):
        Volume(tmp_path).check()


def test_volume_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(VolumeError, match="set SHARED_VOLUME"):
        Volume(tmp_path / "absent").check()
