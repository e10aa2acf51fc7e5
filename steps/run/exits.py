"""Exit codes: what Argo retries, what Control-M matches, what leaves a feed blocked. `docs/reference.md` shows them.

Failure ──exit_of──▶ Exit ──▶ Argo starts it again (RETRIED), or the feed is blocked until `feedfall free` (blocks)
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from ledger.errors import (
    DataRefused,
    Failure,
    Fenced,
    LedgerBroken,
    Misconfigured,
    OffsetGap,
    Permanent,
    Refused,
    Transient,
)


class Exit(IntEnum):
    """The exit codes of pods and commands. `blocks`: the feed is blocked by it; `sentence`: what it means."""

    def __new__(cls, code: int, sentence: str, blocks: bool = False) -> Self:  # noqa: FBT001, FBT002 -- a table's column
        member = int.__new__(cls, code)
        member._value_ = code
        member.sentence, member.blocks = sentence, blocks
        return member

    sentence: str
    blocks: bool

    OK = 0, "done, or nothing to do: the status says which"
    DATA = 65, "more bad rows than the feed allows: a changed contract", True
    PARTNER = 69, "the partner answered with an error; its answer is recorded"
    BUG = 70, "an internal error (a bug in feedfall); the traceback is in the log", True
    TRANSIENT = 75, "outside trouble: database, broker or partner out of reach"
    NOT_DONE = (
        77,
        "a command did nothing: refused, not approved, held, blocked, busy, skipped, or the partner had nothing",
    )
    CONFIG = 78, "a setting, right, topic, table or version is wrong", True
    GAP = 81, "Kafka lost what the checkpoint expects (retention, a topic made anew), or it is another topic", True
    NO_RESPONSE = 82, "`feedfall submit --wait`: no response in time"
    LEDGER = 83, "the ledger does not add up"
    STOPPED = 143, "stopped by a signal"


#: What Argo starts again: outside trouble, killed (137), and "no exit code at all" (-1).
RETRIED = (int(Exit.TRANSIENT), 137, int(Exit.STOPPED), -1)

#: What keeps the sweep away from a feed until a person frees it.
BLOCKING = frozenset(code for code in Exit if code.blocks)

EXITS: dict[type, Exit] = {
    Transient: Exit.TRANSIENT,
    Fenced: Exit.TRANSIENT,
    Misconfigured: Exit.CONFIG,
    DataRefused: Exit.DATA,
    OffsetGap: Exit.GAP,
    LedgerBroken: Exit.LEDGER,
    Refused: Exit.NOT_DONE,
    Permanent: Exit.CONFIG,
}


def exit_of(error: BaseException) -> Exit:
    """The exit code of a failure; any other error is a bug."""
    if isinstance(error, Failure):
        return next(EXITS[kind] for kind in type(error).__mro__ if kind in EXITS)
    return Exit.BUG


__all__ = [
    "BLOCKING",
    "EXITS",
    "RETRIED",
    "DataRefused",
    "Exit",
    "Failure",
    "Fenced",
    "LedgerBroken",
    "Misconfigured",
    "OffsetGap",
    "Permanent",
    "Refused",
    "Transient",
    "exit_of",
]
