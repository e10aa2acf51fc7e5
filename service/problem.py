"""A failure as application/problem+json (RFC 9457): one clear sentence in `detail`, a `type` for programs.

401 who-are-you · 403 read-only, forbidden · 404 unknown-calendar, no-override, refused · 409 conflict ·
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
from ledger.printable import Unprintable
from service.snapshot import OutOfDate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

    from service.refusals import RefusalLog

MEDIA_TYPE = "application/problem+json"
READING = ("GET", "HEAD", "OPTIONS")


class Problem(Exception):  # noqa: N818 -- RFC 9457's own word
    """A refusal: a status, a type for programs, a sentence for people."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, headers


def response_of(problem: Problem) -> JSONResponse:
    """The problem as an HTTP response."""
    body = {
        "type": f"urn:feedfall:{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    return JSONResponse(body, problem.status, dict(problem.headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem that an exception stands for."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return Problem(422, "bad-request", "; ".join(_describe(each) for each in error.errors()[:5]))
    if isinstance(error, HTTPException):
        return Problem(error.status_code, "refused", f"{error.detail}: /docs lists every path", error.headers)
    if isinstance(error, Transient):
        return Problem(UNAVAILABLE, "database", UNSURE, RETRY_AFTER)
    for kind, status, name in EXPLAINED:
        if isinstance(error, kind):
            return Problem(status, name, str(error), RETRY_AFTER if status == UNAVAILABLE else None)
    return Problem(500, "fault", "an internal error (a bug in feedfall): see the log of the service")


UNAVAILABLE, RETRY_AFTER = 503, {"Retry-After": "5"}
UNSURE = "the database does not answer: read /v1/overrides, and send again what is not in it"
#: Exceptions whose own text is the problem's detail.
EXPLAINED: tuple[tuple[type[Exception], int, str], ...] = (
    (business_day.UnknownCalendar, 404, "unknown-calendar"),
    (business_day.NotCovered, 422, "not-covered"),
    (business_day.NoSuchDay, 422, "no-such-day"),
    (business_day.CalendarError, 500, "bad-calendar"),
    (Unprintable, 422, "bad-request"),
    (NoOverride, 404, "no-override"),
    (Conflict, 409, "conflict"),
    (OutOfDate, UNAVAILABLE, "out-of-date"),
)


def install(app: Starlette, log: RefusalLog) -> None:
    """Answer every failure with a problem. The refusal of a change is logged."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        if request.method not in READING:
            log.add(request.scope, problem)
        return response_of(problem)

    ours = (Problem, business_day.CalendarError, OutOfDate, Failure)
    for kind in (*ours, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)


def _describe(error: Mapping[str, object]) -> str:
    where = error["loc"]
    assert isinstance(where, tuple)  # noqa: S101 -- pydantic's own
    return f"{where[-1]}: {error['msg']}"
