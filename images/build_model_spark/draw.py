"""Which rows are the test's: drawn as separate_data does, each block by whoever has its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from build_model_spark.splits import ROW_BITS
from separate_data.split import MOST_AT_ONCE, draw_block, share_out, split_at_random

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PACKED = pa.schema([("row", pa.int64()), ("rows", pa.int64()), ("bits", pa.binary())])


@dataclass
class Draw:
    """The draw of all rows: of few rows ``bits`` say which are the test's, of many their strata.

    ``wanted``, shape (blocks, 2), says how many each block gives; None where the rows are few.
    """

    bits: np.ndarray
    rows: int
    wanted: np.ndarray | None
    random_state: int
    known: dict[int, np.ndarray] = field(default_factory=dict)

    def mask(self, first: int, end: int) -> np.ndarray:
        """Return which rows from one to before another are the test's, shape (end - first,)."""
        if self.wanted is None:
            return self.unpack(first, end)
        blocks = range(first // MOST_AT_ONCE, (end - 1) // MOST_AT_ONCE + 1)
        whole = np.concatenate([self.block(number) for number in blocks])
        start = blocks[0] * MOST_AT_ONCE
        mask: np.ndarray = whole[first - start : end - start]
        return mask

    def block(self, number: int) -> np.ndarray:
        """Return which rows of a block are the test's; a task asks for one after the other."""
        if number not in self.known:
            assert self.wanted is not None
            first = number * MOST_AT_ONCE
            strata = self.unpack(first, min(self.rows, first + MOST_AT_ONCE))
            drawn = draw_block(strata, self.wanted[number], self.random_state, number)
            self.known = {number - 1: self.known.get(number - 1, drawn), number: drawn}
        return self.known[number]

    def unpack(self, first: int, end: int) -> np.ndarray:
        """Return bits as truth values."""
        low = first // 8
        bits = np.unpackbits(self.bits[low : -(-end // 8)])
        chosen: np.ndarray = bits[first - 8 * low : end - 8 * low].astype(bool)
        return chosen


def draw_test(target: np.ndarray, *, test_size: float, random_state: int, stratify: bool) -> Draw:
    """Return the draw that split_at_random of separate_data makes of these rows, shape (rows,)."""
    rows = len(target)
    if rows <= MOST_AT_ONCE:
        drawn = split_at_random(
            target, test_size=test_size, random_state=random_state, stratify=stratify
        )
        return Draw(np.packbits(drawn), rows, None, random_state)
    strata = target if stratify else np.zeros_like(target)
    starts = range(0, rows, MOST_AT_ONCE)
    counts = [np.bincount(strata[at : at + MOST_AT_ONCE], minlength=2) for at in starts]
    wanted = share_out(np.array(counts), test_size=test_size, random_state=random_state)
    return Draw(np.packbits(strata), rows, wanted, random_state)


def read_target(rows: DataFrame, counts: list[int]) -> np.ndarray:
    """Return the classes of all rows in the order of the files, shape (rows,), a byte each.

    ``counts`` are those of the rows of each split.
    """

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                row = batch["row"][0].as_py()
                bits = np.packbits(batch["target"].to_numpy().astype(bool)).tobytes()
                told = {"row": [row], "rows": [batch.num_rows], "bits": [bits]}
                yield pa.record_batch(told, schema=PACKED)

    target = np.zeros(sum(counts), np.uint8)
    firsts = first_rows(counts)
    for part in (
        rows.select("row", "target").mapInArrow(pack, "row long, rows long, bits binary").collect()
    ):
        first = firsts[part.row >> ROW_BITS] + (part.row & (1 << ROW_BITS) - 1)
        bits = np.unpackbits(np.frombuffer(part.bits, np.uint8), count=part.rows)
        target[first : first + part.rows] = bits
    return target


def first_rows(counts: list[int]) -> np.ndarray:
    """Return the number of each split's first row among all, shape (splits,)."""
    firsts: np.ndarray = np.cumsum([0, *counts])[:-1]
    return firsts


def with_part(rows: DataFrame, draw: Draw, counts: list[int]) -> DataFrame:
    """Return rows with ``test``, whether they are the test's; their number counts all rows."""
    shared = rows.sparkSession.sparkContext.broadcast(draw)
    firsts = first_rows(counts)

    def mark(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        draw = shared.value
        for batch in batches:
            if not batch.num_rows:
                continue
            number = batch["row"][0].as_py()
            first = int(firsts[number >> ROW_BITS]) + (number & (1 << ROW_BITS) - 1)
            end = first + batch.num_rows
            place = batch.schema.get_field_index("row")
            marked = batch.set_column(place, "row", pa.array(np.arange(first, end)))
            yield marked.append_column("test", pa.array(draw.mask(first, end)))

    kinds = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in rows.schema)
    return rows.mapInArrow(mark, f"{kinds}, test boolean")
