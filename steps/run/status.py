"""The words of a RESULT line, each with what follows from it. `docs/reference.md` shows them; a test compares.

a stage, a command ──▶ Outcome(Status) ──▶ RESULT status=… ──▶ exit code ──▶ Argo: again? Control-M: go on?
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from steps.run.exits import Exit


class Status(StrEnum):
    """How a run or a command ended.

    `code`      the exit code; None: that of the failure
    `idle`      nothing was done: a pod leaves with 0, and who waits for it with 77 (`Exit.NOT_DONE`)
    `sentence`  what it means, for an operator
    `action`    what to do about it; empty: nothing
    """

    def __new__(cls, word: str, code: Exit | None, sentence: str, action: str = "", idle: bool = False) -> Self:  # noqa: FBT001, FBT002 -- a table's column
        status = str.__new__(cls, word)
        status._value_ = word
        status.code, status.sentence, status.action, status.idle = code, sentence, action, idle
        return status

    code: Exit | None
    sentence: str
    action: str
    idle: bool

    # -- of a pod --
    SUCCEEDED = "SUCCEEDED", Exit.OK, "done"
    ALREADY_DONE = (
        "ALREADY_DONE",
        Exit.OK,
        "this (feed, base date, seq) was requested before",
        "`feedfall submit --rerun` requests it again on purpose",
    )
    SKIPPED = "SKIPPED", Exit.OK, "the calendar closes that day", "", True
    WITHDRAWN = (
        "WITHDRAWN",
        Exit.OK,
        "a person withdrew the request",
        "`feedfall submit --rerun` requests it again on purpose",
        True,
    )
    BUSY = "BUSY", Exit.OK, "another run drains this feed now, and will see what rang for this one", "", True
    HELD = "HELD", Exit.OK, "a person holds the feed: nothing of it moves", "`feedfall free`", True
    BLOCKED = (
        "BLOCKED",
        Exit.OK,
        "a fault blocks the feed; the reason is on the line",
        "repair it, then `feedfall free`",
        True,
    )
    WAITING = "WAITING", Exit.OK, "the partner's quota is used up", "", True
    OPEN_TXN = (
        "OPEN_TXN",
        Exit.TRANSIENT,
        "a transaction on the topic is still open; the next run goes on from here",
        "Argo starts it again",
    )
    MORE = (
        "MORE",
        Exit.TRANSIENT,
        "the run's time is used up and there is more; the next run goes on from here",
        "Argo starts it again",
    )
    FENCED = "FENCED", Exit.TRANSIENT, "another run has taken over; this one wrote nothing more", "Argo starts it again"
    LOST = "LOST", None, "killed before it could report; its successor has taken over"
    STOPPED = (
        "STOPPED",
        Exit.STOPPED,
        "stopped by a signal; what was committed stays, the next run goes on from here",
    )
    BROKEN = "BROKEN", Exit.LEDGER, "the ledger does not add up", "read the BROKEN lines above it"
    FAILED = "FAILED", None, "the reason is on the line", "see its exit code"
    RUNNING = "RUNNING", None, "at work now, or killed and not yet replaced"

    # -- of `feedfall submit`, beside those of the pod --
    STARTED = "STARTED", Exit.OK, "started, and not waited for"
    ALREADY_ORDERED = "ALREADY_ORDERED", Exit.OK, "requested before, and not waited for"
    ACCEPTED = "ACCEPTED", Exit.OK, "a person has accepted the base date: it counts as done without its rows"
    EMPTY = "EMPTY", Exit.NOT_DONE, "the partner has nothing for this date"
    REFUSED = "REFUSED", Exit.PARTNER, "the partner refused"
    NO_RESPONSE = (
        "NO_RESPONSE",
        Exit.NO_RESPONSE,
        "no response in time; the request goes on",
        "the same command waits on",
    )
    UNKNOWN = "UNKNOWN", Exit.TRANSIENT, "it ended, and its log is gone", "`feedfall runs` tells what it did"

    # -- of a person's acts --
    ASKED = (
        "ASKED",
        Exit.NOT_DONE,
        "it waits for a second person; the number of the approval is on the line",
        "`feedfall approve`",
    )

    # -- of `feedfall skip-gap` --
    SHOWN = "SHOWN", Exit.NOT_DONE, "shown only", "`--yes` accepts it"
    NOTHING = "NOTHING", Exit.OK, "there is no gap"
