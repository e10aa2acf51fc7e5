"""The container's door: `python -m service`. Settings → service → uvicorn.

DATABASE_URL               needed, a secret: where the overrides are
FEEDFALL_CALENDAR_TOKENS   a folder, a file a holder; without it nobody declares
FEEDFALL_CALENDARS         calendars of one's own
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

import business_day
from ledger import databases
from ledger.errors import Failure, Misconfigured
from service.calendar_api.routes import api
from service.snapshot import Current
from service.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI


def serve(host: str, port: int, environ: Mapping[str, str] = os.environ) -> None:
    """Serve until SIGTERM. Raises Misconfigured."""
    uvicorn.run(build(environ), host=host, port=port, access_log=False, log_level="warning", server_header=False)


def build(environ: Mapping[str, str]) -> FastAPI:
    """The service as the environment says."""
    url = databases.url(environ, "The overrides are there")
    folder = environ.get("FEEDFALL_CALENDAR_TOKENS")
    try:
        own = business_day.read_own(environ.get("FEEDFALL_CALENDARS", ""))
    except business_day.CalendarError as error:
        raise Misconfigured(str(error)) from error
    return api(Current(url, own), Tokens(Path(folder) if folder else None))


if __name__ == "__main__":
    try:
        serve("0.0.0.0", 8080)  # noqa: S104 -- in a container, behind its Service
    except Failure as failure:
        sys.exit(str(failure))
