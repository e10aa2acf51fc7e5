"""`feedfall serve`: the shared business-day service on this machine. In a cluster its own image runs it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import show

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="The port to listen on.")]


def serve(host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Serve the business days over HTTP until Ctrl-C: every calendar, with what was declared in DATABASE_URL."""
    from service.__main__ import serve as run  # noqa: PLC0415 -- no other command pays for a web server

    show.say(f"http://{host}:{port}/docs")
    run(host, port)
