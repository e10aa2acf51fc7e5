"""The desk at one moment: each expected (feed, base date) with its state and the reason, over all databases.

    ledgers ──read──▶ Desk ──▶ `feedfall today`, the board, /metrics      nobody else asks the databases

A row is what is expected, never a run. A reason is a code with parameters (`Why`); words come last, in two languages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime


class State(StrEnum):
    """What an operator sees first of a feed's base date."""

    ABSENT = "absent"
    """Not here, and due, or never to come by itself (an answer without rows); nobody has accepted that (미도착)."""
    BLOCKED = "blocked"
    """A fault stopped the feed: it needs a person (차단)."""
    UNKNOWN = "unknown"
    """Its database or its calendar does not answer (모름)."""
    HELD = "held"
    """A person stopped the feed (보류)."""
    WAITING = "waiting"
    """Requested and not here, before its due time: deferred, a quota, a partner that is slow (대기)."""
    RUNNING = "running"
    """A run is at work on it (진행)."""
    EXPECTED = "expected"
    """Its order time is still to come (예정)."""
    ARRIVED = "arrived"
    """Its rows are here (도착)."""
    ACCEPTED = "accepted"
    """It counts as done without its rows: a person decided that (완료처리)."""
    CLOSED = "closed"
    """No business day of its calendar (휴무)."""


class Band(StrEnum):
    """The board's three bands."""

    ACT = "act"
    """A person must act (조치 필요)."""
    OPEN = "open"
    """Under way, or still to come (진행·대기)."""
    OVER = "over"
    """Nothing more happens (끝남)."""


BANDS: Mapping[State, Band] = {
    State.ABSENT: Band.ACT,
    State.BLOCKED: Band.ACT,
    State.UNKNOWN: Band.ACT,
    State.HELD: Band.OPEN,
    State.WAITING: Band.OPEN,
    State.RUNNING: Band.OPEN,
    State.EXPECTED: Band.OPEN,
    State.ARRIVED: Band.OVER,
    State.ACCEPTED: Band.OVER,
    State.CLOSED: Band.OVER,
}


@dataclass(frozen=True)
class Why:
    """A reason: a code of `operate/desk/words`, and the values that its sentence names."""

    code: str
    parameters: Mapping[str, str | int | float | date | datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class FeedDay:
    """One expected (feed, base date). Times are aware; None where it does not apply or is not known."""

    feed: str
    database: str
    """As `Feed(database=)` names it."""
    base_date: date
    state: State
    why: Why
    seq: int | None = None
    """Of its newest request."""
    order_at: datetime | None = None
    """When pub requests it."""
    due_at: datetime | None = None
    """When its rows are to be here."""
    next: Why | None = None
    """What happens next by itself."""
    next_at: datetime | None = None
    arrived_at: datetime | None = None
    loaded: int | None = None
    """Rows of it that were loaded."""
    quarantined: int = 0
    """Rows of it that wait for a person."""
    verbs: Sequence[str] = ()
    """The verbs that help, the best first: names of `operate`'s acts, such as `rerun`, `free`, `accept`."""

    @property
    def band(self) -> Band:
        """Where the board shows it. Rows in quarantine need a person, whatever the state."""
        return Band.ACT if self.quarantined and self.state is State.ARRIVED else BANDS[self.state]


@dataclass(frozen=True)
class FeedState:
    """One feed, whatever the base date."""

    feed: str
    database: str
    held_by: str | None = None
    held_at: datetime | None = None
    held_reason: str | None = None
    blocked_code: int | None = None
    blocked_at: datetime | None = None
    blocked_reason: str | None = None
    wait_until: datetime | None = None
    unanswered: int = 0
    """Requests that were sent and have no answer."""
    oldest_unanswered_at: datetime | None = None
    quarantined: int = 0
    deferred_rows: int = 0
    oldest_quarantined_at: datetime | None = None
    last_arrival_at: datetime | None = None
    lag: int | None = None
    """Offsets between sub's checkpoints and the topic's end, as the last sweep saw it; None: not known."""
    failures: int = 0
    """Runs that failed in the last twelve hours."""
    failed_at: datetime | None = None
    failed_reason: str | None = None
    """Of the newest of them."""


@dataclass(frozen=True)
class RunLine:
    """A run that is at work now, or the last of its (feed, stage)."""

    id: int
    feed: str
    database: str
    stage: str
    name: str
    status: str
    exit_code: int | None
    reason: str | None
    base_date: date | None
    started_at: datetime
    ended_at: datetime | None
    lease_expires_at: datetime | None = None


@dataclass(frozen=True)
class DatabaseState:
    """One database: when it answered last, and why it does not answer now."""

    name: str
    read_at: datetime | None
    failure: str | None = None
    failure_code: int | None = None
    """The exit code that the failure stands for."""
    sweep_ended_at: datetime | None = None
    sweep_good_at: datetime | None = None
    sweep_alarm: str | None = None
    sweep_why: Why | None = None
    """The same as a code; None: a sweep swept well within three minutes."""


@dataclass(frozen=True)
class LockLine:
    """A run that waits for a lock, and the session that holds it. What that session ran is private."""

    feed: str
    database: str
    run: str
    waits_since: datetime | None
    pid: int
    role: str | None
    application: str
    """Its own name for itself."""
    holder: str | None
    """The Workflow's name, where that session is a run."""
    open_since: datetime | None
    """Since when its transaction is open; None: the reader's role may not see it."""


@dataclass(frozen=True)
class Desk:
    """All that the desk shows, at one moment. What a database that is away held last stays, with its old time."""

    taken_at: datetime
    days: Sequence[FeedDay]
    feeds: Sequence[FeedState] = ()
    runs: Sequence[RunLine] = ()
    databases: Sequence[DatabaseState] = ()
    locks: Sequence[LockLine] = ()
