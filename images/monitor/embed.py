"""The pages that Airflow's own pages show in a frame, and no other page may.

Airflow's frame opens no new tab, and the monitor's other pages are not to be framed: a link in here
leads to another page of this kind or saves a file, and what can do neither is left out.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from .conditional import answer
from .current import check_volume, current_index, find_run
from .headers import page_policy
from .reading.live import DAG, PLANNED
from .runs import show_run

blueprint = Blueprint("embed", __name__, url_prefix="/embed")
blueprint.before_request(check_volume)


@blueprint.get("/", strict_slashes=False)
def newest() -> Response:
    """Show the newest run of a DAG; ``?dag_id=`` names the one whose page asks.

    A run that was made by hand is of no DAG, and shown with the pipeline.
    """
    index, dag_id = current_index(), request.args.get("dag_id", DAG)
    run_id = index.newest_of(dag_id, by_hand=dag_id == DAG)
    if run_id:
        return show_run(*find_run(run_id), embedded=True)
    return answer(
        lambda: render_template("embed/empty.html", embedded=True, other=dag_id not in PLANNED),
        index.generation,
    )


@blueprint.get("/runs/<run_id>")
def run(run_id: str) -> Response:
    """Show a run."""
    return show_run(*find_run(run_id), embedded=True)


@blueprint.after_request
def allow_airflow(response: AnyResponse) -> AnyResponse:
    """Let Airflow's pages, and no others, show this answer in a frame."""
    response.headers["Content-Security-Policy"] = page_policy(frame_ancestors=airflow_origins())
    # The older header knows no list of hosts; browsers that know the policy go by that.
    response.headers["X-Frame-Options"] = ""
    return response


def airflow_origins() -> str:
    """Return the origins that Airflow's pages are served from, or 'none'."""
    address = urlsplit(current_app.config["AIRFLOW_URL"])
    if address.scheme not in ("http", "https") or not address.hostname:
        return "'none'"
    origins = [f"{address.scheme}://{address.netloc}"]
    if address.hostname == "localhost":  # the same pages under this machine's other name
        origins.append(origins[0].replace("localhost", "127.0.0.1", 1))
    return " ".join(origins)
