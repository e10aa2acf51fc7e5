"""One execution of one stage: its connection, its row in the run table, its stop signal, and how it ended."""

from __future__ import annotations

import json
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ledger import run, run_log
from ledger.database import check, connect
from steps.run.exits import Exit, Failure, exit_of
from steps.run.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ledger.database import Connection
    from ledger.key import LeaseKey
    from steps.run.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """How a stage ended. `counts` go on the RESULT line in their order."""

    status: Status
    code: Exit | None = None
    """The exit code, where it is not the status's own."""
    reason: str | None = None
    counts: Mapping[str, object] = field(default_factory=dict)

    @property
    def exit(self) -> Exit:
        found = self.code if self.code is not None else self.status.code
        return Exit.OK if found is None else found

    def line(self, feed: str, stage: str, name: str, seconds: float) -> str:
        """The last line of stdout, for Control-M and people."""
        words: dict[str, object] = {"status": self.status, "feed": feed, "stage": stage, "run": name, **self.counts}
        pairs = " ".join(f"{key}={_word(value)}" for key, value in words.items())
        reason = f" reason={_quoted(self.reason[:500])}" if self.reason else ""
        return f"RESULT {pairs}{reason} took={seconds:.1f}s"


def _word(value: object) -> str:
    return str(value) if PLAIN.fullmatch(str(value)) else _quoted(str(value))


def _quoted(text: str) -> str:
    """In quotes and on one line, whatever is in it: a RESULT line cannot be forged."""
    return json.dumps(text, ensure_ascii=False).translate(LINE_ENDS)


PLAIN = re.compile(r"[\w.,:+/@-]+")
#: What ends a line for some readers and is not escaped in JSON.
LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x7f\x85\u2028\u2029"}


@dataclass
class Execution:
    """What a stage works with. `connection` may be replaced after a lost reply to COMMIT."""

    settings: Settings
    connection: Connection
    run: int
    stop: threading.Event
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    outcome: Outcome | None = None
    """How it ended, for its row in the run table; set by the caller."""

    def reconnect(self) -> None:
        """Leave the broken connection and open another."""
        self.connection.close()
        self.connection = connect(self.settings.database_url, self.settings.uid)


@contextmanager
def executing(
    settings: Settings, key: LeaseKey, stop: threading.Event, printed: Iterable[str] = ()
) -> Iterator[Execution]:
    """Open the ledger and record the run's beginning; at its end record its outcome, or the failure that ended it.

    `printed`: the last lines of its log, kept where it failed.
    """
    connection = connect(settings.database_url, settings.uid)
    execution = None
    try:
        check(connection)
        number = run.start(connection, key, settings.uid, settings.name)
        execution = Execution(settings, connection, number, stop)
        yield execution
    except Failure as error:
        if execution:
            execution.outcome = Outcome(Status.FAILED, exit_of(error), str(error))
        raise
    finally:
        if execution:
            outcome = execution.outcome or Outcome(Status.FAILED, Exit.BUG)
            _finish(execution, outcome)
            if outcome.exit != Exit.OK:
                _keep_log(execution, key.feed, printed)
            execution.connection.close()
        connection.close()


def _finish(execution: Execution, outcome: Outcome) -> None:
    """Record the end; where the database is gone the row stays RUNNING, and only the exit code says how it ended."""
    try:
        if execution.connection.closed or execution.connection.broken:
            execution.reconnect()
        run.finish(execution.connection, execution.run, outcome.status, outcome.exit, outcome.reason, outcome.counts)
    except Failure:
        return


def _keep_log(execution: Execution, feed: str, printed: Iterable[str]) -> None:
    """Keep what it printed last; where that cannot be done the pod's log still has it."""
    lines = list(printed)
    if not lines or execution.connection.closed or execution.connection.broken:
        return
    try:
        run_log.keep(execution.connection, execution.run, feed, lines)
    except Failure:
        return


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set: a stage looks at it between batches, finishes its chunk and leaves."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # a thread of the service: it has no signals
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
