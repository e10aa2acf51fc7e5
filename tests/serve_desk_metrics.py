"""/metrics of a real ledger's desk, as a process: `python tests/serve_desk_metrics.py PORT FEED…`, until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bank import PACKAGES
from catalog import find
from operate.desk.read import Reader
from operate.desk.totals import Counting, Numbers
from service.desk_metrics import DeskMetrics
from service.repeated import Repeated
from service.server import Endpoint, Limits, listen, run


def main(port: int, names: list[str]) -> None:
    feeds = [find.load(name, PACKAGES) for name in names]
    desk = Repeated(Reader(feeds).read, 1, "desk")
    numbers = Repeated(Counting(feeds).read, 1, "numbers")

    def now() -> datetime:
        return datetime.now(UTC)

    def counted() -> Numbers:
        return numbers.newest or Numbers()

    metrics = DeskMetrics(lambda: desk.newest, now, lambda: counted().totals, lambda: counted().covered)

    async def text(_: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")

    with ExitStack() as stack:
        for each in (desk, numbers):
            stack.enter_context(each.follow())
        run(Endpoint(Starlette(routes=[Route("/metrics", text)]), listen("127.0.0.1", port, Limits()), Limits()), None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
