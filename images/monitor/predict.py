"""A form that asks the published model about one row. All of it stands in the page's address."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template, request

from .charts import contribution_bars
from .current import check_volume
from .home import published_model
from .model import why_none
from .reading.form import Field, read_form, read_row
from .reading.predictor import Prediction, PredictorError
from .reading.predictor import predict as ask

blueprint = Blueprint("predict", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/predict")
def predict() -> str:
    """Show the form and, where the address holds a row, what the model predicts for it."""
    model = published_model()
    fields = read_form(model.summary) if model else []
    asked = any(field.name in request.args for field in fields)
    prediction, problem = ask_about(fields) if asked else (None, None)
    return render_template(
        "predict/predict.html",
        model=model,
        unreadable=None if model else why_none(),
        fields=fields,
        entered=request.args,
        configured=bool(current_app.config["PREDICTOR_URL"]),
        prediction=prediction,
        bars=contribution_bars(prediction) if prediction else [],
        problem=problem,
        rules=problem.rules if problem else {},
    )


def ask_about(fields: list[Field]) -> tuple[Prediction | None, PredictorError | None]:
    """Return what the predictor says of the row in the address, or why it says nothing."""
    address: str = current_app.config["PREDICTOR_URL"]
    if not address:
        return None, None
    try:
        return ask(address, read_row(fields, request.args)), None
    except PredictorError as problem:
        return None, problem
