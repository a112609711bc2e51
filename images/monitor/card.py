"""The published model's card, as it stands beside the model."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from .conditional import answer
from .current import check_volume, current_volume
from .reading.files import UnreadableError
from .reading.markdown import read_blocks
from .reading.volume import NotFoundError

CARD = "model_card.md"

blueprint = Blueprint("card", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/model/card")
def card() -> Response:
    """Show the card. Its text is escaped by the template, whatever stands in it."""
    text = read_card()
    return answer(lambda: render_template("card/card.html", blocks=list(read_blocks(text))), text)


def read_card() -> str:
    """Return the card's text, or raise NotFoundError with the reason."""
    volume = current_volume()
    release = volume.release()
    if release is None:
        raise NotFoundError("No model is published yet; the first accepted run publishes one.")
    try:
        return volume.tree.text(f"model/releases/{release}/{CARD}")
    except FileNotFoundError:
        raise NotFoundError("The published model has no card: an older version made it.") from None
    except UnreadableError as reason:
        raise NotFoundError(
            "The published model's card cannot be shown: it %(reason)s.", reason=reason
        ) from None
