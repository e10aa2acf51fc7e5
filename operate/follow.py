"""Waiting for something that runs elsewhere: patient with outages, quick to hear a signal, never past its time.

Hera's `create(wait=True)` is not it: it returns on Pending, and returns as if all were well on Failed.
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
from operate.ending import Workflow
from steps.run.exits import Failure, Transient

T = TypeVar("T")
Say = Callable[[str], None]

POLL = 1.0
"""Seconds between two looks."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class Stopped(Exception):  # noqa: N818 -- reads as what happened
    """A signal asked us to end."""


class Late(Exception):  # noqa: N818 -- likewise
    """The time that was given is over."""


@dataclass
class Watch:
    """One command's waiting. `patience`: seconds in which a failing call is tried again; `timeout`: of all."""

    stop: threading.Event
    patience: float
    timeout: float
    say: Say
    grace: float = 90.0
    """Seconds that a Workflow is given to stop: a pod has 60."""
    began: float = field(default_factory=time.monotonic)

    def pause(self, seconds: float = POLL) -> None:
        """Wait. Raises Stopped as soon as a signal comes, Late at the end of the time."""
        left = self.began + self.timeout - time.monotonic()
        if self.stop.wait(max(min(seconds, left), 0)):
            raise Stopped
        if left <= seconds:
            raise Late

    def patiently(self, act: Callable[[], T]) -> T:
        """Do it; while it fails for outside reasons, do it again for as long as the patience lasts."""
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
                    self.say(f"{error}; trying for {self.patience:.0f} s")
            self.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class Tail:
    """Prints a Workflow's log as it grows. A RESULT line is kept back: only the command's own may be the last."""

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
        """Print no more."""
        with self._lock:
            self._over.set()

    def finish(self) -> None:
        """The Workflow is over: print what is left. Where Argo cannot tell, what was read is all there is."""
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
            with suppress(Failure):  # the main thread asks Argo too, and says what is wrong
                self._read(follow=True)
            self._over.wait(POLL)

    def _read(self, *, follow: bool) -> None:
        """Read from the beginning, and print only what was not printed before."""
        read: Counter[str] = Counter()
        for pod, line in self._argo.log(self._name, follow=follow):
            with self._lock:
                if follow and self._over.is_set():
                    return
                read[pod] += 1
                if read[pod] > self._shown[pod]:
                    self._shown[pod] += 1
                    self._print(line)

    def _print(self, line: str) -> None:
        if not line.startswith("RESULT "):
            self._out(line)
            return
        if self.result:
            self._out(f"an attempt ended with {self.result.removeprefix('RESULT ')}")
        self.result = line


def follow(argo: Argo, name: str, watch: Watch, out: Say, start: Callable[[], object] = str) -> tuple[Workflow, str]:
    """Start a Workflow and wait until it is over; what Argo says of it, and its RESULT line.

    Raises Late and Failure, which leave it running, and Stopped, which does not.
    """
    tail = Tail(argo, name, out)
    try:
        watch.patiently(start)
        tail.begin()
        seen = over(argo, name, watch)
        tail.finish()
    except Stopped:
        _, told = halt(argo, name, watch, "its `feedfall submit` was told to end")
        tail.finish()
        raise Stopped(told) from None
    finally:
        tail.close()
    return seen, tail.result


def over(argo: Argo, name: str, watch: Watch) -> Workflow:
    """Wait until a Workflow is over, and say what it is at: an image that cannot be pulled is not over for hours."""
    told = ""
    while True:
        seen = watch.patiently(lambda: argo.get(name))
        if seen is None:
            raise Transient(f"{name} was deleted while it was followed")
        if seen.over:
            return seen
        now = f"{name} is {seen.phase}" + (f": {seen.message}" if seen.message else "")
        if now != told:
            watch.say(now)
        told = now
        watch.pause()


def halt(argo: Argo, name: str, watch: Watch, why: str) -> tuple[bool, str]:
    """Stop a Workflow and wait for it, a grace long; is it over, and a sentence on it. Hears no second signal."""
    own = Watch(threading.Event(), watch.grace, watch.grace, watch.say, watch.grace)
    try:
        own.patiently(lambda: argo.stop(name, why))
        if own.patiently(lambda: argo.get(name)) is None:
            return True, f"{name} was not started yet"
        seen = over(argo, name, own)
    except (Late, Failure) as error:
        cause = str(error) or f"{watch.grace:.0f} s were not enough"
        return False, f"{name} was told to stop, and was not seen to do so: {cause}"
    return True, f"{name} {'had succeeded' if seen.phase == 'Succeeded' else 'was stopped'}"
