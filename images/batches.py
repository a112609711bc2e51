"""Tables of any size, in parts of bounded size: how every stage reads and writes them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 2**17
CELLS = 2**22
# The column of a table to be scored that has each row's number in the data file, from 1. No column
# of a data contract has a NUL in its name.
ROW = "\0row"

Part = TypeVar("Part")
Result = TypeVar("Result")


def read_batches(table: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the columns' rows, in their order; a batch is a row group of the table or less."""
    rows = max(1, min(ROWS, CELLS // len(columns)))
    for group in range(table.num_row_groups):
        for batch in table.iter_batches(rows, row_groups=[group], columns=columns):
            # Parquet takes the name "a" for all columns of the names "a", "a.b" and so on.
            yield batch.select(columns)


def map_in_threads(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Yield what ``work`` returns of each part, in their order; one thread for each CPU works.

    Arrow and numpy, which do the work, leave Python to the other threads meanwhile. No more parts
    are held than are worked on.
    """
    threads = pa.cpu_count()  # what OMP_NUM_THREADS says, the container's limit
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="work") as pool:
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) >= threads:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)


def column_groups(table: pq.ParquetFile, columns: list[str]) -> Iterator[list[str]]:
    """Yield the columns in groups that fit into memory: many of a short table, one of a long one.

    To begin to read takes as long as the table is wide, so that it is not done for each column.
    """
    size = max(1, CELLS // max(1, table.metadata.num_rows))
    return (columns[start : start + size] for start in range(0, len(columns), size))


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return what writes a table; each batch that it is given becomes a row group.

    Equal values are looked for where there are some: fractions hardly repeat, and to find that out
    takes as long as all the rest of the writing.
    """
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeating)


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
