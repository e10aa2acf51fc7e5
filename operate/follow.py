"""Waiting for a run in Argo: it retries during an outage, ends at once at a signal, and never waits past its time.

Hera's `create(wait=True)` does not serve: it returns on Pending, and on Failed it returns as on success.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from operate.argo import Argo
from operate.ending import WorkflowState
from operate.stopped import Late, Paused, Stopped
from steps.run.exits import Failure, Transient

T = TypeVar("T")
Say = Callable[[str], None]

POLL = 1.0
"""Seconds between two requests."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


@dataclass
class Watch:
    """How long one act waits. `patience`: seconds for which a failing call is retried; `timeout`: seconds in all."""

    stop: threading.Event
    patience: float
    timeout: float
    say: Say
    grace: float = 90.0
    """Seconds that a Workflow has to stop: a pod has 60."""
    began: float = field(default_factory=time.monotonic)
    slice: float | None = None
    """Seconds of one request to the service, which waits in slices."""

    def pause(self, seconds: float = POLL) -> None:
        """Wait. Raises Stopped at a signal, Late at the end of the time, Paused at that of the slice."""
        if self.slice is not None and time.monotonic() - self.began >= self.slice:
            raise Paused
        left = self.began + self.timeout - time.monotonic()
        if self.stop.wait(max(min(seconds, left), 0)):
            raise Stopped
        if left <= seconds:
            raise Late

    def patiently(self, act: Callable[[], T]) -> T:
        """Do it; while it fails with Transient, retry for as long as the patience lasts."""
        since, pause = time.monotonic(), FIRST_PAUSE
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                return act()
            except Transient as error:
                if time.monotonic() - since >= self.patience:
                    raise
                if pause == FIRST_PAUSE:
                    self.say(f"{error}; retrying for {self.patience:.0f} s")
            self.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class Tail:
    """Hands on a Workflow's log as it grows, but no RESULT line: only the command's own may be the last."""

    def __init__(self, argo: Argo, name: str, out: Say) -> None:
        self.result = ""
        self._argo, self._name, self._out = argo, name, out
        self._shown: Counter[str] = Counter()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name=f"log of {name}", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Hand on no more lines."""
        with self._lock:
            self._over.set()

    def finish(self) -> None:
        """The Workflow is over: hand on the rest. Where Argo is out of reach, what was read is all."""
        self.close()
        if self._thread.ident:
            self._thread.join(2)
        for _ in range(3):
            with suppress(Failure):
                self._read(follow=False)
                if self.result:
                    return
            time.sleep(0.5)

    def _follow(self) -> None:
        while not self._over.is_set():
            with suppress(Failure):  # the main thread calls Argo too, and reports the failure
                self._read(follow=True)
            self._over.wait(POLL)

    def _read(self, *, follow: bool) -> None:
        """Read from the beginning, and hand on only the new lines."""
        read: Counter[str] = Counter()
        for pod, line in self._argo.log(self._name, follow=follow):
            with self._lock:
                if follow and self._over.is_set():
                    return
                read[pod] += 1
                if read[pod] > self._shown[pod]:
                    self._shown[pod] += 1
                    self._hand_on(line)

    def _hand_on(self, line: str) -> None:
        if not line.startswith("RESULT "):
            self._out(line)
            return
        if self.result:
            self._out(f"an attempt ended with {self.result.removeprefix('RESULT ')}")
        self.result = line


def follow(
    argo: Argo, name: str, watch: Watch, out: Say, start: Callable[[], object] = str
) -> tuple[WorkflowState, str]:
    """Start a Workflow and wait until it is over. Returns what Argo says of it, and its RESULT line.

    Raises Late and Failure, which leave it running, and Stopped, which stops it.
    """
    tail = Tail(argo, name, out)
    try:
        watch.patiently(start)
        tail.begin()
        seen = over(argo, name, watch)
        tail.finish()
    except Stopped:
        stop = halt(argo, name, watch, "its `feedfall submit` received a signal")
        tail.finish()
        raise Stopped(stop.text) from None
    finally:
        tail.close()
    return seen, tail.result


def over(argo: Argo, name: str, watch: Watch) -> WorkflowState:
    """Wait until a Workflow is over, and say its phase: where an image cannot be pulled it is Pending for hours."""
    last = ""
    while True:
        seen = watch.patiently(lambda: argo.get(name))
        if seen is None:
            raise Transient(f"{name} was deleted while it was followed")
        if seen.over:
            return seen
        now = f"{name} is {seen.phase}" + (f": {seen.message}" if seen.message else "")
        if now != last:
            watch.say(now)
        last = now
        watch.pause()


@dataclass(frozen=True)
class StopResult:
    """What became of a stop: is the Workflow over, and a sentence about it."""

    is_over: bool
    text: str


def halt(argo: Argo, name: str, watch: Watch, why: str) -> StopResult:
    """Stop a Workflow, and wait for its end for as long as the grace lasts. A second signal does not end this."""
    own = Watch(threading.Event(), watch.grace, watch.grace, watch.say, watch.grace)
    try:
        own.patiently(lambda: argo.stop(name, why))
        if own.patiently(lambda: argo.get(name)) is None:
            return StopResult(is_over=True, text=f"{name} was not started yet")
        seen = over(argo, name, own)
    except (Late, Failure) as error:
        cause = str(error) or f"{watch.grace:.0f} s were not enough"
        return StopResult(is_over=False, text=f"a stop of {name} was requested, and its end was not seen: {cause}")
    end = "had succeeded" if seen.phase == "Succeeded" else "was stopped"
    return StopResult(is_over=True, text=f"{name} {end}")
