"""The port of the platform: metrics for Prometheus, and whether the process lives and is ready. Not for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from service import problem
from service.problem import Problem
from service.refusals import RefusalLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from service.metrics import Metrics
    from service.snapshot import Current

READY_WITHIN = 10.0
"""Seconds without the database after which the service is not ready."""


def management(current: Current, metrics: Metrics) -> Starlette:
    """The application of the platform's port."""

    async def healthz(_: Request) -> Response:
        return alive(current)

    async def readyz(_: Request) -> Response:
        return ready(current)

    app = Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), exposed(metrics.text)])
    problem.install(app, RefusalLog())
    return app


def exposed(text: Callable[[], bytes]) -> Route:
    """The route of /metrics."""

    async def numbers(_: Request) -> Response:
        return Response(text(), media_type="text/plain; version=1.0.0; charset=utf-8")

    return Route("/metrics", numbers)


def alive(current: Current) -> Response:
    """Is the process well? An outage of the database is no reason to restart it. Raises Problem."""
    if current.stuck:
        raise Problem(503, "stuck", "the refresh of the overrides hangs: restart this process")
    return Response(b"ok\n", media_type="text/plain")


def ready(current: Current) -> Response:
    """Has the service read the overrides just now? Raises OutOfDate."""
    current.snapshot(READY_WITHIN)
    return Response(b"ok\n", media_type="text/plain")
