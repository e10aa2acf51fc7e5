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


def serve(host: Host = "127.0.0.1", port: Port = 8080, metrics_port: MetricsPort = 0, *, board: Board = False) -> None:
    """Serve the business days over HTTP until Ctrl-C: every calendar, with what was declared in DATABASE_URL."""
    if board:
        import service.board.__main__ as night_desk  # noqa: PLC0415 -- likewise

        return night_desk.serve(host, port, {**os.environ, "FEEDFALL_METRICS_PORT": str(metrics_port)}, show.say)
    import service.__main__ as calendar_service  # noqa: PLC0415 -- no other command pays for a web server

    scheme = "https" if os.environ.get("FEEDFALL_TLS_CERT_FILE") else "http"
    show.say(f"{scheme}://{host}:{port}/docs")
    return calendar_service.serve(host, port, {**os.environ, "FEEDFALL_METRICS_PORT": str(metrics_port)})
