"""How every act of a person is done, whichever face it came by: command, HTTP API or board.

    reason? ─▶ intent, committed ─▶ the act ─┬─ its change and `done` in one transaction
       │                                     ├─ Refused ─▶ rolled back, `refused` with words
       └─ none: refused                      └─ any other error ─▶ rolled back, `failed` with words

The intent is committed before the act, in a transaction of its own: so what was tried stays in the journal when the
process is killed, or the connection lost, before the outcome: an intent alone says just that. One transaction for both
would keep no trace then.

Where the act is one transaction of this session: `acting`. Where it is not (Argo, Kafka, transactions of a run):
`acting_apart`, whose two lines go by sessions of their own, or `begin` and `end`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from ledger import journal
from ledger.database import commit, rollback, session
from ledger.errors import Failure, Refused, translated
from ledger.journal import Phase, Signature, check_reason
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ledger.database import Connection
    from steps.run.execution import Outcome


class Role(StrEnum):
    """What a person may do on the desk."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"


class Channel(StrEnum):
    """The face that an act came by."""

    COMMAND = "command"
    API = "api"
    BOARD = "board"


@dataclass(frozen=True)
class Actor:
    """Who acts. `who` is the name that was given; `signed_in` whom the machine or the identity provider knows."""

    who: str
    role: Role = Role.OPERATOR
    channel: Channel = Channel.COMMAND
    address: str = "-"
    signed_in: str = ""
    """Empty: the same as `who`."""

    @property
    def login(self) -> str:
        return self.signed_in or self.who

    @property
    def words(self) -> str:
        """A name that is not the login's own is never shown alone."""
        return self.who if self.login == self.who else f"{self.who} (signed in as {self.login})"


@dataclass(frozen=True)
class Act:
    """One verb on one feed, or on no feed in particular."""

    verb: str
    actor: Actor
    reason: str
    feed: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    """What else was asked for, as JSON: a base date, `take_over` …"""
    ticket: str | None = None
    """Break-glass: without a second person, under this number."""
    approval: int | None = None
    """Whose second person has agreed."""
    id: UUID = field(default_factory=uuid4)

    @property
    def signature(self) -> Signature:
        actor = self.actor
        about = (actor.who, actor.login, actor.role, actor.channel, actor.address)
        return Signature(self.id, *about, self.ticket, self.approval)


#: Who decides for another person.
APPROVERS = ("approve", "reject")
#: How a run ends that did what it was asked.
DONE = (Status.SUCCEEDED, Status.NOTHING)


class Record:
    """What an act tells about itself while it is done. `act`: with its approval, once there is one."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.before: Mapping[str, object] | None = None
        self.after: Mapping[str, object] | None = None
        self.detail: dict[str, object] = dict(act.arguments)
        self.phase, self.words = Phase.DONE, ""

    def refuse(self, words: str) -> None:
        """Nothing was to be done: no fault, and no change."""
        self.phase, self.words = Phase.REFUSED, words

    def settle(self, outcome: Outcome) -> None:
        """As a run of its own ended: what found nothing to do, or was busy or held, is refused."""
        self.detail |= {name: value for name, value in outcome.counts.items() if value}
        if outcome.status not in DONE:
            self.refuse(f"{outcome.status}: {outcome.reason or outcome.status.sentence}")

    def line(self, connection: Connection, verb: str, feed: str | None, **detail: object) -> None:
        """One of the things that the act changes, in the transaction that changes it. The caller commits."""
        journal.sign(connection, self.act.signature, None, verb, feed, self.act.reason, detail=detail)


@contextmanager
def acting(connection: Connection, act: Act) -> Iterator[Record]:
    """Do an act that is one transaction of this session: its change is committed with its outcome, or not at all."""
    act = begin(connection, act)
    record = Record(act)
    try:
        yield record
        with translated():
            _outcome(connection, record)
            commit(connection)
    except BaseException as error:
        with suppress(Failure):  # the first error is the one to tell; the intent stands in the journal
            rollback(connection)
            end(connection, ended(record, error))
        raise


@contextmanager
def acting_apart(url: str, act: Act) -> Iterator[Record]:
    """Do an act that has transactions of its own, or none: intent and outcome go by sessions that end at once."""
    with session(url, "feedfall act") as connection:
        act = begin(connection, act)
    record = Record(act)
    try:
        yield record
    except BaseException as error:
        with suppress(Failure), session(url, "feedfall act") as connection:
            end(connection, ended(record, error))
        raise
    with session(url, "feedfall act") as connection:
        end(connection, record)


def begin(connection: Connection, act: Act) -> Act:
    """Check the reason and the role, and commit the intent. Raises Misconfigured, Refused."""
    act = replace(act, reason=check_reason(act.reason))
    if act.ticket is not None:
        act = replace(act, ticket=check_reason(act.ticket, "--ticket"))
    about, refusal = (act.verb, act.feed, act.reason), refusal_of(act)
    with translated():
        connection.rollback()
        journal.sign(connection, act.signature, Phase.INTENT, *about, detail=act.arguments)
        if refusal:
            journal.sign(connection, act.signature, Phase.REFUSED, *about, words=refusal)
        connection.commit()
    if refusal:
        raise Refused(refusal)
    return act


def refusal_of(act: Act) -> str:
    """Why the actor's role does not do this verb; empty where it does. An approver may do all that an operator may."""
    role = act.actor.role
    if role is Role.VIEWER or (act.verb in APPROVERS and role is not Role.APPROVER):
        wanted = Role.APPROVER if act.verb in APPROVERS else Role.OPERATOR
        return f"{act.actor.words} is signed in as {role}, and {act.verb} needs {wanted}"
    return ""


def end(connection: Connection, record: Record) -> None:
    """Commit the outcome alone."""
    with translated():
        _outcome(connection, record)
        commit(connection)


def ended(record: Record, error: BaseException) -> Record:
    """The record of an act that an error has ended."""
    record.phase = Phase.REFUSED if isinstance(error, Refused) else Phase.FAILED
    record.words, record.before, record.after = str(error) or type(error).__name__, None, None
    return record


def _outcome(connection: Connection, record: Record) -> None:
    act = record.act
    journal.sign(
        connection,
        act.signature,
        record.phase,
        act.verb,
        act.feed,
        act.reason,
        detail=record.detail,
        before=record.before,
        after=record.after,
        words=record.words or None,
    )


__all__ = [
    "Act",
    "Actor",
    "Channel",
    "Record",
    "Role",
    "acting",
    "acting_apart",
    "begin",
    "check_reason",
    "end",
    "ended",
]
