"""The service keeps to the OpenAPI document that it serves, whatever it is asked."""

from __future__ import annotations

import pytest
import schemathesis
from flask import Flask
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from tests.images.predictor.conftest import Publisher, read_contract

from predictor import create_app
from predictor.openapi import describe

CONFIG = {"seed": 1, "generation": {"max-examples": 25, "deterministic": True, "database": "none"}}
# Numbers that may be missing, and some that may not.
CHANGES = {"Area Income": {"missing": "impute"}, "Male": {"missing": "indicator"}}
FEATURES = {n: rules for n, rules in read_contract(CHANGES).items() if rules["role"] == "feature"}
API = from_dict(describe(FEATURES), config=schemathesis.Config.from_dict(CONFIG))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The service with a model of those features."""
    volume = tmp_path_factory.mktemp("schema")
    (volume / "model").mkdir()
    Publisher(volume).publish(columns=CHANGES, formats=("skops",))
    app = create_app(volume)
    app.extensions["watch"].look()
    return app


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The service without a model."""
    app = create_app(tmp_path_factory.mktemp("empty"))
    app.extensions["watch"].look()
    return app


@API.parametrize()
def test_answers_are_those_of_the_document(case: schemathesis.Case, app: Flask) -> None:
    case.call_and_validate(app=app)


@API.parametrize()
def test_without_a_model_they_are_too(case: schemathesis.Case, empty: Flask) -> None:
    checks = [not_a_server_error]  # 503 is what is promised
    case.call_and_validate(app=empty, excluded_checks=checks)


def test_document_is_valid_and_the_one_that_is_served(app: Flask) -> None:
    API.validate()
    assert app.test_client().get("/openapi.json").json == API.raw_schema


def test_document_names_every_address(app: Flask) -> None:
    assert {str(rule) for rule in app.url_map.iter_rules()} - {"/openapi.json"} == set(
        API.raw_schema["paths"]
    )
