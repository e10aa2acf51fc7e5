"""Exit codes: what Argo retries, what Control-M matches, what leaves a feed blocked.

0  succeeded, already done, busy, skipped by the calendar, held: RESULT says which
65  data refused: more bad rows than the feed's budget        ┐
70  a bug of ours                                             │ the feed is blocked
78  configuration: a setting, right, topic or table is wrong  │ until `feedfall free`
81  offset gap: Kafka lost what the checkpoint expects        ┘
69  the partner answered with an error
75  transient, fenced, or more to do: Argo starts it again
83  the ledger is broken
143  stopped by SIGTERM: Argo starts it again, unless an operator stopped it
"""

from enum import IntEnum

from ledger.errors import (
    DataRefused,
    Failure,
    Fenced,
    LedgerBroken,
    Misconfigured,
    OffsetGap,
    Permanent,
    Transient,
)


class Exit(IntEnum):
    """A pod's exit codes."""

    OK = 0
    DATA = 65
    PARTNER = 69
    BUG = 70
    TRANSIENT = 75
    CONFIG = 78
    GAP = 81
    LEDGER = 83
    STOPPED = 143


#: What Argo starts again: ours, killed (137), and "no exit code at all" (-1).
RETRIED = (int(Exit.TRANSIENT), 137, int(Exit.STOPPED), -1)

#: What keeps the sweep away from a feed until a person frees it.
BLOCKING = frozenset({Exit.DATA, Exit.BUG, Exit.CONFIG, Exit.GAP})

EXITS: dict[type, Exit] = {
    Transient: Exit.TRANSIENT,
    Fenced: Exit.TRANSIENT,
    Misconfigured: Exit.CONFIG,
    DataRefused: Exit.DATA,
    OffsetGap: Exit.GAP,
    LedgerBroken: Exit.LEDGER,
    Permanent: Exit.CONFIG,
}


def exit_of(error: BaseException) -> Exit:
    """The exit code of a failure; anything that is not one of ours is a bug."""
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
    "Transient",
    "exit_of",
]
