"""`feedfall hold` and `feedfall free`: stop a feed, and let it go on."""

from __future__ import annotations

import operate.hold
from cli import show
from cli.options import By, FeedName, Reason, load_feed, open_ledger


def hold(feed: FeedName, reason: Reason, by: By) -> None:
    """Stop a feed: when this returns, no run of it commits any more. Its messages stay in Kafka."""
    wanted = load_feed(feed)
    with open_ledger(wanted) as (_, connection):
        operate.hold.hold(connection, wanted, by, reason)
    show.say(f"{feed} is held by {by}: {reason}. `feedfall free {feed}` lets it go on.")


def free(feed: FeedName, reason: Reason, by: By) -> None:
    """Let a held or blocked feed go on; the next doorbell or sweep starts it."""
    wanted = load_feed(feed)
    with open_ledger(wanted) as (_, connection):
        lifted = operate.hold.free(connection, wanted, by, reason)
    show.say(f"{feed} is free." if lifted else f"{feed} was neither held nor blocked.")
