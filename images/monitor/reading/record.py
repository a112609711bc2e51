"""JSON that another program wrote, read without trusting its shape."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

RUN_ID = re.compile(r"[A-Za-z0-9_~:+-][A-Za-z0-9_.~:+-]{0,199}")
DEPTH = 30
LARGEST = 2**63
# Find each number in an object that is not below LARGEST, and some that are. One pattern for each
# sign that stands before a number: it is looked for at the speed of memory, a choice of signs not.
LARGE = [re.compile(sign + rb"\s*-?(?:\d{19}|[\d.]+[eE]\+?\d)") for sign in (b":", b",", rb"\[")]
# The last second that a time can be shown of.
LATEST = 253402300799


def parse_json(content: bytes) -> Any:
    """Return what JSON says, fit to be shown and sent on; a ValueError where it is none.

    A number that is all there is stays as it is, however large.

    What a strict parser takes needs no cleaning but of large numbers. What it refuses is read again
    as Python reads it.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return clean(json.loads(content.decode("utf-8", errors="replace")))
    if any(large.search(content) for large in LARGE):
        return clean(value)
    few = content.count(b"{") + content.count(b"[") <= DEPTH
    if not few and nested_deeper(value, DEPTH):
        raise ValueError("nested too deeply")
    return value


def nested_deeper(value: Any, depth: int) -> bool:
    """Return whether lists and objects stand within each other more than ``depth`` times."""
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return not depth or any(nested_deeper(i, depth - 1) for i in items if type(i) in (dict, list))


def clean(value: Any, depth: int = DEPTH) -> Any:
    """Return a JSON value that can be shown and sent on: usual numbers, whole characters.

    Python reads NaN, infinities, endless integers and halves of surrogate pairs, which other
    readers of JSON and UTF-8 do not. They become None and replacement characters. Nested deeper
    than ``depth`` is a ValueError.
    """
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode()
    if isinstance(value, int | float):
        return value if math.isfinite(value) and abs(value) < LARGEST else None
    if isinstance(value, list):
        return [clean(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {clean(key, depth): clean(item, depth - 1) for key, item in value.items()}
    return value


def escaped(text: str) -> str:
    """Return text on one line that reads as it is written: what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def parse_time(text: str) -> datetime | None:
    """Return an ISO 8601 time in UTC, or None for anything else; without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moment(seconds: float) -> datetime:
    """Return a time in UTC from seconds since 1970, the calendar's last one for what is later."""
    return datetime.fromtimestamp(min(seconds, LATEST), UTC)


@dataclass(frozen=True)
class Record:
    """A JSON object. Each getter returns None, or empty, where the key has not that type."""

    content: dict[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """Return a text that is not empty."""
        value = self.content.get(key)
        return value if isinstance(value, str) and value else None

    def run_id(self, key: str) -> str | None:
        """Return a text that can be a run's id, and so part of a path or an address."""
        value = self.text(key) or ""
        return value if RUN_ID.fullmatch(value) else None

    def number(self, key: str) -> float | None:
        """Return a number; true and false are none."""
        value = self.content.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def whole(self, key: str) -> int | None:
        """Return a whole number."""
        value = self.number(key)
        return value if isinstance(value, int) else None

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        value = self.content.get(key)
        return value if isinstance(value, bool) else None

    def time(self, key: str) -> datetime | None:
        """Return a time in UTC."""
        return parse_time(self.text(key) or "")

    def record(self, key: str) -> Record:
        """Return an object."""
        value = self.content.get(key)
        return Record(value if isinstance(value, dict) else {})

    def items(self, key: str) -> list[Any]:
        """Return a list."""
        value = self.content.get(key)
        return value if isinstance(value, list) else []

    def records(self, key: str) -> list[Record]:
        """Return the objects in a list."""
        return [Record(item) for item in self.items(key) if isinstance(item, dict)]

    def texts(self, key: str) -> list[str]:
        """Return the texts in a list."""
        return [item for item in self.items(key) if isinstance(item, str)]

    def numbers(self, key: str) -> list[float]:
        """Return the numbers in a list; empty unless all of it are."""
        values = self.items(key)
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        return numbers if len(numbers) == len(values) else []
