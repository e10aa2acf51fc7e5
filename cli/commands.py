"""The table of commands: a name, and where its function stands. A command imports what it needs, and no other's."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from typer._click.core import Command, Context  # typer has no other name for them

#: In the order of `feedfall --help`. A group of commands is a Typer of its own.
COMMANDS = {
    "today": "cli.today:today",
    "why": "cli.why:why",
    "audit": "cli.audit:audit",
    "handover": "cli.handover:handover",
    "runs": "cli.status:runs",
    "lag": "cli.status:lag",
    "absent": "cli.status:absent",
    "hold": "cli.hold:hold",
    "free": "cli.hold:free",
    "accept": "cli.accept:accept",
    "approve": "cli.approve:approve",
    "approvals": "cli.approve:approvals",
    "newest": "cli.status:newest",
    "verify": "cli.verify:verify_feed",
    "replay": "cli.replay:replay_feed",
    "skip-gap": "cli.skip_gap:skip",
    "rebind": "cli.rebind:rebind",
    "accept-repeat": "cli.accept_repeat:accept",
    "submit": "cli.submit:submit",
    "withdraw": "cli.withdraw:withdraw",
    "kill": "cli.kill:kill",
    "logs": "cli.logs:logs",
    "deploy": "cli.deploy:deploy",
    "doctor": "cli.doctor:doctor",
    "schema": "cli.schema:print_schema",
    "migrate": "cli.schema:migrate",
    "serve": "cli.serve:serve",
    "local": "cli.local:play",
    "demo": "cli.local:demo",
    "quarantine": "cli.quarantine:app",
    "calendar": "cli.calendar.commands:app",
}


class Commands(TyperGroup):
    """`feedfall` itself. Commands of the app's own come behind those of the table."""

    def list_commands(self, ctx: Context) -> list[str]:
        return [*COMMANDS, *(name for name in super().list_commands(ctx) if name not in COMMANDS)]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        return find(cmd_name) if cmd_name in COMMANDS else super().get_command(ctx, cmd_name)


@cache
def find(name: str) -> Any:  # noqa: ANN401 -- click's, which typer does not name
    """The command of a name such as `today` or `quarantine list`, the same object each time; None where none is."""
    first, _, rest = name.partition(" ")
    if rest:
        group = find(first)
        return group.commands.get(rest) if group else None
    if name not in COMMANDS:
        return None
    module, _, function = COMMANDS[name].partition(":")
    return _command(name, getattr(import_module(module), function))


def _command(name: str, found: Any) -> Command:  # noqa: ANN401 -- a function, or a Typer
    """What typer makes of it."""
    if isinstance(found, typer.Typer):
        group = get_command(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)
