"""The Markdown of a model card, read as blocks of plain text.

Only what ``model_summary`` writes is known: headings, lists, tables, code, paragraphs, and escaped
characters. All else is a paragraph of just the characters that stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

HEADING = re.compile(r"(#{1,3}) (.*)")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
FENCE = "```"


@dataclass(frozen=True)
class Block:
    """A part of a page: ``kind`` is heading, list, table, code or paragraph.

    ``lines`` are a list's items, the one heading or paragraph, or the lines of code; ``rows`` are a
    table's, the first its head. ``level`` is a heading's, 1 to 3.
    """

    kind: str
    lines: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    level: int = 0


def read_blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a text. They stand apart by an empty line; code by its fences."""
    lines: list[str] = []
    in_code = False
    for line in [*text.splitlines(), ""]:
        if line.startswith(FENCE):
            if in_code:
                yield Block("code", lines)
                lines = []
            in_code = not in_code
        elif line or in_code:
            lines.append(line)
        elif lines:
            yield read_block(lines)
            lines = []
    if lines:  # code without an end
        yield Block("code", lines)


def read_block(lines: list[str]) -> Block:
    """Return the block of lines that is not code."""
    if heading := HEADING.fullmatch(lines[0]):
        return Block("heading", [plain(heading[2])], level=len(heading[1]))
    if all(line.startswith("- ") for line in lines):
        return Block("list", [plain(line[2:]) for line in lines])
    if len(lines) > 1 and all(line.startswith("| ") for line in (lines[0], *lines[2:])):
        return Block("table", rows=[cells(line) for line in (lines[0], *lines[2:])])
    return Block("paragraph", [plain(" ".join(lines))])


def cells(line: str) -> list[str]:
    """Return the cells of a table's row; a bar inside of one is escaped."""
    return [plain(cell) for cell in line.removeprefix("| ").removesuffix(" |").split(" | ")]


def plain(text: str) -> str:
    """Return text without the backslashes before characters that mean markup."""
    return ESCAPED.sub(r"\1", text)
