"""evaluate_model: the metrics, the figures, the quality gate."""

import json
import math
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evaluate_model.scores
from build_model.encode import describe_features
from build_model.main import make_model
from evaluate_model.evaluate import calibrate, find_calibration_error, find_curves, judge, measure
from evaluate_model.figures import draw_figures, thin
from evaluate_model.scores import Scores, count, count_right, score
from evaluate_model.weights import Weights, input_names, largest_weights

FIGURES = (
    *("calibration_curve", "coefficients", "confusion_matrix"),
    *("precision_recall_curve", "roc_curve"),
)
COMPARED = ("comparison.json", "drift.json")
LIMITS = {"min_accuracy": 0.9, "min_roc_auc": 0.5}
GOOD = {
    "accuracy": 0.95,
    "roc_auc": 0.98,
    "log_loss": 0.2,
    "baseline_log_loss": 0.69,
    "average_precision": 0.97,
    "positive_share": 0.5,
}


class Threshold:
    """A model of one feature, which is its probability."""

    def predict_proba(self, rows):
        chance = rows["x"].to_numpy()
        return np.column_stack([1 - chance, chance])


@pytest.fixture
def measure_tables(tmp_path):
    """The metrics of ``Threshold`` on two tables."""

    def measure_both(train, test):
        for name, table in (("train", train), ("test", test)):
            pq.write_table(table, tmp_path / name)
        with pq.ParquetFile(tmp_path / "train") as file:
            right, classes = count_right(Threshold(), file, ["x"], "t")
        with pq.ParquetFile(tmp_path / "test") as file:
            scores = score(Threshold(), file, ["x"], "t")
        return measure(scores, find_curves(scores), right, classes)

    return measure_both


@pytest.fixture
def measured(measure_tables):
    train = pa.table({"x": [0.9, 0.8, 0.4], "t": [1, 0, 0]})
    test = pa.table({"x": [0.9, 0.8, 0.4, 0.2, 0.6], "t": [1, 1, 1, 0, 0]})
    return measure_tables(train, test)


def test_metrics_of_five_rows_counted_by_hand(measured):
    assert measured["accuracy"] == pytest.approx(3 / 5)
    assert measured["confusion_matrix"] == [[1, 1], [1, 2]]
    assert (measured["precision"], measured["recall"]) == pytest.approx((2 / 3, 2 / 3))
    assert measured["f1"] == pytest.approx(2 / 3)
    assert measured["roc_auc"] == pytest.approx(5 / 6)
    assert measured["brier_score"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.04 + 0.36) / 5)
    likelihood = 0.9 * 0.8 * 0.4 * 0.8 * 0.4
    assert measured["log_loss"] == pytest.approx(-math.log(likelihood) / 5)
    # Ranked: a click, a click, none, a click, none.
    assert measured["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_parts_are_told_apart(measured):
    assert (measured["train_rows"], measured["test_rows"]) == (3, 5)
    assert (measured["train_accuracy"], measured["positive_share"]) == pytest.approx((2 / 3, 3 / 5))
    assert measured["baseline_accuracy"] == pytest.approx(2 / 5)
    # One training row of three is a click, three test rows of five are.
    likelihood = (1 / 3) ** 3 * (2 / 3) ** 2
    assert measured["baseline_log_loss"] == pytest.approx(-math.log(likelihood) / 5)


def test_interval_of_the_accuracy_is_wilsons(measured):
    z, n, p = 1.959964, 5, 0.6
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert measured["interval_level"] == 0.95
    assert measured["accuracy_interval"] == pytest.approx([middle - half, middle + half], abs=1e-6)


def test_model_that_never_says_yes_has_precision_0(measure_tables):
    table = pa.table({"x": [0.1, 0.2], "t": [0, 1]})
    measured = measure_tables(table, table)
    assert (measured["precision"], measured["recall"], measured["f1"]) == (0, 0, 0)


def test_calibration_error_is_the_mean_over_the_rows():
    bins = [
        {"rows": 30, "predicted": 0.001, "observed": 0.0},
        {"rows": 10, "predicted": 0.09, "observed": 0.1},
    ]
    assert find_calibration_error(bins) == pytest.approx((30 * 0.001 + 10 * 0.01) / 40)


def test_calibration_tells_what_was_predicted_and_what_came():
    probability = np.arange(100) / 1000
    truth = (np.arange(100) % 20 == 19).astype(int)
    bins = calibrate(Scores(truth, probability))
    assert [told["rows"] for told in bins] == [10] * 10
    assert [told["observed"] for told in bins] == [0, 0.1] * 5
    assert bins[0]["predicted"] == pytest.approx(0.0045)
    assert bins[-1]["predicted"] == pytest.approx(0.0945)


@pytest.mark.parametrize(
    ("probability", "rows"),
    [
        ([0.02] * 6, [6]),
        ([0.01] * 9 + [0.5], [9, 1]),
        ([0.01, 0.01, 0.01, 0.02, 0.02, 0.9], [3, 2, 1]),
        ([0.3], [1]),
    ],
)
def test_rows_of_one_probability_are_in_one_bin_and_no_bin_is_empty(probability, rows):
    bins = calibrate(Scores(np.zeros(len(probability)), np.array(probability)))
    assert [told["rows"] for told in bins] == rows
    assert len({told["predicted"] for told in bins}) == len(rows)


@pytest.mark.parametrize("share", [0.5, 0.002])
def test_many_rows_have_the_metrics_of_few(measure_tables, monkeypatch, share):
    draw = np.random.default_rng(5)
    chance = draw.beta(0.5, 0.5 / share, 50_000)
    table = pa.table({"x": chance, "t": (draw.random(50_000) < chance).astype(int)})
    exact = measure_tables(table, table)
    monkeypatch.setattr(evaluate_model.scores, "MOST_IN_FULL", 1000)
    rounded = measure_tables(table, table)
    whole = ("confusion_matrix", "accuracy", "precision", "recall", "train_accuracy", "test_rows")
    assert {name: rounded[name] for name in whole} == {name: exact[name] for name in whole}
    for name in ("roc_auc", "average_precision", "log_loss", "brier_score", "baseline_log_loss"):
        assert rounded[name] == pytest.approx(exact[name], rel=1e-4), name
    for mine, its in zip(rounded["calibration"], exact["calibration"], strict=True):
        assert mine["rows"] == pytest.approx(its["rows"], rel=0.01)
        assert mine["observed"] == pytest.approx(its["observed"], rel=0.05, abs=1e-3)
        assert mine["predicted"] == pytest.approx(its["predicted"], rel=0.05, abs=1e-6)


def test_probabilities_at_the_ends_and_at_one_half_are_rounded_to_their_side():
    half = np.nextafter(0.5, 1)
    probability = np.array([0.0, 1e-30, np.nextafter(0.5, 0), half, 1.0])
    scores = count(iter([(np.zeros(5, np.int8), probability)]))
    assert scores.weights.sum() == 5
    assert (scores.predicted * scores.weights).sum() == 2
    assert (scores.probability <= 1).all()


def test_curve_is_thinned_to_points_at_even_distances():
    x = np.append(np.zeros(50_000), np.linspace(0, 1, 50_000))
    y = np.append(np.linspace(0, 1, 50_000), np.ones(50_000))
    thin_x, thin_y = thin(x, y)
    assert len(thin_x) <= 2000
    assert (thin_x[0], thin_y[0], thin_x[-1], thin_y[-1]) == (0, 0, 1, 1)
    assert np.hypot(np.diff(thin_x), np.diff(thin_y)).max() < 0.0011


def test_baseline_is_the_majority_of_the_training_rows(measure_tables):
    train = pa.table({"x": [0.1, 0.2, 0.9], "t": [0, 0, 1]})
    test = pa.table({"x": [0.9, 0.9, 0.9, 0.1], "t": [1, 1, 1, 0]})
    assert measure_tables(train, test)["baseline_accuracy"] == 0.25


@pytest.mark.parametrize(
    ("measured", "reasons"),
    [
        ({}, []),
        ({"accuracy": 0.90, "roc_auc": 0.50}, []),
        ({"accuracy": 0.8999}, ["accuracy 0.8999 is below min_accuracy 0.9"]),
        ({"roc_auc": 0.4999}, ["ROC AUC 0.4999 is below min_roc_auc 0.5"]),
        (
            {"log_loss": 0.69},
            ["log loss 0.6900 is not below 0.6900, that of always predicting the share of clicks"],
        ),
        (
            {"average_precision": 0.5},
            ["average precision 0.5000 is not above the share of clicks (0.5000)"],
        ),
        (
            {"accuracy": 0.5, "roc_auc": 0.4, "log_loss": 0.8, "average_precision": 0.4},
            [
                "accuracy 0.5000 is below min_accuracy 0.9",
                "ROC AUC 0.4000 is below min_roc_auc 0.5",
                "log loss 0.8000 is not below 0.6900, that of always predicting the share of "
                "clicks",
                "average precision 0.4000 is not above the share of clicks (0.5000)",
            ],
        ),
    ],
)
def test_gate_gives_a_reason_for_each_limit_missed(measured, reasons):
    verdict = judge(GOOD | measured, **LIMITS)
    assert verdict == {**LIMITS, "passed": not reasons, "reasons": reasons}


@pytest.mark.parametrize("missed", [{"log_loss": 0.69}, {"average_precision": 0.5}])
def test_share_of_clicks_is_to_be_beaten_whatever_the_limits(missed):
    assert not judge(GOOD | missed, min_accuracy=0.0, min_roc_auc=0.0)["passed"]


def test_rare_clicks_need_not_be_expected_to_pass():
    """Never to expect a click is as accurate as the majority class, and no reason to refuse."""
    rare = {"accuracy": 0.98, "baseline_accuracy": 0.98, "log_loss": 0.08}
    rare |= {"baseline_log_loss": 0.098, "average_precision": 0.13, "positive_share": 0.02}
    assert judge(GOOD | rare, **LIMITS)["passed"]


# The figures


@pytest.fixture(scope="module")
def hashed():
    """A model of many inputs, of names that a drawing might stumble over, and its rows."""
    draw = np.random.default_rng(3)
    count = 300
    rows = pa.table(
        {
            "income in $ and $": pa.array([None, *draw.normal(50, 9, count - 1)]),
            "device": [None, *draw.choice(["$x_$", "телефон 喜", "<b>", "a\nb"], count - 1)],
            "site": [f"site {n}" for n in draw.integers(0, 200, count)],
            "t": (draw.random(count) < 0.02).astype(int) | (np.arange(count) % 100 == 7),
        }
    )
    columns = {
        "income in $ and $": {"type": "number", "missing": "indicator"},
        "device": {"type": "category", "missing": "indicator"},
        "site": {"type": "category"},
    }
    model = make_model(
        describe_features(rows, columns), scaler="standard", C=1.0, max_iter=1000, random_state=42
    )
    features = rows.select(list(columns))
    return model.fit(features, rows["t"].to_numpy()), features, rows["t"].to_numpy()


def test_each_input_has_the_name_of_its_feature(hashed):
    model, _, _ = hashed
    names = input_names(model)
    assert len(names) == model["classify"].n_features_in_
    assert names[:9] == [
        "income in $ and $",
        "income in $ and $ = missing",
        "device = missing",
        "device = $x_$",
        "device = <b>",
        "device = a\nb",
        "device = телефон 喜",
        "site # 0",
        "site # 1",
    ]


def test_weights_of_many_inputs_are_the_largest_by_size(hashed):
    model, _, _ = hashed
    told = largest_weights(model, 20)
    sizes = [abs(weight) for _, weight in told]
    assert len(told) == 20
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == np.abs(model["classify"].coef_).max()


@pytest.fixture
def plain():
    """A model of four numbers, one of them named like a formula, and its rows."""
    draw = np.random.default_rng(3)
    names = ["$x_$", "b", "c", "d"]
    rows = pa.table({name: draw.normal(0, 1, 40) for name in names})
    told = {name: {"encoding": "scaled", "when_missing": "refuse"} for name in names}
    model = make_model(told, scaler="standard", C=1.0, max_iter=1000, random_state=42)
    return model.fit(rows, np.arange(40) % 2), rows, np.arange(40) % 2


def test_large_weight_below_zero_is_among_the_largest(plain):
    model, _, _ = plain
    model["classify"].coef_ = np.array([[0.5, -3.0, 1.0, 2.0]])
    assert largest_weights(model, 2) == [("b", -3.0), ("d", 2.0)]


def draw(model, rows, truth, folder):
    """Draw the figures of a model."""
    scores = Scores(truth, model.predict_proba(rows)[:, 1])
    curves = find_curves(scores)
    measured = measure(scores, curves, 1, np.array([1, 1]))
    weights = Weights("Coefficients", "weight", largest_weights(model, 20))
    draw_figures(**curves, measured=measured, weights=weights, folder=folder / "figures")


def test_name_like_a_formula_is_drawn_as_it_is(plain, tmp_path):
    draw(*plain, tmp_path)
    assert "<!-- $x_$ -->" in (tmp_path / "figures/coefficients.svg").read_text()


def test_weights_of_few_inputs_are_all_in_the_order_of_the_contract(whole_run):
    model = pickle.loads(whole_run.folder("build_model/logistic_regression_model.pkl").read_bytes())
    told = largest_weights(model, 20)
    assert [name for name, _ in told] == whole_run.read("start_pipeline/run.json")["features"]
    assert [weight for _, weight in told] == model["classify"].coef_[0].tolist()


def test_names_are_shortened_and_hold_no_control_character(hashed):
    model, features, truth = hashed
    long = features.rename_columns(["n" * 200, "device", "site"])
    named = pickle.loads(pickle.dumps(model))
    named["encode"].transformers = [
        (step, transformer, ["n" * 200 if c.startswith("income") else c for c in columns])
        for step, transformer, columns in named["encode"].transformers
    ]
    names = [name for name, _ in largest_weights(named.fit(long, truth), 10_000)]
    assert max(map(len, names)) == 40
    assert "device = a\\nb" in names


def test_figures_are_drawn_of_rare_clicks_and_of_any_names(hashed, tmp_path):
    draw(*hashed, tmp_path)
    assert len(list((tmp_path / "figures").iterdir())) == 2 * len(FIGURES)


def test_each_figure_is_there_as_svg_and_png(whole_run):
    folder = whole_run.folder("evaluate_model/figures")
    for name in FIGURES:
        assert "</svg>" in (folder / f"{name}.svg").read_text()
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert len(list(folder.iterdir())) == 2 * len(FIGURES)


def test_coefficients_are_drawn_by_the_features_names(whole_run):
    drawn = whole_run.folder("evaluate_model/figures/coefficients.svg").read_text()
    assert "Daily Internet Usage" in drawn


@pytest.mark.parametrize("scaler", ["minmax", "minmax+standard"])
def test_figures_are_drawn_for_each_scaler(finished, scaler):
    assert finished.run("build_model", "--scaler", scaler).code == 0
    assert finished.run("evaluate_model").code == 0


def test_report_holds_the_numbers_of_the_metrics_file(whole_run):
    metrics = whole_run.read("evaluate_model/metrics.json")
    reported = whole_run.report("evaluate_model")["metrics"]
    assert {name: reported[name] for name in metrics} == metrics
    assert (reported["rows"], reported["drifted"], reported["warnings"]) == (300, False, [])
    assert reported["comparison"] == whole_run.read("evaluate_model/comparison.json")
    assert list(metrics) == [
        *("accuracy", "roc_auc", "average_precision", "log_loss", "baseline_log_loss"),
        *("brier_score", "precision", "recall", "f1"),
        *("confusion_matrix", "accuracy_interval", "interval_level", "baseline_accuracy"),
        *("train_accuracy", "train_rows", "test_rows", "positive_share", "calibration"),
        *("calibration_error", "intervals", "interval_resamples", "yardstick", "segments"),
        *("cross_validation", "warnings", "gate"),
    ]


def test_missed_gate_exits_80_and_keeps_metrics_and_figures(finished):
    ended = finished.run("evaluate_model", "--min-accuracy", "0.999")
    assert (ended.code, ended.summary["error"]["cause"]) == (80, "quality gate missed")
    assert ended.message == "accuracy 0.9633 is below min_accuracy 0.999"
    assert len(finished.files("evaluate_model")) == 15
    assert finished.read("evaluate_model/metrics.json")["gate"] == {
        "min_accuracy": 0.999,
        "min_roc_auc": 0.5,
        "passed": False,
        "reasons": ["accuracy 0.9633 is below min_accuracy 0.999"],
    }


def test_accuracy_equal_to_its_limit_passes(finished):
    accuracy = finished.read("evaluate_model/metrics.json")["accuracy"]
    ended = finished.run("evaluate_model", "--min-accuracy", repr(accuracy))
    assert ended.code == 0


def test_refused_model_is_not_summarised_and_not_published(finished):
    before = (finished.path / "model" / "current").readlink()
    finished.run("evaluate_model", "--min-accuracy", "0.999")
    ended = finished.run("model_summary")
    assert ended.code == 66
    assert "evaluate_model failed in run demo" in ended.message
    assert (finished.path / "model" / "current").readlink() == before


def rounded(volume) -> list[float]:
    metrics = volume.read("evaluate_model/metrics.json")
    return [round(metrics[name], 4) for name in ("accuracy", "roc_auc", "log_loss")]


def test_public_data_gives_the_reference_result(real_run):
    assert rounded(real_run) == [0.9700, 0.9859, 0.1202]
    metrics = real_run.read("evaluate_model/metrics.json")
    assert metrics["confusion_matrix"] == [[143, 3], [6, 148]]
    boosting = metrics["yardstick"]["hist_gradient_boosting"]
    assert round(boosting["accuracy"], 4) == 0.9567


def test_public_data_gives_the_reference_result_with_minmax(real_run, tmp_path):
    volume = real_run.copy(tmp_path / "shared_volume")
    assert volume.run("build_model", "--scaler", "minmax").code == 0
    assert volume.run("evaluate_model").code == 0
    assert rounded(volume) == [0.9533, 0.9849, 0.1532]
    metrics = volume.read("evaluate_model/metrics.json")
    assert metrics["confusion_matrix"] == [[143, 3], [11, 143]]


def test_same_inputs_give_the_same_bytes(whole_run, finished):
    """Each file of the stages but for reports, and what holds times by its nature."""
    stages = ("load_data", "data_preprocessing", "separate_data", "build_model", "evaluate_model")
    for name in stages:
        assert finished.run(name).code == 0
        # What is published meanwhile is compared with.
        for file in set(whole_run.files(name)) - {"report.json", *COMPARED}:
            before = whole_run.folder(f"{name}/{file}").read_bytes()
            assert finished.folder(f"{name}/{file}").read_bytes() == before, file


def test_reports_outputs_are_the_same_for_another_run_id(whole_run, finished):
    finished.run_chain("evaluate_model", run_id="again")
    for name in ("separate_data", "build_model", "evaluate_model"):
        hashes = [
            [
                out["sha256"]
                for out in json.loads(text)["outputs"]
                if not out["path"].endswith(COMPARED)
            ]
            for text in (
                whole_run.folder(f"{name}/report.json").read_text(),
                finished.folder(f"{name}/report.json", "again").read_text(),
            )
        ]
        assert hashes[0] == hashes[1]
        assert len(hashes[0]) > 0
