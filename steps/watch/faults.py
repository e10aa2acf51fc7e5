"""The faults of one sweep: each turn (a feed's, or a part's) fails alone, and all of them are said together at its end.

turn ─▶ done
     └▶ fault ─▶ a line of the log ─▶ RESULT: equal ones once, for all the feeds that have it; the worst exit code
"""

from __future__ import annotations

import re
import sys
import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ledger.database import rollback
from ledger.errors import translated
from steps.run.exits import Exit, Failure, Transient, exit_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from steps.run.execution import Execution

#: Worst first: an internal error, then what a person must mend, then what passes by itself.
WORST = (Exit.BUG, Exit.LEDGER, Exit.GAP, Exit.DATA, Exit.CONFIG, Exit.PARTNER, Exit.TRANSIENT)
#: Seconds after which no feed is looked at any more: reports and webhooks need their time before the sweep is killed.
TURNS = 25.0
#: What the RESULT line holds of it: faults, names of each, characters of its sentence.
FAULTS, NAMES, WORDS = 4, 3, 200


class Faults:
    """What went wrong in one sweep, and for whom. `raising`: nothing is collected, the first fault is raised."""

    def __init__(self, execution: Execution, *, raising: bool = False) -> None:
        self._execution, self._raising, self._until = execution, raising, time.monotonic() + TURNS
        self._names: dict[str, list[str]] = {}
        """A sentence, without the name → the names that have it."""
        self._words: dict[str, str] = {}
        """The same → as it was said first."""
        self._codes: set[Exit] = set()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """What fails in here is noted for this feed or part, and ends nothing else."""
        lost = self._execution.connection.closed
        try:
            with translated():
                yield
        except Exception as error:  # an internal error over one feed must not stop the others either
            if self._raising:
                raise
            if not lost:  # else it only repeats that the database is gone
                self.add(name, error)
        self._end_transaction(name)

    def _end_transaction(self, name: str) -> None:
        """Nothing that a turn left open is the next one's."""
        try:
            if not self._execution.connection.closed:
                rollback(self._execution.connection)
        except Transient as error:
            self.add(name, error)

    def check_time(self) -> None:
        """Raise Transient where a feed's turn comes too late in this sweep."""
        if time.monotonic() > self._until:
            raise Transient(f"not looked at within {TURNS:.0f} s of this sweep: the next one looks again")

    def add(self, name: str, error: Exception) -> None:
        """Note a fault. An internal error goes into the log with its traceback."""
        code = exit_of(error)
        if code is Exit.BUG:
            traceback.print_exception(error)
        ours = isinstance(error, Failure)
        words = str(error) if ours else f"an internal error (a bug in feedfall): {type(error).__name__}: {error}"
        words = " ".join(words.split())
        alike = re.sub(rf"\b{re.escape(name)}\b", "…", words)
        if alike not in self._words:
            print(f"FAULT {name}: {words[:1000]}", file=sys.stderr, flush=True)  # noqa: T201 -- the operator's line
        self._words.setdefault(alike, words)
        names = self._names.setdefault(alike, [])
        names += [name] if name not in names else []
        self._codes.add(code)

    @property
    def worst(self) -> Exit:
        """The exit code of all faults together."""
        return worst(self._codes)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many feeds and parts had a fault; empty where none had."""
        failed = len({name for names in self._names.values() for name in names})
        return {"failed": failed} if failed else {}

    def say_shared(self) -> None:
        """Print who else had a fault that was printed before."""
        for alike, (first, *others) in self._names.items():
            if others:
                print(f"FAULT {', '.join(others)}: the same as {first}: {_cut(self._words[alike])}", file=sys.stderr)  # noqa: T201 -- likewise

    def reason(self) -> str:
        """Whom what befell, each sentence once."""
        lines = [f"{_some(names)}: {_cut(self._words[alike])}" for alike, names in self._names.items()]
        more = len(lines) - FAULTS
        return "; ".join([*lines[:FAULTS], *([f"and {more} more in the log"] if more > 0 else [])])


def worst(codes: Collection[Exit]) -> Exit:
    """The one exit code that tells of several."""
    return next((code for code in WORST if code in codes), Exit.OK)


def _some(names: list[str]) -> str:
    more = len(names) - NAMES
    return ", ".join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")


def _cut(words: str) -> str:
    return words if len(words) <= WORDS else f"{words[: WORDS - 1]}…"
