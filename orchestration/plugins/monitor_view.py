"""The tab "Monitor" in Airflow, on the pages of a DAG and of a run: the monitor in a frame."""

import os
from typing import Any

from airflow.plugins_manager import AirflowPlugin


def tabs(monitor_url: str) -> list[dict[str, Any]]:
    """Return the tabs as Airflow takes them; none where it is not known where the monitor is.

    Airflow shows a tab on the pages of all DAGs, and puts ids, quoted, for ``{DAG_ID}`` and
    ``{RUN_ID}``.
    Each needs a ``url_route`` of its own: without one there is no tab.
    """
    if not monitor_url:
        return []
    page = f"{monitor_url.rstrip('/')}/embed"
    return [
        {
            "name": "Monitor",
            "destination": "dag",
            "url_route": "monitor",
            "href": f"{page}?dag_id={{DAG_ID}}",
        },
        {
            "name": "Monitor",
            "destination": "dag_run",
            "url_route": "monitor-run",
            "href": f"{page}/runs/{{RUN_ID}}",
        },
    ]


class MonitorView(AirflowPlugin):
    """Adds the tabs."""

    name = "monitor_view"
    external_views = tabs(os.environ.get("MONITOR_URL", ""))
