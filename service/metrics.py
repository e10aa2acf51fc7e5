"""What Prometheus reads: the number and seconds of requests by route, and the age of the overrides."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.server import Listener
    from service.snapshot import Current

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The label of a request; another method is "other": a client can invent any number of them."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)


class Metrics:
    """The metrics of one service."""

    def __init__(self, current: Current) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("feedfall_calendar_requests", "Requests", labels, registry=self.registry)
        self.seconds = Histogram(
            "feedfall_calendar_seconds", "Seconds of a request", ("route",), buckets=BUCKETS, registry=self.registry
        )
        age = Gauge(
            "feedfall_calendar_overrides_age_seconds", "Seconds since the overrides were read", registry=self.registry
        )
        age.set_function(lambda: current.age)

    def count_connections(self, listener: Listener) -> None:
        """Show how many connections there are, and how many were closed because there were too many."""
        names = (("open", "Connections now"), ("refused", "Connections closed at once, beyond the limit"))
        for name, words in names:
            gauge = Gauge(f"feedfall_calendar_connections_{name}", words, registry=self.registry)
            gauge.set_function(partial(getattr, listener, name))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class MeasureRequests:
    """Counts and times every request. Plain ASGI: Starlette's own middleware class costs a third of an answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route = getattr(
                scope.get("route"), "path", "other"
            )  # never the path itself: each day would be a label of its own
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
