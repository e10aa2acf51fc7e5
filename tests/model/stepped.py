"""Real code, one step at a time: a pod is a thread that stops before each act that another pod could notice.

A step is one statement of the lease protocol on a real PostgreSQL, a COMMIT or ROLLBACK that ends such statements, or
one question to the log. Between two steps a pod only thinks, so an order of steps is all that there is to choose.
What a pod's steps returned is its *history*: the code has no other input, so equal histories are equal states.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg

from ledger.statements import sql
from steps.drain.kafka import Topic, Watermarks
from steps.run.execution import Execution
from steps.run.exits import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: What one pod does and another can notice; all that is between two of these belongs to the first. A transaction of
#: one statement is one step; what is read under a row lock that the step before took is no step of its own.
STEPS = (
    "lease.leases",
    "lease.take",
    "lease.lock",
    "lease.writers",
    "lease.mine",
    "lease.end",
    "lease.guard",
    "lease.fence",
    "lease.release",
    "chunk.advance",
    "chunk.is_recorded",
)
#: Steps only where an operator is there to be noticed.
CONTROL = ("control.state", "control.enter", "control.turn")
#: Noted, for a pod goes on with what they return.
READ = ("chunk.sources", "control.share", "control.hold")
NAMES = {sql(name): name for name in (*STEPS, *CONTROL, *READ)}
#: The whole of their transaction.
ALONE = ("lease.leases", "lease.take", "lease.release", "control.state")
SECONDS = 20.0


class Crashed(BaseException):
    """This pod takes no further step, not even to tidy up."""


class Pod:
    """A thread that runs real code step by step. `history`: what its steps returned; `due`: the step before it."""

    def __init__(self, name: str, act: Callable[[], str]) -> None:
        self.name, self._act = name, act
        self.due: str | None = None
        self.status: str | None = None
        self.history: tuple[object, ...] = ()
        self.crashed = self.cut = False
        self.connection: Stepped | None = None
        self.pid = 0  # of its backend; none yet
        self._go, self._here = threading.Semaphore(0), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self.status = self._act()
        except Crashed:
            self.status = "CRASHED"
        except Failure as failure:
            self.status = type(failure).__name__
        except BaseException as error:  # noqa: BLE001 -- shown by whoever checks the world
            self.status = f"BUG {error!r} {''.join(traceback.format_exception(error)[-4:])}"
        self.due = None
        self._here.set()

    # -- called in the pod's own thread --

    def before(self, step: str) -> None:
        """Stand before a step until the scheduler says go."""
        if self.crashed:
            raise Crashed
        self.due = step
        self._here.set()
        self._go.acquire()
        if self.crashed:
            raise Crashed

    def note(self, *answer: object) -> None:
        self.history = (hash(self.history), *answer)

    # -- called by the scheduler --

    @property
    def ready(self) -> bool:
        return self._here.is_set() and self.status is None and not self.crashed

    @property
    def over(self) -> bool:
        return self.status is not None or self.crashed

    def step(self) -> None:
        self._here.clear()
        self._go.release()

    def arrives(self, seconds: float) -> bool:
        """Has it come to its next step, or to its end?"""
        return self._here.wait(seconds)

    def crash(self) -> None:
        """It does nothing any more. Its backend stays as it is: a node that lost power sends no farewell."""
        self.crashed = True

    def unwind(self) -> None:
        """Let the thread of a pod that is over end."""
        self.crashed = True
        self._go.release()

    def ended(self) -> bool:
        """Has its thread come to its end?"""
        self._thread.join(0.002)
        return not self._thread.is_alive()


class Stepped(psycopg.Connection[tuple[Any, ...]]):
    """A real connection that waits for its pod's turn before each visible act."""

    pod: Pod
    steps: Sequence[str]
    mutation: Mapping[str, tuple[str, str]]
    gone: Callable[[int], None]
    """Waits until a backend that was ended is gone: PostgreSQL only promises that it will be."""
    touched = False

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:  # noqa: ANN401 -- the driver's own
        name = NAMES.get(query)
        if name is None:
            return super().execute(query, params, **more)
        if name in self.steps:
            self.pod.before(name)
            self.touched = name not in ALONE
        old, new = self.mutation.get(name, ("", ""))
        assert old in query, (old, query)
        try:
            cursor = super().execute(query.replace(old, new), params, **more)
        except psycopg.Error as error:
            self.pod.note(name, error.sqlstate)
            raise
        found = cursor.fetchall() if cursor.description else []
        if found:
            cursor.scroll(0, mode="absolute")
        self.pod.note(name, cursor.rowcount, _same_in_each_game(name, found))
        if name == "lease.end":
            self.gone(params["pid"])
        return cursor

    def commit(self) -> None:
        if self.touched:
            self.pod.before("commit")
            self.touched = False
            if self.pod.cut:
                self._cut()
        super().commit()

    def rollback(self) -> None:
        if self.touched:
            self.pod.before("rollback")
            self.touched = False
        super().rollback()

    def leave(self) -> bool:
        """Forget the game. Is it fit for another? A backend that was ended while idle shows it only at a query."""
        self.touched = False
        try:
            super().rollback()
            super().execute("SELECT")
            super().rollback()
        except psycopg.Error:
            return False
        return True

    def _cut(self) -> None:
        """The COMMIT gets there and its reply does not."""
        self.pod.cut = False
        super().commit()
        self.close()
        self.pod.note("reply lost")
        raise psycopg.OperationalError("server closed the connection unexpectedly")


def _same_in_each_game(name: str, found: list[tuple[Any, ...]]) -> str:
    """What was found, without backends' numbers and without the hour: no code reads since when a feed is held."""
    if name == "lease.writers":
        return f"{len(found)} backends"
    return repr([tuple("then" if isinstance(value, datetime) else value for value in row) for row in found])


@dataclass
class StepExecution(Execution):
    """An execution whose next connection is stepped as well."""

    opens: Callable[[], Stepped] | None = None

    def reconnect(self) -> None:
        assert self.opens
        self.connection.close()
        self.connection = self.opens()


@dataclass(frozen=True)
class Message:
    """As much of a message as a drain looks at."""

    at: int
    of: int

    def partition(self) -> int:
        return self.of

    def offset(self) -> int:
        return self.at


class Log:
    """A topic in memory: what was said is said, more may come, to each partition in turn."""

    def __init__(self, length: int, partitions: int) -> None:
        self.length, self.partitions = length, range(partitions)

    def end(self, partition: int) -> int:
        return (self.length - partition - 1) // len(self.partitions) + 1

    def of(self, pod: Pod) -> LogClient:
        return LogClient(self, pod)


class LogClient:
    """What a drain asks of its cluster and of its reader. Only the question for the end is a step: the rest stands."""

    def __init__(self, log: Log, pod: Pod) -> None:
        self._log, self._pod = log, pod
        self._at: dict[int, int] = {}

    def topic(self, name: str) -> Topic:
        return Topic(name, "id", tuple(self._log.partitions))

    def watermarks(self, topic: Topic, partitions: Sequence[int] | None = None) -> dict[int, Watermarks]:
        self._pod.before("ends")
        self._pod.note("ends", self._log.length)
        ends = {partition: self._log.end(partition) for partition in partitions or topic.partitions}
        return {partition: Watermarks(0, end, end) for partition, end in ends.items()}

    def reader(self, topic: str, group: str) -> LogClient:  # noqa: ARG002 -- its form
        return self

    def assign(self, offsets: Mapping[int, int], epochs: Mapping[int, int | None]) -> None:  # noqa: ARG002 -- its form
        self._at, self._paused = dict(offsets), set[int]()

    def read(self, limit: int) -> list[Message]:
        """From the first partition that has something, as one fetch does."""
        for partition, first in self._at.items():
            end = min(first + limit, self._log.end(partition))
            if end > first and partition not in self._paused:
                self._at[partition] = end
                return [Message(offset, partition) for offset in range(first, end)]
        return []

    def positions(self) -> dict[int, int]:
        return dict(self._at)

    def leader_epochs(self) -> dict[int, int | None]:
        return dict.fromkeys(self._at, 0)

    def pause(self, partition: int) -> None:
        self._paused.add(partition)

    def show_lag(self, offsets: Mapping[int, int]) -> None: ...

    def close(self) -> None: ...


def waits_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)
