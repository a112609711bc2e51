"""Guess from what columns hold what they are for, and say why, and how sure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from load_data.column_facts import SURE_MARKS, ColumnFacts
from stage import StageError, one_line

FEW_LEVELS = 20
ROWS_PER_LEVEL = 50  # of a category with more levels
FEW_CODES = 10
LONG_TEXT = 40
EPOCH = 10**8  # seconds: 1973
LARGEST_EXACT = 10**15

TARGET_WORDS = {
    **dict.fromkeys(("click", "clicked", "clicks", "target", "label"), 3),
    **dict.fromkeys(("converted", "conversion", "conv", "purchased", "purchase", "bought"), 2),
    **dict.fromkeys(("y", "outcome", "response", "responded", "subscribed", "churn", "class"), 1),
}
POSITIVE_WORDS = {
    *("1", "1.0", "yes", "y", "true", "t", "on", "positive", "pos", "click", "clicked"),
    *("converted", "conversion", "bought", "purchased", "ja", "oui", "si", "sí"),
}
ID_WORDS = {"id", "uuid", "guid", "key", "hash", "ip", "cookie", "index"}
CODE_WORDS = {
    *("code", "type", "kind", "class", "category", "segment", "region", "zone", "channel"),
    *("position", "weekday", "month", "device", "campaign", "cluster", "bucket", "group"),
}
GROUP_WORDS = {"user", "visitor", "customer", "session", "household", "cookie", "device", "person"}
TIME_WORDS = {"timestamp", "time", "ts", "date", "datetime", "epoch"}


@dataclass
class Guess:
    """A column as the contract will have it: keys in order, and why, for people to check."""

    keys: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)  # by the key that they are about

    @classmethod
    def of(cls, kind: str, role: str, note: str = "", check: str = "") -> Guess:
        """Return a guess with what is said of its role."""
        return cls(
            {"type": kind, "role": role},
            [note] if note else [],
            {"role": check} if check else {},
        )


@dataclass
class Draft:
    """The contract's columns as guessed, and what stands above them."""

    columns: dict[str, Guess]
    target: str
    missing_values: list[str]
    dropped_share: float


def guess_contract(columns: list[ColumnFacts], asked: str | None, name: str) -> Draft:
    """Return the draft; ``asked`` is the target that a person named.

    A file in which nothing can be the target, or nothing a feature, is refused (65).
    """
    missing_values = guess_missing_values(columns)
    target, check = guess_target(columns, missing_values, asked, name)
    guesses = {}
    for facts in columns:
        if facts is target:
            guesses[facts.name] = describe_target(facts, missing_values, check)
        else:
            guesses[facts.name] = guess_column(facts, missing_values)
    keep_one_time(guesses)
    if not any(guess.keys["role"] == "feature" for guess in guesses.values()):
        raise StageError(65, f"{name}: no column beside the target can be a feature")
    missing = target.missing(missing_values)
    # To the next full percent: a file of this kind passes, too.
    share = math.ceil(100 * missing / target.rows) / 100
    return Draft(guesses, target.name, missing_values, share)


def guess_missing_values(columns: list[ColumnFacts]) -> list[str]:
    """Return what stands for a missing value: what hinders a column from being all numbers."""
    found: set[str] = set()
    for facts in columns:
        found.update(m for m in facts.marks if m and (facts.kind or m in SURE_MARKS))
    return ["", *sorted(found)]


def guess_target(
    columns: list[ColumnFacts], missing_values: list[str], asked: str | None, name: str
) -> tuple[ColumnFacts, str]:
    """Return the column to predict, and what to check of that guess."""
    pairs = [facts for facts in columns if is_pair(facts, missing_values)]
    if asked is not None:
        for facts in columns:
            if facts.name == asked and facts in pairs:
                return facts, ""
        raise StageError(
            65, f"{name}: the column {one_line(repr(asked), 80)} {why_not(asked, columns)}"
        )
    if not pairs:
        raise StageError(65, f"{name}: no column holds exactly two values, as a target does")
    scores = [max(TARGET_WORDS.get(word, 0) for word in {*facts.words, ""}) for facts in pairs]
    best = max(scores)
    named = [facts for facts, score in zip(pairs, scores, strict=True) if score == best]
    if best and len(named) == 1:
        return named[0], ""
    others = ", ".join(one_line(repr(facts.name), 40) for facts in named[:-1][:5])
    return named[-1], f"guessed; also of two values: {others}" if others else "guessed"


def is_pair(facts: ColumnFacts, missing_values: list[str]) -> bool:
    """Tell whether a column holds exactly two values."""
    levels = facts.all_levels(missing_values)
    if levels is None or len(levels) != 2:
        return False
    return facts.kind != "integer" or len({int(level) for level in levels}) == 2


def why_not(asked: str, columns: list[ColumnFacts]) -> str:
    """Return why a column cannot be the target."""
    if asked in [facts.name for facts in columns]:
        return "does not hold exactly two values, as a target does"
    found = ", ".join(facts.name for facts in columns)
    return f"is not in the file; found: {one_line(found, 300)}"


def describe_target(facts: ColumnFacts, missing_values: list[str], check: str) -> Guess:
    """Return the guess of the target: its two values, and which of them is a click."""
    levels = facts.all_levels(missing_values)
    assert levels
    numeric = facts.kind == "integer"
    values: list[Any] = sorted({int(level) for level in levels} if numeric else levels)
    guess = Guess.of("integer" if numeric else "category", "target", check=check)
    guess.keys["allowed"] = values
    named = [v for v in values if str(v).strip().lower() in POSITIVE_WORDS]
    rarer = min(levels, key=lambda level: levels[level])
    guess.keys["positive"] = named[0] if len(named) == 1 else int(rarer) if numeric else rarer
    if len(named) != 1:
        guess.checks["positive"] = "guessed: the rarer value; which one is a click?"
    positive = sum(
        n for v, n in levels.items() if (int(v) if numeric else v) == guess.keys["positive"]
    )
    guess.notes.append(f"in the file: {100 * positive / levels.total():.3g} % positive")
    if missing := facts.missing(missing_values):
        guess.keys["missing"] = "drop"
        guess.checks["missing"] = f"{missing} rows have none and are left out"
    return guess


def guess_column(facts: ColumnFacts, missing_values: list[str]) -> Guess:
    """Return the guess of any other column."""
    missing = facts.missing(missing_values)
    if missing == facts.rows:
        return Guess.of("text", "unused", "in the file: empty")
    if facts.levels is not None and len(facts.all_levels(missing_values) or ()) == 1:
        return Guess.of("text", "unused", "in the file: one value only")
    if facts.kind in ("integer", "number"):
        guess = guess_numeric(facts)
    elif facts.kind == "time":
        check = 'for the split "time"; the model does not learn from it'
        guess = Guess.of("time", "time", check=check)
    else:
        guess = guess_text(facts, missing_values)
    return say_missing(guess, facts, missing, missing_values)


def say_missing(guess: Guess, facts: ColumnFacts, missing: int, missing_values: list[str]) -> Guess:
    """Return the guess with what is done where a value is missing."""
    role = guess.keys["role"]
    share = f"{missing} of {facts.rows} rows have none"
    if missing and role == "feature":
        guess.keys["missing"] = "impute"
        guess.checks["missing"] = f"{share}; or: drop, indicator, refuse"
    elif missing and role == "time":
        guess = Guess.of(guess.keys["type"], "unused", f"in the file: {share}")
    marks = [mark for mark in facts.marks if mark]
    if marks and role == "feature" and not facts.kind:
        state = (
            "missing"
            if set(marks) <= set(missing_values)
            else "a value; name it in missing_values if it is none"
        )
        guess.checks["type"] = f"{', '.join(map(repr, marks))} counts as {state}"
    return guess


def guess_numeric(facts: ColumnFacts) -> Guess:
    """Return the guess of a column of numbers."""
    kind = facts.kind or "number"
    note = f"in the file: {facts.minimum:.15g} to {facts.maximum:.15g}"
    levels = None if facts.levels is None else len(facts.levels)
    if facts.leading_zero:
        guess = guess_codes(facts, note)
        guess.checks.setdefault("type", "a code, as values have zeros in front")
        return guess
    if kind == "number":
        if facts.repeats or facts.maximum < LARGEST_EXACT:
            return Guess.of(kind, "feature", note)
        return Guess.of("text", "unused", note, "numbers too long to be exact, like an id")
    if facts.words & TIME_WORDS and facts.minimum >= EPOCH:
        return Guess.of(kind, "time", note, 'an epoch? For the split "time"')
    counted = facts.maximum - facts.minimum + 1 == facts.rows
    if not facts.repeats and facts.rows > 2 and (counted or facts.words & ID_WORDS):
        return Guess.of(kind, "unused", note, "every value is another one, like an id")
    if facts.words & ID_WORDS:
        return guess_codes(facts, note)
    if levels is not None and 2 < levels <= FEW_LEVELS and facts.words & CODE_WORDS:
        guess = Guess.of("category", "feature", note)
        guess.checks["type"] = f"{levels} codes, by the name; integer if they count something"
        return guess
    guess = Guess.of(kind, "feature", note)
    if levels is not None and 2 < levels <= FEW_CODES < facts.rows:
        guess.checks["type"] = f"{levels} different values; category if they are codes"
    return guess


def guess_codes(facts: ColumnFacts, note: str) -> Guess:
    """Return the guess of numbers that name something: a category, or too many to learn from."""
    levels = facts.levels
    if levels is not None and is_few(len(levels), facts.rows):
        guess = Guess.of("category", "feature", note)
        guess.checks["type"] = f"{len(levels)} codes, by the name or by zeros in front"
        return guess
    return Guess.of("text", "unused", note, unused_check(facts))


def guess_text(facts: ColumnFacts, missing_values: list[str]) -> Guess:
    """Return the guess of a column of texts."""
    levels = facts.all_levels(missing_values)
    if facts.longest and "date" in facts.near:
        return Guess.of("text", "unused", check="dates, but not of ISO 8601 (2025-12-31)")
    if facts.longest and "number" in facts.near:
        return Guess.of("text", "unused", check="numbers, but not written as 1234.5")
    if levels is not None and is_few(len(levels), facts.rows):
        first = ", ".join(one_line(repr(level), 30) for level, _ in levels.most_common(3))
        guess = Guess.of("category", "feature", f"in the file: {len(levels)} values, as {first}")
        if len(levels) > FEW_LEVELS:
            guess.checks["role"] = f"{len(levels)} different values; unused if they are ids"
        return guess
    if facts.longest > LONG_TEXT and not facts.words & GROUP_WORDS:
        return Guess.of("text", "unused", f"in the file: texts of up to {facts.longest} characters")
    if not facts.repeats:
        return Guess.of("text", "unused", "in the file: every value is another one")
    return Guess.of("text", "unused", check=unused_check(facts))


def is_few(levels: int, rows: int) -> bool:
    """Tell whether a category has enough rows of each level to learn from."""
    return 2 * levels <= rows if levels <= FEW_LEVELS else ROWS_PER_LEVEL * levels <= rows


def unused_check(facts: ColumnFacts) -> str:
    """Return what to check of a column that is left unused for its many values."""
    if facts.words & GROUP_WORDS and facts.repeats:
        return 'or group: the split "group" keeps the rows of one value together'
    return "too many different values to learn from, or an id"


def keep_one_time(guesses: dict[str, Guess]) -> None:
    """Leave the role time to a column only if it is the one that can have it."""
    times = [guess for guess in guesses.values() if guess.keys["role"] == "time"]
    for guess in times if len(times) > 1 else []:
        guess.keys["role"] = "unused"
        guess.checks["role"] = f"{len(times)} columns hold times; one can have the role time"
