"""The JSON API. Its OpenAPI document is made of what stands here and in ``schemas``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import orjson
from flask import Flask, Response, current_app, jsonify, render_template, url_for
from flask_smorest import Api, Blueprint
from webargs.flaskparser import FlaskParser

from ..compare import Comparison, compare_runs
from ..conditional import answer
from ..current import check_volume, current_index, current_volume, find_run
from ..errors import PROBLEM, answer_http
from ..model import decisions
from ..reading.index import Query
from ..reading.run import Run
from ..reading.volume import NotFoundError
from . import schemas

View = TypeVar("View", bound=Callable[..., Any])
NO_RUN = "There is no run on the shared volume yet; start one in Airflow."


class Parser(FlaskParser):
    """Reads a query; one that is understood and does not fit is a bad request."""

    DEFAULT_VALIDATION_STATUS = 400


class ApiBlueprint(Blueprint):
    """flask-smorest's Blueprint with that parser."""

    ARGUMENTS_PARSER = Parser()


blueprint = ApiBlueprint("api", __name__, url_prefix="/api", description="Runs and the model.")
blueprint.before_request(check_volume)


class ProblemApi(Api):
    """flask-smorest's Api with this project's one shape of errors."""

    ERROR_SCHEMA = schemas.ProblemSchema

    def handle_http_exception(self, error: Any) -> Any:
        """Answer as everywhere else."""
        return answer_http(error)


def problems(*statuses: int) -> Callable[[View], View]:
    """Document the errors that a view may answer with."""
    words = {400: "The request does not fit", 404: "There is no such thing", 401: "Not logged in"}
    words[503] = "The shared volume cannot be read"

    def decorate(view: View) -> View:
        for status in (*statuses, 401, 503):
            document = blueprint.alt_response(
                status,
                schema=schemas.ProblemSchema,
                content_type=PROBLEM,
                description=words[status],
            )
            view = document(view)
        return view

    return decorate


@blueprint.route("/status")
@blueprint.arguments(schemas.StatusQuery, location="query")
@blueprint.response(200, schemas.StatusSchema)
@problems(400, 404)
def status(asked: dict[str, Any]) -> dict[str, Any]:
    """State of the newest run, or of the one that is named."""
    run = asked_run(asked.get("run_id"))
    return {
        "status": run.state,
        "timestamp": datetime.now(UTC),
        "dag_info": {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "status": run.state,
            "logical_date": run.logical_date,
            "start_date": run.started,
            "end_date": run.ended,
            "duration": run.seconds,
        },
        "stages": run.tasks,
        "outputs": expected_outputs(run),
    }


@blueprint.route("/metrics")
@blueprint.response(200, schemas.MetricsSchema)
@problems(404)
def metrics() -> Response:
    """Measures of the published model, with the run that made it."""
    model = current_volume().model()
    summary = model.summary
    card = {
        "run_id": model.run_id,
        "model_type": summary.text("model_type"),
        "dataset": summary.text("dataset"),
        "last_updated": summary.text("created"),
        "summary": model.text,
        "train_score": summary.number("train_score"),
        "test_score": summary.number("test_score"),
    }
    rest = summary.record("metrics").content
    return jsonify(card | {name: value for name, value in rest.items() if name not in card})


@blueprint.route("/runs")
@blueprint.arguments(schemas.RunsQuery, location="query")
@blueprint.response(200, schemas.RunsSchema)
@problems(400)
def runs(asked: dict[str, Any]) -> Response:
    """A page of the runs that the query asks for."""
    query = Query(
        words=asked["q"],
        states=tuple(asked["state"]),
        dataset=asked["dataset"],
        cause=asked["cause"],
        published=asked.get("published"),
        sort=asked["sort"],
        descending=asked["order"] == "desc",
        page=asked["page"],
        page_size=asked["page_size"],
    )
    index = current_index()

    def make() -> str:
        page = index.runs(query)
        content = {
            "runs": page.items,
            "page": page.number,
            "pages": page.pages,
            "page_size": page.size,
            "total": page.total,
        }
        return dump(schemas.RunsSchema, content)

    return answer(make, index.generation, mimetype="application/json")


@blueprint.route("/runs/<run_id>")
@blueprint.response(200, schemas.RunDetailSchema)
@problems(404)
def run(run_id: str) -> Response:
    """All that is known of a run."""
    found, version = find_run(run_id)
    volume = current_volume()
    return answer(
        lambda: dump(schemas.RunDetailSchema, volume.with_profile(found)),
        version,
        mimetype="application/json",
    )


@blueprint.route("/runs/<run_id>/artifacts")
@blueprint.response(200, schemas.ArtifactsSchema)
@problems(404)
def artifacts(run_id: str) -> dict[str, Any]:
    """The files that a run's stages made, with where to download each."""
    found, _ = find_run(run_id)
    return {
        "run_id": found.run_id,
        "artifacts": [
            {
                "stage": stage.name,
                "path": file.path,
                "bytes": file.bytes,
                "sha256": file.sha256,
                "address": url_for("artifacts.artifact", run_id=found.run_id, name=file.path),
            }
            for stage in found.stages
            for file in stage.files
        ],
    }


@blueprint.route("/model")
@blueprint.response(200, schemas.ModelSchema)
@problems(404)
def model() -> Response:
    """The published model's card, and the newest decisions to publish or to refuse."""
    volume, index = current_volume(), current_index()
    card = volume.model()

    def make() -> str:
        content = {
            "run_id": card.run_id,
            "created": card.summary.text("created"),
            "summary": card.summary.content,
            "text": card.text,
            "files": card.summary.record("files").content,
            "comparison": card.summary.record("comparison").content or None,
            "drift": card.summary.record("drift").content or None,
            "history": index.runs(Query(decided=True)).items,
        }
        return dump(schemas.ModelSchema, content)

    return answer(make, index.generation, volume.release(), mimetype="application/json")


@blueprint.route("/model/history")
@blueprint.arguments(schemas.HistoryQuery, location="query")
@blueprint.response(200, schemas.HistorySchema)
@problems(400)
def history(asked: dict[str, Any]) -> Response:
    """What was published, refused, published by hand and rolled back, newest first."""

    def make() -> str:
        page = decisions(asked["page"], asked["page_size"])
        content = {
            "decisions": page.items,
            "page": page.number,
            "pages": page.pages,
            "page_size": page.size,
            "total": page.total,
        }
        return dump(schemas.HistorySchema, content)

    versions = (current_index().generation, current_volume().history_mark())
    return answer(make, *versions, mimetype="application/json")


@blueprint.route("/compare")
@blueprint.arguments(schemas.CompareQuery, location="query")
@blueprint.response(200, schemas.ComparisonSchema)
@problems(400, 404)
def compare(asked: dict[str, Any]) -> Comparison:
    """Two to five runs side by side: data, parameters, scores, seconds, versions."""
    names = dict.fromkeys(name.replace(" ", "+") for name in asked["run"])
    return compare_runs([find_run(name)[0] for name in names])


def dump(schema: Any, content: Any) -> str:
    """Return content as JSON in the form of a schema."""
    return orjson.dumps(made(schema).dump(content)).decode()


@cache
def made(schema: Any) -> Any:
    """Return a schema; making one costs as much as using it."""
    return schema()


def asked_run(run_id: str | None) -> Run:
    """Return the run that is named, else the newest; NotFoundError where there is none."""
    # A "+" that a client forgot to quote arrives as a space, which no run id can hold.
    name = run_id.replace(" ", "+") if run_id else current_index().newest()
    if name is None:
        raise NotFoundError(NO_RUN)
    return find_run(name)[0]


def expected_outputs(run: Run) -> list[dict[str, Any]]:
    """Return each output that the contracts of its stages declare, and whether the run has it."""
    contracts: dict[str, list[str]] = current_app.extensions["contracts"]
    paths = [
        f"runs/{run.run_id}/{stage.name}/{name}"
        for stage in run.stages
        for name in contracts.get(stage.name, [])
    ]
    sizes = {path: current_volume().tree.size(path) for path in paths}
    return [
        {"path": path, "exists": size is not None, "bytes": size} for path, size in sizes.items()
    ]


def init_app(app: Flask) -> None:
    """Add the API, its OpenAPI document and the page to try it."""
    app.config |= {
        "API_TITLE": "Ad click pipeline: the monitor",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/api",
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    api = ProblemApi(app)
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # each view names its own errors
    api.register_blueprint(blueprint)
    app.add_url_rule(
        "/api/", "api_page", lambda: render_template("api/api.html"), strict_slashes=False
    )
