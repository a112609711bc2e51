"""leakage.py: a sentence for each feature that tells too much or nothing, and silence on noise."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_preprocessing import count, leakage
from data_preprocessing.describe import describe_table
from data_preprocessing.leakage import find_warnings

KINDS = {pa.int64(): "integer", pa.float64(): "number", pa.string(): "category"}
PERFECT = "alone separates the classes perfectly; is it known before the click?"
ID = "has a value of its own in nearly every row, like an id; should the model know it?"
NOISE = np.random.default_rng(1).normal(size=1000).tolist()


@pytest.fixture
def warned(tmp_path):
    """Return the warnings about a table's columns, of which ``y`` is the target."""

    def find(y, types=None, **columns):
        table = pa.table(columns | {"y": pa.array(y, pa.int64())})
        path = tmp_path / "features.parquet"
        pq.write_table(table, path, row_group_size=64)
        rules = {name: {"type": KINDS[table.schema.field(name).type], "role": "feature"}
                 for name in table.column_names}  # fmt: skip
        for name, kind in (types or {}).items():
            rules[name]["type"] = kind
        profile = describe_table(path, rules, "y", lambda share: None)
        return find_warnings(path, profile, list(columns), "y")

    return find


@pytest.fixture
def doubt(warned):
    """Return what is said of one feature, or None."""

    def find(values, y, kind=None, **more):
        found = warned(y, x=pa.array(values, kind), **more)
        assert len(found) < 2
        return found[0].removeprefix("Feature 'x' ") if found else None

    return find


HALF = [0, 1] * 50
TWO_PERCENT = ([0] * 49 + [1]) * 20


@pytest.mark.parametrize("y", [HALF, TWO_PERCENT], ids=["half", "2 %"])
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_whose_ranges_do_not_overlap_are_warned_of(doubt, y, sign):
    values = [sign * (label + noise / 100) for label, noise in zip(y, NOISE, strict=False)]
    assert doubt(values, y) == PERFECT
    values[y.index(1)] = values[y.index(0)]
    assert doubt(values, y) is None


def test_ranges_that_touch_overlap(doubt):
    assert doubt([0.0, 1.0, 2.0, 0.5] * 25, [0, 1, 1, 0] * 25) == PERFECT
    assert doubt([0.0, 1.0, 2.0, 1.0] * 25, [0, 1, 1, 0] * 25) is None


def test_levels_that_hold_one_class_each_are_warned_of(doubt):
    assert doubt(["a", "b", "c", "d"] * 25, [0, 1, 1, 0] * 25) == PERFECT
    assert (
        doubt([*(["a", "b", "c", "d"] * 24), "a", "b", "c", "a"], [0, 1, 1, 0] * 24 + [0, 1, 1, 1])
        is None
    )


def test_many_small_levels_that_hold_one_class_each_are_warned_of(doubt):
    y = [n // 2 % 2 for n in range(200)]
    assert doubt([f"user {n // 2}" for n in range(200)], y) == PERFECT


def test_target_that_is_copied_is_warned_of(doubt):
    assert doubt(HALF, HALF) == "equals the target; is it known before the click?"
    assert doubt([1 - label for label in HALF], HALF) == (
        "is the target's complement; is it known before the click?"
    )
    assert doubt([float(label) for label in HALF], HALF).startswith("equals the target")
    assert doubt(["no" if label else "yes" for label in HALF], HALF) == PERFECT
    assert doubt([3 + label for label in HALF], HALF) == PERFECT


def test_separation_where_there_is_a_value_is_warned_of(doubt):
    values = [label + 0.5 if n % 3 else None for n, label in enumerate(HALF)]
    assert doubt(values, HALF) == (
        "alone separates the classes perfectly where it has a value; is it known before the click?"
    )


@pytest.mark.parametrize("value", ["2026-01-01 12:00", 3.5])
def test_values_in_one_class_only_are_warned_of(doubt, value):
    only = "has values in the rows of one class only; is it known before the click?"
    assert doubt([value if label else None for label in HALF], HALF) == only
    assert doubt([None if label else value for label in HALF], HALF) == only
    mixed = [value if label else None for label in HALF]
    assert doubt([value, *mixed[1:]], HALF) is None


@pytest.mark.parametrize(
    "values",
    [list(range(200)), [n * 7919 % 100_003 for n in range(200)], [f"user {n}" for n in range(200)],
     [*range(197), 3, 4, 5]],
    ids=["rows", "numbers", "names", "nearly"],
)  # fmt: skip
def test_integer_or_category_of_its_own_in_nearly_every_row_is_like_an_id(doubt, values):
    y = [0, 1, 1, 0] * 50
    assert doubt(values, y) == ID


def test_numbers_texts_and_few_rows_are_like_no_id(doubt):
    assert doubt(NOISE, HALF * 10) is None
    assert doubt([f"words {n}" for n in range(200)], HALF * 2, types={"x": "text"}) is None
    assert doubt(list(range(40)), [0, 1] * 20) is None
    assert doubt([n % 150 for n in range(200)], HALF * 2) is None


def test_category_with_more_values_than_are_kept_is_judged_by_its_beginning(doubt, monkeypatch):
    monkeypatch.setattr(count, "DISTINCT", 150)
    monkeypatch.setattr(leakage, "OWN_ROWS", 50)
    assert doubt([f"user {n}" for n in range(200)], HALF * 2) == ID
    assert doubt([f"user {n // 2 % 199}" for n in range(400)], HALF * 4) is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [([5] * 100, pa.int64()), ([0.1] * 100, pa.float64()), (["same"] * 100, pa.string())],
)
def test_constant_is_warned_of(doubt, values, kind):
    same = "holds the same value in every row; the model learns nothing from it."
    assert doubt(values, HALF, kind) == same
    assert doubt([None, None, *values[2:]], HALF, kind) is None
    assert doubt([None] * 100, HALF, kind) == (
        "holds no value in any row; the model learns nothing from it."
    )


@pytest.mark.parametrize("y", [HALF, TWO_PERCENT, [0, 1, 0], [1, 0], [0] * 9 + [1]], ids=len)
def test_usual_class_balance_gives_no_warning(warned, y):
    assert warned(y, x=NOISE[: len(y)]) == []


@pytest.mark.parametrize(
    ("without", "clicks", "words"),
    [
        (1500, 1, "Clicks are only 1 of 1501 rows"),
        (191, 9, "Clicks are only 9 of 200 rows"),
        (9, 191, "Rows without a click are only 9 of 200 rows"),
        (20_000, 15, "Clicks are only 15 of 20015 rows"),
    ],
)
def test_extreme_class_balance_is_warned_of(warned, without, clicks, words):
    y = [0] * without + [1] * clicks
    found = warned(y, x=(NOISE * 30)[: len(y)])
    assert found == [f"{words}; there is little to learn from so few."]


@pytest.mark.parametrize("rows", [4, 6, 8, 10, 15, 20, 50, 200])
def test_noise_gives_no_warning(warned, rows):
    found = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        y = draw.permutation([0, 1] * (rows // 2) + [0] * (rows % 2))
        found += warned(
            y.tolist(),
            number=draw.normal(size=rows).tolist(),
            whole=draw.integers(0, 60, rows).tolist(),
            level=[f"level {n}" for n in draw.integers(0, max(3, rows // 2), rows)],
            pair=["a", "b", *draw.choice(["a", "b"], rows - 2).tolist()],
            holed=pa.array([v if v > 0 else None for v in draw.normal(size=rows)], pa.float64()),
        )
    said = [text for text in found if "same value" not in text and "no value in" not in text]
    assert said == []


def test_rows_that_are_copies_of_each_other_give_no_warning(warned):
    draw = np.random.default_rng(3)
    y = draw.integers(0, 2, 300).tolist()
    names = [f"user {n}" for n in range(300)]
    found = warned(y + y[:3], x=names + names[:3])
    assert found == [f"Feature 'x' {ID}"]


def test_name_is_shortened_and_safe(warned):
    name = "\N{RIGHT-TO-LEFT OVERRIDE}<b>\n{{ 7 * 7 }}" + "x" * 10_000
    (found,) = warned(HALF, **{name: [1] * 100})
    assert found.startswith("Feature '\\u202e<b>\\n{{ 7 * 7 }}xxx")
    assert found.isprintable()
    assert len(found) < 200


def test_no_more_than_fifty_warnings_are_listed(warned):
    found = warned(HALF, **{f"x{n}": [n] * 100 for n in range(70)})
    assert len(found) == 51
    assert found[-1] == "20 more warnings like these are not listed."


def test_one_class_alone_is_no_leak(warned):
    assert warned([1] * 100, x=NOISE[:100]) == [
        "Rows without a click are only 0 of 100 rows; there is little to learn from so few."
    ]
