"""`feedfall doctor`: is everything as feedfall needs it? Exit 78 where something must be done, 75 where not reached."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

import operate.doctor
from cli import show
from cli.options import AnyFeed, Json, seconds
from operate import controller


class Duty(StrEnum):
    """What the database's role is for."""

    POD = "pod"
    OPERATOR = "operator"
    READER = "reader"
    SERVICE = "service"


ForDuty = Annotated[Duty, typer.Option(help="The duty that the role of DATABASE_URL must have the rights of.")]
Window = Annotated[str, typer.Option(help="How long topics must keep messages: a time such as 90s, 30m or 168h.")]
Controller = Annotated[
    str,
    typer.Option(
        help="ConfigMap of Argo's controller, in which templateReferencing is checked; empty: not looked at.",
        metavar="NAMESPACE/NAME",
    ),
]


def doctor(
    feed: AnyFeed = None,
    *,
    duty: ForDuty = Duty.POD,
    window: Window = "168h",
    controller_config: Controller = controller.CONFIG,
    as_json: Json = False,
) -> None:
    """Look at settings, rights, tables, topics, Argo and clocks, and say what to do. It changes nothing."""
    findings = operate.doctor.examine(os.environ, feed, duty, seconds(window), controller_config)
    if as_json:
        show.as_json(findings)
    else:
        show.table(
            ("state", "what", "it says"), [(each.state, each.subject, each.words) for each in findings], empty=""
        )
    raise typer.Exit(operate.doctor.exit_code(findings))
