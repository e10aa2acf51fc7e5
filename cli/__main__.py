"""`feedfall`: the command of developers, operators and the platform team. Failures become their exit code here."""

from __future__ import annotations

import os
import sys

import typer
from typer.main import get_command

from cli import (
    accept,
    accept_repeat,
    approve,
    deploy,
    doctor,
    hold,
    kill,
    local,
    logs,
    quarantine,
    rebind,
    remote,
    replay,
    schema,
    serve,
    skip_gap,
    status,
    submit,
    verify,
)
from cli.calendar import commands
from cli.leave import Leaving, leaving

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
app.command("hold")(hold.hold)
app.command("free")(hold.free)
app.command("accept")(accept.accept)
app.command("approve")(approve.approve)
app.command("approvals")(approve.approvals)
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
    """Run the command, here or by FEEDFALL_URL's service. A failure is one line on stderr, and its exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a log may hold letters that this terminal cannot show
    command = get_command(app)
    try:
        with leaving():
            if os.environ.get(remote.URL):
                remote.redirect(command, os.environ)
            command(prog_name="feedfall")
    except Leaving as end:
        sys.exit(end.code)


if __name__ == "__main__":
    main()
