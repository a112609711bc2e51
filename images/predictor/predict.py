"""``POST /v1/predict``: the probability of a click for one row or many."""

from __future__ import annotations

import math
from typing import Any

import orjson
from flask import Blueprint, Response, request

from .current import current_watch
from .errors import RefusedError, refuse_rows
from .exposition import PREDICTED_ROWS
from .scoring import Model, Values

MOST_ROWS = 10_000
MOST_BYTES = 4 * 1024 * 1024
SHAPE = (
    'the body is a JSON object: {"row": {field: value, ...}} or {"rows": [{...}, ...]}, and '
    '"explain": true where wanted'
)

blueprint = Blueprint("predict", __name__)


@blueprint.post("/v1/predict")
def predict() -> Response:
    """Return each row's probability and class, with the model that gave them.

    The model is taken once: all rows of a request are answered by the same one.
    """
    model = current_model()
    rows, wants_why = read_request()
    values, broken = model.fields.read(rows)
    if broken:
        raise refuse_rows(broken)
    answer = {"model": model.identity, "predictions": make_predictions(model, values)}
    if wants_why:
        add_explanations(answer, model, values)
    PREDICTED_ROWS.inc(len(rows))
    return Response(orjson.dumps(answer), mimetype="application/json")


def current_model() -> Model:
    """Return the model that answers now."""
    state = current_watch().state
    if state.model is None:
        raise RefusedError(503, str(state.problem))
    return state.model


def read_request() -> tuple[list[Any], bool]:
    """Return the rows that are asked about, and whether to explain."""
    if request.mimetype != "application/json":
        raise RefusedError(415, "the body must be JSON: Content-Type: application/json")
    try:
        body = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError as problem:
        raise RefusedError(400, f"the body is no valid JSON: {problem}") from None
    if type(body) is not dict:
        raise RefusedError(422, SHAPE)
    wants_why = body.pop("explain", False)
    if len(body) != 1 or type(wants_why) is not bool:
        raise RefusedError(422, SHAPE)
    if "row" in body:
        return [body["row"]], wants_why
    rows = body.get("rows")
    if type(rows) is not list:
        raise RefusedError(422, SHAPE)
    if not 1 <= len(rows) <= MOST_ROWS:
        raise RefusedError(422, f"rows holds {len(rows)} rows; it must hold 1 to {MOST_ROWS}")
    return rows, wants_why


def make_predictions(model: Model, values: Values) -> list[dict[str, Any]]:
    """Return a prediction for each row, in their order."""
    probabilities = model.scorer.score(values)
    for place, probability in enumerate(probabilities):
        if not math.isfinite(probability):
            rule = "the model has no probability for these values, which are too large for it"
            raise refuse_rows([{"row": place, "field": None, "rule": rule}])
    no_click, click = model.classes
    # From above one half on a click is predicted, as evaluate_model counts it.
    return [
        {"probability": probability, "predicted": click if probability > 0.5 else no_click}
        for probability in probabilities
    ]


def add_explanations(answer: dict[str, Any], model: Model, values: Values) -> None:
    """Add what each feature contributed to each prediction, or why it can't be told."""
    if model.explainer is None:
        answer["why_not"] = model.why_not
        return
    explanations = model.explainer.explain(values)
    for prediction, explanation in zip(answer["predictions"], explanations, strict=True):
        prediction["explanation"] = explanation
