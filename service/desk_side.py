"""The platform's port beside the board: /metrics of the desk. What it counts is read every 15 s, in a thread.

with desk_side(lambda: current.picture.desk, feeds, environ) as app:
    run(main, Endpoint(app, listen(host, port, PLATFORM), PLATFORM))
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from operate.desk.totals import Counting, Numbers
from service import problem
from service.desk_metrics import DeskMetrics
from service.management import exposed
from service.refusals import RefusalLog
from service.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catalog import Feed
    from operate.desk.desk import Desk

COUNT_EVERY = 15.0


@contextmanager
def desk_side(
    desk: Callable[[], Desk | None], feeds: Sequence[Feed], environ: Mapping[str, str], every: float = COUNT_EVERY
) -> Iterator[Starlette]:
    """The application of the platform's port; it counts until the block ends."""
    numbers = Repeated(Counting(feeds, environ).read, every, "numbers")

    def counted() -> Numbers:
        return numbers.newest or Numbers()

    metrics = DeskMetrics(desk, lambda: datetime.now(UTC), lambda: counted().totals, lambda: counted().covered)
    app = Starlette(routes=[exposed(metrics.text)])
    problem.install(app, RefusalLog())
    with numbers.follow():
        yield app
