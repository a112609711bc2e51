"""Count the values of a column, batch by batch, with no more than ``DISTINCT`` of them kept."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

DISTINCT = 100_000
# A longer text is counted by its beginning and its digest.
LONGEST = 200


@dataclass(frozen=True)
class Counts:
    """How often each value stands in a column, as text, and how many there are in all.

    Not ``whole`` are counts of more values than are kept: then they are too low, and each value
    that stands in more than one of ``DISTINCT`` rows is among them (Agarwal et al. 2012, "Mergeable
    summaries").
    """

    rows: dict[str, int]
    values: int
    whole: bool


def count_values(arrays: Iterable[pa.Array], only: Collection[str] | None = None) -> Counts:
    """Return the counts of a column's values but for those missing, or of ``only`` some values."""
    wanted = None if only is None else pa.array(list(only), pa.string())
    counts = pa.table({"value": pa.array([], pa.string()), "rows": pa.array([], pa.int64())})
    total, whole = 0, True
    for array in arrays:
        total += len(array) - array.null_count
        counts = add_counts(counts, array, wanted)
        if counts.num_rows > DISTINCT:
            whole = False
            counts = keep_heaviest(counts)
    values, rows = counts["value"].to_pylist(), counts["rows"].to_pylist()
    return Counts(dict(zip(values, rows, strict=True)), total, whole)


def add_counts(counts: pa.Table, array: pa.Array, wanted: pa.Array | None) -> pa.Table:
    """Return the counts with those of an array added."""
    values, rows = pc.value_counts(array.drop_null()).flatten()
    more = pa.table({"value": bounded(as_text(values)), "rows": rows})
    if wanted is not None:
        more = more.filter(pc.is_in(more["value"], wanted))
    both = pa.concat_tables([counts, more]).group_by("value").aggregate([("rows", "sum")])
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
    return pc.binary_join_element_wise(text, "Z" if values.type.tz else "", "")


def bounded(values: pa.Array) -> pa.Array:
    """Return texts of which none is long; those that differ still do."""
    if not len(values) or pc.max(pc.utf8_length(values)).as_py() <= LONGEST:
        return values
    return pa.array(
        [digested(text) if len(text) > LONGEST else text for text in values.to_pylist()]
    )


def digested(text: str) -> str:
    """Return a long text's beginning and its digest."""
    return text[:LONGEST] + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
