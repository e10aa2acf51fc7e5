"""How an order ends, without servers: from what Argo, the log and the ledger say to an exit code."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from catalog import find
from cli.options import seconds
from ledger.request import RequestState
from operate.argo import Argo, read
from operate.ending import Ending, WorkflowState, of_error, of_pod, of_request, words
from operate.follow import Tail, Watch
from operate.progress import Progress
from operate.stopped import Late, Stopped
from operate.submit import SubmitResult
from steps.run.exits import Misconfigured, Transient
from steps.run.gate import Refusal
from steps.run.status import Status


def line(status: str) -> str:
    return f"RESULT status={status} feed=fx stage=sub run=x took=1.0s"


@pytest.mark.parametrize(
    ("phase", "code", "stopped", "status", "ending"),
    [
        ("Succeeded", 0, False, "SUCCEEDED", ("SUCCEEDED", 0)),
        ("Succeeded", 0, False, "ALREADY_DONE", ("ALREADY_DONE", 0)),
        # it left at once and moved nothing
        ("Succeeded", 0, False, "HELD", ("HELD", 77)),
        ("Succeeded", 0, False, "BLOCKED", ("BLOCKED", 77)),
        ("Succeeded", 0, False, "BUSY", ("BUSY", 77)),
        ("Succeeded", 0, False, "SKIPPED", ("SKIPPED", 77)),
        ("Succeeded", 0, False, "WAITING", ("WAITING", 77)),
        ("Succeeded", 0, False, "", ("UNKNOWN", 75)),  # a result that nobody read is not reported
        ("Succeeded", 0, True, "SUCCEEDED", ("SUCCEEDED", 0)),  # the stop came too late
        # the pod's own code
        ("Failed", 65, False, "FAILED", ("FAILED", 65)),
        ("Failed", 75, False, "MORE", ("FAILED", 75)),
        ("Failed", 137, False, "", ("FAILED", 137)),  # no RESULT: it ran out of memory
        # an operator's stop goes before the code of an earlier attempt
        ("Failed", 143, True, "STOPPED", ("STOPPED", 143)),
        ("Failed", 75, True, "FAILED", ("STOPPED", 143)),
        ("Failed", None, True, "", ("STOPPED", 143)),
        # no code: the pod never ran, or was taken away
        ("Failed", None, False, "", ("FAILED", 75)),
        ("Error", None, False, "", ("FAILED", 75)),
        ("Failed", 0, False, "SUCCEEDED", ("FAILED", 75)),
    ],
)
def test_of_pod__is_the_pods_own_word(
    phase: str, code: int | None, *, stopped: bool, status: str, ending: tuple[str, int]
) -> None:
    seen = WorkflowState("x", phase, code, stopped)
    found = of_pod(seen, line(status) if status else "")
    assert (found.status, found.code) == ending
    assert found.result("fx", "sub", "x", 1.0).count("RESULT ") == 1


def test_of_pod__a_strangers_container_has_no_result_and_needs_none() -> None:
    assert of_pod(WorkflowState("x", "Succeeded", 0, ours=False), "").code == 0


def test_result__is_the_pods_own_line_only_where_that_tells_it_all() -> None:
    stopped = of_pod(
        WorkflowState("x", "Failed", 75, stopped=True, message="Stopped with strategy 'Stop'"), line("FAILED")
    )
    assert "status=STOPPED" in stopped.result("fx", "sub", "x", 1.0)
    assert of_pod(WorkflowState("x", "Succeeded"), line("HELD")).result("-", "-", "-", 9.9) == line("HELD")


HELD = Refusal(Status.HELD, "held by kim")


@pytest.mark.parametrize(
    ("status", "refusal", "ending"),
    [
        ("new", None, None),
        ("sent", None, None),
        ("answered", None, None),
        ("complete", None, ("SUCCEEDED", 0)),
        ("empty", None, ("EMPTY", 77)),  # no rows: successors must not start
        ("refused", None, ("REFUSED", 69)),
        ("withdrawn", None, ("WITHDRAWN", 77)),
        ("withdrawn", HELD, ("WITHDRAWN", 77)),  # free would not send it
        ("sent", HELD, ("HELD", 77)),
        ("answered", Refusal(Status.BLOCKED, "sub ended with 65"), ("BLOCKED", 77)),
        ("complete", HELD, ("SUCCEEDED", 0)),  # the rows are there, whatever comes next
    ],
)
def test_of_request__is_what_the_ledger_knows(
    status: str, refusal: Refusal | None, ending: tuple[str, int] | None
) -> None:
    found = of_request(RequestState(status, count=2), refusal)
    assert (found and (found.status, found.code)) == ending


@pytest.mark.parametrize(("code", "lenient"), [(77, 0), (0, 0), (65, 65), (82, 82), (143, 143)])
def test_lenient__forgives_only_what_was_not_done(code: int, lenient: int) -> None:
    assert Ending(Status.FAILED, code).lenient().code == lenient


def test_words__of_a_result_line() -> None:
    assert words('RESULT status=HELD reason="held by kim: \\"late\\" close" took=0.1s') == {
        "status": "HELD",
        "reason": 'held by kim: "late" close',
        "took": "0.1s",
    }


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("5", 5), ("0.5m", 30)])
def test_seconds__in_a_persons_words(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1d", "1 m"])
def test_seconds__anything_else_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        seconds(text)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (Stopped("fx-sub-1 was stopped"), ("STOPPED", 143, "fx-sub-1 was stopped")),
        (Stopped(), ("STOPPED", 143, "stopped by a signal")),
        (Late(), ("NO_RESPONSE", 82, "fx-pub-20261030-1 did not end in time and goes on")),
        (Transient("Argo is away"), ("LOST", 75, "Argo is away. The same command goes on from here")),
        (Misconfigured("no such template"), ("FAILED", 78, "no such template")),
        (find.UnknownFeed("no feed 'gold'"), ("FAILED", 78, "no feed 'gold'")),
    ],
)
def test_of_error__says_where_it_stopped_on_its_way(error: Exception, ending: tuple[str, int, str]) -> None:
    result = SubmitResult(of_error(error, progress := Progress("fx", "pub", "fx-pub-20261030-1")), progress)
    status, code, reason = ending
    assert (result.ending.status, result.ending.code) == (status, code)
    assert result.line(1).startswith(f'RESULT status={status} feed=fx stage=pub run=fx-pub-20261030-1 reason="{reason}')


# -- Argo's documents --


def pod(code: str, finished: str) -> dict[str, Any]:
    return {"type": "Pod", "finishedAt": finished, "outputs": {"exitCode": code}}


def test_read__the_code_is_that_of_the_pod_that_ended_last() -> None:
    nodes = {"b": pod("65", "2026-10-30T01:00:09Z"), "a": pod("75", "2026-10-30T01:00:01Z"), "x": {"type": "Retry"}}
    labels = {"feedfall/feed": "fx", "feedfall/stage": "sub"}
    seen = read({"metadata": {"name": "w", "labels": labels}, "status": {"phase": "Failed", "nodes": nodes}})
    assert (seen.phase, seen.code, seen.stopped, seen.ours, seen.feed) == ("Failed", 65, False, True, "fx")


@pytest.mark.parametrize(
    ("document", "stopped"),
    [
        ({"spec": {"shutdown": "Stop"}}, True),
        ({"status": {"message": "Stopped with strategy 'Terminate'"}}, False),  # a message is for people
        ({"spec": {}, "status": None}, False),  # just created
    ],
)
def test_read__a_workflow_that_was_stopped(document: dict[str, Any], *, stopped: bool) -> None:
    seen = read({"metadata": {"name": "w"}, **document})
    assert (seen.stopped, seen.phase, seen.code, seen.over) == (stopped, "Pending", None, False)


# -- waiting --


def watch(patience: float = 5, timeout: float = 5) -> Watch:
    return Watch(threading.Event(), patience, timeout, print)


def test_patiently__tries_again_what_may_succeed_later() -> None:
    answers: list[object] = [Transient("away"), "here"]

    def act() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert watch().patiently(act) == "here"


@pytest.mark.parametrize(
    ("error", "own", "raised"),
    [
        (Transient("away"), watch(patience=0), Transient),
        (Transient("away"), watch(timeout=0.1), Late),
        (Misconfigured("no"), watch(), Misconfigured),
    ],
)
def test_patiently__has_an_end(error: Exception, own: Watch, raised: type[Exception]) -> None:
    def act() -> None:
        raise error

    with pytest.raises(raised):
        own.patiently(act)


def test_pause__hears_a_signal_at_once() -> None:
    own = watch()
    own.stop.set()
    with pytest.raises(Stopped):
        own.pause(1000)


class Logs:
    """An Argo whose log connection is lost after so many lines."""

    LINES = (("p-0", "one"), ("p-0", "RESULT status=FENCED"), ("p-1", "one"), ("p-1", "two"), ("p-1", line("BUSY")))

    def __init__(self, *cuts: int) -> None:
        self.cuts = list(cuts)

    def log(self, _: str, **__: bool) -> Iterator[tuple[str, str]]:
        cut = self.cuts.pop(0) if self.cuts else None
        yield from self.LINES[:cut]
        if cut is not None:
            raise Transient("the connection is lost")


@pytest.mark.parametrize("cuts", [(), (1,), (3, 4), (0, 2)])
def test_tail__prints_each_line_once_whatever_is_lost(cuts: tuple[int, ...]) -> None:
    printed: list[str] = []
    tail = Tail(cast("Argo", Logs(*cuts)), "w", printed.append)
    tail.finish()
    assert printed == ["one", "one", "two", "an attempt ended with status=FENCED"]
    assert tail.result == line("BUSY")
