"""The board's /metrics, on the platform's port: of the desk that the pages show, and what each database has counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from operate.desk.totals import Counting, Numbers
from service.desk_metrics import DeskMetrics
from service.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from catalog import Feed
    from service.board.picture import Current

COUNT_EVERY = 15.0


def counting(feeds: Sequence[Feed], environ: Mapping[str, str]) -> Repeated[Numbers]:
    """What every database has counted, read every 15 s while it is followed."""
    return Repeated(Counting(feeds, environ).read, COUNT_EVERY, "numbers")


def metrics(current: Current, numbers: Repeated[Numbers]) -> Starlette:
    """The application of the platform's port."""

    def counted() -> Numbers:
        return numbers.newest or Numbers()

    found = DeskMetrics(
        lambda: current.picture.desk, lambda: datetime.now(UTC), lambda: counted().totals, lambda: counted().covered
    )

    async def text(_: Request) -> Response:
        return Response(found.text(), media_type="text/plain; version=1.0.0; charset=utf-8")

    return Starlette(routes=[Route("/metrics", text)])
