"""The published model's card, and what was published and refused before."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from .conditional import answer
from .current import check_volume, current_index, current_volume
from .home import published_model
from .reading.champion import read_challenge
from .reading.drift import read_drift
from .reading.evaluation import read_evaluation
from .reading.history import Decision, read_history
from .reading.index import Page, Query, Row
from .reading.volume import Model, NotFoundError

PAGE_SIZE = 20
# So many decisions are shown at most, the newest.
MOST = 500

blueprint = Blueprint("model", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/model")
def model() -> Response:
    """Show the model that is in use, and the history of decisions."""
    volume = current_volume()
    page = min(max(request.args.get("page", 1, type=int), 1), 10**6)
    versions = (current_index().generation, volume.release(), volume.history_mark())
    return answer(lambda: show_model(page), *versions)


def show_model(page: int) -> str:
    """Return the page."""
    card = published_model()
    summary = card.summary if card else None
    history = decisions(page, PAGE_SIZE)
    return render_template(
        "model/model.html",
        model=card,
        problem=None if card else why_none(),
        evaluation=read_evaluation(summary.record("metrics")) if summary else None,
        challenge=read_challenge(summary.record("comparison")) if summary else None,
        drift=read_drift(summary.record("drift")) if summary else None,
        files=published_files(card) if card else [],
        history=history,
        in_use=in_use(card, history.items) if card and page == 1 else None,
    )


def decisions(page: int, page_size: int) -> Page[Decision]:
    """Return a page of what was decided, newest first.

    The history knows of each publication, and of each model that came as far as being compared.
    What it does not know, a model that missed the quality gate or that was published before there
    was a history, the runs tell.
    """
    index = current_index()
    told = read_history(current_volume().tree)[:MOST]
    if not told:
        found = index.runs(Query(decided=True, page=page, page_size=page_size))
        return Page([decided(row) for row in found.items], found.total, page, page_size)
    names = {decision.run_id for decision in told}
    rows = index.runs(Query(decided=True, page_size=MOST)).items
    told += [decided(row) for row in rows if row.run_id not in names]
    told.sort(key=lambda decision: decision.time.timestamp() if decision.time else 0, reverse=True)
    told = told[:MOST]
    return Page(told[(page - 1) * page_size : page * page_size], len(told), page, page_size)


def decided(row: Row) -> Decision:
    """Return what was decided about a run's model, as the run tells it."""
    return Decision(
        time=row.ended or row.started,
        event="published" if row.published else "refused",
        run_id=row.run_id,
        reason=row.reason,
        accuracy=row.scores["accuracy"],
        roc_auc=row.scores["roc_auc"],
    )


def in_use(model: Model, newest: list[Decision]) -> Decision | None:
    """Return the decision by which the model is in use; a model can be put to use repeatedly."""
    put = (decision for decision in newest if decision.event != "refused")
    return next((decision for decision in put if decision.run_id == model.run_id), None)


def published_files(model: Model) -> list[tuple[str, int | None, str | None]]:
    """Return name, bytes and sha256 of each file that is published with the model."""
    files = model.summary.record("files")
    found = ((name, files.record(name)) for name in files.content)
    return [(name, file.whole("bytes"), file.text("sha256")) for name, file in found][:100]


def why_none() -> NotFoundError | None:
    """Return why there is no model to show, where one is published that cannot be read."""
    if current_volume().release() is None:
        return None
    try:
        current_volume().model()
    except NotFoundError as reason:
        return reason
    return None
