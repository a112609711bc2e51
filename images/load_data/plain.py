"""Which pieces of a CSV file every reader reads alike."""

import numpy as np


def is_plain(piece: bytes, delimiter: bytes, longest: int, integers: bool) -> bool:
    """Tell whether whole lines can be read in one way only, as far as their bytes tell.

    No NUL, no CR but before LF, no blank line, which Arrow takes for a row of nothing, no line
    longer than ``longest`` bytes, quotes only as ``quotes_are_plain`` says, and with ``integers``
    no ``0x``, which Arrow takes for a number.
    """
    return (
        b"\0" not in piece
        and not piece.startswith((b"\n", b"\r"))
        and b"\n\n" not in piece
        and b"\n\r" not in piece
        and (b"\r" not in piece or piece.count(b"\r") == piece.count(b"\r\n"))
        and not (integers and (b"0x" in piece or b"0X" in piece))
        and lines_are_short(piece, longest)
        and (b'"' not in piece or quotes_are_plain(piece, delimiter))
    )


def lines_are_short(piece: bytes, longest: int) -> bool:
    """Tell whether each line has at most ``longest`` bytes."""
    start = 0
    while len(piece) - start > longest:
        end = piece.rfind(b"\n", start, start + longest + 1)
        if end < 0:
            return False
        start = end + 1
    return True


def quotes_are_plain(piece: bytes, delimiter: bytes) -> bool:
    """Tell whether each quote opens or closes a cell of one line, and no cell holds a quote.

    Every odd quote must stand at a cell's beginning and nowhere else, every even one at its end and
    nowhere else, with no line end between the two.

    >>> quotes_are_plain(b'1,"a,b"', b","), quotes_are_plain(b'1,"a""b",2', b",")
    (True, False)
    """
    text = np.frombuffer(b"\n" + piece + b"\n", np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if len(quotes) % 2:
        return False
    ends = np.array([ord(delimiter), ord("\n"), ord("\r")], np.uint8)
    begins = np.isin(text[quotes - 1], ends)
    closes = np.isin(text[quotes + 1], ends)
    opening, closing = slice(0, None, 2), slice(1, None, 2)
    line = np.searchsorted(np.flatnonzero(text == ord("\n")), quotes)
    return bool(
        (begins[opening] & ~closes[opening]).all()
        and (closes[closing] & ~begins[closing]).all()
        and (line[opening] == line[closing]).all()
    )
