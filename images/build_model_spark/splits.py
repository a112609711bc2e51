"""The splits of data files, which tasks read, and the numbers of rows in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A row's number within its split has so many bits; the split's own place stands above them.
ROW_BITS = 40
# The bytes that a text of UTF-8 may begin with.
MARK = b"\xef\xbb\xbf"
# Between a split's file and its place, as tasks tell them.
BETWEEN = "\0"


@dataclass(frozen=True)
class File:
    """A data file: as Spark names it, as messages name it, and what its first bytes are."""

    uri: str
    name: str
    size: int
    form: str | None
    head: bytes


@dataclass(frozen=True)
class Split:
    """A part of a file that one task reads: its place among all, and how many lines are before."""

    order: int
    file: int
    lines_before: int
    lines: int


# By the file's URI and the byte, of Parquet the row, that the split begins with.
Splits = dict[tuple[str, int], Split]


def known_uri(uri: str) -> str:
    """Return a file's URI in one form: of a path on this machine there are two."""
    return re.sub(r"^file:/+", "file:///", uri)
