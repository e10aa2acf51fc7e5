"""The service's routes: they parse a request, look into the snapshot and answer with an ETag.

Every answer has the calendar's version; `If-None-Match` with its ETag is answered 304. Everybody may read. To declare
and withdraw needs a token; the journal keeps the name of its holder.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi_offline import FastAPIOffline
from pydantic_core import to_json

import business_day
from business_day import Override, Policy, document, read_date
from business_day.card import card
from ledger import printable
from ledger.calendar import check_override, declare_overrides, withdraw_override
from ledger.journal import check_reason
from service import problem
from service.calendar_api import answers, schemas
from service.calendar_api.page import add_page
from service.calendar_api.parameters import (
    TOKEN,
    CalendarName,
    DayCount,
    DayText,
    FirstDay,
    LastDay,
    MonthText,
    PolicyOption,
    WithdrawReason,
)
from service.calendar_api.schemas import bilingual
from service.calendar_api.token_first import token_first
from service.limits import BodyLimit
from service.management import alive, ready
from service.metrics import MeasureRequests
from service.problem import MEDIA_TYPE, Problem
from service.refusals import RefusalLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import date

    from service.metrics import Metrics
    from service.snapshot import Current
    from service.tokens import Tokens

MAX_RANGE = 1100
"""Days of a range: three years."""


def utc_now() -> datetime:
    return datetime.now(UTC)


ABOUT = bilingual(
    "은행 공통 영업일 서비스. 달력이 책임지지 않는 일자는 추측하지 않고 오류로 답한다.",
    "The shared business-day service. A day that no calendar answers for is an error, never a guess.",
)


def api(current: Current, tokens: Tokens, metrics: Metrics, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """Build the application. It follows the database while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with current.follow_database():
            yield

    app = FastAPIOffline(
        title=bilingual("영업일", "Business days"),
        version="1",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    add_page(app)
    _add_day_routes(app, current)
    _add_calendar_routes(app, current)
    app.router.routes.extend(_override_routes(current, tokens, now).routes)
    _add_platform_routes(app, current)
    log = RefusalLog()
    problem.install(app, log)
    app.add_middleware(BodyLimit, log=log)
    app.add_middleware(MeasureRequests, metrics=metrics)
    return app


def _add_day_routes(app: FastAPI, current: Current) -> None:
    """Routes about days. No request waits for the database."""
    spec = partial(_openapi_of, bilingual("일자", "Days"))

    @app.get("/v1/calendars/{name}/days/{day}", summary=bilingual("한 일자", "One day"), **spec(schemas.DayFull))
    async def one(request: Request, name: CalendarName, day: DayText) -> Response:
        return _reply(request, card(current.snapshot().calendar(name), read_date(day)))

    @app.get(
        "/v1/calendars/{name}/days", summary=bilingual("기간", "A range, at most 1,100 days"), **spec(schemas.DayRange)
    )
    async def many(request: Request, name: CalendarName, first: FirstDay, last: LastDay) -> Response:
        return _reply(request, answers.day_range(current.snapshot().calendar(name), *_range(first, last)))

    @app.get(
        "/v1/calendars/{name}/months/{month}", summary=bilingual("월력", "A month's grid"), **spec(schemas.MonthGrid)
    )
    async def month(request: Request, name: CalendarName, month: MonthText) -> Response:
        return _reply(request, answers.month_grid(current.snapshot().calendar(name), _month(month)))

    @app.get(
        "/v1/calendars/{name}/shift",
        summary=bilingual("영업일 가감", "Business days away"),
        **spec(schemas.ShiftResult),
    )
    async def shift(
        request: Request, name: CalendarName, first: FirstDay, days: DayCount = None, policy: PolicyOption = None
    ) -> Response:
        return _reply(request, _shift_fields(current.snapshot().calendar(name), read_date(first), days, policy))

    @app.get(
        "/v1/days/{day}", summary=bilingual("한 일자의 모든 구분", "A day in all its flags"), **spec(schemas.DayFlags)
    )
    async def flags(request: Request, day: DayText) -> Response:
        return _reply(request, answers.day_flags(current.snapshot().calendars(), read_date(day)))


def _add_calendar_routes(app: FastAPI, current: Current) -> None:
    """Routes about calendars: which there are, their tables and overrides."""
    spec = partial(_openapi_of, bilingual("달력", "Calendars"))

    @app.get("/v1/calendars", summary=bilingual("달력 목록", "The calendars there are"), **spec(list[schemas.Coverage]))
    async def calendars(request: Request) -> Response:
        now = current.snapshot()
        return _reply(
            request, [answers.coverage(each, now.overrides_of(name)) for name, each in now.calendars().items()]
        )

    @app.get("/v1/calendars/{name}", summary=bilingual("달력의 범위", "How far it reaches"), **spec(schemas.Coverage))
    async def calendar(request: Request, name: CalendarName) -> Response:
        now = current.snapshot()
        return _reply(request, answers.coverage(now.calendar(name), now.overrides_of(name)))

    @app.get(
        "/v1/calendars/{name}/table", summary=bilingual("달력 전체", "A whole calendar"), **spec(schemas.CalendarTable)
    )
    async def table(request: Request, name: CalendarName) -> Response:
        return _reply(request, document.dumps(current.snapshot().calendar(name)).encode())

    @app.get("/v1/overrides", summary=bilingual("유효한 결정", "Decisions that hold"), **spec(list[schemas.Decision]))
    async def overrides(request: Request, calendar: Annotated[str | None, Query(description=NAMED)] = None) -> Response:
        now = current.snapshot()
        if calendar:
            now.calendar(calendar)  # raises UnknownCalendar
        return _reply(request, [answers.override_fields(each) for each in now.overrides_of(calendar)])


NAMED = bilingual("이 달력만", "only of this calendar")


def _override_routes(current: Current, tokens: Tokens, now: Callable[[], datetime]) -> APIRouter:
    """Routes that need a token. Each runs one transaction, in a thread of its own."""
    spec = partial(_openapi_of, bilingual("등록", "Declaring"))
    router = APIRouter(route_class=token_first(tokens), dependencies=[TOKEN])

    def allow(request: Request, name: str, day: date) -> business_day.Calendar:
        table = current.snapshot().table(name)
        request.state.holder.check_day(day, now().astimezone(ZoneInfo(table.zone)).date())
        return table

    @router.post(
        "/v1/calendars/{name}/overrides",
        summary=bilingual("임시휴일·임시영업일 등록", "Declare a day"),
        status_code=201,
        **spec(schemas.Decision, 401, 403, 409),
    )
    def declare(request: Request, name: CalendarName, declaration: schemas.Declaration) -> Response:
        check_reason(declaration.reason, "reason")
        sent, day, by = declaration, read_date(declaration.day), request.state.holder.name
        wanted = Override(name, day, is_open=sent.is_open, reason=sent.reason, evidence=sent.evidence, by=by)
        check_override(wanted)
        table = allow(request, name, day)
        with current.transaction() as connection:
            declare_overrides(connection, table, [wanted])
        declared = current.snapshot().calendar(name).override(day)
        return _reply(request, answers.override_fields(declared or wanted), status=201)

    @router.delete(
        "/v1/calendars/{name}/overrides/{day}",
        summary=bilingual("결정 철회", "Withdraw a decision"),
        **spec(schemas.Decision, 401, 403),
    )
    def withdraw(request: Request, name: CalendarName, day: DayText, reason: WithdrawReason) -> Response:
        check_reason(reason, "reason")
        printable.check(calendar=name)
        at, by = read_date(day), request.state.holder.name
        allow(request, name, at)
        with current.transaction() as connection:
            withdrawn = withdraw_override(connection, name, at, by, reason)
        return _reply(request, answers.override_fields(withdrawn))

    return router


def _add_platform_routes(app: FastAPI, current: Current) -> None:
    """Routes for Kubernetes, as on the platform's own port."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return alive(current)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return ready(current)


def _openapi_of(tag: str, model: Any, *statuses: int) -> dict[str, Any]:  # noqa: ANN401 -- a model, or a list of one
    """What the OpenAPI document says about a route's answers. Answers are written directly, not through the model."""
    failure = {
        "description": bilingual("오류", "a failure"),
        "content": {MEDIA_TYPE: {"schema": schemas.ProblemDetails.model_json_schema()}},
    }
    success = 201 if 409 in statuses else 200  # noqa: PLR2004 -- only declaring can conflict
    return {
        "tags": [tag],
        "response_model": None,
        "responses": {
            success: {"model": model, "description": bilingual("답", "the answer")},
            **dict.fromkeys((404, 422, 503, *statuses), failure),
        },
    }


def _reply(request: Request, answer: object, status: int = 200) -> Response:
    """The answer with its ETag, or 304 where the client has it already."""
    body = answer if isinstance(answer, bytes) else to_json(answer)
    headers = {"ETag": f'"{blake2b(body, digest_size=12).hexdigest()}"', "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match")
    if known and status == 200 and headers["ETag"] in known.replace("W/", "").replace(" ", "").split(","):  # noqa: PLR2004
        return Response(None, 304, headers)
    return Response(body, status, headers, media_type="application/json")


def _range(first: str, last: str) -> tuple[date, date]:
    low, high = read_date(first), read_date(last)
    if (high - low).days >= MAX_RANGE:
        raise Problem(422, "bad-request", f"a range is at most {MAX_RANGE} days: {low} to {high} has more")
    return low, high


def _month(text: str) -> date:
    try:
        return read_date(f"{text}-01" if "-" in text else f"{text}01")
    except business_day.NoSuchDay:
        raise Problem(422, "no-such-day", f"{text!r} is not a month: write YYYY-MM or YYYYMM") from None


def _shift_fields(calendar: business_day.Calendar, day: date, days: int | None, policy: str | None) -> answers.Fields:
    if days is not None and policy is None:
        found: date | None = calendar.offset(day, days)
    elif policy is not None and days is None:
        found = business_day.shift(calendar, day, Policy(policy))
    else:
        raise Problem(422, "bad-request", f"give days=… or policy=…, one of the two; policies: {', '.join(Policy)}")
    question = {"base_date": day, "days": days, "policy": policy}
    return {"calendar": calendar.name, **question, "business_day": found, "version": calendar.version}
