"""What Prometheus collects: requests, their time, rows, and the model that answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .current import current_watch

METRICS = CollectorRegistry()
REQUESTS = Counter(
    "ad_click_predictor_requests",
    "Requests for predictions by HTTP status",
    ["status"],
    registry=METRICS,
)
SECONDS = Histogram(
    "ad_click_predictor_request_seconds",
    "Time from a request's arrival in the application to its answer",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0),
    registry=METRICS,
)
PREDICTED_ROWS = Counter(
    "ad_click_predictor_rows", "Rows that were given a probability", registry=METRICS
)
PREDICT = "/v1/predict"

blueprint = Blueprint("exposition", __name__)


def init_app(app: Flask) -> None:
    """Count each request for predictions."""

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        if request.path == PREDICT:
            REQUESTS.labels(response.status_code).inc()
            SECONDS.observe(time.perf_counter() - g.begun)
        return response


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(generate_latest(METRICS), content_type=CONTENT_TYPE_LATEST)


class ModelCollector(Collector):
    """Tells of the model of the app that is asked."""

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        watch = current_watch()
        state = watch.state
        yield GaugeMetricFamily(
            "ad_click_predictor_model_loaded",
            "Whether a model answers",
            value=float(state.model is not None),
        )
        yield GaugeMetricFamily(
            "ad_click_predictor_model_outdated",
            "Whether what is published cannot be used",
            value=float(state.problem is not None),
        )
        yield GaugeMetricFamily(
            "ad_click_predictor_look_age_seconds",
            "Seconds since the volume was last looked at",
            value=max(0.0, time.monotonic() - watch.looked),
        )
        if state.model and state.since:
            info = GaugeMetricFamily(
                "ad_click_predictor_model_since_seconds",
                "When the model began to answer, in seconds since 1970",
                labels=["run_id", "file"],
            )
            info.add_metric([state.model.run_id, state.model.file], state.since.timestamp())
            yield info


METRICS.register(ModelCollector())
