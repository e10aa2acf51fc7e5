"""The application: its routes, in front of them the guards, and how a failure is shown."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from business_day import CalendarError
from ledger.errors import Failure
from service import problem
from service.board import do, pages
from service.board.guard import SecurityHeaders, check_origin
from service.board.html import send_file
from service.board.local_sessions import COOKIE, LASTS
from service.board.sign_in import ByCookie
from service.board.view import LANGUAGE, language_of
from service.limits import BodyLimit
from service.problem import READING, Problem
from service.refusals import RefusalLog
from service.snapshot import OutOfDate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from service.board.guard import FormTokens
    from service.board.view import Board

YEAR = 365 * 24 * 3600
SHOWN = ("401", "403", "404")
"""Failures with a sentence of their own on the page."""


def application(board: Board, tokens: FormTokens) -> ASGIApp:
    """Build it. It reads the desk, and the calendars, while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(board.current.follow())
            if board.sources.calendars:
                stack.enter_context(board.sources.calendars.follow_database())
            yield

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.include_router(pages.routes(board))
    app.include_router(pages.side_routes(board))
    app.include_router(do.routes(board, tokens))
    _add_language(app)
    _add_files(app, board)
    if isinstance(board.sign_in, ByCookie):
        _add_local_sign_in(app, board, board.sign_in)
    _add_platform(app, board)
    log = RefusalLog()
    _install(app, board, log)
    app.add_middleware(BodyLimit, log=log)
    return SecurityHeaders(app)  # around everything: an internal error's page has them too


def _add_language(app: FastAPI) -> None:
    @app.get("/language")
    async def language(to: str, back: Annotated[str, Query(max_length=1000)] = "/") -> Response:
        own = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable()
        answer = RedirectResponse(back if own else "/", 303)
        answer.set_cookie(LANGUAGE, "en" if to == "en" else "ko", max_age=YEAR, httponly=True, samesite="strict")
        return answer


def _add_files(app: FastAPI, board: Board) -> None:
    @app.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        if name not in board.pages.files:
            raise pages.unknown("there is no such file")
        return send_file(request, board.pages.files[name])


def _add_local_sign_in(app: FastAPI, board: Board, sign_in: ByCookie) -> None:
    @app.get("/sign-in")
    async def enter(request: Request, token: Annotated[str, Query(max_length=100)] = "") -> Response:
        ahead = "prefetch" in request.headers.get("sec-purpose", "")
        cookie = None if ahead else sign_in.sessions.open(token)
        if cookie is None:
            raise Problem(401, "who-are-you", "this token is used up, or none of ours: the terminal has the newest one")
        # Not a redirect: after a click elsewhere a Strict cookie is not sent along one.
        answer = HTMLResponse(board.pages.render("signed_in.html", language_of(request), {}))
        answer.set_cookie(COOKIE, cookie, max_age=int(LASTS), httponly=True, samesite="strict")
        return answer

    @app.post("/sign-out")
    async def leave(request: Request) -> Response:
        check_origin(request.method, request.headers)
        sign_in.sessions.close(request.cookies.get(COOKIE, ""))
        answer = HTMLResponse(board.pages.render("signed_out.html", language_of(request), {}))
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def _add_platform(app: FastAPI, board: Board) -> None:
    """For Kubernetes, without a sign-in."""

    @app.get("/healthz")
    async def healthz() -> Response:
        if board.current.stuck:
            raise Problem(503, "stuck", "the reading of the desk hangs: restart this process")
        return Response(b"ok\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        """Ready with an old picture too: it is shown as old, and that is worth more than no board."""
        if board.current.picture.desk is None:
            raise Problem(503, "no-picture", "the desk was not read yet")
        return Response(b"ok\n", media_type="text/plain")


def problem_of(error: Exception) -> Problem:
    """The problem of a failure, in words that fit the board."""
    if isinstance(error, HTTPException):
        return Problem(error.status_code, "refused", str(error.detail), error.headers)
    return problem.problem_of(error)


def _install(app: FastAPI, board: Board, log: RefusalLog) -> None:
    """Show every failure: as a page to a browser, as a problem to a program."""

    async def handle(request: Request, error: Exception) -> Response:
        found = problem_of(error)
        if request.method not in READING:
            log.add(request.scope, found)
        if "text/html" not in request.headers.get("accept", "") or "hx-request" in request.headers:
            return problem.response_of(found)
        name = f"error.{found.status}" if str(found.status) in SHOWN else "error.other"
        values = {"name": name, "detail": found.detail, "status": found.status}
        page = board.pages.render("error.html", language_of(request), values)
        return HTMLResponse(page, found.status, dict(found.headers or {}))

    ours = (Problem, CalendarError, OutOfDate, Failure)
    for kind in (*ours, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)
