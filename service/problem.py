"""A failure as application/problem+json (RFC 9457): one clear sentence in `detail`, a `type` for programs.

401 who-are-you · 403 read-only · 404 unknown-calendar, no-override, refused · 409 conflict ·
413 too-long · 422 bad-request, no-such-day, not-covered · 500 bad-calendar, fault · 503 out-of-date, database, stuck
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import business_day
from ledger.calendar import Conflict, NoOverride
from ledger.errors import Failure, Transient
from service.snapshot import OutOfDate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

KIND = "application/problem+json"


class Problem(Exception):  # noqa: N818 -- RFC 9457's own word
    """Say no: a status, a type, a sentence."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, headers


def answer(problem: Problem) -> JSONResponse:
    body = {
        "type": f"urn:feedfall:{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    return JSONResponse(body, problem.status, dict(problem.headers or {}), media_type=KIND)


def of(error: Exception) -> Problem:
    """The problem that an exception stands for."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return Problem(422, "bad-request", "; ".join(_words(each) for each in error.errors()[:5]))
    if isinstance(error, HTTPException):
        return Problem(error.status_code, "refused", f"{error.detail}: /docs has what there is", error.headers)
    if isinstance(error, Transient):
        return Problem(LATER, "database", UNSURE, AFTER)
    for kind, status, name in KINDS:
        if isinstance(error, kind):
            return Problem(status, name, str(error), AFTER if status == LATER else None)
    return Problem(500, "fault", "a fault of the service; its log has it")


LATER, AFTER = 503, {"Retry-After": "5"}
UNSURE = "the database does not answer: look at /v1/overrides, and ask again for what is not there"
#: What is said in the exception's own words.
KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (business_day.UnknownCalendar, 404, "unknown-calendar"),
    (business_day.NotCovered, 422, "not-covered"),
    (business_day.NoSuchDay, 422, "no-such-day"),
    (business_day.CalendarError, 500, "bad-calendar"),
    (NoOverride, 404, "no-override"),
    (Conflict, 409, "conflict"),
    (OutOfDate, LATER, "out-of-date"),
)


def install(app: FastAPI) -> None:
    """Let every failure leave as a problem."""

    async def handle(_: Request, error: Exception) -> JSONResponse:
        return answer(of(error))

    ours = (Problem, business_day.CalendarError, OutOfDate, Failure)
    for kind in (*ours, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)


def _words(error: Mapping[str, object]) -> str:
    where = error["loc"]
    assert isinstance(where, tuple)  # noqa: S101 -- pydantic's own
    return f"{where[-1]}: {error['msg']}"
