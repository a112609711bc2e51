"""The list of runs, and the page of a run, whatever its state."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, current_app, render_template, request

from .charts import timeline_chart
from .conditional import answer
from .current import check_volume, current_index, current_live, current_volume, find_run
from .reading.index import SORTS, Query
from .reading.record import escaped
from .reading.run import Run
from .reading.volume import NotFoundError

STATES = ("running", "success", "failed")
FILTERS = ("q", "state", "dataset", "cause", "published", "sort", "order")
PAGE_SIZE = 25
# The heartbeat of a stage comes every second. After so long without one nobody is at work.
SILENCE = timedelta(minutes=2)
VIOLATION = ("line", "row", "column", "value", "rule")
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

blueprint = Blueprint("runs", __name__)
blueprint.before_request(check_volume)


@blueprint.get("/runs")
def runs() -> Response:
    """Show a page of the runs that the query asks for."""
    query, index = read_query(), current_index()
    return answer(
        lambda: render_template(
            "runs/runs.html",
            query=query,
            page=index.runs(query),
            states=STATES,
            datasets=index.counts("dataset"),
            causes=index.counts("cause"),
            asked=asked(),
        ),
        index.generation,
        index.whole,
        current_volume().release(),
    )


@blueprint.get("/runs/<run_id>")
def run(run_id: str) -> Response:
    """Show any run."""
    return show_run(*find_run(run_id))


@blueprint.get("/runs/<run_id>/violations.csv")
def violations(run_id: str) -> Response:
    """Send the listed violations of a run's data, for the person who has to correct the file."""
    found, version = find_run(run_id)
    if found.check is None:
        raise NotFoundError("The data of run %(run)s were not checked.", run=run_id)
    listed = found.check.first
    response = answer(lambda: to_csv(listed, VIOLATION), version, mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=violations.csv"
    return response


def to_csv(records: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    """Return records as CSV that is safe to open in a spreadsheet, which knows it for UTF-8."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(names)
    writer.writerows([safe_cell(record.get(name)) for name in names] for record in records)
    return f"\ufeff{written.getvalue()}"


def safe_cell(value: Any) -> str:
    """Return a value as a cell: on one line, and with a quote before what would be a formula."""
    text = "" if value is None else str(value)
    quote = "'" if text.startswith(FORMULA) else ""
    return quote + escaped(text)


def read_query() -> Query:
    """Return the query of the address; a value that makes no sense counts as not given."""
    asked = request.args
    page = asked.get("page", 1, type=int)
    return Query(
        words=asked.get("q", "")[:200],
        states=tuple(state for state in asked.getlist("state") if state in STATES),
        dataset=asked.get("dataset", ""),
        cause=asked.get("cause", ""),
        published={"yes": True, "no": False}.get(asked.get("published", "")),
        sort=asked.get("sort", "") if asked.get("sort") in SORTS else "started",
        descending=asked.get("order") != "asc",
        page=min(max(page, 1), 10**6),
        page_size=PAGE_SIZE,
    )


def asked() -> dict[str, list[str]]:
    """Return what of the address the next pages of the list, in its order or another, ask too."""
    values = {name: list(filter(None, request.args.getlist(name))) for name in FILTERS}
    return {name: given for name, given in values.items() if given}


def show_run(
    run: Run, version: str, running: Run | None = None, *, embedded: bool = False
) -> Response:
    """Return a run's page; ``running`` is a newer run to point to."""
    volume, index, live = current_volume(), current_index(), current_live()
    silent = is_silent(run)

    def show() -> str:
        return render_template(
            "runs/run.html",
            run=volume.with_profile(run),
            running=running,
            silent=silent,
            embedded=embedded,
            published_run=volume.published(),
            timeline=timeline_chart(run),
            mails=index.mails_about(run.run_id),
            airflow_page=airflow_page(run),
        )

    return answer(
        show,
        version,
        silent,
        live.error,
        running and (running.run_id, running.last_sign),
        volume.release(),
        index.meta("mails"),
        embedded,
    )


def is_silent(run: Run) -> bool:
    """Return whether a run in progress has given no sign of life for too long."""
    at_work = run.state == "running" and run.last_sign is not None
    return at_work and datetime.now(UTC) - run.last_sign > SILENCE  # type: ignore[operator]


def airflow_page(run: Run) -> str | None:
    """Return the address of the run's page in Airflow, for runs that Airflow knows."""
    base: str = current_app.config["AIRFLOW_URL"]
    if not base or not run.dag_id:
        return None
    dag_id, run_id = quote(run.dag_id, safe=""), quote(run.run_id, safe="")
    return f"{base.rstrip('/')}/dags/{dag_id}/runs/{run_id}"
