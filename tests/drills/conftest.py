"""What drills share. A test's name is the promise, its docstring says what is broken and how."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.register_assert_rewrite("tests.drills.held_run")


@pytest.fixture
def times(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Notes how often a drill broke what it breaks; once, if a test does not say."""

    def note(number: int) -> None:
        record_property("times", number)

    return note
