"""create_app: what stands where, and settings from the environment."""

import os
from pathlib import Path

import pytest

import monitor
from monitor import SETTINGS, build_mark, create_app, index_folder
from monitor.reading.stages import STAGES


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No setting but where the index is kept."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INDEX", str(tmp_path / "index"))


@pytest.mark.usefixtures("bare")
def test_setting_is_that_of_the_environment_unless_it_is_given(monkeypatch):
    monkeypatch.setenv("SHARED_VOLUME", "/from/environment")
    monkeypatch.setenv("AIRFLOW_URL", "http://airflow.example")
    app = create_app({"AIRFLOW_URL": "http://given.example"})
    assert app.extensions["watch"].volume.path == Path("/from/environment")
    assert app.config["AIRFLOW_URL"] == "http://given.example"
    assert app.config["MONITOR_PASSWORD"] == ""


@pytest.mark.usefixtures("bare")
def test_without_settings_the_volume_is_that_of_the_container():
    assert create_app().extensions["watch"].volume.path == Path("/shared_volume")


@pytest.mark.usefixtures("bare")
def test_relative_volume_is_that_of_the_start(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    app = create_app({"SHARED_VOLUME": "volume"})
    monkeypatch.chdir("/")
    assert app.extensions["watch"].volume.path == tmp_path / "volume"


@pytest.mark.usefixtures("bare")
def test_making_the_app_opens_no_file(tmp_path):
    create_app({"SHARED_VOLUME": tmp_path})
    assert not (tmp_path / "index").exists()


def test_each_volume_has_an_index_of_its_own(tmp_path):
    first, second = (index_folder(str(tmp_path), Path(name)) for name in ("/a", "/b"))
    assert first != second
    assert first.parent == second.parent == tmp_path
    assert index_folder("", Path("/a")).parent.name == f"ad-click-monitor-{os.getuid()}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_index_stands_elsewhere_where_its_folder_cannot_be_written(tmp_path, caplog):
    tmp_path.chmod(0o500)
    assert index_folder(str(tmp_path), Path("/a")) == index_folder("", Path("/a"))
    assert "cannot be written, so the index is kept in" in caplog.text


def test_index_without_a_folder_of_its_own_is_nothing_to_warn_of(caplog):
    index_folder("", Path("/a"))
    assert caplog.text == ""


def test_build_mark_changes_with_the_code_and_with_nothing_else(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("a")
    before = build_mark(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    assert build_mark(tmp_path) == before
    page.write_text("ab")
    assert build_mark(tmp_path) != before


def test_contracts_and_advice_are_those_beside_the_package(client):
    assert tuple(client.application.extensions["contracts"]) == (
        *STAGES,
        "build_model_spark",
        "predict",
    )
    assert client.application.extensions["advice"]["crashed"]


def test_every_concern_has_its_templates_in_a_folder_of_its_name():
    templates = Path(monitor.__file__).parent / "templates"
    folders = {path.name for path in templates.iterdir() if path.is_dir()}
    names = {concern.blueprint.name for concern in monitor.BLUEPRINTS} | {"api", "login"}
    assert folders <= names
