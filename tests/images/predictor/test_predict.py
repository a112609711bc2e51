"""What /v1/predict answers, and what it refuses."""

from __future__ import annotations

import json
import math

import pytest
from tests.images.predictor.conftest import MODEL, ROW, Publisher, by_scikit_learn

from predictor.predict import MOST_BYTES, MOST_ROWS

ROWS = [
    ROW | {"Age": age, "Daily Internet Usage": 300.5 - 3 * age, "Male": age % 2}
    for age in range(18, 68)
]


def ask(client, body, **options):
    return client.post("/v1/predict", json=body, **options)


def refusal(client, body) -> dict:
    answer = ask(client, body)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert answer.json["status"] == 422
    return answer.json


@pytest.fixture
def client(published: Publisher):
    published.publish()
    return published.app()


@pytest.mark.parametrize("formats", [("onnx",), ("skops",), ("skops", "onnx")])
@pytest.mark.parametrize("scaler", ["standard", "minmax", "minmax+standard"])
def test_probabilities_are_those_of_scikit_learn(published: Publisher, formats, scaler):
    model = published.publish(formats=formats, scaler=scaler)
    answer = ask(published.app(), {"rows": ROWS}).json
    found = [prediction["probability"] for prediction in answer["predictions"]]
    assert found == pytest.approx(by_scikit_learn(model, ROWS), abs=1e-5)
    assert answer["model"]["file"] == f"{MODEL}.{formats[-1]}"


def test_a_batch_answers_what_single_rows_do(client):
    batch = ask(client, {"rows": ROWS}).json["predictions"]
    single = [ask(client, {"row": row}).json["predictions"][0] for row in ROWS]
    assert [p["predicted"] for p in batch] == [p["predicted"] for p in single]
    assert [p["probability"] for p in batch] == pytest.approx(
        [p["probability"] for p in single], abs=1e-6
    )


def test_many_rows_are_one_call_of_the_model(client, monkeypatch):
    scorer = client.application.extensions["watch"].state.model.scorer
    calls = []
    score = scorer.score
    monkeypatch.setattr(scorer, "score", lambda values: calls.append(len(values)) or score(values))
    ask(client, {"rows": ROWS})
    assert calls == [len(ROWS)]


def test_above_one_half_a_click_is_predicted(client):
    predictions = ask(client, {"rows": ROWS}).json["predictions"]
    assert {p["predicted"] for p in predictions} == {0, 1}
    assert all(p["predicted"] == (p["probability"] > 0.5) for p in predictions)


def test_a_click_is_named_as_the_contract_names_it(published: Publisher):
    target = {"type": "category", "allowed": ["yes", "no"], "positive": "yes"}
    published.publish(columns={"Clicked on Ad": target})
    predictions = ask(published.app(), {"rows": ROWS}).json["predictions"]
    assert all(p["predicted"] == ("yes" if p["probability"] > 0.5 else "no") for p in predictions)


def test_the_answer_names_the_model_by_run_and_hash(published: Publisher):
    published.publish("the run")
    client = published.app()
    summary = json.loads((published.volume / "model" / "model_summary.json").read_text())
    sha256 = summary["files"][f"{MODEL}.onnx"]["sha256"]
    expected = {"run_id": "the run", "sha256": sha256, "file": f"{MODEL}.onnx"}
    assert ask(client, {"row": ROW}).json["model"] == expected
    assert client.get("/health").json["model"] == expected


# What is refused


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("Age", None, "the value is missing"),
        ("Age", "35", "the value is not an integer"),
        ("Age", 35.5, "the value is not an integer"),
        ("Age", True, "the value is not an integer"),
        ("Age", 121, "the value is above the maximum 120"),
        ("Age", -1, "the value is below the minimum 0"),
        ("Male", 2, "the value is none of 0, 1"),
        ("Area Income", "much", "the value is not a number"),
        ("Area Income", False, "the value is not a number"),
        ("Area Income", [1], "the value is not a number"),
        ("Daily Internet Usage", 1440.1, "the value is above the maximum 1440"),
        ("Sex", 1, f"the model knows no such field; its fields are {', '.join(ROW)}"),
    ],
)
def test_a_broken_value_is_refused_by_row_and_field(client, field, value, rule):
    problem = refusal(client, {"rows": [ROW, ROW | {field: value}]})
    assert problem["errors"] == [{"row": 1, "field": field, "rule": rule}]
    assert problem["detail"] == f"row 1, field {field!r}: {rule}"


def test_a_field_that_is_not_there_is_missing(client):
    row = {name: value for name, value in ROW.items() if name != "Age"}
    problem = refusal(client, {"row": row})
    assert problem["errors"] == [{"row": 0, "field": "Age", "rule": "the value is missing"}]


def test_a_whole_number_may_be_written_with_a_point(client):
    written = ask(client, {"row": ROW | {"Age": 35.0}}).json
    assert written == ask(client, {"row": ROW}).json


def test_every_break_is_counted_and_the_first_hundred_are_told(client):
    problem = refusal(client, {"rows": [{}] * 30})
    assert (problem["broken"], len(problem["errors"])) == (150, 100)
    assert problem["detail"].endswith("the value is missing (and 149 more, see errors)")


@pytest.mark.parametrize("row", [None, 1, "row", [1, 2], []])
def test_a_row_that_is_no_object_is_refused(client, row):
    problem = refusal(client, {"rows": [ROW, row]})
    rule = "a row is an object with a value for each field"
    assert problem["errors"] == [{"row": 1, "field": None, "rule": rule}]


@pytest.mark.parametrize(
    "body",
    [
        *([], [ROW], "text", 1, {}, ROW, {"rows": ROW}, {"row": ROW, "rows": [ROW]}),
        *({"explain": True}, {"row": ROW, "explain": 1}, {"row": ROW, "more": 1}),
    ],
)
def test_a_body_of_another_shape_is_told_the_shape(client, body):
    assert refusal(client, body)["detail"].startswith("the body is a JSON object: {")


@pytest.mark.parametrize("count", [0, MOST_ROWS + 1])
def test_the_number_of_rows_is_bound(client, count):
    detail = f"rows holds {count} rows; it must hold 1 to {MOST_ROWS}"
    assert refusal(client, {"rows": [{}] * count})["detail"] == detail


def test_the_most_rows_are_answered(client):
    assert len(ask(client, {"rows": [ROW] * MOST_ROWS}).json["predictions"]) == MOST_ROWS


@pytest.mark.parametrize(
    ("body", "mimetype", "status", "words"),
    [
        (b"{", "application/json", 400, "the body is no valid JSON: "),
        (b"\xff", "application/json", 400, "the body is no valid JSON: "),
        (b"[" * 5000, "application/json", 400, "the body is no valid JSON: "),
        (b'{"row": NaN}', "application/json", 400, "the body is no valid JSON: "),
        (b"{}", "text/plain", 415, "the body must be JSON: Content-Type: application/json"),
        (b" " * (MOST_BYTES + 1), "application/json", 413, "The data value transmitted exceeds"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(client, body, mimetype, status, words):
    answer = client.post("/v1/predict", data=body, content_type=mimetype)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.json["detail"].startswith(words)


def test_other_methods_and_addresses_are_problems_too(client):
    answer = client.get("/v1/predict")
    assert (answer.status_code, answer.mimetype) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]
    assert client.get("/nothing").json["status"] == 404


def test_a_missing_value_that_the_model_fills_in_is_no_error(published: Publisher):
    columns = {"Age": {"missing": "impute"}, "Area Income": {"missing": "indicator"}}
    model = published.publish(columns=columns, formats=("skops",))
    row = {name: value for name, value in ROW.items() if name != "Age"} | {"Area Income": None}
    found = ask(published.app(), {"row": row, "explain": True}).json["predictions"][0]
    assert found["probability"] == pytest.approx(by_scikit_learn(model, [row])[0], abs=1e-12)
    assert logistic(found["explanation"]["log_odds"]) == pytest.approx(found["probability"])


def test_a_number_beyond_what_the_model_counts_with_is_answered_or_refused(client):
    answer = ask(client, {"row": ROW | {"Area Income": 1e308}})
    assert answer.status_code in (200, 422)
    assert b"NaN" not in answer.data


# What each feature adds


def logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


@pytest.mark.parametrize("scaler", ["standard", "minmax", "minmax+standard"])
def test_contributions_and_intercept_sum_to_the_log_odds(published: Publisher, scaler):
    model = published.publish(scaler=scaler)
    predictions = ask(published.app(), {"rows": ROWS, "explain": True}).json["predictions"]
    for prediction, probability in zip(predictions, by_scikit_learn(model, ROWS), strict=True):
        told = prediction["explanation"]
        assert list(told["contributions"]) == list(ROW)
        total = told["intercept"] + sum(told["contributions"].values())
        assert told["log_odds"] == pytest.approx(total, abs=1e-9)
        assert logistic(total) == pytest.approx(probability, abs=1e-9)


def test_a_contribution_is_the_coefficient_times_the_scaled_value(published: Publisher):
    model = published.publish()
    answer = ask(published.app(), {"row": ROW, "explain": True}).json["predictions"][0]
    scale, classify = model["scale"], model["classify"]
    scaled = (ROW["Age"] - scale.mean_[1]) / scale.scale_[1]
    contribution = answer["explanation"]["contributions"]["Age"]
    assert contribution == pytest.approx(classify.coef_[0][1] * scaled)


def test_without_a_skops_file_it_is_said_that_nothing_can_be_told(published: Publisher):
    published.publish(formats=("onnx",))
    answer = ask(published.app(), {"row": ROW, "explain": True}).json
    assert "explanation" not in answer["predictions"][0]
    assert answer["why_not"].startswith("this model was published without logistic_regression")


def test_of_another_model_it_is_said_that_it_is_no_sum(published: Publisher):
    published.publish(algorithm="hist_gradient_boosting", formats=("skops",))
    answer = ask(published.app(), {"row": ROW, "explain": True}).json
    words = "a HistGradientBoostingClassifier is no sum of what each feature adds"
    assert answer["why_not"] == words
    assert "why_not" not in ask(published.app(), {"row": ROW}).json
