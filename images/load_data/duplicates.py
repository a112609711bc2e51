"""Find rows that are equal, in 16 bytes a row, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HASH = np.dtype([("high", "<u8"), ("low", "<u8")])
Array = np.ndarray[Any, Any]


class RowHashes:
    """A 128-bit hash of each row: two rows of one hash are equal, as sure as there is one BLAKE2.

    The places and target values of the rows are kept beside the hashes.
    """

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns
        self.hashes: list[Array] = []
        self.targets: list[Array] = []
        self.places: list[Array] = []

    def add(self, table: pa.Table, target: Array, places: Array) -> None:
        """Take the next rows."""
        self.hashes.append(hash_rows(table.select(self.columns)))
        self.targets.append(target.astype(np.int8))
        self.places.append(places.astype(np.int64))

    def sorted_hashes(self) -> tuple[Array, Array]:
        """Return the rows' numbers ordered by hash, then by row; and where a hash is the last's."""
        hashes = np.concatenate(self.hashes)
        order = np.lexsort((hashes["low"], hashes["high"]))
        same = hashes[order[1:]] == hashes[order[:-1]]
        return order, np.concatenate([[False], same])

    def copies(self) -> Array:
        """Return a mask of the rows, in their order: is it equal to an earlier one?"""
        order, same = self.sorted_hashes()
        mask = np.zeros(len(order), bool)
        mask[order[same]] = True
        return mask

    def contradictions(self) -> Iterator[tuple[int, int]]:
        """Yield the places of each row whose target differs from that of the first equal one."""
        order, same = self.sorted_hashes()
        targets, places = np.concatenate(self.targets), np.concatenate(self.places)
        numbers = np.arange(len(order))
        first = order[np.maximum.accumulate(np.where(same, 0, numbers))]
        differs = targets[order] != targets[first]
        for at in sorted(np.flatnonzero(differs), key=lambda at: order[at]):
            yield int(places[order[at]]), int(places[first[at]])


def hash_rows(table: pa.Table) -> Array:
    """Return each row's hash. Missing equals missing, and no value."""
    words = [word for column in table.columns for word in words_of(column.combine_chunks())]
    rows = np.column_stack(words).tobytes() if words else b""
    width = 8 * len(words)
    digests = (
        blake2b(rows[start : start + width], digest_size=16).digest()
        for start in range(0, len(rows), width)
    )
    return np.frombuffer(b"".join(digests), HASH)


def words_of(values: pa.Array) -> list[Array]:
    """Return a column as 64-bit words, the same for equal values and different for others."""
    there = values.is_valid().to_numpy(zero_copy_only=False).astype(np.uint64)
    if pa.types.is_string(values.type):
        coded = values.dictionary_encode()
        texts = [blake2b(t.encode(), digest_size=16).digest() for t in coded.dictionary.to_pylist()]
        known = np.frombuffer(b"".join([*texts, bytes(16)]), HASH)
        found = known[pc.fill_null(coded.indices, len(texts)).to_numpy(zero_copy_only=False)]
        return [there, found["high"], found["low"]]
    if pa.types.is_floating(values.type):
        # Zero is one value, whatever its sign.
        numbers = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False) + 0.0
        return [there, numbers.view(np.uint64)]
    numbers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return [there, numbers.view(np.uint64)]
