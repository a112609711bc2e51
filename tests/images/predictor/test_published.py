"""Which model is loaded, which is refused, and that no pickle ever is."""

from __future__ import annotations

import json

import pytest
import skops.io
from tests.images.predictor.conftest import MODEL, ROW, Poison, Publisher


def problem(published: Publisher) -> str:
    client = published.app()
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "failing")
    assert answer.json["model"] is None
    refused = client.post("/v1/predict", json={"row": ROW})
    assert (refused.status_code, refused.json["detail"]) == (503, answer.json["problem"])
    return answer.json["problem"]


def test_without_a_model_the_reason_is_told_and_the_service_lives(published: Publisher):
    told = "no model is published yet: run the pipeline, or make publish RUN=..."
    assert problem(published) == told
    assert published.app().get("/live").status_code == 200
    assert published.app().get("/openapi.json").status_code == 200


def test_the_pickle_is_never_loaded(published: Publisher):
    published.publish()
    assert published.app().post("/v1/predict", json={"row": ROW, "explain": True}).json
    published.publish(formats=())
    assert "the pickle is never loaded" in problem(published)
    assert not published.mark.exists()


def test_the_tests_pickle_is_poisonous(published: Publisher):
    import pickle

    published.publish()
    pickle.loads((published.volume / "model" / f"{MODEL}.pkl").read_bytes())
    assert published.mark.is_dir()


@pytest.mark.parametrize("suffix", ["onnx", "skops"])
def test_a_file_of_another_hash_is_refused(published: Publisher, suffix: str):
    published.publish("forged", damage=suffix)
    told = f"{MODEL}.{suffix} of run forged is not the file that was published"
    assert told in problem(published)


def test_a_skops_file_with_a_type_that_is_not_known_is_refused(published: Publisher, monkeypatch):
    monkeypatch.setattr(skops.io, "dumps", lambda _: dumps(Poison(published.mark)))
    published.publish(formats=("skops",))
    assert problem(published).startswith(f"{MODEL}.skops of run first holds the type ")
    assert not published.mark.exists()


dumps = skops.io.dumps


def test_a_file_that_is_no_model_is_refused(published: Publisher, monkeypatch):
    monkeypatch.setattr(skops.io, "dumps", lambda _: b"no zip")
    published.publish(formats=("skops",))
    assert problem(published).startswith(
        f"{MODEL}.skops of run first is no skops file of this project: "
    )


def test_a_release_without_hashes_says_to_run_the_pipeline(published: Publisher):
    published.publish(files=None)
    assert problem(published).endswith("by an older model_summary: run the pipeline once more")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run_id": 1, "features": ["a"]}', "{"])
def test_a_summary_that_is_not_whole_is_refused(published: Publisher, content: str):
    published.publish()
    summary = published.volume / "model" / "model_summary.json"
    summary.resolve().write_text(content)
    assert "model_summary.json of first~" in problem(published)


def test_a_feature_that_the_contract_lacks_is_refused(published: Publisher):
    published.publish(contract={"columns": {}})
    told = "the contract in model_summary.json of run first lacks a feature of the model"
    assert problem(published) == told


def test_an_onnx_file_of_another_width_is_refused(published: Publisher):
    published.publish(features=list(ROW)[:3], formats=("onnx",))
    assert "does not take one matrix of 3 numbers" in problem(published)


# Another one is published


def test_the_next_look_exchanges_the_model(published: Publisher):
    published.publish("first")
    client = published.app()
    watch = client.application.extensions["watch"]
    published.publish("second", C=0.01)
    assert client.get("/health").json["model"]["run_id"] == "first"
    watch.look()
    assert client.get("/health").json["model"]["run_id"] == "second"


def test_a_look_at_what_answers_already_loads_nothing(published: Publisher):
    published.publish()
    watch = published.app().application.extensions["watch"]
    model = watch.state.model
    watch.look()
    assert watch.state.model is model


def test_a_broken_model_leaves_the_former_one_and_health_says_so(published: Publisher):
    published.publish("good")
    client = published.app()
    watch = client.application.extensions["watch"]
    published.publish("broken", damage="onnx")
    watch.look()
    told = client.get("/health")
    assert (told.status_code, told.json["status"]) == (200, "outdated")
    assert told.json["model"]["run_id"] == "good"
    assert "of run broken is not the file that was published" in told.json["problem"]
    assert client.post("/v1/predict", json={"row": ROW}).json["model"]["run_id"] == "good"
    assert "ad_click_predictor_model_outdated 1.0" in client.get("/metrics").text
    published.publish("better")
    watch.look()
    assert client.get("/health").json["problem"] is None


def test_metrics_count_requests_by_status_and_rows(published: Publisher):
    published.publish()
    client = published.app()
    before = samples(client)
    client.post("/v1/predict", json={"rows": [ROW] * 3})
    client.post("/v1/predict", json={"rows": []})
    after = samples(client)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown("ad_click_predictor_rows_total") == 3
    assert grown('ad_click_predictor_requests_total{status="200"}') == 1
    assert grown('ad_click_predictor_requests_total{status="422"}') == 1
    assert grown("ad_click_predictor_request_seconds_count") == 2
    assert after["ad_click_predictor_model_loaded"] == 1


def samples(client) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_openapi_tells_the_fields_of_the_model(published: Publisher):
    published.publish()
    schemas = published.app().get("/openapi.json").json["components"]["schemas"]
    assert list(schemas["Row"]["properties"]) == schemas["Row"]["required"] == list(ROW)
    age = {"type": "integer", "minimum": 0, "maximum": 120, "description": "years"}
    assert json.dumps(schemas["Row"]["properties"]["Age"]) == json.dumps(age)
