"""The pages that verify a model's lineage."""

import os

import pytest
from tests.images.conftest import Volume as Stages

from monitor import lineage


@pytest.fixture
def browser(finished: Stages, serve):
    """A reader of the monitor of a real run."""
    return serve(SHARED_VOLUME=finished.path)


def read(browser, address="/model/verify", status=200, **headers) -> str:
    response = browser.get(address, headers=headers)
    assert response.status_code == status
    return response.text


@pytest.mark.parametrize("address", ["/model/verify", "/runs/demo/verify"])
def test_whole_chain_is_shown_with_what_pins_it(browser, finished, address):
    found = read(browser, address)
    assert "Whole: every link that was checked holds." in found
    assert "runs/demo/separate_data/train.parquet" in found
    assert 'href="/runs/demo"' in found
    pin = finished.report("end_pipeline")["inputs"][-1]
    assert pin["path"].endswith("model_summary.json")
    assert pin["sha256"] in found


def test_broken_link_is_named_on_the_next_look(browser, finished):
    assert "Whole" in read(browser)
    path = finished.folder("separate_data/train.parquet")
    before, content = path.stat(), bytearray(path.read_bytes())
    content[99] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # nothing but a byte differs
    found = read(browser)
    assert "train.parquet was changed after separate_data recorded it" in found
    assert "alert-danger" in found
    assert "Whole" not in found


def test_data_that_changed_since_are_a_warning(browser, finished):
    (finished.path / "data/advertising.csv").write_text("other")
    found = read(browser)
    assert "data/advertising.csv is no longer what load_data read" in found
    assert "alert-warning" in found


def test_large_files_are_left_to_the_command(browser, monkeypatch):
    monkeypatch.setattr(lineage, "LIMIT", 100)
    found = read(browser)
    assert "only the size was compared" in found
    assert "make verify RUN=demo" in found


def test_published_model_without_its_summary_is_broken(browser, finished):
    (finished.path / "model/current/model_summary.json").unlink()
    assert "model/current/model_summary.json is missing" in read(browser)


@pytest.mark.parametrize("address", ["/runs/nowhere/verify", "/runs/.hidden/verify"])
def test_run_without_a_model_is_not_found(browser, address):
    read(browser, address, 404)


def test_without_a_published_model_the_page_says_so(browser, finished):
    (finished.path / "model/current").unlink()
    assert "No model is published yet" in read(browser, status=404)


def test_page_speaks_french(browser, finished):
    (finished.folder("load_data") / "report.json").unlink()
    found = read(browser, **{"Accept-Language": "fr"})
    assert "La lignée est-elle entière" in found
    assert "runs/demo/load_data/report.json manque" in found


def test_name_of_a_file_is_escaped(browser, finished):
    (finished.path / "model/current/<b>x").write_text("planted")
    found = read(browser)
    assert "&lt;b&gt;x" in found
    assert "<b>x" not in found
