"""How a submitted run ended: what was seen goes in, the exit code and the words of the RESULT line come out. Pure.

0    rows are there, or were already          75   transient, or lost from sight: the same command goes on
77   not done: held, skipped, withdrawn …     78   configuration: a setting, right, template or date is wrong
82   no response in time                      143  stopped: by a signal, or by an operator
     anything else is the pod's own code (steps/run/exits.py)
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ledger.request import RequestState
from operate.progress import Progress
from operate.stopped import Late, Stopped
from steps.run.execution import Outcome
from steps.run.exits import Exit, Failure, Transient, exit_of
from steps.run.gate import Refusal
from steps.run.status import Status

#: The phases of a Workflow that is over.
OVER = frozenset({"Succeeded", "Failed", "Error"})

WORD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True)
class WorkflowState:
    """What Argo says of a run. `code`: that of its last pod; `ours`: its pod ends with a RESULT line."""

    name: str
    phase: str = "Pending"
    code: int | None = None
    stopped: bool = False
    message: str = ""
    ours: bool = True
    feed: str | None = None
    stage: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.phase in OVER


@dataclass(frozen=True)
class Ending:
    """What a face says and how it exits. `line`: the pod's own RESULT line, where it says everything."""

    status: Status
    code: int
    reason: str | None = None
    counts: Mapping[str, object] = field(default_factory=dict)
    line: str = ""

    def result(self, feed: str, stage: str, run: str, seconds: float) -> str:
        """The last line of stdout."""
        return self.line or Outcome(self.status, reason=self.reason, counts=self.counts).line(feed, stage, run, seconds)

    def lenient(self) -> "Ending":
        """The same for a scheduler to which `not done` is done."""
        return replace(self, code=0) if self.code == Exit.NOT_DONE else self


def of_pod(seen: WorkflowState, line: str) -> Ending:
    """How a Workflow that is over ended; `line` is its last RESULT line, empty where none was read."""
    word = words(line).get("status", "")
    status = next((each for each in Status if each == word), None)
    if seen.stopped and seen.phase != "Succeeded":
        return Ending(Status.STOPPED, Exit.STOPPED, seen.message or f"{seen.name} was stopped by an operator")
    if seen.phase == "Succeeded":
        if status:
            return Ending(status, Exit.NOT_DONE if status.idle else Exit.OK, line=line)
        if seen.ours:
            lost = f"{seen.name} succeeded, but its log is gone: `feedfall runs` shows what it did"
            return Ending(Status.UNKNOWN, Exit.TRANSIENT, lost)
        return Ending(Status.SUCCEEDED, 0)
    if seen.code and 0 < seen.code < 256:  # noqa: PLR2004 -- what an exit code can be
        failed = status not in (None, Status.SUCCEEDED)
        return Ending(Status.FAILED, seen.code, seen.message or None, line=line if failed else "")
    return Ending(
        Status.FAILED, Exit.TRANSIENT, f"{seen.name} ended without an exit code: {seen.message or seen.phase}"
    )


def of_request(state: RequestState, refusal: Refusal | None) -> Ending | None:
    """How a request stands; None: its response is still to come. A response goes before a hold."""
    counts = {"request": state.status, "rows": state.count or 0, "quarantined": state.quarantined}
    match state.status:
        case "complete":
            return Ending(Status.SUCCEEDED, 0, counts=counts)
        case "empty":
            return Ending(Status.EMPTY, Exit.NOT_DONE, state.reason or "the partner has nothing for this date", counts)
        case "refused":
            return Ending(Status.REFUSED, Exit.PARTNER, state.reason or "the partner refused", counts)
        case "withdrawn":
            why = f"withdrawn by {state.withdrawn_by}: {state.withdrawn_reason}; {Status.WITHDRAWN.action}"
            return Ending(Status.WITHDRAWN, Exit.NOT_DONE, why, counts)
    if refusal:
        return Ending(refusal.status, Exit.NOT_DONE, refusal.reason, counts)
    return None


def how_far(state: RequestState) -> str:
    """How far a request has come, for who waits."""
    if state.status not in ("new", "sent") or not state.retry_at:
        return state.status
    return f"{state.status}, and deferred until {state.retry_at:%Y-%m-%d %H:%M:%S %Z}: {state.retry_reason}"


def words(line: str) -> dict[str, str]:
    """The words of a RESULT line."""
    return {key: json.loads(word) if word.startswith('"') else word for key, word in WORD.findall(line)}


def of_error(error: Exception, progress: Progress) -> Ending:
    """The ending of a submission that failed on its way."""
    words = str(error) or None
    match error:
        case Stopped():
            return Ending(Status.STOPPED, Exit.STOPPED, words or "stopped by a signal", progress.counts)
        case Late():
            late = f"{progress.run} did not end in time and goes on; the same command finds it again"
            return Ending(Status.NO_RESPONSE, Exit.NO_RESPONSE, late, progress.counts)
        case Transient():
            lost = f"{words}. The same command goes on from here"
            return Ending(Status.LOST, Exit.TRANSIENT, lost, progress.counts)
    code = exit_of(error) if isinstance(error, Failure) else Exit.CONFIG
    return Ending(Status.FAILED, code, words, progress.counts)
