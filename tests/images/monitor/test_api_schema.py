"""The API keeps to the OpenAPI document that it serves of itself, whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import schemathesis
from flask import Flask
from schemathesis.openapi import from_wsgi
from tests.images.monitor.conftest import (
    COMPARISON,
    DAY,
    DRIFT,
    PUBLISHED_FILES,
    RUN,
    START,
    Builder,
    close,
)
from werkzeug.test import TestResponse

from monitor import SETTINGS, create_app
from monitor.reading.history import EVENTS

DOCUMENT = "/api/openapi.json"
CONFIG = {"seed": 1, "generation": {"max-examples": 25, "deterministic": True, "database": "none"}}
# The document is the same on every volume: pytest makes a test of each address before there is one.
API = from_wsgi(
    DOCUMENT,
    create_app(SETTINGS | {"SHARED_VOLUME": "absent"}),
    config=schemathesis.Config.from_dict(CONFIG),
)


@contextmanager
def serve(folder: Path) -> Iterator[tuple[Builder, Flask]]:
    """An app on an empty volume."""
    build = Builder(folder / "shared_volume")
    build.write(".ad-click-volume", "")
    own = {"SHARED_VOLUME": build.root, "INDEX": str(folder), "PAUSE": 0}
    app = create_app(SETTINGS | own)
    yield build, app
    close(app.extensions["watch"].index)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The API on a volume without a run."""
    with serve(tmp_path_factory.mktemp("empty")) as (_, app):
        yield app


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The API on a volume with a run of each kind, damaged ones too."""
    with serve(tmp_path_factory.mktemp("full")) as (build, app):
        build.success(started=START - 3 * DAY)
        build.publish(comparison=COMPARISON, drift=DRIFT, files=PUBLISHED_FILES)
        build.failure("failed", started=START - 2 * DAY)
        build.refusal("refused", started=START - DAY)
        build.running("running")
        build.not_published("worse", started=START - DAY / 2)
        for event in EVENTS:
            build.decision(event)
        damage(build, "torn")
        yield app


def damage(build: Builder, run: str) -> None:
    """Write a run whose files are torn, or hold other values than a stage writes."""
    build.success(run, started=START - 4 * DAY)
    build.write(f"runs/{run}/build_model/report.json", '{"metrics": ')
    strange = {"state": "odd", "started": "never", "seconds": -1e18, "exit_code": True,
               "log_tail": [1, {}], "metrics": {"rows": 1e17}, "outputs": [{"path": 1}],
               "parameters": [], "versions": {"a": [1]}, "tries": [{}, 1]}  # fmt: skip
    for name in ("report", "task", "progress"):
        build.write(f"runs/{run}/load_data/{name}.json", strange)
    build.metrics(run, accuracy="high", gate=[], confusion_matrix=7, segments=[1, {}])
    build.write(f"runs/{run}/evaluate_model/drift.json", {"features": [{"column": 1}], "score": 7})
    build.write(f"runs/{run}/data_preprocessing/profile.json",
                {"before": {"columns": {"x": 1}}, "after": []})  # fmt: skip
    build.validation(run, rows="many", dropped_by_reason=[], first_violations=[{"line": None}, 1])


@API.parametrize()
def test_api_keeps_to_its_document(case: schemathesis.Case, full: Flask) -> None:
    case.call_and_validate(app=full)


@API.parametrize()
def test_api_without_a_run_keeps_to_its_document(case: schemathesis.Case, empty: Flask) -> None:
    case.call_and_validate(app=empty)


@pytest.mark.parametrize("run", [RUN, "failed", "refused", "running", "torn", "worse"])
@pytest.mark.parametrize("path", ["/api/runs/{run_id}", "/api/runs/{run_id}/artifacts"])
def test_answer_about_each_run_keeps_to_the_document(full: Flask, path: str, run: str) -> None:
    answer = API[path]["GET"].Case(path_parameters={"run_id": run}).call_and_validate(app=full)
    assert (answer.status_code, answer.json()["run_id"]) == (200, run)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/status", {"run_id": "torn"}),
        ("/api/status", {"run_id": "running"}),
        ("/api/runs", {"sort": "accuracy", "state": ["failed", "success"], "published": False}),
        ("/api/compare", {"run": ["torn", RUN, "failed", "refused", "running"]}),
        ("/api/metrics", {}),
        ("/api/model", {}),
        ("/api/model/history", {"page_size": 2, "page": 2}),
    ],
)
def test_answer_that_has_content_keeps_to_the_document(full: Flask, path: str, query) -> None:
    answer = API[path]["GET"].Case(query=query).call_and_validate(app=full)
    assert answer.status_code == 200


def test_document_is_valid_openapi() -> None:
    API.validate()
    assert API.raw_schema["openapi"] == "3.1.0"


def test_document_names_every_address_of_the_api(empty: Flask) -> None:
    rules = {str(rule) for rule in empty.url_map.iter_rules() if str(rule).startswith("/api/")}
    named = {path.replace("{", "<").replace("}", ">") for path in API.raw_schema["paths"]}
    assert rules - named == {"/api/", DOCUMENT}
    assert not named - rules


def test_document_lists_no_answer_that_is_never_given() -> None:
    for path in API.raw_schema["paths"].values():
        assert set(path["get"]["responses"]) <= {"200", "400", "401", "404", "503"}


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (("GET", "/api/runs?page=0"), 400),
        (("GET", "/api/runs?state=odd&sort=odd"), 400),
        (("GET", "/api/compare?run=one"), 400),
        (("GET", "/api/status"), 404),
        (("GET", "/api/runs/absent"), 404),
        (("GET", "/api/runs/..%2f.."), 404),
        (("GET", "/api/nothing"), 404),
        (("POST", "/api/status"), 405),
        (("DELETE", "/api/runs/absent"), 405),
    ],
)
def test_every_error_is_a_problem_with_its_four_members(empty: Flask, ask, status: int) -> None:
    method, path = ask
    check_problem(empty.test_client().open(path, method=method), status)


def test_volume_that_is_away_is_a_problem(tmp_path: Path) -> None:
    with serve(tmp_path) as (build, app):
        (build.root / ".ad-click-volume").unlink()
        for path in (*API.raw_schema["paths"], "/metrics"):
            check_problem(app.test_client().get(path.replace("{run_id}", RUN)), 503)


def check_problem(answer: TestResponse, status: int) -> None:
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert set(answer.json) == {"type", "title", "status", "detail"}
    assert answer.json["status"] == status
    assert answer.json["detail"]
