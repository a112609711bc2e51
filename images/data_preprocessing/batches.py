"""Read a table in parts of bounded size, whatever its number of rows and columns."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 2**17
CELLS = 2**22


def read_batches(table: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the columns' rows, in their order; a batch is a row group of the table or less."""
    rows = max(1, min(ROWS, CELLS // len(columns)))
    for group in range(table.num_row_groups):
        for batch in table.iter_batches(rows, row_groups=[group], columns=columns):
            # Parquet takes the name "a" for all columns of the names "a", "a.b" and so on.
            yield batch.select(columns)


def column_groups(table: pq.ParquetFile, columns: list[str]) -> Iterator[list[str]]:
    """Yield the columns in groups that fit into memory: many of a short table, one of a long one.

    To begin to read takes as long as the table is wide, so that it is not done for each column.
    """
    size = max(1, CELLS // max(1, table.metadata.num_rows))
    return (columns[start : start + size] for start in range(0, len(columns), size))


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
