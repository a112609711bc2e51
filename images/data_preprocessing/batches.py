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


def read_columns(table: pq.ParquetFile, columns: list[str]) -> Iterator[list[pa.Array]]:
    """Yield the columns themselves, batch by batch."""
    return (batch.columns for batch in read_batches(table, columns))
