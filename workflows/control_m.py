"""deploy/control-m/: job definitions for Control-M's Automation API (`ctm deploy`). Rendered by `make render`.

feed.json    a Folder that is ordered by its own schedule: one job, which requests a feed's rows and waits for them
desk.json    a Folder that a person or JFlow orders by hand: one job a verb, with its variables

Rules (On/Do) look at one exit code each, or at the RESULT line. None looks at EVEN or ODD: 143 and 137 are odd, and a
rule for ODD would start again what a person has killed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steps.run.exits import Exit
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Node = dict[str, Any]

FOLDER = "deploy/control-m"
WHERE = "%%JOBNAME %%FEED %%$ODATE"
AGAIN: Node = {"Times": "3", "Every": "2", "Units": "Minutes"}
#: In single quotes the shell takes a value as it is. A value must have no apostrophe.
DATE, REASON, BY = "--date '%%$ODATE'", "--reason '%%REASON'", "--by '%%BY'"


@dataclass(frozen=True)
class Rule:
    """What Control-M does on an exit code, or on words of the RESULT line."""

    on: Exit | Status | int
    words: str
    urgency: str = "Urgent"
    destination: str = "Alerts"

    def node(self, *, again: bool) -> tuple[str, Node]:
        """Its name and its definition; `again`: a code that a machine may start again is started again."""
        notify = {
            "Type": "Action:Notify",
            "Destination": self.destination,
            "Urgency": self.urgency,
            "Message": f"{WHERE}: {self.words}",
        }
        if isinstance(self.on, Status):
            text = {"Type": "If:Output", "Statement": "*", "Code": f"*RESULT status={self.on} *"}
            return f"Result{self.on.title()}", {**text, "DoNotify": notify}
        code = {"Type": "If:CompletionStatus", "CompletionStatus": str(int(self.on))}
        rerun = {"DoRerun": {"Type": "Action:Rerun"}} if again and self.on is Exit.TRANSIENT else {}
        return f"Exit{int(self.on)}", {**code, **rerun, "DoNotify": notify}


#: Of every job.
ALWAYS = (
    Rule(Exit.TRANSIENT, "75, outside trouble: the same job again goes on from here", "Regular"),
    Rule(Exit.NOT_DONE, "77, not done: the last line of the output says why. Start no successor", "Regular"),
    Rule(Exit.CONFIG, "78, a variable, setting, right or date is wrong: read the output, correct it, order again"),
    Rule(Exit.BUG, "70, an internal error: send the output to the platform team", "VeryUrgent"),
    Rule(Exit.STOPPED, "143, a person or Kill stopped it. Nothing starts it again by itself", "Regular", "JobLog"),
    Rule(2, "2, the command line is wrong: an option, or an apostrophe in a variable", "Urgent"),
    Rule(127, "127, the host has no feedfall in its PATH", "Urgent"),
)
#: Of a job that waits for rows. The text rules stand beside that of 77, and say which of its cases it is.
OF_ROWS = (
    Rule(Exit.NO_RESPONSE, "82, no response in time. The request goes on; the same job again waits on"),
    Rule(Exit.PARTNER, "69, the partner answered with an error, which is in the output: call the partner"),
    Rule(Exit.DATA, "65, more bad rows than allowed: the feed is blocked. feedfall quarantine list", "VeryUrgent"),
    Rule(Exit.GAP, "81, Kafka lost what was not read: the feed is blocked. Call the platform team", "VeryUrgent"),
    Rule(Exit.LEDGER, "83, the ledger does not add up: call the platform team", "VeryUrgent"),
    Rule(137, "137, killed before it could report: the same job again finds the run"),
    Rule(Status.HELD, "a person holds the feed. Job free lets it go on", "Regular"),
    Rule(Status.BLOCKED, "a fault blocks the feed: repair it, then order job free", "VeryUrgent"),
    Rule(Status.EMPTY, "the partner has nothing for this date. Job accept takes the day for done"),
)


@dataclass(frozen=True)
class Verb:
    """One job. `again`: exit 75 may start it again, for the same command again does nothing twice."""

    name: str
    korean: str
    words: str
    variables: tuple[str, ...]
    again: bool = True
    rows: bool = False

    def node(self) -> Node:
        rules = (*ALWAYS, *OF_ROWS) if self.rows else ALWAYS
        return {
            "Type": "Job:Command",
            "Description": self.korean,
            "Command": f"exec feedfall {self.words}",
            "Variables": [{name: VALUES[name]} for name in self.variables],
            **({"RerunLimit": AGAIN} if self.again else {}),
            **dict(each.node(again=self.again) for each in rules),
        }


#: What a variable is until whoever orders the job gives another value. Control-M documents no variable for the person
#: who orders: the order's id leads to that person in Control-M's own audit, and JFlow can give BY.
VALUES: Mapping[str, str] = {
    "FEED": "fx",
    "NAME": "",
    "REASON": "",
    "BY": "control-m %%ORDERID",
    "TICKET": "",
    "APPROVAL": "",
    "TIMEOUT": "2h",
}
SUBMIT = Verb(
    "submit",
    "주문: 기준일자의 데이터를 요청하고 적재가 끝날 때까지 기다린다",
    f"submit '%%FEED' {DATE} {BY} --wait --timeout '%%TIMEOUT'",
    ("FEED", "BY", "TIMEOUT"),
    rows=True,
)
DESK = (
    Verb(
        "rerun",
        "재수행: 같은 기준일자를 다음 seq로 다시 요청한다",
        f"submit '%%FEED' {DATE} --rerun {REASON} {BY} --wait --timeout '%%TIMEOUT'",
        ("FEED", "REASON", "BY", "TIMEOUT"),
        again=False,  # each time under the next seq
        rows=True,
    ),
    Verb("hold", "보류: 적재를 멈춘다", f"hold '%%FEED' {REASON} {BY}", ("FEED", "REASON", "BY")),
    Verb("free", "해제: 보류나 차단을 푼다", f"free '%%FEED' {REASON} {BY}", ("FEED", "REASON", "BY")),
    Verb(
        "kill",
        "강제종료: 실행을 멈춘다. sweep이 다시 시작할 수 있다",
        f"kill '%%NAME' {REASON} {BY}",
        ("FEED", "NAME", "REASON", "BY"),
    ),
    Verb(
        "kill-and-hold",
        "강제종료 후 보류: 실행을 멈추고 다시 시작되지 않게 한다",
        f"kill '%%NAME' --and-hold {REASON} {BY}",
        ("FEED", "NAME", "REASON", "BY"),
    ),
    Verb(
        "accept",
        "완료처리: 데이터 없이 기준일자를 완료로 한다. 다른 사람의 승인이 필요하다",
        f"accept '%%FEED' {DATE} {REASON} {BY}",
        ("FEED", "REASON", "BY"),
    ),
    Verb(
        "accept-break-glass",
        "비상권한 완료처리: 승인 없이, 티켓 번호와 함께",
        f"accept '%%FEED' {DATE} {REASON} {BY} --break-glass --ticket '%%TICKET'",
        ("FEED", "REASON", "BY", "TICKET"),
    ),
    Verb(
        "approve",
        "승인: 다른 사람이 요청한 완료처리를 승인한다",
        f"approve '%%APPROVAL' {REASON} {BY}",
        ("FEED", "APPROVAL", "REASON", "BY"),
    ),
)


def files() -> dict[str, str]:
    """The text of every file, by its folder and name."""
    when = {"WeekDays": ["MON", "TUE", "WED", "THU", "FRI"], "FromTime": "1605"}
    return {
        f"{FOLDER}/feed.json": _text({"FEEDFALL-FX": {**_folder("Automatic"), "When": when, **_jobs([SUBMIT])}}),
        f"{FOLDER}/desk.json": _text({"FEEDFALL-DESK": {**_folder("Manual"), **_jobs(DESK)}}),
    }


def _folder(method: str) -> Node:
    """What differs from bank to bank: the server, the hosts and the account of the job."""
    own = {"ControlmServer": "ctm", "RunAs": "feedfall"}
    return {"Type": "Folder", **own, "OrderMethod": method, "Application": "feedfall"}


def _jobs(verbs: Iterable[Verb]) -> Node:
    return {each.name: {**each.node(), "Host": "feedfall-agents"} for each in verbs}


def _text(document: Node) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
