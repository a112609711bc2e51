"""How the drills went is kept: how often each broke something, and whether its promise held."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "record_drills.py"
DRILLS = "def test_disk(): ...\ndef test_kill(): ...\ndef test_walls(): ...\n"


def case(name: str, times: int | None = None, end: str = "", module: str = "test_it") -> str:
    noted = f'<properties><property name="times" value="{times}"/></properties>' if times else ""
    return f'<testcase classname="tests.drills.{module}" name="{name}">{noted}{end}</testcase>'


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Record a report of these cases; returns what is then kept."""
    spec = importlib.util.spec_from_file_location("record_drills", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for folder, module in (("drills", "test_it"), ("orchestration", "test_other")):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        (tmp_path / "tests" / folder / f"{module}.py").write_text(DRILLS)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "RESULTS", tmp_path / "drills.json")

    def record(*cases: str) -> dict[str, object]:
        report = tmp_path / "report.xml"
        report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
        monkeypatch.setattr(sys, "argv", ["record_drills.py", str(report)])
        script.main()
        return json.loads((tmp_path / "drills.json").read_text())

    return record


def test_parameters_of_a_drill_are_counted_together(record):
    kept = record(case("test_kill[a]", 150), case("test_kill[b]", 50), case("test_disk"))
    assert kept == {
        "test_it.test_disk": {"times": 1, "result": "kept"},
        "test_it.test_kill": {"times": 200, "result": "kept"},
    }


@pytest.mark.parametrize(
    ("end", "result"),
    [
        ("<failure/>", {"times": 4, "result": "broken"}),
        ("<error/>", {"times": 4, "result": "broken"}),
        ("<skipped/>", {"times": 0, "result": "skipped"}),
    ],
)
def test_one_bad_end_is_the_result_of_the_drill(record, end, result):
    kept = record(case("test_kill[a]", 1), case("test_kill[b]", 3, end))
    assert kept["test_it.test_kill"] == result


def test_drill_that_was_not_run_this_time_stays_known(record):
    record(case("test_kill", 3))
    assert set(record(case("test_walls"))) == {"test_it.test_kill", "test_it.test_walls"}


def test_drills_of_every_folder_are_kept_and_one_that_is_gone_is_forgotten(record):
    kept = record(case("test_kill", module="test_other"), case("test_that_is_gone"))
    assert set(kept) == {"test_other.test_kill"}
