"""The contract's columns: how a column's cells become values, and the rules that they must meet.

All works on whole Arrow arrays, and the same functions serve every kind of file. A cell that breaks
a rule becomes no value: it is told of, and the file is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# ASCII digits only; spaces and tabs around have been cut off.
NUMBER = r"\A[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
NOT_ZERO = r"\A[+-]?[0.]*[1-9]"
INTEGER = r"\A[+-]?[0-9]+\z"
LARGEST_INTEGER = 10**18 - 1
FITTING_INTEGER = r"\A[+-]?0*[0-9]{1,18}\z"
ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
TIME = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}"
    rf"(?:[T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,6}}0*)?)?{ZONE}?)?\z"
)
ZONED = rf":[0-9]{{2}}(?:\.[0-9]+)?{ZONE}\z"
FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds

TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.string(),
    "text": pa.string(),
    "time": pa.timestamp("us"),
}
NO_INTEGER = "the value is not an integer"
LARGE_INTEGER = "the value is too large for an integer"
NO_NUMBER = "the value is not a number"
NO_TIME = "the value is not a time of ISO 8601"
MISSING = "the value is missing"
NUL = "the value holds a NUL character"
ZONE_LACKS = "the time has no offset, but others have one"
ZONE_TOO_MANY = "the time has an offset, but others have none"

Broken = list[tuple[pa.BooleanArray, str]]


@dataclass(frozen=True)
class Column:
    """A column of the contract, with the contract's defaults filled in."""

    name: str
    type: str
    role: str
    missing: str = "refuse"
    minimum: float | None = None
    maximum: float | None = None
    allowed: list[Any] | None = None
    positive: Any = 1
    missing_values: tuple[str, ...] = ("",)

    @property
    def used(self) -> bool:
        """Whether the pipeline uses the column; one that is unused is never checked."""
        return self.role != "unused"

    @property
    def arrow_type(self) -> pa.DataType:
        """The type of the column's values as they are checked; times are without a zone."""
        return TYPES[self.type] if self.used else pa.string()

    @property
    def numeric(self) -> bool:
        """Whether the column's cells are numbers that the pipeline uses."""
        return self.used and self.type in ("integer", "number")


def columns_of(contract: dict[str, Any]) -> list[Column]:
    """Return the contract's columns in its order."""
    missing_values = tuple(text.strip(" \t") for text in contract.get("missing_values", [""]))
    return [
        Column(
            name=name,
            type=rules["type"],
            role=rules["role"],
            missing=rules.get("missing", "refuse"),
            minimum=rules.get("minimum"),
            maximum=rules.get("maximum"),
            allowed=rules.get("allowed"),
            positive=rules.get("positive", 1),
            missing_values=missing_values,
        )
        for name, rules in contract["columns"].items()
    ]


def matches(texts: pa.Array, pattern: str) -> pa.BooleanArray:
    """Tell of each text whether the pattern is found; of none for a null."""
    return pc.match_substring_regex(texts, pattern)


def either(*masks: pa.BooleanArray) -> pa.BooleanArray:
    """Return where any of the masks is true; a null is not."""
    found = pc.fill_null(masks[0], False)
    for mask in masks[1:]:
        found = pc.or_(found, pc.fill_null(mask, False))
    return found


def without(values: pa.Array, mask: pa.BooleanArray) -> pa.Array:
    """Return the values with null where the mask is true."""
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, values.type), values)


def texts_to_values(
    column: Column, cells: pa.StringArray, zoned: bool | None = None
) -> tuple[pa.Array, Broken]:
    """Return the values that a used column's cells hold, null where there is none, and the faults.

    ``zoned`` says whether times have an offset; None leaves it to the first one.
    """
    trimmed = pc.ascii_trim(cells, " \t")
    missing = either(
        pc.is_null(cells),
        pc.is_in(trimmed, value_set=pa.array(column.missing_values, pa.string())),
    )
    if column.type in ("category", "text"):
        values, broken = without(cells, missing), [(pc.match_substring(cells, "\0"), NUL)]
    elif column.type == "time":
        values, broken = read_times(without(trimmed, missing), zoned)
    else:
        read = read_integers if column.type == "integer" else read_numbers
        values, broken = read(without(trimmed, missing))
    return values, [*missing_refused(column, missing), *broken, *value_faults(column, values)]


def missing_refused(column: Column, missing: pa.BooleanArray) -> Broken:
    """Return the fault of missing values, in a column that must have none."""
    return [(missing, MISSING)] if column.missing == "refuse" else []


def read_integers(texts: pa.StringArray) -> tuple[pa.Array, Broken]:
    """Return the whole numbers that texts without blanks around hold."""
    written = matches(texts, INTEGER)
    fits = matches(texts, FITTING_INTEGER)
    values = pc.ascii_ltrim(without(texts, pc.invert(fits)), "+").cast(pa.int64())
    return values, [
        (pc.invert(written), NO_INTEGER),
        (pc.and_(written, pc.invert(fits)), LARGE_INTEGER),
    ]


def read_numbers(texts: pa.StringArray) -> tuple[pa.Array, Broken]:
    """Return the numbers that texts without blanks around hold."""
    written = matches(texts, NUMBER)
    values = without(texts, pc.invert(written)).cast(pa.float64())
    large = pc.is_inf(values)
    small = pc.and_(pc.equal(values, 0), matches(texts, NOT_ZERO))
    return without(values, either(large, small)), [
        (pc.invert(written), NO_NUMBER),
        (large, "the value is too large for a number"),
        (small, "the value is too small for a number"),
    ]


def read_times(texts: pa.StringArray, zoned: bool | None = None) -> tuple[pa.Array, Broken]:
    """Return the times that texts hold: all with an offset (then in UTC), or all without."""
    written = matches(texts, TIME)
    has_zone = matches(texts, ZONED)
    if zoned is None:
        zoned = bool(pc.first(pc.drop_null(without(has_zone, pc.invert(written)))).as_py())
    other = pc.and_(written, has_zone if not zoned else pc.invert(has_zone))
    # Zeros behind the microseconds say nothing, and Arrow does not read them.
    cut = pc.replace_substring_regex(texts, r"(\.[0-9]{6})0+", r"\1")
    kind = pa.timestamp("us", "UTC" if zoned else None)
    values = cast_times(without(cut, either(pc.invert(written), other)), kind)
    unread = pc.and_(pc.and_(written, pc.invert(other)), pc.is_null(values))
    return values, [
        (either(pc.invert(written), unread), NO_TIME),
        (other, ZONE_LACKS if zoned else ZONE_TOO_MANY),
    ]


def cast_times(texts: pa.StringArray, kind: pa.TimestampType) -> pa.Array:
    """Return the times of texts that look like one; null where the calendar has no such time."""
    try:
        values = texts.cast(kind)
    except pa.ArrowInvalid:
        values = pa.concat_arrays([cast_time(text, kind) for text in texts])
    return without(values, outside_years(values))


def outside_years(values: pa.TimestampArray) -> pa.BooleanArray:
    """Tell where a time is outside of the years 1 to 9999, which nothing behind here could show."""
    first, last = (pa.scalar(limit, pa.int64()) for limit in (FIRST_TIME, LAST_TIME))
    numbers = values.cast(pa.int64())
    return either(pc.less(numbers, first), pc.greater(numbers, last))


def cast_time(text: pa.StringScalar, kind: pa.TimestampType) -> pa.Array:
    """Return an array of the one time, or of null."""
    try:
        return pa.array([text.as_py()], pa.string()).cast(kind)
    except pa.ArrowInvalid:
        return pa.nulls(1, kind)


def value_faults(column: Column, values: pa.Array) -> Broken:
    """Return where values break the column's range or are none of those allowed."""
    broken: Broken = []
    if column.numeric and column.minimum is not None:
        rule = f"the value is below the minimum {column.minimum}"
        broken.append((pc.less(*alike(values, column.minimum)), rule))
    if column.numeric and column.maximum is not None:
        rule = f"the value is above the maximum {column.maximum}"
        broken.append((pc.greater(*alike(values, column.maximum)), rule))
    if column.allowed is not None:
        rule = f"the value is none of {', '.join(map(str, column.allowed))}"
        known = pc.is_in(values, value_set=pa.array(column.allowed).cast(values.type))
        broken.append((pc.and_(pc.is_valid(values), pc.invert(known)), rule))
    return broken


def alike(values: pa.Array, limit: float) -> tuple[pa.Array, pa.Scalar]:
    """Return numbers and a number of one type, which Arrow compares without a word."""
    if pa.types.is_integer(values.type) and isinstance(limit, int) and abs(limit) < 2**63:
        return values, pa.scalar(limit, pa.int64())
    return values.cast(pa.float64(), safe=False), pa.scalar(float(limit), pa.float64())


def number_faults(column: Column, values: pa.Array) -> Broken:
    """Return where numbers that came as numbers, null where missing, break the column's rules."""
    if column.type == "integer":
        large = either(pc.less(values, -LARGEST_INTEGER), pc.greater(values, LARGEST_INTEGER))
        broken = [(large, LARGE_INTEGER)]
    else:
        broken = [(pc.invert(pc.is_finite(values)), NO_NUMBER)]
    return [
        *missing_refused(column, pc.is_null(values)),
        *broken,
        *value_faults(column, values),
    ]


def time_faults(column: Column, values: pa.TimestampArray, zoned: bool | None) -> Broken:
    """Return where times that came as times, null where missing, break the column's rules."""
    broken = [*missing_refused(column, pc.is_null(values)), (outside_years(values), NO_TIME)]
    if zoned is not None and zoned != (values.type.tz is not None):
        broken.append((pc.is_valid(values), ZONE_LACKS if zoned else ZONE_TOO_MANY))
    return broken


def any_broken(broken: Broken) -> bool:
    """Tell whether there is any fault."""
    return any(pc.any(mask).as_py() for mask, _ in broken)
