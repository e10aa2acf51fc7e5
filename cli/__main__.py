"""`feedfall`: the command of developers, operators and the platform team. Failures become their exit code here."""

from __future__ import annotations

import os
import sys

import typer

from cli.commands import Commands
from cli.leave import Leaving, leaving

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
    """Run the command, here or by FEEDFALL_URL's service. A failure is one line on stderr, and its exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a log may hold letters that this terminal cannot show
    try:
        with leaving():
            if os.environ.get("FEEDFALL_URL"):
                from cli import remote  # noqa: PLC0415 -- only who calls from outside pays for it

                remote.redirect(os.environ)
            app(prog_name="feedfall")
    except Leaving as end:
        sys.exit(end.code)


if __name__ == "__main__":
    main()
