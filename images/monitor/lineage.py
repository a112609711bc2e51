"""The page that verifies a model's lineage, as ``make verify`` does, without large files."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from .current import check_volume, current_volume
from .reading.lineage import BrokenLinkError, Chain, Link, SourceChangedError, published_run

# Bytes of files that one page reads, about half a second's work; reports come on top of it.
LIMIT = 256 * 1024**2

blueprint = Blueprint("lineage", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/model/verify")
def verify_model() -> Response:
    """Verify the published model."""
    try:
        run_id = published_run(current_volume())
    except BrokenLinkError as broken:
        return show(None, [], broken)
    return verify_run(run_id)


@blueprint.get("/runs/<run_id>/verify")
def verify_run(run_id: str) -> Response:
    """Verify the model of a run."""
    chain, links = Chain(current_volume(), run_id, LIMIT), []
    try:
        for link in chain.verify():
            links.append(link)
    except BrokenLinkError as broken:
        return show(chain, links, broken)
    return show(chain, links)


def show(chain: Chain | None, links: list[Link], broken: BrokenLinkError | None = None) -> Response:
    """Return the page. It is made anew each time: a byte may change and leave no other trace."""
    page = render_template(
        "lineage/verify.html",
        chain=chain,
        links=links,
        broken=broken,
        source_changed=isinstance(broken, SourceChangedError),
        unread=sum(link.state == "size" for link in links),
        limit=LIMIT,
    )
    response = Response(page)
    response.headers["Cache-Control"] = "no-store"
    return response
