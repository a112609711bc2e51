"""The OpenAPI document: its rows are those of the model that answers at this moment."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response

from .current import current_watch
from .errors import PROBLEM
from .predict import MOST_BYTES, MOST_ROWS
from .rows import FILLED, LARGEST_INTEGER

blueprint = Blueprint("openapi", __name__)

NUMBER: dict[str, Any] = {"type": "number"}
TEXT: dict[str, Any] = {"type": "string"}


@blueprint.get("/openapi.json")
def document() -> Response:
    """Return the document."""
    model = current_watch().state.model
    described = describe(model.fields.columns if model else None)
    return Response(orjson.dumps(described), mimetype="application/json")


def describe(columns: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    """Return the document for a model of these features, or for none yet."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ad-click predictor",
            "version": "1",
            "description": "The published model: how likely is a click. Rows are held to the data "
            "contract that the model was trained under; each answer names the model.",
        },
        "paths": {
            "/v1/predict": {"post": describe_predict()},
            "/health": {
                "get": {
                    "summary": "The model that answers, or why there is none",
                    "operationId": "health",
                    "responses": {
                        "200": content("A model answers", ref("Health")),
                        "503": content("There is no model that can be used", ref("Health")),
                    },
                }
            },
            "/live": {
                "get": {
                    "summary": "Whether the service answers, with or without a model",
                    "operationId": "live",
                    "responses": {
                        "200": content("It does", object_of({"status": {"const": "ok"}}))
                    },
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Metrics for Prometheus",
                    "operationId": "metrics",
                    "responses": {"200": {"description": "Metrics", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {"schemas": describe_schemas(columns)},
    }


def describe_predict() -> dict[str, Any]:
    """Return the one call that matters."""
    problems = {
        "400": "The body is no JSON",
        "413": f"The body has more than {MOST_BYTES} bytes",
        "415": "The body is not declared as JSON",
        "422": "A row breaks the contract; `errors` names rows and fields",
        "503": "There is no model that can be used",
    }
    return {
        "summary": "The probability of a click, for one row or many",
        "operationId": "predict",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("Request")}},
        },
        "responses": {
            "200": content("A prediction for each row, in their order", ref("Answer")),
            **{
                status: content(words, ref("Problem"), PROBLEM)
                for status, words in problems.items()
            },
        },
    }


def describe_schemas(columns: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    """Return what goes in and out."""
    explain = {"type": "boolean", "default": False, "description": "add what each feature adds"}
    rows = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": ref("Row")}
    nullable_text = {"type": ["string", "null"]}
    contributions = {"type": "object", "additionalProperties": NUMBER}
    explanation = object_of(
        {"log_odds": NUMBER, "intercept": NUMBER, "contributions": contributions}
    )
    prediction = object_of(
        {
            "probability": {"type": "number", "minimum": 0, "maximum": 1},
            "predicted": {"type": ["integer", "string"]},
        },
        explanation=explanation,
    )
    model = object_of({"run_id": TEXT, "sha256": TEXT, "file": TEXT})
    broken = object_of({"row": {"type": "integer"}, "field": nullable_text, "rule": TEXT})
    return {
        "Row": describe_row(columns),
        "Request": {
            "oneOf": [
                object_of({"row": ref("Row")}, explain=explain),
                object_of({"rows": rows}, explain=explain),
            ]
        },
        "Answer": object_of(
            {"model": model, "predictions": {"type": "array", "items": prediction}},
            why_not={"type": "string", "description": "why there is no explanation"},
        ),
        "Problem": object_of(
            {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
            errors={"type": "array", "items": broken},
            broken={"type": "integer", "description": "how many there are; errors tells the first"},
        ),
        "Health": object_of(
            {
                "status": {"enum": ["ok", "outdated", "failing"]},
                "model": {"oneOf": [model, {"type": "null"}]},
                "since": nullable_text,
                "problem": nullable_text,
            }
        ),
    }


def describe_row(columns: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
    """Return the schema of a row, as its contract has it."""
    if columns is None:
        return {"type": "object"}
    fields = {name: describe_field(rules) for name, rules in columns.items()}
    needed = [name for name, rules in columns.items() if rules.get("missing") not in FILLED]
    return object_of(fields) | {"required": needed}


def describe_field(rules: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a feature's value."""
    kind = rules["type"] if rules["type"] in ("integer", "number") else "string"
    missing = rules.get("missing") in FILLED
    described: dict[str, Any] = {"type": [kind, "null"] if missing else kind}
    if kind == "integer":
        described |= {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}
    if kind == "string" and not missing:
        described["pattern"] = r"^[^\u0000]*[^\u0000 \t][^\u0000]*$"
    described |= {key: rules[key] for key in ("minimum", "maximum") if key in rules}
    if "allowed" in rules:
        described["enum"] = [*rules["allowed"], *([None] if missing else [])]
    words = [rules[key] for key in ("description", "unit") if rules.get(key)]
    return described | ({"description": "; ".join(words)} if words else {})


def content(words: str, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    """Return the description of an answer."""
    return {"description": words, "content": {kind: {"schema": schema}}}


def ref(name: str) -> dict[str, Any]:
    """Return where a schema stands."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(needed: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """Return the schema of an object with these members and no others."""
    return {
        "type": "object",
        "required": list(needed),
        "properties": needed | optional,
        "additionalProperties": False,
    }
