"""Who has a command done by the service, and where its words go: set by `cli/verbs.py` for the time of one request.

Without a seat a command runs in a terminal's own process, prints there, and acts for who is signed in there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from operate.follow import Watch
    from operate.progress import Progress, Resume

#: At most so many lines, and characters of one, go into one answer. The next answer hands on the rest.
LINES, LONGEST = 2_000, 8_000


@dataclass
class Seat:
    """One request. `skip`: lines of the output that its sender has already."""

    holder: str
    address: str
    role: str
    slice: float
    resume: Resume | None = None
    skip: int = 0
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    more: int = 0
    """Lines that found no place."""

    progress: Progress | None = None
    """How far a submission has come."""

    def bound(self, watch: Watch) -> None:
        """Let a watch wait for one slice. An outage ends it sooner: who asks has the patience, not the service."""
        watch.slice, watch.patience = self.slice, min(watch.patience, self.slice / 2)
        if self.resume and self.resume.left is not None:
            watch.timeout = self.resume.left

    def put(self, text: str, *, err: bool = False) -> None:
        """Keep the lines of a text: no more than LINES of them, and a RESULT line always."""
        for line in text.split("\n"):
            if not err and self.skip:
                self.skip -= 1
            elif len(self.stdout) + len(self.stderr) < LINES or line.startswith("RESULT "):
                (self.stderr if err else self.stdout).append(line[:LONGEST])
            else:
                self.more += 1


SEAT: ContextVar[Seat | None] = ContextVar("seat", default=None)


def bound(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same for another thread of this command: a thread does not inherit the seat."""
    seat = SEAT.get()

    def said(text: str) -> None:
        token = SEAT.set(seat)
        say(text)
        SEAT.reset(token)

    return said
