"""Hold the rows of a file to the contract, batch by batch, whatever kind of file they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from load_data.column import (
    Broken,
    Column,
    any_broken,
    number_faults,
    texts_to_values,
    time_faults,
)
from load_data.violations import Violation, Violations

Cells = dict[str, pa.Array]


class Batch(NamedTuple):
    """Some rows: each contract column's values, and each row's line, or its number from 1."""

    values: Cells
    places: Sequence[int]


class Checker:
    """Turns cells into values and notes what breaks the contract."""

    def __init__(self, columns: list[Column], violations: Violations) -> None:
        self.columns = columns
        self.violations = violations
        self.order = {column.name: number for number, column in enumerate(columns)}
        self.zoned: bool | None = None  # whether times have an offset; the first one decides

    def check(
        self,
        cells: Cells,
        places: Sequence[int],
        found: Iterable[Violation] = (),
        before: Mapping[str, Broken] | None = None,
        shown: Cells | None = None,
    ) -> Batch:
        """Return the batch of checked rows.

        ``found`` is what was wrong with the structure, ``before`` what was wrong with cells
        already, and ``shown`` the cells as they are shown. Of one cell, one violation is noted; all
        of them are counted, the first are listed in the file's order.
        """
        values = {}
        listed = list(found)
        counts = Counter(violation.rule for violation in listed)
        for column in self.columns:
            name = column.name
            values[name], broken = self.read_column(column, cells[name])
            broken = [*(before or {}).get(name, []), *broken]
            for rule, rows in first_faults(broken):
                counts[rule] += len(rows)
                listed += (
                    Violation(int(places[row]), name, (shown or cells)[name][row].as_py(), rule)
                    for row in rows[: self.violations.room].tolist()
                )
        if counts:
            self.violations.add(sorted(listed, key=self.in_file), counts)
        return Batch(values, places)

    def check_whole(self, cells: Cells, places: Sequence[int]) -> Batch | None:
        """Return the batch, or None when anything in it breaks the contract."""
        values = {}
        for column in self.columns:
            values[column.name], broken = self.read_column(column, cells[column.name])
            if any_broken(broken):
                return None
        return Batch(values, places)

    def read_column(self, column: Column, cells: pa.Array) -> tuple[pa.Array, Broken]:
        """Return a column's values and where they break its rules."""
        if not column.used:
            return cells, []
        if pa.types.is_string(cells.type):
            values, broken = texts_to_values(column, cells, self.zoned)
        elif column.type == "time":
            values, broken = cells, time_faults(column, cells, self.zoned)
        else:
            values, broken = cells, number_faults(column, cells)
        if column.type == "time" and self.zoned is None and values.null_count < len(values):
            self.zoned = values.type.tz is not None
        if column.role == "target":
            positive = pa.scalar(column.positive).cast(values.type)
            values = pc.equal(values, positive).cast(pa.int64())
        return values, broken

    def in_file(self, violation: Violation) -> tuple[int, int]:
        """Return where a violation stands in the file: its line, and its column's place."""
        return violation.place or 0, self.order.get(violation.column or "", -1)


def first_faults(broken: Broken) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield each rule that is broken, and the rows whose first fault it is."""
    if not any_broken(broken):
        return
    seen = np.zeros(len(broken[0][0]), bool)
    for mask, rule in broken:
        hit = pc.fill_null(mask, False).to_numpy(zero_copy_only=False) & ~seen
        seen |= hit
        if hit.any():
            yield rule, np.flatnonzero(hit)
