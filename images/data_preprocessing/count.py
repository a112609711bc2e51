"""Count the values of a column, batch by batch, with no more than ``DISTINCT`` of them kept."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

DISTINCT = 100_000
BYTES_AT_ONCE = 2**23
# A longer text is counted by its beginning and its digest.
LONGEST = 200


class Counts:
    """How often each value of a column stands in it, as text; ``total`` are all that are there.

    Counts that are not ``whole`` are of more values than are kept: they are too low, and each value
    that stands in more than one of ``DISTINCT`` rows is among them (Agarwal et al. 2012, "Mergeable
    summaries").
    """

    def __init__(self, only: Collection[str] | None = None) -> None:
        self.only = None if only is None else pa.array(list(only), pa.string())
        self.table = pa.table(
            {"value": pa.array([], pa.string()), "rows": pa.array([], pa.int64())}
        )
        self.total = 0
        self.waiting: list[pa.Table] = []
        self.dropped = False

    def add(self, array: pa.Array) -> None:
        """Count the values of a part of the column; those that are missing are no values."""
        values, rows = pc.value_counts(array.drop_null()).flatten()
        found = pa.table({"value": bounded(as_text(values)), "rows": rows})
        self.total += len(array) - array.null_count
        if self.only is not None:
            found = found.filter(pc.is_in(found["value"], self.only))
        self.waiting.append(found)
        if sum(part.nbytes for part in self.waiting) >= BYTES_AT_ONCE:
            self.add_waiting()

    def merge(self, other: Counts) -> None:
        """Add what was counted of another part of the column."""
        other.add_waiting()
        self.total += other.total
        self.dropped |= other.dropped
        self.waiting.append(other.table)
        self.add_waiting()

    def add_waiting(self) -> None:
        """Add up what waits."""
        if not self.waiting:
            return
        self.table = add_up([self.table, *self.waiting])
        self.waiting = []
        if self.table.num_rows > DISTINCT:
            self.dropped = True
            self.table = keep_heaviest(self.table)

    @property
    def whole(self) -> bool:
        """Whether each value is counted in full."""
        self.add_waiting()
        return not self.dropped

    @property
    def rows(self) -> dict[str, int]:
        """In how many rows each value stands."""
        self.add_waiting()
        return dict(zip(*(column.to_pylist() for column in self.table.columns), strict=True))


def add_up(counts: list[pa.Table]) -> pa.Table:
    """Return the sum of counts."""
    both = pa.concat_tables(counts).group_by("value").aggregate([("rows", "sum")])
    return both.select(["value", "rows_sum"]).rename_columns(["value", "rows"])


def keep_heaviest(counts: pa.Table) -> pa.Table:
    """Return the counts less the largest that has no place any more, without those at nothing."""
    largest = pc.sort_indices(counts["rows"], sort_keys=[("", "descending")])
    cut = counts["rows"][largest[DISTINCT].as_py()]
    left = pa.table({"value": counts["value"], "rows": pc.subtract(counts["rows"], cut)})
    return left.filter(pc.greater(left["rows"], 0))


def as_text(values: pa.Array) -> pa.Array:
    """Return values as text: times in ISO 8601, in UTC where they have an offset."""
    if not pa.types.is_timestamp(values.type):
        return values.cast(pa.string())
    # Without its zone first: the database of zones need not be there.
    text = pc.replace_substring(values.cast(pa.timestamp("us")).cast(pa.string()), " ", "T")
    text = pc.replace_substring_regex(text, r"\.000000$", "")
    return pc.binary_join_element_wise(text, "Z" if values.type.tz else "", "")


def bounded(values: pa.Array) -> pa.Array:
    """Return texts of which none is long; those that differ still do."""
    if not len(values) or pc.max(pc.utf8_length(values)).as_py() <= LONGEST:
        return values
    return pa.array(map(shortened, values.to_pylist()), pa.string())


def shortened(text: str) -> str:
    """Return a text, a long one as its beginning and its digest."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST] + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
