"""build_model: one Pipeline, fitted on the training rows alone, that takes raw rows."""

import json
import operator
import os
import pickle
import subprocess
import sys
import sysconfig

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

import batches
import build_model.main
import build_model.out_of_core
from build_model.boosting import WORDS_WIDTH, find_width
from build_model.encode import HASHED_WIDTH, MOST_ONE_HOT, describe_features
from build_model.formats import write_formats
from build_model.main import find_warnings, is_large, make_model
from model_file import TRUSTED, open_model

FEATURES = ["Daily Time Spent on Site", "Age", "Area Income", "Daily Internet Usage", "Male"]
DEFAULTS = {"scaler": "standard", "C": 1.0, "max_iter": 1000, "random_state": 42}
SITE = sysconfig.get_path("purelib")
PLAIN = {name: {"encoding": "scaled", "when_missing": "refuse"} for name in FEATURES}
CONTRACT = {
    "age": {"type": "integer", "missing": "impute"},
    "income": {"type": "number", "missing": "indicator"},
    "score": {"type": "number", "missing": "refuse"},
    "device": {"type": "category", "missing": "impute"},
    "slot": {"type": "category", "missing": "indicator"},
    "site": {"type": "category", "missing": "impute", "encode": "hashing"},
    "words": {"type": "text", "missing": "impute"},
}


@pytest.fixture(autouse=True)
def one_thread():
    """On a busy machine threads that grow trees wait for each other without an end."""
    with threadpool_limits(1):
        yield


def rows(volume, part: str) -> pd.DataFrame:
    return pq.read_table(volume.folder(f"separate_data/{part}.parquet")).to_pandas()


def model_of(volume):
    return pickle.loads(volume.folder("build_model/logistic_regression_model.pkl").read_bytes())


@pytest.mark.parametrize(
    ("scaler", "inputs"), [("standard", 5), ("minmax", 5), ("minmax+standard", 10)]
)
def test_scaler_decides_how_many_inputs_the_model_has(whole_run, scaler, inputs):
    train = rows(whole_run, "train")
    model = make_model(PLAIN, **DEFAULTS | {"scaler": scaler})
    model.fit(train[FEATURES], train["Clicked on Ad"])
    assert model["classify"].coef_.shape == (1, inputs)
    assert model.predict(train[FEATURES][:3]).shape == (3,)


def test_parameters_reach_the_model():
    classify = make_model(PLAIN, scaler="minmax", C=0.1, max_iter=7, random_state=3)["classify"]
    assert (classify.C, classify.max_iter, classify.random_state) == (0.1, 7, 3)


def test_scaling_is_fitted_on_the_training_rows_alone(whole_run):
    scale = model_of(whole_run)["scale"]
    train, test = rows(whole_run, "train")[FEATURES], rows(whole_run, "test")[FEATURES]
    assert scale.mean_.tolist() == pytest.approx(train.mean().tolist(), rel=1e-12)
    assert scale.mean_.tolist() != pytest.approx(pd.concat([train, test]).mean().tolist(), rel=1e-6)


def test_saved_model_scores_raw_rows_by_name(whole_run):
    test = rows(whole_run, "test")
    predicted = model_of(whole_run).predict(test[FEATURES])
    accuracy = whole_run.read("evaluate_model/metrics.json")["accuracy"]
    assert np.mean(predicted == test["Clicked on Ad"]) == accuracy
    assert model_of(whole_run).feature_names_in_.tolist() == FEATURES


# Out of core


@pytest.fixture
def out_of_core(finished, monkeypatch):
    """The stage with what it does of many rows, in blocks and batches of few."""
    monkeypatch.setattr(build_model.main, "MOST_IN_MEMORY", 100)
    monkeypatch.setattr(build_model.out_of_core, "BLOCK", 37)
    monkeypatch.setattr(batches, "ROWS", 100)
    return finished


def fitted(volume, *arguments):
    """Run the stage and return its model and its metrics."""
    ended = volume.run("build_model", *arguments)
    assert ended.code == 0, ended.message
    return model_of(volume), ended.report["metrics"]


@pytest.mark.parametrize("scaler", ["standard", "minmax", "minmax+standard"])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_out_of_core_the_coefficients_are_those_of_scikit_learn(out_of_core, scaler, C):
    model, metrics = fitted(out_of_core, "--scaler", scaler, "--C", str(C))
    assert (metrics["solver"], metrics["converged"], metrics["rows"]) == ("trust-exact", True, 700)
    train = rows(out_of_core, "train")
    other = make_model(PLAIN, **DEFAULTS | {"scaler": scaler, "C": C})
    other["classify"].set_params(tol=1e-9, max_iter=100_000)
    other.fit(train[FEATURES], train["Clicked on Ad"])
    mine, its = model["classify"], other["classify"]
    assert mine.coef_[0].tolist() == pytest.approx(its.coef_[0].tolist(), rel=1e-3)
    assert mine.intercept_.tolist() == pytest.approx(its.intercept_.tolist(), rel=1e-3)
    # All else is as if it had been fitted by scikit-learn.
    assert vars(mine).keys() == vars(its).keys()
    assert model.feature_names_in_.tolist() == FEATURES
    test = rows(out_of_core, "test")[FEATURES]
    assert model.predict_proba(test) == pytest.approx(other.predict_proba(test), abs=1e-3)


def test_out_of_core_nothing_is_left_beside_the_model(out_of_core):
    fitted(out_of_core)
    model = "logistic_regression_model"
    expected = [f"{model}.onnx", f"{model}.pkl", f"{model}.skops", "report.json"]
    assert out_of_core.files("build_model") == expected


def test_out_of_core_too_few_iterations_are_warned_of(out_of_core):
    _, metrics = fitted(out_of_core, "--max-iter", "1")
    assert (metrics["converged"], metrics["iterations"]) == (False, 1)
    assert metrics["warnings"] == ["the solver did not converge in 1 iterations"]


def test_out_of_core_a_constant_feature_is_warned_of(out_of_core):
    folder = out_of_core.folder("separate_data")
    table = pq.read_table(folder / "train.parquet")
    same = pa.array([1] * table.num_rows)
    table = table.set_column(table.column_names.index("Male"), "Male", same)
    pq.write_table(table, folder / "train.parquet")
    report = out_of_core.report("separate_data")
    out_of_core.write("runs/demo/separate_data/report.json", {**report, "outputs": []})
    _, metrics = fitted(out_of_core)
    assert metrics["warnings"] == [
        "'Male' has the same value in all training rows, which teaches nothing"
    ]


@pytest.mark.parametrize(
    ("rules", "large"),
    [
        ({"type": "number"}, True),
        ({"type": "integer", "missing": "drop"}, True),
        ({"type": "number", "missing": "impute"}, False),
        ({"type": "category"}, False),
    ],
)
def test_numbers_that_are_always_there_are_fitted_out_of_core(rules, large):
    assert is_large(2**22, {"x": {"type": "number"}, "y": rules}) is large


def test_few_rows_and_many_columns_are_fitted_in_memory():
    number = {"type": "number"}
    assert not is_large(2**22, {"x": number})
    assert not is_large(2**22, {str(place): number for place in range(1001)})


# Formats that run no code when they are read


def outputs_of(volume, run_id="demo"):
    return {
        name: volume.folder(f"build_model/logistic_regression_model.{name}", run_id).read_bytes()
        for name in ("skops", "onnx")
    }


def test_same_rows_give_the_same_bytes_in_every_format_at_any_time(finished, monkeypatch):
    before = outputs_of(finished)
    # With these hashes sets of words have other orders, as skl2onnx's set of domains has with 30
    monkeypatch.setenv("PYTHONHASHSEED", "30")
    process = finished.start("build_model", "--run-id", "demo")  # in a later second
    assert finished.end(process, "build_model").code == 0
    assert outputs_of(finished) == before


def test_skops_file_holds_only_types_of_the_closed_list(whole_run):
    content = outputs_of(whole_run)["skops"]
    assert set(skops.io.get_untrusted_types(data=content)) <= set(TRUSTED)


def test_onnx_graph_names_its_features_and_reckons_in_64_bits(whole_run):
    model = onnx.load_from_string(outputs_of(whole_run)["onnx"])
    (given,) = model.graph.input
    assert (given.name, given.type.tensor_type.shape.dim[1].dim_value) == ("rows", 5)
    assert {entry.key: json.loads(entry.value) for entry in model.metadata_props} == {
        "features": FEATURES
    }
    kinds = {out.name: out.type.tensor_type.elem_type for out in (given, *model.graph.output)}
    assert kinds["rows"] == kinds["probabilities"] == onnx.TensorProto.DOUBLE


@pytest.mark.parametrize("scaler", ["standard", "minmax", "minmax+standard"])
@pytest.mark.parametrize("name", ["skops", "onnx"])
def test_formats_score_1000_random_rows_as_scikit_learn_does(name, scaler, tmp_path):
    draw = np.random.default_rng(3)
    # An income of 1e12 and a cent: as 32-bit floats the cents would be lost, and more.
    rows = pa.table(
        {
            "minutes": draw.normal(60, 15, 1000),
            "age": draw.integers(18, 80, 1000),
            "income": 1e12 + draw.normal(0, 1, 1000),
        }
    )
    clicks = (rows["income"].to_numpy() + draw.normal(0, 0.3, 1000) > 1e12).astype(int)
    plain = {name: {"encoding": "scaled", "when_missing": "refuse"} for name in rows.column_names}
    model = make_model(plain, **DEFAULTS | {"scaler": scaler}).fit(rows, clicks)
    written, missing = write_formats(model, rows.column_names, tmp_path.joinpath)
    assert (written, missing) == (["pickle", "skops", "onnx"], {})
    found = open_model(tmp_path / f"logistic_regression_model.{name}")(rows.select([2, 0, 1]))
    assert found.tolist() == pytest.approx(scores(model, rows), abs=1e-5)
    assert np.mean((found > 0.5) == clicks) > 0.9


@pytest.mark.parametrize("scaler", ["standard", "minmax+standard"])
def test_skops_file_of_categories_and_texts_scores_raw_rows_as_the_model_does(scaler, tmp_path):
    rows = make_rows()
    model = fit(rows, scaler=scaler)
    before = pickle.dumps(model, 5)
    written, missing = write_formats(model, list(CONTRACT), tmp_path.joinpath)
    assert written == ["pickle", "skops"]
    assert "takes numbers that are always there" in missing["onnx"]
    assert pickle.dumps(model, 5) == before  # the model itself is left as it is
    new = pa.concat_tables([rows, rows.set_column(4, "slot", pa.array(["new"] * len(rows)))])
    score = open_model(tmp_path / "logistic_regression_model.skops")
    assert score(new).tolist() == scores(model, new)


def test_model_that_a_format_cannot_hold_is_told_and_is_no_failure(tmp_path):
    model = fit(make_rows())
    model.steps.insert(1, ("own", FunctionTransformer(operator.pos)))
    written, missing = write_formats(model, list(CONTRACT), tmp_path.joinpath)
    assert (written, set(missing)) == (["pickle"], {"skops", "onnx"})
    assert missing["skops"] == (
        "the model holds _operator.pos, which may do anything when it is read"
    )
    assert list(tmp_path.iterdir()) == []


def test_saved_model_refuses_rows_without_a_feature(whole_run):
    test = rows(whole_run, "test")
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- Age"):
        model_of(whole_run).predict(test[[name for name in FEATURES if name != "Age"]])


def test_metrics_tell_how_the_fit_went(whole_run):
    metrics = whole_run.report("build_model")["metrics"]
    assert metrics["iterations"] < 1000
    assert metrics | {"iterations": 0} == {
        "rows": 700,
        "model_type": "LogisticRegression",
        "scaler": "standard",
        "inputs_of_model": 5,
        "solver": "lbfgs",
        "iterations": 0,
        "converged": True,
        "encodings": {
            name: {"encoding": "scaled", "missing": 0, "constant": False, "when_missing": "refuse"}
            for name in FEATURES
        },
        "formats": ["pickle", "skops", "onnx"],
        "formats_missing": {},
        "warnings": [],
    }


# Gradient boosting


@pytest.fixture
def boosted(finished):
    """A volume whose model is gradient boosting."""
    fitted(finished, "--algorithm", "hist_gradient_boosting")
    return finished


def test_gradient_boosting_has_the_contract_of_logistic_regression(boosted):
    model, metrics = model_of(boosted), boosted.report("build_model")["metrics"]
    assert metrics["model_type"] == "HistGradientBoostingClassifier"
    assert (metrics["iterations"], metrics["converged"], metrics["warnings"]) == (100, True, [])
    names = [f"logistic_regression_model.{suffix}" for suffix in ("pkl", "skops")]
    assert boosted.files("build_model") == [*names, "report.json"]
    assert list(metrics["formats_missing"]) == ["onnx"]
    assert model.feature_names_in_.tolist() == FEATURES
    test = rows(boosted, "test")
    for stage, words in (("evaluate_model", []), ("model_summary", ["--publish", "always"])):
        ended = boosted.run(stage, *words)
        assert ended.code == 0, ended.message
    accuracy = boosted.read("evaluate_model/metrics.json")["accuracy"]
    assert model.score(test[FEATURES], test["Clicked on Ad"]) == accuracy
    published = boosted.path / "model/logistic_regression_model.pkl"
    assert published.read_bytes() == boosted.folder(f"build_model/{published.name}").read_bytes()


def test_gradient_boosting_is_no_yardstick_for_itself_and_tells_importances(boosted):
    assert boosted.run("evaluate_model").code == 0
    metrics = boosted.read("evaluate_model/metrics.json")
    assert metrics["yardstick"]["hist_gradient_boosting"] is None
    drawn = boosted.folder("evaluate_model/figures/coefficients.svg").read_text()
    assert "Permutation importance" in drawn
    assert "Daily Internet Usage" in drawn


@pytest.mark.parametrize("scaler", ["minmax", "minmax+standard"])
def test_scaler_makes_no_difference_to_trees(whole_run, scaler):
    train, test = rows(whole_run, "train"), rows(whole_run, "test")
    both = [
        make_model(PLAIN, **DEFAULTS | {"scaler": name}, algorithm="hist_gradient_boosting")
        .fit(train[FEATURES], train["Clicked on Ad"])
        .predict(test[FEATURES])
        for name in ("standard", scaler)
    ]
    assert np.mean(both[0] == both[1]) > 0.98


def test_more_rows_than_gradient_boosting_can_hold_exit_65(finished, monkeypatch):
    monkeypatch.setattr(build_model.main, "MOST_IN_TREES", 3499)
    ended = finished.run("build_model", "--algorithm", "hist_gradient_boosting")
    assert ended.code == 65
    assert ended.message == (
        "700 training rows of 5 features are more than gradient boosting can hold in this stage's "
        "memory; use algorithm logistic_regression, which takes any number of rows, or a file of "
        "fewer rows"
    )
    monkeypatch.setattr(build_model.main, "MOST_IN_TREES", 3500)
    assert finished.run("build_model", "--algorithm", "hist_gradient_boosting").code == 0


@pytest.mark.parametrize(
    ("rules", "width"),
    [
        ({"type": "number"}, 1),
        ({"type": "number", "missing": "indicator"}, 2),
        ({"type": "category", "encode": "hashing"}, 1),
        ({"type": "text"}, WORDS_WIDTH),
    ],
)
def test_width_of_what_trees_get(rules, width):
    assert find_width({"x": rules, "y": {"type": "integer"}}) == width + 1


def test_fit_that_does_not_converge_is_told_and_is_no_failure(finished):
    ended = finished.run("build_model", "--max-iter", "1")
    assert (ended.code, ended.summary["metrics"]["converged"]) == (0, False)
    assert any("WARNING the solver did not converge in 1 iterations" in x for x in ended.lines)
    warnings = ["the solver did not converge in 1 iterations"]
    assert ended.summary["metrics"]["warnings"] == warnings


def test_unknown_scaler_exits_2(finished):
    ended = finished.run("build_model", "--scaler", "robust")
    assert ended.code == 2
    assert "scaler must be one of standard, minmax, minmax+standard" in ended.message


def test_new_model_makes_the_old_metrics_stale_and_no_longer_an_input(finished):
    assert finished.run("build_model", "--C", "0").code == 2
    ended = finished.run("evaluate_model")
    assert ended.code == 66
    assert "build_model failed in run demo; run build_model first" in ended.message


# Features that are not plain numbers


def make_rows(count: int = 400) -> pa.Table:
    """Rows of every kind of feature, each with missing cells but for one; clicks follow some."""
    draw = np.random.default_rng(5)

    def holed(values: list, share: float = 0.1) -> list:
        return [None if draw.random() < share else value for value in values]

    device = draw.choice(["phone", "tablet"], count)
    return pa.table(
        {
            "age": pa.array(holed(draw.integers(18, 80, count).tolist()), pa.int64()),
            "income": pa.array(holed(draw.normal(50, 9, count).tolist()), pa.float64()),
            "score": draw.normal(0, 1, count),
            "device": holed(device.tolist()),
            "slot": holed(draw.choice(["1", "2", "", 'a\nb; "c"'], count).tolist()),
            "site": holed([f"site {n}" for n in draw.integers(0, 30, count)]),
            "words": holed(draw.choice(["buy now", "größer, später", "<b>", ""], count).tolist()),
            "t": ((device == "phone") ^ (draw.random(count) < 0.2)).astype(int),
        }
    )


def fit(rows: pa.Table, contract=CONTRACT, **parameters):
    features = describe_features(rows, contract)
    model = make_model(features, **DEFAULTS | parameters)
    return model.fit(rows.select(list(contract)), rows["t"].to_numpy())


def test_gradient_boosting_takes_features_of_every_kind():
    rows = make_rows()
    model = fit(rows, algorithm="hist_gradient_boosting")
    assert model["classify"].n_features_in_ == 3 + 1 + 3 + WORDS_WIDTH
    assert model["classify"].n_features_in_ == find_width(CONTRACT) - 1
    assert scores(model, rows) == scores(model, rows.to_pandas())
    assert model.score(rows, rows["t"].to_numpy()) > 0.75
    unknown = rows.slice(0, 1).to_pandas().assign(device="watch", site="new")
    assert 0 < scores(model, unknown)[0] < 1
    again = fit(rows, algorithm="hist_gradient_boosting")
    assert pickle.dumps(model, 5) == pickle.dumps(again, 5)


def scores(model, rows) -> list[float]:
    return model.predict_proba(rows)[:, 1].tolist()


def test_plain_numbers_are_scaled_and_nothing_else(whole_run):
    assert list(model_of(whole_run).named_steps) == ["scale", "classify"]


def test_numbers_that_drop_their_missing_rows_are_plain():
    rows = make_rows().select(["score", "t"])
    model = fit(rows, {"score": {"type": "number", "missing": "drop"}})
    assert list(model.named_steps) == ["scale", "classify"]


def test_each_kind_of_feature_is_encoded_in_its_way():
    rows = make_rows()
    told = describe_features(rows, CONTRACT)
    assert {name: entry["encoding"] for name, entry in told.items()} == {
        "age": "scaled",
        "income": "scaled",
        "score": "scaled",
        "device": "one_hot",
        "slot": "one_hot",
        "site": "hashing",
        "words": "words",
    }
    assert (told["device"]["levels"], told["slot"]["levels"], told["site"]["levels"]) == (2, 4, 30)
    assert [told[name]["missing"] for name in CONTRACT] == [
        rows[name].null_count for name in CONTRACT
    ]
    # Three numbers, a flag for income, two devices, four slots and the missing one, hashes.
    assert fit(rows)["classify"].n_features_in_ == 3 + 1 + 2 + 5 + 2 * HASHED_WIDTH


@pytest.mark.parametrize(
    ("levels", "encode", "encoding"),
    [
        (MOST_ONE_HOT, None, "one_hot"),
        (MOST_ONE_HOT + 1, None, "hashing"),
        (MOST_ONE_HOT + 1, "one_hot", "one_hot"),
        (2, "hashing", "hashing"),
    ],
)
def test_many_levels_are_hashed_unless_the_contract_says_how(levels, encode, encoding):
    rows = pa.table({"x": [str(n) for n in range(levels)]})
    rules = {"type": "category"} | ({"encode": encode} if encode else {})
    told = describe_features(rows, {"x": rules})["x"]
    assert (told["encoding"], told["levels"]) == (encoding, levels)


def test_table_and_data_frame_give_the_same_scores():
    rows = make_rows()
    model = fit(rows)
    frame = rows.to_pandas()
    expected = scores(model, rows)
    assert scores(model, frame) == expected
    assert scores(model, frame.astype(object).astype({"age": float, "income": float})) == expected
    assert scores(model, frame[list(reversed(frame.columns))]) == expected
    assert len(set(expected)) > 100
    assert model.score(rows, rows["t"].to_numpy()) > 0.7


def test_model_is_the_same_whether_fitted_on_a_table_or_a_data_frame():
    rows = make_rows()
    told = describe_features(rows, CONTRACT)
    other = make_model(told, **DEFAULTS).fit(rows.select(list(CONTRACT)).to_pandas(), rows["t"])
    assert scores(other, rows) == pytest.approx(scores(fit(rows), rows), rel=1e-9)


def test_same_rows_give_the_same_bytes():
    assert pickle.dumps(fit(make_rows()), 5) == pickle.dumps(fit(make_rows()), 5)


def test_model_scores_where_no_code_of_the_project_is(tmp_path):
    """Read by a Python that knows neither images/ nor the tests, in a folder of its own."""
    rows = make_rows()
    model = fit(rows)
    pq.write_table(rows, tmp_path / "rows.parquet")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model, 5))
    program = """
import json, pickle, sys
import pyarrow.parquet as pq
rows = pq.read_table("rows.parquet")
model = pickle.load(open("model.pkl", "rb"))
table, frame = (model.predict_proba(x)[:, 1].tolist() for x in (rows, rows.to_pandas()))
own = [name for name in sys.modules if name.split(".")[0] in ("stage", "build_model")]
print(json.dumps([table, frame, own]))
"""
    done = subprocess.run(
        # The paths of .pth files are left out: one of them leads to images/.
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({SITE!r}){program}"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table, frame, own = json.loads(done.stdout)
    assert table == frame == pytest.approx(scores(model, rows), rel=1e-12)
    assert own == []


def test_missing_number_scores_as_the_median_of_the_training_rows():
    rows = make_rows()
    model = fit(rows)
    row = rows.slice(0, 1).to_pandas()
    ages = rows["age"].to_pandas()
    without, median = row.assign(age=np.nan), row.assign(age=ages.median())
    assert scores(model, without) == pytest.approx(scores(model, median), rel=1e-12)


def test_missing_category_scores_as_the_most_frequent_level():
    rows = make_rows()
    model = fit(rows)
    for name in ("device", "site"):
        row = rows.slice(0, 1).to_pandas()
        most = rows[name].to_pandas().value_counts().index[0]
        assert scores(model, row.assign(**{name: [None]})) == scores(
            model, row.assign(**{name: [most]})
        )


def test_missing_is_a_level_of_its_own_where_the_contract_wants_it_told():
    count = 200
    slot = ["a", None] * (count // 2)
    rows = pa.table({"slot": slot, "t": [0, 1] * (count // 2)})
    model = fit(rows, {"slot": {"type": "category", "missing": "indicator"}})
    assert [round(x) for x in scores(model, rows.slice(0, 2))] == [0, 1]


def test_missing_number_is_told_where_the_contract_wants_it():
    count = 200
    rows = pa.table({"x": [1.0, None] * (count // 2), "t": [0, 1] * (count // 2)})
    model = fit(rows, {"x": {"type": "number", "missing": "indicator"}})
    assert [round(x) for x in scores(model, rows.slice(0, 2))] == [0, 1]
    blind = fit(rows, {"x": {"type": "number", "missing": "impute"}})
    assert scores(blind, rows.slice(0, 2)) == pytest.approx([0.5, 0.5])


def test_missing_number_that_the_contract_refuses_is_refused_by_the_model():
    rows = make_rows()
    with pytest.raises(ValueError, match="NaN"):
        fit(rows).predict(rows.slice(0, 1).to_pandas().assign(score=np.nan))


def test_level_that_the_training_rows_lack_counts_as_none_of_theirs():
    rows = make_rows()
    model = fit(rows)
    row = rows.slice(0, 1).to_pandas()
    assert scores(model, row.assign(slot="new")) == scores(model, row.assign(slot="newer"))
    assert scores(model, row.assign(slot="new")) != scores(model, row)


def test_empty_text_is_a_level_and_not_missing():
    rows = pa.table({"x": ["", "a", None, "b"] * 50, "t": [1, 0, 0, 0] * 50})
    for encode in ("one_hot", "hashing"):
        contract = {"x": {"type": "category", "missing": "indicator", "encode": encode}}
        chances = scores(fit(rows, contract), rows.slice(0, 4))
        assert [round(x) for x in chances] == [1, 0, 0, 0]


def test_category_of_whole_numbers_scores_the_same_as_its_texts():
    rows = pa.table({"x": ["1", "2", "11"] * 50, "t": [1, 0, 1] * 50})
    model = fit(rows, {"x": {"type": "category"}})
    numbers = pd.DataFrame({"x": [1, 2, 11]})
    assert scores(model, numbers) == scores(model, rows.slice(0, 3))


def test_names_of_columns_may_be_anything():
    names = ["a__b", "remainder", "x = y", "steps", "$x$", "\n", "col\0umn"]
    values = make_rows()["slot"]
    rows = pa.table({**dict.fromkeys(names, values), "t": make_rows()["t"]})
    contract = {name: {"type": "category", "missing": "indicator"} for name in names}
    assert fit(rows, contract)["classify"].n_features_in_ == 5 * len(names)


@pytest.mark.parametrize("scaler", ["standard", "minmax", "minmax+standard"])
def test_every_scaler_fits_features_of_every_kind(scaler):
    rows = make_rows()
    model = fit(rows, scaler=scaler)
    doubled = 3 if scaler == "minmax+standard" else 0
    assert model["classify"].n_features_in_ == 3 + doubled + 1 + 2 + 5 + 2 * HASHED_WIDTH


def test_feature_without_a_value_is_left_out_and_told():
    rows = make_rows().append_column("void", pa.nulls(400, pa.string()))
    contract = {**CONTRACT, "void": {"type": "category", "missing": "impute"}}
    told = describe_features(rows, contract)
    assert told["void"] == {"encoding": "left_out", "missing": 400, "when_missing": "impute"}
    assert find_warnings(told, None) == [
        "'void' has no value in the training rows; the model does without it"
    ]
    assert scores(fit(rows, contract), rows) == scores(fit(rows), rows)


@pytest.mark.parametrize("values", [[1.0] * 6, ["a"] * 6])
def test_feature_of_one_value_is_told_and_fitted(values):
    rows = pa.table({"x": values, "t": [0, 1] * 3})
    contract = {"x": {"type": "number" if values[0] == 1 else "category"}}
    assert find_warnings(describe_features(rows, contract), None) == [
        "'x' has the same value in all training rows, which teaches nothing"
    ]
    assert scores(fit(rows, contract), rows.select(["x"])) == pytest.approx([0.5] * 6)


def test_value_that_is_there_or_missing_is_not_constant():
    rows = pa.table({"x": [1.0, None, 1.0], "t": [0, 1, 1]})
    told = describe_features(rows, {"x": {"type": "number", "missing": "indicator"}})
    assert not told["x"]["constant"]


def test_run_without_any_value_to_learn_from_exits_65(finished):
    folder = finished.folder("separate_data")
    train = pq.read_table(folder / "train.parquet")
    void = {name: pa.nulls(train.num_rows, pa.float64()) for name in FEATURES}
    pq.write_table(
        pa.table({**void, "Clicked on Ad": train["Clicked on Ad"]}), folder / "train.parquet"
    )
    report = finished.report("separate_data")
    finished.write("runs/demo/separate_data/report.json", {**report, "outputs": []})
    ended = finished.run("build_model")
    assert ended.code == 65
    assert ended.message == (
        "no feature has a value in the training rows; nothing is to be learned"
    )
