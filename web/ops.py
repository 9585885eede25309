"""For those who run the service: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import time

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from web.access import public

ops = Blueprint("ops", __name__)


class Meters:
    """What is counted of every request. Routes, never addresses: an address may hold a key."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "signpost_requests_total", "Requests answered", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "signpost_request_seconds", "Time to answer", ("route",), registry=self.registry
        )


def measure(app: Flask) -> None:
    """Count and time every request of ``app``."""
    app.extensions["meters"] = Meters()
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    meters: Meters = current_app.extensions["meters"]
    route = request.url_rule.rule if request.url_rule else "none"
    meters.requests.labels(request.method, route, str(response.status_code)).inc()
    if "began" in g:
        meters.seconds.labels(route).observe(time.perf_counter() - g.began)
    return response


@ops.get("/healthz")
@public
def alive() -> Response:
    """The process answers; nothing else is touched."""
    return Response("ok\n", mimetype="text/plain")


@ops.get("/readyz")
@public
def ready() -> tuple[Response, int]:
    """The database can be reached and its schema is current."""
    troubles = current_app.extensions["catalogue"].troubles()
    return jsonify(ready=not troubles, troubles=troubles), 503 if troubles else 200


@ops.get("/metrics")
@public
def metrics() -> Response:
    """Prometheus' text format."""
    meters: Meters = current_app.extensions["meters"]
    return Response(generate_latest(meters.registry), content_type=CONTENT_TYPE_LATEST)
