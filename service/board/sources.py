"""What the board needs of the rest of feedfall: values, and the functions that give them. `connect` fills them.

A page whose source is not there (None) is not in the navigation and answers 404: nothing here is invented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from operate.act import Actor
from operate.desk.audit import JournalLine
from operate.desk.desk import Desk, Why
from service.snapshot import Current as Calendars

Language = Literal["ko", "en"]
ReadDesk = Callable[[datetime], Desk]
"""The desk at this moment. It may wait for databases: one thread calls it. Raises Failure."""
Sentence = Callable[[Why, Language, ZoneInfo], str]


@dataclass(frozen=True)
class Target:
    """What a verb is about. `name` is a run's Workflow or an approval's number, where the verb needs one."""

    feed: str
    base_date: date | None = None
    name: str = ""


@dataclass(frozen=True)
class Preview:
    """What will happen, from the facts of this moment. `digest` stands for those facts."""

    sentences: Sequence[str]
    reversible: bool
    needs_approval: bool
    digest: str
    refusal: str = ""
    """Why it cannot be done now; empty: it can."""


@dataclass(frozen=True)
class Outcome:
    """What an act has done."""

    sentences: Sequence[str]
    done: bool = True
    """False: nothing was done, or not all of it; the sentences say why."""


class Changed(Exception):  # noqa: N818 -- a state, not an error of ours
    """The facts are no longer those of the preview: nothing was done, and a person must look again."""


class Acts(Protocol):
    """The verbs of `operate`. Each call is a transaction of its own; it may wait for one database or Argo."""

    @property
    def verbs(self) -> Sequence[str]:
        """Those that are connected."""

    def preview(self, actor: Actor, verb: str, target: Target, language: Language) -> Preview:
        """What the verb would do now. Raises Failure."""

    def act(self, actor: Actor, verb: str, target: Target, reason: str, digest: str, language: Language) -> Outcome:
        """Do it, if the facts still have this digest; an empty one is not compared. Raises Changed, Failure."""


@dataclass(frozen=True)
class PendingApproval:
    """An act that waits for a second person."""

    name: str
    """Its database and number, as the verb `approve` takes it."""
    verb: str
    feed: str
    """"": all feeds."""
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    reason: str
    preview: Sequence[str]


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that was not loaded. `value` is what came, as text."""

    entry: int
    feed: str
    base_date: date | None
    at: datetime
    problem: str
    value: str


@dataclass(frozen=True)
class Handover:
    """What the next shift must know. The sentences are in the language that was asked for."""

    since: datetime
    until: datetime
    sections: Mapping[str, Sequence[str]]
    """Heading → sentences."""


@dataclass(frozen=True)
class Sources:
    """All that the pages read and do. A reader beside the desk may wait: its page runs in a thread of its own."""

    desk: ReadDesk
    sentence: Sentence
    calendars: Calendars | None = None
    acts: Acts | None = None
    audit: Callable[[str | None, int], Sequence[JournalLine]] | None = None
    """Of one feed, or all; at most so many, the newest first."""
    approvals: Callable[[], Sequence[PendingApproval]] | None = None
    quarantine: Callable[[str | None, int], Sequence[QuarantinedRow]] | None = None
    handover: Callable[[datetime, timedelta, Language], Handover] | None = None
    warnings: Sequence[str] = ()
    """What is wrong with the board's own settings, such as a feed that cannot be served."""
    argo_link: Callable[[str], str] = lambda _: ""
    """A Workflow's name → its page in Argo's own UI; "" where none is known."""
