"""How a command ends: each failure becomes one line and its exit code, whoever runs the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import business_day
from catalog import find
from cli import show
from ledger.errors import Asked, Failure
from operate.stopped import Stopped
from steps.run.exits import Exit, exit_of
from steps.run.status import Status


class Leaving(Exception):  # noqa: N818 -- reads as what happens
    """A command ends with this code. `words`: of a failure, its sentence, which is printed already."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(words)
        self.code, self.words = code, words


@contextmanager
def leaving() -> Iterator[None]:
    """Raises Leaving for every failure that a command may end with, and for `sys.exit`."""
    try:
        yield
    except (find.UnknownFeed, business_day.CalendarError) as error:
        raise _failed(str(error), Exit.CONFIG) from error
    except Asked as error:
        from steps.run.execution import Outcome  # noqa: PLC0415 -- no other ending of a command pays for it

        outcome = Outcome(Status.ASKED, reason=str(error), counts={"approval": error.approval})
        show.say(outcome.line(error.feed or "-", error.verb, "-", 0.0))
        raise Leaving(Exit.NOT_DONE) from None
    except Failure as error:
        raise _failed(str(error), exit_of(error)) from error
    except Stopped as error:
        raise _failed("Stopped.", Exit.STOPPED) from error
    except SystemExit as error:
        raise Leaving(error.code if isinstance(error.code, int) else 0 if error.code is None else 1) from None


def _failed(words: str, code: Exit) -> Leaving:
    show.say(words, err=True)
    return Leaving(code, words)
