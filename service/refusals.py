"""Writes down who was refused, what and why, with a limit: a flood of refusals must not fill a disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ledger import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from service.problem import Problem

WINDOW, LINES = 60.0, 60
"""At most so many lines in so many seconds."""
LONGEST_LINE = 400


class RefusalLog:
    """The refusals of one service. The token of a request is never written."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began, self._lines, self._dropped = clock(), 0, 0

    def add(self, scope: Scope, problem: Problem) -> None:
        """Write a line about a refused request, or count it."""
        if self._clock() - self._began > WINDOW:
            self._began, self._lines = self._clock(), 0
        if self._lines >= LINES:
            self._dropped += 1
            return
        self._lines += 1
        if self._dropped:
            print(f"REFUSED {self._dropped} more, not written one by one", flush=True)  # noqa: T201 -- the pod's log
            self._dropped = 0
        print(_line(scope, problem), flush=True)  # noqa: T201 -- likewise


def _line(scope: Scope, problem: Problem) -> str:
    holder = scope.get("state", {}).get("holder")
    who = f"{holder.name if holder else 'nobody'} from {(scope.get('client') or ['an unknown address'])[0]}"
    words = (
        f"REFUSED {problem.status} {problem.kind}: {scope['method']} {scope['path'][:200]} by {who}: {problem.detail}"
    )
    return printable.escaped(words[:LONGEST_LINE])
