"""separate_data: two parts that share no row, drawn the same way each time."""

from collections import Counter
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.model_selection import train_test_split

from separate_data import duplicates
from separate_data import split as split_module
from separate_data.duplicates import Duplicates
from separate_data.main import as_text, count_classes, find_warnings
from separate_data.split import split_at_random, split_by_group, split_by_time
from stage import StageError

TARGET = np.array([0] * 60 + [1] * 40)
METRICS = {
    "rows": 100,
    "test_rows": 30,
    "split": "random",
    "duplicate_rows_across": 0,
    "train_classes": {"0": 40, "1": 30},
    "test_classes": {"0": 20, "1": 10},
}


def split(target=TARGET, *, test_size=0.3, random_state=42, stratify=True):
    return split_at_random(
        target, test_size=test_size, random_state=random_state, stratify=stratify
    )


def by_group(groups, target, *, test_size=0.3, random_state=42, stratify=True):
    options = {"test_size": test_size, "random_state": random_state, "stratify": stratify}
    return split_by_group(np.array(groups), np.array(target), **options)


# At random


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.5])
def test_each_row_is_in_exactly_one_part(test_size, stratify):
    in_test = split(test_size=test_size, stratify=stratify)
    assert (in_test.dtype, in_test.shape) == (bool, (100,))
    assert in_test.sum() == 100 * test_size


def test_stratified_parts_have_equal_shares_of_the_classes():
    in_test = split()
    assert (TARGET[~in_test].mean(), TARGET[in_test].mean()) == (0.4, 0.4)


@pytest.mark.parametrize("stratify", [True, False])
def test_rows_are_those_that_scikit_learn_draws(stratify):
    options = {"test_size": 0.3, "random_state": 42, "stratify": TARGET if stratify else None}
    _, rows = train_test_split(np.arange(100), **options)
    assert np.flatnonzero(split(stratify=stratify)).tolist() == sorted(rows)


def test_same_seed_gives_the_same_parts_and_another_seed_others():
    assert split().tolist() == split().tolist()
    assert split().tolist() != split(random_state=43).tolist()


@pytest.mark.parametrize(
    ("target", "options"),
    [([0], {}), ([0, 1], {}), ([0, 0, 0, 1], {}), ([0, 1] * 5, {"test_size": 0.001})],
)
def test_too_few_rows_to_separate_are_refused(target, options):
    rows = f"the {len(target)} rows cannot be separated: "
    with pytest.raises(StageError, match=rows) as raised:
        split(np.array(target), **options)
    assert raised.value.code == 65


# At random, of many rows


@pytest.fixture
def in_blocks(monkeypatch):
    """What more than 64 rows at once do."""
    monkeypatch.setattr(split_module, "MOST_AT_ONCE", 64)


@pytest.mark.usefixtures("in_blocks")
@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("share", [0.5, 0.02])
def test_blocks_give_each_class_its_share_of_the_rows(test_size, share):
    target = (np.random.default_rng(1).random(5000) < share).astype(np.int8)
    in_test = split(target, test_size=test_size)
    for label in (0, 1):
        rows = target == label
        assert in_test[rows].sum() == pytest.approx(test_size * rows.sum(), abs=1)
    # Nowhere are the test's rows denser: each block gives its share.
    blocks = in_test[: 78 * 64].reshape(78, 64).sum(axis=1)
    assert (np.abs(blocks - 64 * test_size) <= 2).all()


@pytest.mark.usefixtures("in_blocks")
def test_blocks_need_not_be_stratified():
    in_test = split(np.array([0] * 300 + [1] * 20), stratify=False)
    assert in_test.sum() == pytest.approx(0.3 * 320, abs=1)


@pytest.mark.usefixtures("in_blocks")
def test_each_row_of_a_rare_class_is_drawn_as_often_as_any_other():
    target = np.zeros(640, np.int8)
    target[::64] = 1  # one in each block
    draws = np.array([split(target, random_state=seed)[::64] for seed in range(2000)])
    assert draws.mean(axis=0) == pytest.approx(np.full(10, 0.3), abs=0.05)
    assert (np.abs(draws.sum(axis=1) - 3) <= 1).all()


@pytest.mark.usefixtures("in_blocks")
def test_blocks_are_drawn_the_same_for_the_same_seed():
    target = np.arange(500) % 2
    assert split(target).tolist() == split(target).tolist()
    assert split(target).tolist() != split(target, random_state=43).tolist()


# By time


def test_newest_rows_are_the_test_whatever_their_order():
    in_test = split_by_time(np.array([5, 1, 4, 2, 3, 9, 7, 8, 6, 0]), test_size=0.3)
    assert np.flatnonzero(in_test).tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("times", "test_rows"),
    [
        ([1, 2, 3, 4, 5, 5, 5, 5, 5, 6], 1),  # 10 % is nearer to 30 % than 60 %
        ([1, 2, 3, 4, 5, 6, 6, 6, 6, 6], 5),
        ([1] + [2] * 9, 9),  # never none to train on
        ([1] * 9 + [2], 1),
    ],
)
def test_rows_of_one_moment_are_in_one_part_that_is_nearest_to_the_share(times, test_rows):
    times = np.array(times)
    in_test = split_by_time(times, test_size=0.3)
    assert in_test.sum() == test_rows
    assert times[~in_test].max() < times[in_test].min()


def test_rows_of_one_moment_only_are_refused():
    with pytest.raises(StageError, match="all 4 rows are of one moment; no time") as raised:
        split_by_time(np.array([7, 7, 7, 7]), test_size=0.3)
    assert raised.value.code == 65


# By group


@pytest.mark.parametrize("stratify", [True, False])
def test_rows_of_a_group_are_in_one_part(stratify):
    generator = np.random.default_rng(0)
    groups, target = generator.integers(0, 50, 1000), generator.integers(0, 2, 1000)
    in_test = by_group(groups, target, stratify=stratify)
    assert set(groups[~in_test]) & set(groups[in_test]) == set()
    assert in_test.mean() == pytest.approx(0.3, abs=0.05)


def test_stratified_groups_have_nearly_equal_shares_of_clicks():
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 200, 4000)
    target = generator.random(4000) < (groups == 7) * 0.9 + 0.02  # one visitor clicks all day
    shares = {
        stratify: target[by_group(groups, target, stratify=stratify)].sum() / target.sum()
        for stratify in (True, False)
    }
    assert abs(shares[True] - 0.3) < abs(shares[False] - 0.3)
    assert shares[True] == pytest.approx(0.3, abs=0.03)


def test_same_seed_gives_the_same_groups_and_another_seed_others():
    groups, target = np.arange(200) // 4, np.arange(200) % 2
    assert by_group(groups, target).tolist() == by_group(groups, target).tolist()
    other = by_group(groups, target, random_state=43)
    assert by_group(groups, target).tolist() != other.tolist()


def test_one_group_is_refused():
    with pytest.raises(StageError, match="the 1 groups cannot be separated: ") as raised:
        by_group([3, 3, 3], [0, 1, 0])
    assert raised.value.code == 65


# What is told of both parts


def test_classes_are_counted_by_their_text():
    counts = Counter(count_classes(pa.array([1, 0, 1, 1])))
    assert as_text(counts) == {"0": 1, "1": 3}


@pytest.fixture(params=[2**20, 1], ids=["one file", "a file for each row"])
def count_duplicates(request, monkeypatch, tmp_path):
    """The count for a table, the test's rows and the size of its batches."""
    monkeypatch.setattr(duplicates, "ROWS_AT_ONCE", request.param)

    def count(table, test, size=3):
        in_test = np.isin(np.arange(table.num_rows), test)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        found = Duplicates(folder, table.num_rows)
        for start in range(0, table.num_rows, size):
            batch = table.slice(start, size).combine_chunks().to_batches()[0]
            found.add(batch, in_test[start : start + size])
        return found.count()

    return count


@pytest.mark.parametrize("size", [1, 3, 100])
def test_test_rows_whose_features_a_training_row_has_too_are_counted(count_duplicates, size):
    rows = pa.table(
        {
            "x": [1.0, 2.0, 1.0, 1.0, None, None, 1.0],
            "y": ["a", "b", "a", None, "a", "a", ""],
            "n": pa.array([1, 1, 1, 1, 1, 1, 1]),
        }
    )
    assert count_duplicates(rows, [2, 3, 5, 6], size) == 2
    assert count_duplicates(rows.select(["n"]), [2, 3, 5, 6], size) == 4
    assert count_duplicates(rows, [0, 1, 4], size) == 2


def test_missing_numbers_and_zeros_of_either_sign_are_the_same(count_duplicates):
    rows = pa.table({"n": pa.array([None, 1, None, 2]), "x": [0.0, 1.0, -0.0, None]})
    assert count_duplicates(rows, [2, 3]) == 1


def test_missing_number_is_no_zero(count_duplicates):
    rows = pa.table({"n": pa.array([None, 0]), "x": [None, 0.0]})
    assert count_duplicates(rows, [1]) == 0


def test_values_that_are_swapped_between_columns_are_no_duplicates(count_duplicates):
    rows = pa.table({"x": [1, 2], "y": [2, 1]})
    assert count_duplicates(rows, [1]) == 0


def test_all_copies_among_many_rows_are_counted(count_duplicates):
    values = np.random.default_rng(0).permutation(np.arange(60) // 2)  # each twice
    test = [int(np.flatnonzero(values == value)[0]) for value in range(30)]
    assert count_duplicates(pa.table({"x": values.astype(float)}), test, 7) == 30


def test_parts_without_fault_give_no_warning():
    assert find_warnings(METRICS, 0.3) == []


@pytest.mark.parametrize(
    ("metrics", "warning"),
    [
        (
            {"duplicate_rows_across": 2},
            "2 of 30 test rows have the same features as a training row, so the metrics may "
            "flatter the model",
        ),
        ({"test_classes": {"0": 21, "1": 9}}, "the test part has only 9 rows of class 1"),
        ({"train_classes": {"0": 1, "1": 69}}, "the train part has only 1 rows of class 0"),
        (
            {"split": "time", "test_rows": 36},
            "the test part holds 36% of the rows instead of 30%: rows of one moment stay together",
        ),
        (
            {"split": "group", "test_rows": 24},
            "the test part holds 24% of the rows instead of 30%: rows of one group stay together",
        ),
    ],
)
def test_each_fault_of_the_parts_is_warned_of(metrics, warning):
    assert find_warnings(METRICS | metrics, 0.3) == [warning]


# The stage


@pytest.fixture
def opened(finished):
    """A run whose table also has a time and a group, and some rows twice."""
    folder = finished.folder("data_preprocessing")
    rows = pq.read_table(folder / "features.parquet")
    rows = pa.concat_tables([rows, rows.slice(0, 100)])
    minutes = np.arange(rows.num_rows) % 50
    times = np.datetime64("2026-01-01T00:00", "us") + minutes.astype("m8[m]")
    rows = rows.append_column("at", pa.array(times, pa.timestamp("us", "UTC")))
    rows = rows.append_column("who", pa.array([f"user {n % 40}" for n in range(rows.num_rows)]))
    rows = rows.append_column("epoch", pa.array(minutes))
    rows = rows.append_column("class", rows["Clicked on Ad"])
    pq.write_table(rows, folder / "features.parquet")

    def open_with(**roles):
        opening = finished.read("start_pipeline/run.json")
        finished.write("runs/demo/start_pipeline/run.json", {**opening, **roles})
        for stage in ("start_pipeline", "data_preprocessing"):
            report = finished.report(stage)
            finished.write(f"runs/demo/{stage}/report.json", {**report, "outputs": []})
        return finished

    return open_with


def parts_of(volume):
    return [pq.read_table(volume.folder(f"separate_data/{n}.parquet")) for n in ("train", "test")]


def test_bundled_data_is_separated_70_to_30_with_equal_shares(whole_run):
    metrics = whole_run.report("separate_data")["metrics"]
    assert (metrics["rows"], metrics["train_rows"], metrics["test_rows"]) == (1000, 700, 300)
    shares = [
        metrics[f"{part}_classes"]["1"] / metrics[f"{part}_rows"] for part in ("train", "test")
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.002)
    assert (metrics["split"], metrics["duplicate_rows_across"]) == ("random", 0)
    assert metrics["warnings"] == []


def test_parts_together_are_the_features_row_by_row(whole_run):
    parts = parts_of(whole_run)
    features = pq.read_table(whole_run.folder("data_preprocessing/features.parquet"))
    keys = [(name, "ascending") for name in features.column_names]
    assert pa.concat_tables(parts).sort_by(keys).equals(features.sort_by(keys))
    rows = [{tuple(row.values()) for row in part.to_pylist()} for part in parts]
    assert rows[0] & rows[1] == set()


def test_split_by_time_tells_its_boundary(opened):
    volume = opened(time="at", group=None)
    ended = volume.run("separate_data", "--split", "time")
    assert ended.code == 0, ended.message
    metrics = ended.report["metrics"]
    assert (metrics["split"], metrics["train_rows"], metrics["test_rows"]) == ("time", 770, 330)
    assert metrics["boundary"] == "2026-01-01T00:35Z"
    assert datetime.fromisoformat(metrics["boundary"])
    # The last 100 rows, copies of the first, have the moments of those.
    assert metrics["duplicate_rows_across"] == 0


def test_split_by_group_tells_how_many_groups_each_part_has(opened):
    volume = opened(time="at", group="who")
    ended = volume.run("separate_data", "--split", "group")
    assert ended.code == 0, ended.message
    metrics = ended.report["metrics"]
    assert (metrics["groups"], metrics["train_groups"], metrics["test_groups"]) == (40, 28, 12)
    assert metrics["test_rows"] / metrics["rows"] == pytest.approx(0.3, abs=0.02)
    # Each copy of a row is 1000 rows further on and so of another user's group.
    assert metrics["duplicate_rows_across"] == 0


def test_duplicates_across_the_parts_are_counted_and_warned_of(opened):
    metrics = opened(time="at", group="who").run("separate_data").report["metrics"]
    count = metrics["duplicate_rows_across"]
    assert 20 < count < 80
    assert metrics["warnings"] == [
        f"{count} of 330 test rows have the same features as a training row, so the metrics may "
        "flatter the model"
    ]


@pytest.mark.parametrize("split", ["random", "time", "group"])
def test_parts_hold_features_and_target_only(opened, split):
    volume = opened(time="at", group="who")
    assert volume.run("separate_data", "--split", split).code == 0
    columns = [*volume.read("start_pipeline/run.json")["features"], "Clicked on Ad"]
    assert [part.column_names for part in parts_of(volume)] == [columns, columns]


@pytest.mark.parametrize("split", ["time", "group"])
def test_split_by_a_column_that_the_contract_has_not_exits_65(finished, split):
    ended = finished.run("separate_data", "--split", split)
    assert ended.code == 65
    assert ended.message == (
        f"split {split} needs a column of that role, and the contract has none; "
        f'write role = "{split}" for one column of data/advertising.toml'
    )


def test_unknown_split_exits_2(finished):
    ended = finished.run("separate_data", "--split", "newest")
    assert ended.code == 2
    assert "split must be one of random, time, group" in ended.message


def test_part_with_one_class_exits_65(finished):
    ended = finished.run("separate_data", "--test-size", "0.001", "--stratify", "false")
    assert ended.code == 65
    assert ended.message == (
        "the test part of 1 rows holds one class only; "
        "it takes more rows, another test_size, or stratify true"
    )
    assert finished.files("separate_data") == ["report.json"]


def test_newest_rows_of_one_class_exit_65(opened):
    volume = opened(time="class", group=None)
    ended = volume.run("separate_data", "--split", "time")
    assert ended.code == 65
    assert ended.message.endswith(
        "holds one class only; it takes more rows, another test_size, or another split"
    )


def test_epoch_is_told_as_its_number(opened):
    ended = opened(time="epoch", group=None).run("separate_data", "--split", "time")
    assert ended.report["metrics"]["boundary"] == 35
