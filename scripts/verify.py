"""verify: proves a feed's ledger every night. What the pod does is `steps/verify.py`."""

from datetime import time

from catalog import Feed
from catalog.script import Script


def verify(feed: Feed) -> Script:
    """Prove the ledger every night, when most feeds are silent."""
    return Script(feed, "verify", f"Proves that every offset and row of {feed.name} is accounted for", at=time(3, 0))
