"""What is told of the violations: a sentence that is one safe line, and a list."""

from __future__ import annotations

import pytest

from load_data.violations import LISTED, Violation, Violations


def test_violations_are_counted_by_rule_and_the_first_1000_listed():
    violations = Violations("data/x.csv")
    for line in range(LISTED + 500):
        rule = "one rule" if line < 1200 else "another"
        violations.add([Violation(line, "age", "x", rule)])
    report = violations.report({"rows_read": 7})
    assert (report["valid"], report["violations"], report["rows_read"]) == (False, 1500, 7)
    assert report["violations_by_rule"] == {"one rule": 1200, "another": 300}
    assert len(report["first_violations"]) == 1000
    assert report["first_violations"][-1]["line"] == 999


@pytest.mark.parametrize(
    ("violation", "sentence"),
    [
        (Violation(3, "age", "x", "is bad"), "x.csv, line 3, column 'age', value 'x': is bad"),
        (Violation(3, None, None, "is bad"), "x.csv, line 3: is bad"),
        (Violation(None, None, None, "is bad"), "x.csv: is bad"),
        (Violation(None, "age", None, "is bad"), "x.csv, column 'age': is bad"),
    ],
)
def test_sentence_says_only_what_is_known(violation, sentence):
    violations = Violations("x.csv")
    violations.add([violation])
    assert str(violations.refusal()) == sentence


def test_place_is_a_line_or_a_row_in_the_list():
    violations = Violations("x")
    violations.add([Violation(3, "age", "x", "is bad")])
    assert violations.report({})["first_violations"] == [
        {"line": 3, "row": None, "column": "age", "value": "x", "rule": "is bad"}
    ]
    violations.unit = "row"
    assert violations.report({})["first_violations"][0]["row"] == 3
    assert "row 3" in str(violations.refusal())


@pytest.mark.parametrize(
    "evil", ["a\nb", "\x1b[31m", "\r", "\u202e", "\u200b", "\u2028", "\x07", "\ud800", "\x85"]
)
def test_nothing_from_the_file_reaches_the_sentence_raw(evil):
    violations = Violations("x")
    violations.add([Violation(3, evil, evil, "is bad")])
    assert evil not in str(violations.refusal())
    assert str(violations.refusal()).isprintable()


def test_long_value_is_shortened():
    violations = Violations("x")
    violations.add([Violation(3, "age", "9" * 5000, "is bad")])
    assert f"value '{'9' * 79}…'" in str(violations.refusal())
