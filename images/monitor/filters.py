"""How values read on a page."""

from __future__ import annotations

from datetime import datetime

from flask import Flask

NOTHING = "-"
UNITS = ("B", "kB", "MB", "GB", "TB")


def init_app(app: Flask) -> None:
    """Register the filters that the templates use."""
    for function in (moment, duration, size, score, count, words):
        app.add_template_filter(function)


def moment(time: datetime | None) -> str:
    """Return a time in UTC as a person reads it."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else NOTHING


def duration(seconds: float | None) -> str:
    """Return a duration, the shorter the more precise.

    >>> duration(0.012), duration(2.34), duration(75), duration(7322)
    ('0.01 s', '2.3 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(count: float | None) -> str:
    """Return a number of bytes in the largest fitting unit of 1000.

    >>> size(1), size(51234)
    ('1 B', '51.2 kB')
    """
    if count is None:
        return NOTHING
    value, unit = float(count), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{count} {UNITS[0]}"


def score(value: float | None) -> str:
    """Return a measure with four decimals."""
    return NOTHING if value is None else f"{value:.4f}"


def count(value: float | None) -> str:
    """Return a count with thousands set apart."""
    return NOTHING if value is None else f"{value:,}"


def words(name: str) -> str:
    """Return a key as words: ``rows_dropped`` is "rows dropped"."""
    return name.replace("_", " ")
