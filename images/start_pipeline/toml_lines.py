"""Find the line that each key of a TOML text stands on, which ``tomllib`` does not tell."""

import re
import tomllib
from dataclasses import dataclass, field

Key = tuple[str, ...]

# No contract needs more; of a key with 100,000 dots tomllib would keep every part of every length.
DEEPEST = 8
TOKEN = re.compile(
    r'''
      (?P<space> [ \t\r]+ | \#[^\n]* )
    | (?P<newline> \n )
    | (?P<text> """(?:[^"\\]++|\\.|"(?!""))*+"{3,5}
              | \'\'\'(?:[^']++|'(?!\'\'))*+'{3,5}
              | "(?:[^"\\\n]++|\\.)*+"(?!")
              | '[^'\n]*+'(?!') )
    | (?P<mark> [][{}=,.] )
    | (?P<bare> [^][{}=,.\s"'\#]+ )
    ''',
    re.VERBOSE | re.DOTALL,
)


class TooDeepError(ValueError):
    """A key or a value is nested deeper than any contract; ``line`` says where."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested deeper than {DEEPEST} levels")
        self.line = line


@dataclass
class KeyLines:
    """Reads a TOML text token by token; ``found`` holds the line of each key and table.

    A text that is no TOML is read up to its first fault, in linear time; the fault itself is for
    ``tomllib`` to tell.
    """

    found: dict[Key, int] = field(default_factory=dict)
    line: int = 1
    table: Key = ()  # the last header
    parts: list[str] = field(default_factory=list)  # of the key that is being read
    reads_value: bool = False
    in_header: bool = False
    # Each bracket of a value that is open: the table whose keys follow, or None inside of a list.
    open: list[Key | None] = field(default_factory=list)
    key: Key = ()

    @classmethod
    def of(cls, text: str) -> dict[Key, int]:
        """Return the line of each key; ("columns", "Age", "minimum") is one."""
        reader, end = cls(), 0
        while token := TOKEN.match(text, end):
            kind, word, end = token.lastgroup, token[0], token.end()
            if kind == "newline" and not reader.open:
                reader.reads_value, reader.in_header, reader.parts = False, False, []
            elif kind == "mark":
                reader.read_mark(word)
            elif kind in ("text", "bare") and not reader.reads_value:
                reader.parts.append(word if kind == "bare" else unquote(word))
            if max(len(reader.parts), len(reader.open), len(reader.key)) > DEEPEST:
                raise TooDeepError(reader.line)
            reader.line += word.count("\n")
        return reader.found

    def read_mark(self, mark: str) -> None:
        """Take one of the signs that give a TOML text its structure."""
        if self.reads_value:
            if mark in "[{":
                self.open.append(self.key if mark == "{" else None)
                self.reads_value = mark == "["
            elif mark in "]}" and self.open:
                self.open.pop()
            elif mark == "," and self.open:
                self.reads_value = self.open[-1] is None
        elif mark == "[":
            self.in_header = True
        elif mark == "]" and self.in_header and self.parts:
            self.table = self.note(())
        elif mark == "=":
            self.key = self.note((self.open[-1] or ()) if self.open else self.table)
            self.reads_value = True
        elif mark == "}" and self.open:  # of an inline table that is empty
            self.open.pop()
            self.reads_value = True

    def note(self, inside: Key) -> Key:
        """Note the line of the key that was read, and of each table that it makes by its dots."""
        key = (*inside, *self.parts)
        for length in range(len(inside) + 1, len(key) + 1):
            self.found.setdefault(key[:length], self.line)
        self.parts = []
        return key


def unquote(word: str) -> str:
    """Return the text of a quoted key; one that breaks the rules of TOML stays as it is."""
    try:
        return str(tomllib.loads(f"key = {word}")["key"])
    except tomllib.TOMLDecodeError:
        return word
