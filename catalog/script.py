"""What a script is: a short job of a feed that runs and finishes. `workflows/script.py` makes templates of it."""

from dataclasses import dataclass
from datetime import time

from catalog.feed import Feed


@dataclass(frozen=True)
class Script:
    """A job of one feed: which stage of `steps` runs, with what, when, as whom."""

    feed: Feed
    stage: str
    about: str
    args: tuple[str, ...] = ()
    at: time | None = None
    """Local time in the feed's zone, every day; None: only when it is submitted."""
    keyed: bool = False
    account: str | None = None
    """The service account that it runs as; None: every pod's."""
    deadline: int | None = None
    """Seconds that it may take; None: as long as every pod."""

    @property
    def name(self) -> str:
        return f"{self.feed.name}-{self.stage}"
