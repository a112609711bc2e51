"""Which rows are kept, which are left out and counted, and what all rows together must be."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from load_data.duplicates import RowHashes, hash_rows

HEADER = "age,income,note,click\n"
ROW = "30,5.5,x,0\n"
GOOD = HEADER + ROW + "31,6.5,y,1\n"


def test_file_with_one_class_is_refused(door):
    assert door.refused(HEADER + ROW + ROW) == (
        "data/x.csv, line 2, column 'click': every row holds the value 0; both classes are needed"
    )


def test_row_with_a_missing_cell_is_left_out_and_counted(door):
    columns = door.with_column("age", missing="drop")
    columns["income"]["missing"] = "drop"
    content = GOOD + ",1,x,1\n,,x,1\n30,,x,1\n33,1,z,0\n"
    table = door(content, columns=columns, max_dropped_share=0.5)
    assert table["age"].to_pylist() == [30, 31, 33]
    assert door.metrics == {
        "rows_read": 6,
        "rows": 3,
        "rows_dropped": 3,
        "dropped_by_reason": {"'age' is missing": 2, "'income' is missing": 1},
        "columns": 4,
        "missing": {"age": 2, "income": 2},
    }


def test_too_many_rows_left_out_refuse_the_file(door):
    columns = door.with_column("age", missing="drop")
    content = GOOD + ",1,x,1\n"
    assert door.refused(content, columns=columns) == (
        "data/x.csv: 1 of 3 rows were left out, 1 as 'age' is missing; that is a share of 0.3333, "
        "above max_dropped_share = 0"
    )
    assert door.metrics["dropped_by_reason"] == {"'age' is missing": 1}
    assert door(content, columns=columns, max_dropped_share=0.34).num_rows == 2


def test_file_of_which_no_row_is_left_is_refused(door):
    columns = door.with_column("age", missing="drop")
    content = HEADER + ",1,x,1\n" * 3
    assert door.refused(content, columns=columns, max_dropped_share=1.0) == (
        "data/x.csv: no row is left: 3 of 3 rows were left out, 3 as 'age' is missing"
    )


def test_bad_cell_of_a_row_that_would_be_left_out_refuses_the_file(door):
    columns = door.with_column("age", missing="drop")
    text = door.refused(GOOD + ",many,x,1\n", columns=columns, max_dropped_share=1.0)
    assert "line 4, column 'income', value 'many'" in text


# Duplicates


COPIES = GOOD + "30,5.5,other,0\n30,5.5,x,1\n31,6.50,y,1\n31,6.5,y,1\n"


def test_copies_are_kept_by_default(door):
    assert door(COPIES).num_rows == 6


def test_later_copies_are_dropped_where_the_contract_says(door, monkeypatch):
    monkeypatch.setattr("load_data.source.BLOCK", 512)
    content = COPIES + "".join(f"{n % 120},1,x,1\n" for n in range(1000))
    table = door(content, duplicates="drop", max_dropped_share=0.9)
    assert table.num_rows == 3 + 120
    assert table["income"].to_pylist()[:4] == [5.5, 6.5, 5.5, 1.0]
    assert table["note"].to_pylist()[:3] == ["x", "y", "x"]
    assert table["age"].to_pylist()[3:] == list(range(120))
    assert door.metrics["dropped_by_reason"] == {"copy of an earlier row": 3 + 880}
    assert door.metrics["rows"] == 123
    assert [path.name for path in door.folder.iterdir() if "table" in path.name] == [
        "table.parquet"
    ]


def test_dropped_copies_count_for_the_limit(door):
    text = door.refused(COPIES, duplicates="drop")
    assert "3 of 6 rows were left out, 3 as copy of an earlier row; that is a share of 0.5" in text


def test_rows_that_contradict_each_other_are_refused_where_the_contract_says(door):
    assert door.refused(COPIES, duplicates="refuse") == (
        "data/x.csv, line 5, column 'click': the row contradicts an earlier one (line 2)"
    )
    assert door(COPIES.replace("x,1", "x,0"), duplicates="refuse").num_rows == 6


def test_missing_equals_missing_and_no_value(door):
    columns = door.with_column("income", missing="impute")
    content = HEADER + "30,,x,0\n30,0,x,0\n30,,y,0\n30,-0,y,0\n31,1,y,1\n"
    table = door(content, columns=columns, duplicates="drop", max_dropped_share=0.5)
    assert table["income"].to_pylist() == [None, 0.0, 1.0]


def test_random_rows_are_called_equal_just_when_they_are():
    rng = random.Random(3)
    rows = [
        (rng.choice([None, 0, 1]), rng.choice([None, 0.0, 1.0]), rng.choice([None, "", "0", "ab"]))
        for _ in range(400)
    ]
    table = pa.table(
        {
            "a": pa.array([a for a, _, _ in rows], pa.int64()),
            "b": pa.array([b for _, b, _ in rows], pa.float64()),
            "c": pa.array([c for _, _, c in rows], pa.string()),
        }
    )
    hashes = RowHashes(["a", "b", "c"])
    for start in (0, 100):
        part = table.slice(start, 100 if not start else 300)
        hashes.add(part, np.zeros(part.num_rows), np.arange(part.num_rows))
    seen = set()
    assert hashes.copies().tolist() == [row in seen or seen.add(row) is not None for row in rows]


def test_shifted_texts_are_not_equal():
    first = hash_rows(pa.table({"a": ["ab", "a"], "b": ["c", "bc"]}))
    assert first[0] != first[1]


def test_row_groups_are_bounded(door):
    door(HEADER + "".join(f"{n % 99},1.25,{'n' * 60},{n % 2}\n" for n in range(200_000)))
    file = pq.ParquetFile(door.folder / "table.parquet")
    assert file.metadata.num_row_groups == 2


@pytest.mark.parametrize("duplicates", ["keep", "drop", "refuse"])
def test_refused_file_counts_the_rows_that_were_read(door, duplicates):
    door.refused(GOOD + "old,1,x,1\n", duplicates=duplicates)
    assert door.metrics["rows_read"] == 3
