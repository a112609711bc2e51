"""What Prometheus collects: states, durations, the model's quality, the age of things."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .current import (
    check_volume,
    current_index,
    current_live,
    current_volume,
    current_watch,
)
from .home import newest_decided, published_model
from .reading.evaluation import SCORES
from .reading.history import EVENTS, read_history
from .reading.index import Index, Row

blueprint = Blueprint("exposition", __name__)
blueprint.before_request(check_volume)

STATES = ("running", "success", "failed")


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(VolumeCollector())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class VolumeCollector(Collector):
    """Reads the metrics off the index: the truth of this moment, the same from every process."""

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        index = current_index()
        yield from run_metrics(index)
        yield from model_metrics()
        yield from drift_metrics()
        yield from monitor_metrics(index)


def run_metrics(index: Index) -> Iterator[Metric]:
    """Yield how many runs there are, and how the newest of each state went."""
    counts = index.counts()
    runs = GaugeMetricFamily("ad_click_runs", "Runs on the volume by state", labels=["state"])
    for state in STATES:
        runs.add_metric([state], counts.get(state, 0))
    yield runs
    failures = GaugeMetricFamily(
        "ad_click_failures", "Runs that failed, by cause", labels=["cause"]
    )
    for cause, number in index.counts("cause", "failed").items():
        failures.add_metric([cause], number)
    yield failures
    rows = index.rows(filter(None, map(index.newest, STATES)))
    started = GaugeMetricFamily(
        "ad_click_newest_run_started_seconds",
        "When the newest run of a state started, in seconds since 1970",
        labels=["state"],
    )
    for row in rows:
        started.add_metric([row.state], row.started.timestamp())
    yield started
    if finished := next((row for row in rows if row.state == "success"), None):
        yield from duration_metrics(finished)


def duration_metrics(row: Row) -> Iterator[Metric]:
    """Yield how long the newest successful run and each of its stages took."""
    yield GaugeMetricFamily(
        "ad_click_run_duration_seconds", "Duration of the newest successful run", value=row.seconds
    )
    stages = GaugeMetricFamily(
        "ad_click_stage_duration_seconds",
        "Duration of each stage in the newest successful run",
        labels=["stage"],
    )
    for stage, seconds in row.stages.items():
        stages.add_metric([stage], seconds)
    yield stages
    if row.rows is not None:
        yield GaugeMetricFamily(
            "ad_click_data_rows", "Rows of data in the newest successful run", value=row.rows
        )


def model_metrics() -> Iterator[Metric]:
    """Yield the published model's scores, and when it and its data were new."""
    model = published_model()
    yield GaugeMetricFamily(
        "ad_click_model_published", "Whether a model is published", value=float(model is not None)
    )
    if model is None:
        return
    scores = GaugeMetricFamily(
        "ad_click_model_score", "Scores of the published model on its test rows", labels=["score"]
    )
    measured = model.summary.record("metrics")
    for name in SCORES:
        if (score := measured.number(name)) is not None:
            scores.add_metric([name], score)
    yield scores
    if model.created:
        yield GaugeMetricFamily(
            "ad_click_model_created_seconds",
            "When the published model was made, in seconds since 1970",
            value=model.created.timestamp(),
        )
    modified = current_volume().data_modified(model.summary.record("source").text("path"))
    if modified:
        yield GaugeMetricFamily(
            "ad_click_data_modified_seconds",
            "When the data file of the published model was last changed, in seconds since 1970",
            value=modified,
        )


def drift_metrics() -> Iterator[Metric]:
    """Yield what was decided about models, and what the newest decided run found of its data."""
    decisions = GaugeMetricFamily(
        "ad_click_decisions", "Decisions about models, by what was decided", labels=["event"]
    )
    events = Counter(decision.event for decision in read_history(current_volume().tree))
    for event in EVENTS:
        decisions.add_metric([event], events[event])
    yield decisions
    run = newest_decided()
    if run is None or run.drift is None:
        return
    drift = run.drift
    yield GaugeMetricFamily(
        "ad_click_drifted",
        "Whether the data of the newest measured run have drifted",
        value=float(drift.drifted),
    )
    stability = GaugeMetricFamily(
        "ad_click_drift",
        "Population stability index of a column, of those that drifted most",
        labels=["column"],
    )
    # A column is named once, whatever the file says, and there are at most so many of them.
    for name, psi in {column.column[:100]: column.psi for column in drift.columns}.items():
        if psi is not None:
            stability.add_metric([name], psi)
    yield stability
    scores = GaugeMetricFamily(
        "ad_click_published_model_score",
        "Scores of the model that was published, on its own test rows then and on those of now",
        labels=["score", "when"],
    )
    for change in drift.scores:
        for when, value in (("then", change.then), ("now", change.now)):
            if value is not None:
                scores.add_metric([change.name, when], value)
    yield scores


def monitor_metrics(index: Index) -> Iterator[Metric]:
    """Yield what the monitor knows of itself."""
    yield GaugeMetricFamily(
        "ad_click_index_complete", "Whether every run is indexed", value=float(index.whole)
    )
    live = current_live()
    if live.asked or live.error:
        yield GaugeMetricFamily(
            "ad_click_airflow_up", "Whether Airflow answers", value=float(live.error is None)
        )
        yield GaugeMetricFamily(
            "ad_click_runs_waiting", "Runs that wait in Airflow", value=len(live.waiting)
        )
    yield GaugeMetricFamily(
        "ad_click_index_age_seconds",
        "Seconds since the volume was last looked at",
        value=max(0.0, time.monotonic() - current_watch().looked),
    )
