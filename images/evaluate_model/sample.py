"""Rows drawn from a table of any size, so that what is compared fits into memory."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from batches import CELLS, read_batches

FEWEST = 1000


def draw_rows(table: pq.ParquetFile, columns: list[str], most: int) -> pa.Table:
    """Return at most ``most`` rows of a table in its order, drawn at random; the same each time.

    Of a wide table they are fewer, so that no more than ``CELLS`` cells are held.
    """
    rows = table.metadata.num_rows
    most = min(most, max(FEWEST, CELLS // len(columns)))
    if rows <= most:
        return table.read(columns=columns).select(columns)
    drawn = np.random.default_rng(42).choice(rows, most, replace=False, shuffle=False)
    drawn.sort()
    kept, first = [], 0
    for batch in read_batches(table, columns):
        start, end = np.searchsorted(drawn, [first, first + batch.num_rows])
        kept.append(batch.take(pa.array(drawn[start:end] - first)))
        first += batch.num_rows
    return pa.Table.from_batches(kept)
