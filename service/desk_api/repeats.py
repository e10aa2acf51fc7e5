"""The same request a second time: after a lost answer a client sends it again under its key, and it is done once.

A key is one holder's. What is kept is kept in this process for a day: another replica, or this one after a restart,
does not know it. There the ledger keeps an act from mattering twice: a hold is a hold, and the journal tells both.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.desk_api.verbs import Answer

MOST, SECONDS = 2_000, 86_400.0
#: An answer of this exit code is no answer yet: the same request is tried anew.
TRY_AGAIN = 75


@dataclass
class Once:
    """One key: what was requested under it, and the answer."""

    request: object
    began: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer | None = None


class Repeats:
    """The keys of the last day."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._known: OrderedDict[tuple[str, str], Once] = OrderedDict()

    def once(self, holder: str, key: str, request: object, do: Callable[[], Answer]) -> tuple[Answer, bool]:
        """The answer to a request, and whether it was given before. Raises Problem 422 for a key of another request."""
        if not key:
            return do(), False
        own = self._own((holder, key), request)
        if own.request != request:
            raise Problem(422, "key-reused", "that Idempotency-Key was sent with another request: take a new one")
        with own.lock:  # a second one, sent while the first is under way, waits for its answer
            if own.answer is not None:
                return own.answer, True
            answer = do()
            if answer.exit != TRY_AGAIN:
                own.answer = answer
            return answer, False

    def _own(self, name: tuple[str, str], request: object) -> Once:
        now = self._clock()
        with self._lock:
            while self._known and (len(self._known) >= MOST or next(iter(self._known.values())).began < now - SECONDS):
                self._known.popitem(last=False)
            return self._known.setdefault(name, Once(request, now))
