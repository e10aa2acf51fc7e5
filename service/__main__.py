"""The container's entry: `python -m service`. It reads the settings, builds the service and runs uvicorn.

DATABASE_URL               required, a secret: the database with the overrides
FEEDFALL_CALENDAR_TOKENS   a folder with one file a holder; without it the service is read-only
FEEDFALL_CALENDARS         a file or folder of your own calendars
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

import business_day
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
    """Build the service from the settings. Raises Misconfigured."""
    if not environ.get("DATABASE_URL"):
        raise Misconfigured("not set: DATABASE_URL. The overrides are read from that database")
    folder = environ.get("FEEDFALL_CALENDAR_TOKENS")
    try:
        own = business_day.read_own(environ.get("FEEDFALL_CALENDARS", ""))
    except business_day.CalendarError as error:
        raise Misconfigured(str(error)) from error
    return api(Current(environ["DATABASE_URL"], own), Tokens(Path(folder) if folder else None))


if __name__ == "__main__":
    try:
        serve("0.0.0.0", 8080)  # noqa: S104 -- in a container, behind its Service
    except Failure as failure:
        sys.exit(str(failure))
