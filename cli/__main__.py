"""`feedfall`: the command of developers, operators and the platform team. Failures become their exit code here."""

from __future__ import annotations

import sys

import typer

import business_day
from catalog import find
from cli import deploy, kill, local, quarantine, replay, schema, serve, show, skip_gap, status, submit, verify
from cli.calendar import commands, override
from ledger.errors import Failure
from operate.follow import Stopped
from steps.run.exits import Exit, exit_of

app = typer.Typer(
    name="feedfall",
    help="A response lands on a Kafka topic; a batch pod starts, loads it once, and goes away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("runs")(status.runs)
app.command("lag")(status.lag)
app.command("absent")(status.absent)
app.command("hold")(status.hold)
app.command("free")(status.free)
app.command("newest")(status.newest)
app.command("verify")(verify.verify_feed)
app.command("replay")(replay.replay_feed)
app.command("skip-gap")(skip_gap.skip)
app.command("submit")(submit.submit)
app.command("kill")(kill.kill)
app.command("logs")(kill.logs)
app.command("deploy")(deploy.deploy)
app.command("schema")(schema.print_schema)
app.command("migrate")(schema.migrate)
app.command("serve")(serve.serve)
app.command("local")(local.play)
app.command("demo")(local.demo)

desk_of_quarantine = typer.Typer(help="The rows that wait: for a person, or for their day.", no_args_is_help=True)
desk_of_quarantine.command("list")(quarantine.entries)
desk_of_quarantine.command("show")(quarantine.show_entry)
desk_of_quarantine.command("redrive")(quarantine.redrive)
desk_of_quarantine.command("discard")(quarantine.discard)
app.add_typer(desk_of_quarantine, name="quarantine")

commands.app.command("declare")(override.declare)
commands.app.command("withdraw")(override.withdraw)
commands.app.command("overrides")(override.overrides)
app.add_typer(commands.app, name="calendar")


def main() -> None:
    """Run the command; say a failure in one line, and leave with its code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a pod may say what this terminal cannot
    try:
        app(prog_name="feedfall")
    except (find.UnknownFeed, business_day.CalendarError) as error:
        _leave(str(error), Exit.CONFIG)
    except Failure as error:
        _leave(str(error), exit_of(error))
    except Stopped:
        _leave("Stopped.", Exit.STOPPED)


def _leave(words: str, code: Exit) -> None:
    show.say(words, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
