"""The form that asks the published model about one row."""

import re

import pytest
from tests.images.monitor.conftest import CONTRACT
from tests.images.monitor.predictor_server import PredictorServer

ROW = "Daily+Time+Spent+on+Site=70.5&Age=30&Male=1"


@pytest.fixture
def predictor():
    server = PredictorServer()
    yield server
    server.stop()


@pytest.fixture
def ask(build, serve, predictor):
    """Return the page for a query, with single spaces."""
    build.publish("made-it", contract=CONTRACT, target="Clicked on Ad")
    client = serve(PREDICTOR_URL=predictor.url)

    def read(query=""):
        answer = client.get(f"/predict?{query}")
        assert answer.status_code == 200
        return " ".join(answer.text.split())

    return read


def test_form_has_a_field_for_each_feature_with_its_limits(ask, predictor):
    found = ask()
    inputs = re.findall(r'<input class="form-control" .*? name="(.*?)".*?>', found)
    assert inputs == ["Daily Time Spent on Site", "Age"]
    assert 'type="number" step="any" inputmode="decimal" min="0" max="1440" required' in found
    assert 'step="1" inputmode="decimal" min="0" max="120">' in found
    assert '<select class="form-select" id="field-3" name="Male"' in found
    assert '<option value="1">1</option>' in found
    assert "minutes a day" in found
    assert "0 to 1,440" in found
    assert predictor.asked == []


def test_row_in_the_address_is_predicted_and_stands_in_the_form(ask, predictor):
    found = ask(ROW)
    assert predictor.asked == [
        {"row": {"Daily Time Spent on Site": 70.5, "Age": 30, "Male": 1}, "explain": True}
    ]
    assert 'value="70.5"' in found
    assert '<option value="1" selected>1</option>' in found
    assert "92.4 %" in found
    assert '<dt class="small fw-normal text-body-secondary">Clicked on Ad</dt>' in found


def test_contributions_are_signed_with_the_largest_first_and_bars_from_the_middle(ask):
    found = ask(ROW).partition('id="prediction"')[2]
    assert re.findall(r"<bdi>(.*?)</bdi>", found) == ["Age", "Daily Time Spent on Site", "Male"]
    added = re.findall(r'text-nowrap">(.*?)</td>', found)
    assert added == ["+2.7500", "\N{MINUS SIGN}1.0000", "+0.2500"]
    bars = re.findall(r'<rect class="(\w+)" x="(.*?)" y="1" width="(.*?)"', found)
    assert bars == [("for", "50", "50.0"), ("against", "31.82", "18.18"), ("for", "50", "4.55")]
    assert "Without any feature they are +0.5000, with all of them +2.5000." in found


def test_broken_rule_stands_at_its_field(ask, predictor):
    broken = {"row": 0, "field": "Age", "rule": "the value is above the maximum 120"}
    predictor.refuse(422, detail="row 0, field 'Age': too old", errors=[broken], broken=1)
    found = ask(ROW.replace("Age=30", "Age=300"))
    assert 'id="field-2-rule" lang="en">The value is above the maximum 120.</div>' in found
    assert 'aria-describedby="field-2-help field-2-rule" aria-invalid="true"' in found
    assert 'value="300"' in found
    assert found.count("is-invalid") == 1
    assert "The row breaks the data contract." in found
    assert "row 0" not in found


def test_rule_of_a_field_that_the_form_has_not_is_told(ask, predictor):
    broken = {"row": 0, "field": "Height", "rule": "the value is missing"}
    predictor.refuse(422, detail="row 0, field 'Height': the value is missing", errors=[broken])
    assert "row 0, field &#39;Height&#39;: the value is missing" in ask(ROW)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (503, {"detail": "no model is published yet"}, "no model is published yet"),
        (500, b"<html>", "The predictor met an error of its own:"),
        (200, b"{", "The predictor answers with no probability."),
        (200, {"predictions": [{"probability": 7}]}, "The predictor answers with no probability."),
        (200, {"predictions": [{"probability": None}]}, "answers with no probability."),
        (302, {}, "status 302"),
    ],
)
def test_predictor_without_a_prediction_is_one_sentence(ask, predictor, status, answer, said):
    predictor.status, predictor.answer = status, answer
    found = ask(ROW)
    assert said in found
    assert 'value="70.5"' in found
    assert 'id="prediction"' not in found


def test_predictor_that_is_down_is_one_sentence_and_the_form_stays(ask, predictor):
    predictor.stop()
    found = ask(ROW)
    assert "The predictor does not answer; ask again in a moment." in found
    assert 'value="70.5"' in found


def test_model_that_cannot_be_explained_says_why(ask, predictor):
    prediction = {"probability": 0.25, "predicted": 0}
    why = "a HistGradientBoostingClassifier is no sum of what each feature adds"
    predictor.answer = {"model": {"run_id": "made-it"}, "predictions": [prediction], "why_not": why}
    found = ask(ROW)
    assert "25 %" in found
    assert why in found


def test_predictor_that_has_an_older_model_is_told(ask, predictor):
    predictor.answer = predictor.answer | {"model": {"run_id": "older"}}
    assert "still answers by the model of run" in ask(ROW)
    assert "/runs/older" in ask(ROW)


def test_values_of_the_address_are_text_and_nothing_more(ask, predictor):
    found = ask('Age="><script>alert(1)</script>')
    assert "<script>alert" not in found
    assert predictor.asked[0]["row"] == {"Age": '"><script>alert(1)</script>'}


def test_without_a_predictor_the_page_says_so(build, page):
    build.publish("made-it", contract=CONTRACT)
    assert "No predictor is configured: set PREDICTOR_URL" in page(f"/predict?{ROW}")


def test_without_a_model_the_page_says_how_one_comes_about(page):
    assert "the first run that meets the quality gate publishes one" in page("/predict")


def test_model_without_a_contract_has_no_form(build, serve, predictor):
    build.publish("old")
    found = serve(PREDICTOR_URL=predictor.url).get("/predict?Age=3").text
    assert "does not say which columns it needs" in found
    assert predictor.asked == []


def test_model_that_cannot_be_read_is_named(build, page):
    build.publish("broken", release="first")
    build.write("model/releases/first/model_summary.json", "{")
    assert "The summary of the published model (model/releases/first)" in page("/predict")
