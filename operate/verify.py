"""verify: prove the ledger of a feed, from its tables or, with `deep`, against Kafka. For `feedfall verify`."""

from __future__ import annotations

import threading

import ledger.verify
from catalog import Feed
from ledger.database import Connection
from ledger.verify import Account
from operate import compare
from steps.run.settings import Settings


def verify(settings: Settings, connection: Connection, feed: Feed, stop: threading.Event, *, deep: bool) -> Account:
    """The account of a feed's ledger; `broken` says where it is inconsistent. With `deep` each row is compared."""
    if deep:
        return compare.deep(settings, connection, feed, stop)
    return ledger.verify.verify(connection, feed)
