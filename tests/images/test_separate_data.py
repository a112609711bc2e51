"""separate_data: two parts that share no row, drawn the same way each time."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from separate_data.main import class_counts, split_rows
from stage import StageError

TARGET = np.array([0] * 60 + [1] * 40)


def split(target=TARGET, *, test_size=0.3, random_state=42, stratify=True):
    return split_rows(target, test_size=test_size, random_state=random_state, stratify=stratify)


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.5])
def test_each_row_is_in_exactly_one_part(test_size, stratify):
    train, test = split(test_size=test_size, stratify=stratify)
    assert sorted([*train, *test]) == list(range(100))
    assert len(test) == 100 * test_size


def test_stratified_parts_have_equal_shares_of_the_classes():
    train, test = split()
    assert (TARGET[train].mean(), TARGET[test].mean()) == (0.4, 0.4)


def test_same_seed_gives_the_same_parts_and_another_seed_others():
    assert split()[1].tolist() == split()[1].tolist()
    assert split()[1].tolist() != split(random_state=43)[1].tolist()


@pytest.mark.parametrize(
    ("target", "options"),
    [([0], {}), ([0, 1], {}), ([0, 0, 0, 1], {}), ([0, 1] * 5, {"test_size": 0.001})],
)
def test_too_few_rows_to_separate_are_refused(target, options):
    rows = f"the {len(target)} rows cannot be separated: "
    with pytest.raises(StageError, match=rows) as raised:
        split(np.array(target), **options)
    assert raised.value.code == 65


def test_classes_are_counted_by_their_text():
    counts = class_counts(pa.chunked_array([[1, 0, 1], [1]]))
    assert counts == {"0": 1, "1": 3}


def test_bundled_data_is_separated_70_to_30_with_equal_shares(whole_run):
    metrics = whole_run.report("separate_data")["metrics"]
    assert (metrics["rows"], metrics["train_rows"], metrics["test_rows"]) == (1000, 700, 300)
    shares = [
        metrics[f"{part}_classes"]["1"] / metrics[f"{part}_rows"] for part in ("train", "test")
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.002)


def test_parts_together_are_the_features_row_by_row(whole_run):
    parts = [
        pq.read_table(whole_run.folder(f"separate_data/{n}.parquet")) for n in ("train", "test")
    ]
    features = pq.read_table(whole_run.folder("data_preprocessing/features.parquet"))
    keys = [(name, "ascending") for name in features.column_names]
    assert pa.concat_tables(parts).sort_by(keys).equals(features.sort_by(keys))
    rows = [{tuple(row.values()) for row in part.to_pylist()} for part in parts]
    assert rows[0] & rows[1] == set()


def test_part_with_one_class_exits_65(finished):
    ended = finished.run("separate_data", "--test-size", "0.001", "--stratify", "false")
    assert ended.code == 65
    assert ended.message == (
        "the test part of 1 rows holds one class only; "
        "it takes more rows, another test_size, or stratify true"
    )
    assert finished.files("separate_data") == ["report.json"]
