"""`feedfall serve`: the business-day service, or the board, on this machine. In a cluster each has its own image."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cli import show

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="The port to listen on.")]
MetricsPort = Annotated[
    int, typer.Option(min=0, max=65_535, envvar="FEEDFALL_METRICS_PORT", help="The port of /metrics; 0: no metrics.")
]
Board = Annotated[bool, typer.Option("--board", help="Serve the board (상황판) instead: the night desk in a browser.")]


Desk = Annotated[
    bool,
    typer.Option("--desk", help="Serve the desk instead: every verb over HTTPS, to holders of FEEDFALL_DESK_TOKENS."),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    metrics_port: MetricsPort = 0,
    *,
    board: Board = False,
    desk: Desk = False,
) -> None:
    """Serve the business days over HTTP until Ctrl-C: every calendar, with what was declared in DATABASE_URL."""
    if desk:
        return serve_desk(host, port)
    if board:
        import service.board.__main__ as night_desk  # noqa: PLC0415 -- likewise

        return night_desk.serve(host, port, {**os.environ, "FEEDFALL_METRICS_PORT": str(metrics_port)}, show.say)
    import service.__main__ as calendar_service  # noqa: PLC0415 -- no other command pays for a web server

    scheme = "https" if os.environ.get("FEEDFALL_TLS_CERT_FILE") else "http"
    show.say(f"{scheme}://{host}:{port}/docs")
    return calendar_service.serve(host, port, {**os.environ, "FEEDFALL_METRICS_PORT": str(metrics_port)})


def serve_desk(host: str, port: int) -> None:
    """Serve the commands of this environment: its databases and its Argo Server. Raises Misconfigured."""
    from cli.verbs import verbs  # noqa: PLC0415 -- no other command pays for a web server
    from service.desk_api import server  # noqa: PLC0415 -- likewise

    scheme = "https" if os.environ.get("FEEDFALL_TLS_CERT_FILE") else "http"
    show.say(f"{scheme}://{host}:{port}/api/docs")
    server.serve(host, port, os.environ, list(verbs()))
