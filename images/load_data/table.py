"""Keep the rows: leave out those that the contract says, count them, and write the rest."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batches import ROW, open_writer
from load_data.check import Batch
from load_data.column import Column
from load_data.duplicates import RowHashes
from load_data.violations import Violation, Violations

DUPLICATE = "copy of an earlier row"
GROUP_ROWS = 2**16
GROUP_BYTES = 2**24


class Table:
    """Writes ``table.parquet`` batch by batch, and knows what came of each row.

    Without a target among the columns, each row also has its number, ``ROW``: what is predicted of
    it must find its way back.
    """

    def __init__(
        self, path: Path, columns: list[Column], contract: dict[str, Any], violations: Violations
    ) -> None:
        self.path = path
        self.columns = columns
        self.target = next((column for column in columns if column.role == "target"), None)
        self.duplicates: str = contract.get("duplicates", "keep")
        self.max_dropped_share: float = contract.get("max_dropped_share", 0.0)
        self.violations = violations
        self.rows_read = 0
        self.rows = 0
        self.first_place: int | None = None
        self.dropped: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.classes: set[int] = set()
        self.waiting: list[pa.Table] = []
        self.writer: pq.ParquetWriter | None = None
        self.background = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self.written = self.background.submit(lambda: None)
        used = [column.name for column in columns if column.used]
        features = [column.name for column in columns if column.used and column != self.target]
        self.hashes = None
        if self.duplicates != "keep":
            self.hashes = RowHashes(used if self.duplicates == "drop" else features)

    def add(self, batch: Batch) -> None:
        """Take a batch: leave out rows whose cells are missing where the contract says so."""
        numbers = np.arange(self.rows_read, self.rows_read + len(batch.places)) + 1
        self.rows_read += len(batch.places)
        kept = np.ones(len(batch.places), bool)
        for column in self.columns:
            values = batch.values[column.name]
            if not column.used or not values.null_count:
                continue
            absent = values.is_null().to_numpy(zero_copy_only=False)
            self.missing[column.name] += int(absent.sum())
            if column.missing == "drop":
                self.dropped[f"{column.name!r} is missing"] += int((absent & kept).sum())
                kept &= ~absent
        if self.violations or not kept.any():
            return
        table = pa.table([batch.values[c.name] for c in self.columns], names=self.names)
        if self.target is None:
            table = table.append_column(ROW, pa.array(numbers))
        if not kept.all():
            table = table.filter(pa.array(kept))
        self.write(table, np.asarray(batch.places)[kept])

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    def write(self, table: pa.Table, places: np.ndarray[Any, Any]) -> None:
        """Take rows that are kept; they are written in row groups of a size that reads well."""
        if not self.rows:
            self.first_place = int(places[0])
        self.rows += table.num_rows
        if self.target:
            self.classes.update(pc.unique(table[self.target.name]).to_pylist())
        if self.hashes and self.target:
            self.hashes.add(table, table[self.target.name].to_numpy(), places)
        self.waiting.append(table)
        rows = sum(part.num_rows for part in self.waiting)
        if rows >= GROUP_ROWS or sum(part.nbytes for part in self.waiting) >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one row group."""
        if self.waiting:
            group = pa.concat_tables(self.waiting)
            self.waiting = []
            self.written.result()
            self.written = self.background.submit(self.write_group, group)

    def write_group(self, group: pa.Table) -> None:
        """Write a row group, while the next rows are read."""
        if self.writer is None:
            self.writer = open_writer(self.path, group.schema)
        self.writer.write_table(group)

    def close(self) -> None:
        """Complete the file that was written so far."""
        self.flush()
        self.written.result()
        self.background.shutdown()
        if self.writer is not None:
            self.writer.close()

    def finish(self) -> None:
        """Complete the file, or refuse it for what only all of its rows show."""
        self.close()
        if not self.rows_read:
            if self.violations.unit == "row":
                self.violations.refuse(None, None, None, "holds no row")
            self.violations.refuse(1, None, None, "is the header, and no row follows it")
        if self.hashes and self.duplicates == "refuse":
            self.refuse_contradictions()
        if self.hashes and self.duplicates == "drop":
            self.drop_copies(self.hashes.copies())
        self.check_dropped()
        if self.target and len(self.classes) < 2:
            self.refuse_one_class(self.target)

    def refuse_contradictions(self) -> None:
        """Refuse rows with equal features and different targets."""
        assert self.hashes
        assert self.target
        target = self.target.name
        unit = self.violations.unit
        found = [
            Violation(place, target, None, f"the row contradicts an earlier one ({unit} {first})")
            for place, first in self.hashes.contradictions()
        ]
        if found:
            self.violations.add(found)
            raise self.violations.refusal()

    def drop_copies(self, copies: np.ndarray[Any, Any]) -> None:
        """Write the table again without the rows that are copies of earlier ones."""
        if not copies.any():
            return
        whole = self.path.with_name(self.path.name + ".whole")
        os.replace(self.path, whole)
        file = pq.ParquetFile(whole)
        with open_writer(self.path, file.schema_arrow) as writer:
            start = 0
            for number in range(file.num_row_groups):
                group = file.read_row_group(number)
                copied = copies[start : start + group.num_rows]
                writer.write_table(group.filter(pa.array(~copied)))
                start += group.num_rows
        file.close()
        whole.unlink()
        self.dropped[DUPLICATE] += int(copies.sum())
        self.rows -= int(copies.sum())

    def check_dropped(self) -> None:
        """Refuse a file of which too many rows were left out."""
        dropped = self.dropped.total()
        if not dropped:
            return
        reason, most = self.dropped.most_common(1)[0]
        why = f"{dropped} of {self.rows_read} rows were left out, {most} as {reason}"
        if not self.rows:
            self.violations.refuse(None, None, None, f"no row is left: {why}")
        share = dropped / self.rows_read
        if share > self.max_dropped_share:
            limit = f"max_dropped_share = {self.max_dropped_share:g}"
            self.violations.refuse(
                None, None, None, f"{why}; that is a share of {share:.4g}, above {limit}"
            )

    def refuse_one_class(self, target: Column) -> None:
        """Refuse a file whose target holds one class only: nothing can be learned from it."""
        positive = target.positive
        others = [value for value in target.allowed or (0, 1) if value != positive]
        value = positive if 1 in self.classes else others[0]
        self.violations.refuse(
            self.first_place,
            target.name,
            None,
            f"every row holds the value {value}; both classes are needed",
        )

    def metrics(self) -> dict[str, Any]:
        """Return what the report says of the rows."""
        return {
            "rows_read": self.rows_read,
            "rows": self.rows,
            "rows_dropped": self.dropped.total(),
            "dropped_by_reason": {reason: n for reason, n in self.dropped.items() if n},
            "columns": len(self.columns),
            "missing": dict(self.missing),
        }
