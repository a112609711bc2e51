"""The model card: what it says, what it leaves out, and that what it tells people to run runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

import model_file
from model_summary.card import CARD, NOTHING, describe_segments, escape, write_card
from model_summary.loading import STEM, TRUSTED
from monitor.reading.markdown import read_blocks

SECTIONS = [
    "Data", "Metrics on the test rows", "Limits", "Lineage", "How to load it",
]  # fmt: skip
EVERY_SECTION = [
    "Data", "Data contract", "Metrics on the test rows", "Segments",
    "Compared with the model before", "Drift", "Warnings", "Limits", "Lineage",
    "How to load it",
]  # fmt: skip


@pytest.fixture
def summary(finished):
    return finished.read("model_summary/model_summary.json")


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def code(text: str) -> dict[str, str]:
    """The lines to run, by format."""
    return dict(re.findall(r"### (\w+)\n\n```python\n(.*?)\n```", text, re.DOTALL))


def test_card_is_published_and_named_by_the_summary(finished, summary):
    text = (finished.path / "model" / CARD).read_bytes()
    assert summary["files"][CARD] == {
        "bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()
    }  # fmt: skip
    assert (finished.path / "model" / CARD).is_symlink()
    assert text == finished.folder(f"model_summary/{CARD}").read_bytes()


def test_parts_that_the_summary_lacks_are_left_out(summary):
    for key in ("contract", "comparison", "drift"):
        summary.pop(key, None)
    for key in ("segments", "intervals", "yardstick", "cross_validation", "calibration_error"):
        summary["metrics"].pop(key, None)
    summary["warnings"] = {}
    assert headings(write_card(summary)) == SECTIONS


def test_card_holds_what_the_summary_does(summary):
    summary["contract"] = {
        "columns": {
            "Age": {"role": "feature", "type": "integer", "minimum": 0, "maximum": 120},
            "Clicked on Ad": {"role": "target", "type": "integer", "allowed": [0, 1]},
        }
    }
    summary["metrics"] |= {
        "intervals": {"roc_auc": [0.98, 0.9912345]},
        "calibration_error": 0.0123,
        "yardstick": {"hist_gradient_boosting": {"accuracy": 0.9, "roc_auc": 0.95, "log_loss": 1}},
        "cross_validation": {"folds": 5, "repeats": 3, "accuracy": {"mean": 0.96, "std": 0.011}},
        "segments": [
            {"column": "Male", "segment": "1", "rows": 140, "positive_share": 0.5,
             "accuracy": 0.97, "accuracy_interval": [0.9, 0.99], "roc_auc": None, "log_loss": 0.1}
        ],
        "warnings": ["few rows"],
    }  # fmt: skip
    summary["comparison"] = {"reason": "not worse than the model before"}
    summary["drift"] = {
        "why_not": None,
        "warnings": ["Age drifted"],
        "features": [{"column": "Age", "psi": 0.31, "p_value": 0.0001, "drifted": True}],
    }
    text = write_card(summary)
    for line in (
        f"| Age | feature | integer | {NOTHING} | at least 0, at most 120 |",
        f"| Clicked on Ad | target | integer | {NOTHING} | 0, 1 |",
        "| 0.9800 to 0.9912 |",
        "calibration error: 0.0123",
        "gradient boosting on the same rows: accuracy 0.9000, ROC AUC 0.9500, log loss 1.0000",
        "0.9600 with a standard deviation of 0.0110 (5 folds, 3 repeats)",
        f"| Male | 1 | 140 | 50.0% | 0.9700 | 0.9000 to 0.9900 | {NOTHING} | 0.1000 |",
        "not worse than the model before",
        "| Age | 0.3100 | 0.0001 | yes |",
        "- Age drifted",
        "- evaluate\\_model: few rows",
    ):
        assert line in text
    assert headings(text) == EVERY_SECTION


def test_drift_that_was_not_measured_says_why(summary):
    summary["drift"] = {"why_not": "no model was published before"}
    assert "Not measured: no model was published before" in write_card(summary)


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Daily Time Spent on Site", "Daily Time Spent on Site"),
        ("a|b", "a\\|b"),
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("[x](javascript:alert(1))", "\\[x\\](javascript\\:alert(1))"),
        ("https://example.com", "https\\://example.com"),
        ("www.example.com", "www\\.example.com"),
        ("two\n# lines", "two\\\\n\\# lines"),
        ("`*_`", "\\`\\*\\_\\`"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_text_of_the_data_is_no_markup(text, markdown):
    assert escape(text) == markdown


@pytest.mark.parametrize("name", ["a | b", "back\\slash", "| x |", "a\\| b", "<b>&amp;", "\\"])
def test_escaped_text_reads_as_it_was(name):
    part = {"column": name, "segment": name, "rows": 1}
    (block,) = read_blocks(describe_segments({"segments": [part]}))
    assert block.rows[1][:2] == [name, name]


def test_hostile_names_break_neither_table_nor_code(summary):
    name = "```\n# | <img src=x onerror=alert(1)>\"']"
    summary["features"] = [*summary["features"][:1], name]
    summary["target"] = name
    summary["files"] |= {f"{STEM}.onnx": {}, f"{STEM}.skops": {}}
    text = write_card(summary)
    assert [name for name in EVERY_SECTION if name != "Warnings"] == headings(text)
    assert [line for line in text.splitlines() if line.startswith("# ")] == [text.splitlines()[0]]
    assert sorted(code(text)) == ["ONNX", "pickle", "skops"]
    compile(code(text)["ONNX"], "card", "exec")


def test_five_lines_of_each_format_load_the_model(finished, summary):
    printed = {}
    for name, lines in code(write_card(summary)).items():
        assert len(lines.splitlines()) == 5
        done = subprocess.run(
            [sys.executable, "-c", lines], cwd=finished.path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": ""}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        numbers = re.findall(r"[0-9.]+(?:e-?[0-9]+)?", done.stdout)
        printed[name] = [float(number) for number in numbers if number != "..."]
    assert list(printed) == ["pickle", "skops", "ONNX"]
    assert len(printed["pickle"]) > 5
    assert printed["pickle"] == pytest.approx(printed["skops"])
    assert printed["pickle"] == pytest.approx(printed["ONNX"], rel=1e-5)


def test_rows_to_try_are_those_published_where_there_are_any(summary):
    assert "'model/reference.parquet'" in write_card(summary)
    del summary["files"]["reference.parquet"]
    assert '"runs/demo/separate_data' in write_card(summary).replace("'", '"')


def test_types_that_a_boosted_model_needs_are_named(summary):
    summary["model_type"] = "HistGradientBoostingClassifier"
    summary["files"][f"{STEM}.skops"] = {}
    assert f"trusted={TRUSTED!r}" in write_card(summary)


def test_types_that_encoded_features_need_are_named(summary):
    summary["encodings"]["City"] = {"encoding": "words", "missing": 0}
    summary["files"][f"{STEM}.skops"] = {}
    assert f"trusted={TRUSTED!r}" in write_card(summary)


def test_card_trusts_what_the_stages_trust():
    assert tuple(TRUSTED) == model_file.TRUSTED


def test_card_is_of_the_summary_alone(finished, summary):
    del summary["files"][CARD]
    assert write_card(json.loads(json.dumps(summary))) == (
        finished.path / "model" / CARD
    ).read_text(encoding="utf-8")
