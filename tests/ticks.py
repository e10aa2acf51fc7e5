"""Rows of the sample feed tick, and what blocks a feed. Used by the acceptance tests of bad input."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from bank import PACKAGES
from catalog import find
from ledger.database import connect
from operate import hold
from operate.act import Actor

if TYPE_CHECKING:
    from bank import Bank

ROW: dict[str, object] = {"symbol": "A", "price": "1", "volume": 1, "note": None}


def tick(**changes: object) -> bytes:
    return json.dumps({**ROW, **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in ROW.items() if key != name}).encode()


def literal(name: str, text: bytes) -> bytes:
    """A row whose one value is written by hand, as no JSON writer would."""
    return tick(**{name: "HERE"}).replace(b'"HERE"', text)


def send_ticks(bank: Bank, values: list[bytes]) -> None:
    for value in values:
        bank.producer.produce(bank.topic("tick"), value)
    bank.producer.flush(10)


def blocked(bank: Bank, feed: str) -> int | None:
    """The exit code that blocks a feed."""
    return next(
        (code for (code,) in bank.rows("SELECT blocked_code FROM feedfall.feed_control WHERE feed = %s", feed)), None
    )


def free(bank: Bank, feed: str) -> None:
    with closing(connect(bank.url, "test")) as connection:
        assert hold.free(connection, find.load(feed, PACKAGES), Actor("test"), "repaired")
