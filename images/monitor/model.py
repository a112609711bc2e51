"""The published model's card, and what was published and refused before."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from .conditional import answer
from .current import check_volume, current_index, current_volume
from .home import published_model
from .reading.evaluation import read_evaluation
from .reading.index import Query
from .reading.volume import NotFoundError

PAGE_SIZE = 20

blueprint = Blueprint("model", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/model")
def model() -> Response:
    """Show the model that is in use, and the history of decisions."""
    index, volume = current_index(), current_volume()
    page = min(max(request.args.get("page", 1, type=int), 1), 10**6)
    query = Query(decided=True, page=page, page_size=PAGE_SIZE)
    return answer(lambda: show_model(query), index.generation, volume.release())


def show_model(query: Query) -> str:
    """Return the page."""
    card = published_model()
    return render_template(
        "model/model.html",
        model=card,
        problem=None if card else why_none(),
        evaluation=read_evaluation(card.summary.record("metrics")) if card else None,
        history=current_index().runs(query),
    )


def why_none() -> NotFoundError | None:
    """Return why there is no model to show, where one is published that cannot be read."""
    if current_volume().release() is None:
        return None
    try:
        current_volume().model()
    except NotFoundError as reason:
        return reason
    return None
