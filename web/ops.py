"""For those who run the service: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import time
from datetime import datetime

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from trials import clock, leases
from web import logs
from web.access import public

ops = Blueprint("ops", __name__)
CLOCK_SECONDS = 120
"""How long the clock may be silent before the service is not ready."""


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
        self.lost = Gauge(
            "signpost_refusals_not_written",
            "Times since the start that somebody was left out of a trial and it could not be kept",
            registry=self.registry,
        )


def measure(app: Flask) -> None:
    """Count and time every request of ``app``."""
    app.extensions["meters"] = Meters()
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began = time.perf_counter()
    g.request_number = logs.request_begins()


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
    """The database can be reached, its schema is current, and the clock was seen lately.

    A clock that never ran is missed as one that stopped is: without either nothing becomes due.
    """
    troubles = list(current_app.extensions["catalogue"].troubles())
    seen = None if troubles else _clock_seen()
    age = None if seen is None else (clock.now() - seen).total_seconds()
    if not troubles and seen is None:
        troubles.append("no clock has run on this database: start 'signpost scheduler'")
    if age is not None and age > CLOCK_SECONDS:
        troubles.append(f"the clock was last seen {age:,.0f} seconds ago")
    known = {"seen": seen.isoformat(), "seconds_ago": round(age or 0)} if seen else None
    return jsonify(ready=not troubles, troubles=troubles, scheduler=known), 503 if troubles else 200


def _clock_seen() -> datetime | None:
    """When an active clock last renewed its lease."""
    with current_app.extensions["store"].read() as session:
        found = leases.look(session, "clock")
    return None if found is None else found.seen


@ops.get("/metrics")
@public
def metrics() -> Response:
    """Prometheus' text format."""
    meters: Meters = current_app.extensions["meters"]
    meters.lost.set(current_app.extensions["online"].recorder.lost)
    return Response(generate_latest(meters.registry), content_type=CONTENT_TYPE_LATEST)
