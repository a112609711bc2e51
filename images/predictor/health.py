"""Does the service answer, and by which model."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from .current import current_watch

blueprint = Blueprint("health", __name__)


@blueprint.get("/live")
def live() -> dict[str, str]:
    """Return 200 whenever the service answers, with or without a model."""
    return {"status": "ok"}


@blueprint.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """Return 200 with the model that answers, or 503 with the reason while there is none.

    ``status`` is ``outdated`` while what is published since cannot be used; ``problem`` says why.
    """
    state = current_watch().state
    word = "ok" if state.problem is None else "outdated" if state.model else "failing"
    answer = {
        "status": word,
        "model": state.model and state.model.identity,
        "since": state.since and state.since.isoformat(timespec="milliseconds"),
        "problem": state.problem,
    }
    return answer, 200 if state.model else 503
