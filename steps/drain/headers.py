"""The one way to a message's headers, for some the driver cannot read. Called by sub, relay, replay, `verify --deep`.

confluent_kafka gives up at a header *name* that is not UTF-8: it raises SystemError, and keeps a list in the message
whose second reading ends the process. Such a message gets `UnreadableHeaders` once, and the driver is not called again:
it is then quarantined like any unreadable message.
"""

from __future__ import annotations

import gc
from itertools import groupby
from operator import methodcaller
from typing import TYPE_CHECKING

from catalog.message import UnreadableHeaders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.message import Headers
    from steps.drain.kafka import Message

#: Rows of one response carry the same headers: a batch is told apart by them.
HEADERS = methodcaller("headers")


def by_headers(messages: Sequence[Message]) -> list[tuple[Headers | None, list[Message]]]:
    """Neighbours with equal headers, together. Reads each message's headers once: twice costs 2% of a run."""
    try:
        return [(headers, list(alike)) for headers, alike in groupby(messages, HEADERS)]
    except SystemError:
        read_headers(messages)
        return by_headers(messages)


def read_headers(messages: Sequence[Message]) -> None:
    """Make `headers()` of every message safe to call, though the driver may have failed at it before."""
    for message in messages:
        headers = _as_the_driver_left_them(message) or ()
        readable = [header for header in headers if _has_name(header)]
        if len(readable) < len(headers):
            number = next(number for number, header in enumerate(headers, 1) if not _has_name(header))
            reason = f"header {number} has a name that is not UTF-8"
            message.set_headers(UnreadableHeaders(readable, reason))  # type: ignore[attr-defined] # the driver's own


def _as_the_driver_left_them(message: Message) -> list[tuple[str, bytes | None]] | None:
    """Read them by HEADERS, which looks at the error: Python's own fast call of a method may overlook it."""
    try:
        found: list[tuple[str, bytes | None]] | None = HEADERS(message)
    except SystemError:
        found = HEADERS(message)  # the same list, this time without the error
    return found


def _has_name(header: tuple[str, bytes | None]) -> bool:
    """Does the pair have both its halves? To look at a missing one ends the process; the collector knows without."""
    return len(gc.get_referents(header)) == len(header)
