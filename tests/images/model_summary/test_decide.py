"""Whether a model is published: by the parameter, by the comparison, by what is published now."""

from __future__ import annotations

import hashlib

import pytest

from model_summary.decide import decide, find_same

WORSE = {
    "champion": {"run_id": "a", "sha256": "aa"},
    "compared": True,
    "why_not": None,
    "verdict": "worse",
    "reason": "worse than a",
}
BETTER = WORSE | {"verdict": "better", "reason": "better than a"}
OTHER = WORSE | {"verdict": "not_comparable", "compared": False, "why_not": "a is of other columns"}
FIRST = WORSE | {"champion": None, "compared": False, "verdict": "first", "reason": "none yet"}
A = {"run_id": "a", "model": {"sha256": "aa"}}
MEANWHILE = {"run_id": "b", "model": {"sha256": "bb"}}


@pytest.mark.parametrize(
    ("comparison", "rule", "published", "expected"),
    [
        (FIRST, "if_not_worse", {}, (True, None)),
        (BETTER, "if_not_worse", A, (True, "it is better than a")),
        (WORSE, "if_not_worse", A, (False, "it is worse than a")),
        (OTHER, "if_not_worse", A, (True, "it was not compared, as a is of other columns")),
        (FIRST, "never", {}, (False, "the parameter publish is never")),
        (BETTER, "never", A, (False, "the parameter publish is never")),
    ],
)
def test_decision_follows_parameter_and_verdict(comparison, rule, published, expected):
    assert decide(comparison, rule, published, "new") == expected


def test_worse_model_is_published_where_that_is_asked_for():
    accepted, reason = decide(WORSE, "always", A, "new")
    assert accepted is True
    assert reason.endswith("as the parameter publish is always: worse than a")


@pytest.mark.parametrize("comparison", [FIRST, BETTER])
def test_model_is_not_published_over_one_that_it_was_not_compared_with(comparison):
    accepted, reason = decide(comparison, "if_not_worse", MEANWHILE, "new")
    assert accepted is False
    assert "the model of run b was published meanwhile" in reason


def test_model_that_is_published_already_can_be_published_again():
    """As by a second try of the stage, whose first was killed after it had published."""
    assert decide(BETTER, "if_not_worse", MEANWHILE, "bb")[0] is True


@pytest.fixture
def current(tmp_path):
    """The folder of what run a has published."""
    (tmp_path / "model.pkl").write_bytes(b"model")
    return tmp_path


SUMMARY = {
    "run_id": "b",
    "files": {"model.pkl": {"bytes": 5, "sha256": hashlib.sha256(b"model").hexdigest()}},
    "contract": {"columns": {"x": {"type": "number"}}},
    "parts": {"train": "tt", "test": "uu"},
}


def test_same_files_rows_and_contract_are_the_same_model(current):
    published = SUMMARY | {"run_id": "a", "files": SUMMARY["files"] | {"model_card.md": {}}}
    same_as = find_same(SUMMARY, published, current)
    assert same_as == "a"
    assert decide(BETTER, "if_not_worse", A, "aa", same_as) == (
        True,
        "it is the same model as the published one of run a, which stays",
    )


@pytest.mark.parametrize("key", ["files", "contract", "parts"])
def test_model_of_other_files_rows_or_contract_is_another(current, key):
    assert find_same(SUMMARY, SUMMARY | {"run_id": "a", key: {}}, current) is None


@pytest.mark.parametrize("published", [{}, SUMMARY, {"run_id": "a"}])
def test_model_of_this_run_or_of_none_is_no_other_runs(current, published):
    assert find_same(SUMMARY, published, current) is None


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"mode1")])
def test_published_file_that_is_damaged_is_not_the_same(current, damage):
    damage(current / "model.pkl")
    assert find_same(SUMMARY, SUMMARY | {"run_id": "a"}, current) is None
