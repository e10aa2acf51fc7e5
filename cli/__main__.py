"""`feedfall`: the command of developers, operators and the platform team. Failures become their exit code here."""

from __future__ import annotations

import sys

import typer

import business_day
from catalog import find
from cli import show
from cli.commands import Commands
from cli.options import aside
from ledger.errors import Asked, Failure
from operate.stopped import Stopped
from steps.run.exits import Exit, exit_of
from steps.run.status import Status

app = typer.Typer(
    name="feedfall",
    cls=Commands,
    help="A response lands on a Kafka topic; a batch pod starts, loads it once, and goes away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def feedfall() -> None:
    """Its commands stand in `cli/commands.py`."""


def main() -> None:
    """Run the command. A failure is one line on stderr, and its exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a log may hold letters that this terminal cannot show
    try:
        app(prog_name="feedfall")
    except (find.UnknownFeed, business_day.CalendarError) as error:
        _leave(str(error), Exit.CONFIG)
    except Asked as error:
        from steps.run.execution import Outcome  # noqa: PLC0415 -- no other ending of a command pays for it

        outcome = Outcome(Status.ASKED, reason=str(error), counts={"approval": error.approval})
        show.say(outcome.line(error.feed or "-", error.verb, "-", 0.0))
        sys.exit(Exit.NOT_DONE)
    except Failure as error:
        _leave(str(error), exit_of(error))
    except Stopped:
        _leave("Stopped.", Exit.STOPPED)


def _leave(words: str, code: Exit) -> None:
    aside(words)
    sys.exit(code)


if __name__ == "__main__":
    main()
