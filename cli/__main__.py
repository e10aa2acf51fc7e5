"""`feedfall`: the command of developers, operators and the platform team. Failures become their exit code here."""

from __future__ import annotations

import sys

import typer

import business_day
from catalog import find
from cli import (
    accept_repeat,
    audit,
    deploy,
    doctor,
    handover,
    hold,
    kill,
    local,
    logs,
    quarantine,
    rebind,
    replay,
    schema,
    serve,
    skip_gap,
    status,
    submit,
    today,
    verify,
    why,
)
from cli.calendar import commands
from cli.options import aside
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
app.command("today")(today.today)
app.command("why")(why.why)
app.command("audit")(audit.audit)
app.command("handover")(handover.handover)
app.command("runs")(status.runs)
app.command("lag")(status.lag)
app.command("absent")(status.absent)
app.command("hold")(hold.hold)
app.command("free")(hold.free)
app.command("newest")(status.newest)
app.command("verify")(verify.verify_feed)
app.command("replay")(replay.replay_feed)
app.command("skip-gap")(skip_gap.skip)
app.command("rebind")(rebind.rebind)
app.command("accept-repeat")(accept_repeat.accept)
app.command("submit")(submit.submit)
app.command("kill")(kill.kill)
app.command("logs")(logs.logs)
app.command("deploy")(deploy.deploy)
app.command("doctor")(doctor.doctor)
app.command("schema")(schema.print_schema)
app.command("migrate")(schema.migrate)
app.command("serve")(serve.serve)
app.command("local")(local.play)
app.command("demo")(local.demo)

quarantine_app = typer.Typer(help="Quarantined and deferred rows.", no_args_is_help=True)
quarantine_app.command("list")(quarantine.entries)
quarantine_app.command("show")(quarantine.show_entry)
quarantine_app.command("redrive")(quarantine.redrive)
quarantine_app.command("discard")(quarantine.discard)
app.add_typer(quarantine_app, name="quarantine")

app.add_typer(commands.app, name="calendar")


def main() -> None:
    """Run the command. A failure is one line on stderr, and its exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a log may hold letters that this terminal cannot show
    try:
        app(prog_name="feedfall")
    except (find.UnknownFeed, business_day.CalendarError) as error:
        _leave(str(error), Exit.CONFIG)
    except Failure as error:
        _leave(str(error), exit_of(error))
    except Stopped:
        _leave("Stopped.", Exit.STOPPED)


def _leave(words: str, code: Exit) -> None:
    aside(words)
    sys.exit(code)


if __name__ == "__main__":
    main()
