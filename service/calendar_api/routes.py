"""The service's routes. Thin: read what is asked, ask the snapshot, answer with an ETag.

Every answer carries the calendar's version; `If-None-Match` with its ETag is answered 304. Reading is open to all,
declaring and withdrawing need a token, and the journal keeps its holder's name.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.openapi.models import Example
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic_core import to_json

import business_day
from business_day import Override, Policy, document, read_date
from business_day.card import card
from ledger import calendar as book
from service import problem
from service.calendar_api import answers, schemas
from service.calendar_api.schemas import told
from service.limits import Bounded
from service.metrics import Measured, Metrics
from service.problem import KIND, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    from service.snapshot import Current
    from service.tokens import Tokens

LONGEST = 1100
"""Days of a range: three years."""
SILENT = 10.0
"""Seconds without the database after which the service is not ready."""


def _example(value: str) -> dict[str, Example]:
    """What the page puts into an empty field."""
    return {value: {"value": value}}


Name = Annotated[str, Path(description=told("달력 이름", "the calendar's name"), openapi_examples=_example("BANK"))]
Asked = Annotated[
    str,
    Path(
        description=told("일자: YYYY-MM-DD, YYYYMMDD, YYMMDD", "a date in one of these forms"),
        openapi_examples=_example("20261224"),
    ),
]
Month = Annotated[str, Path(description=told("연월: YYYY-MM, YYYYMM", "a month"), openapi_examples=_example("2026-12"))]
First = Annotated[
    str, Query(alias="from", description=told("시작 일자", "the first day"), openapi_examples=_example("2026-12-01"))
]
Last = Annotated[
    str, Query(alias="to", description=told("종료 일자", "the last day"), openapi_examples=_example("2026-12-31"))
]
Why = Annotated[str, Query(min_length=1, max_length=500, description=told("철회 사유", "why it is withdrawn"))]
Days = Annotated[
    int | None, Query(ge=-10_000, le=10_000, description=told("가감할 영업일 수, 음수는 이전", "so many business days"))
]
Word = Literal["DoNotOrder", "OrderOnNextConfirmedDay", "OrderOnPreviousConfirmedDay", "OrderAnyway"]
Rule = Annotated[Word | None, Query(description=told("휴일 처리 방침", "what to do on a closed day"))]
Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, description=told("등록 권한 토큰", "the token of a holder"))),
]

ABOUT = told(
    "은행 공통 영업일 서비스. 달력이 책임지지 않는 일자는 추측하지 않고 오류로 답한다.",
    "The shared business-day service. A day that no calendar answers for is an error, never a guess.",
)


def api(current: Current, tokens: Tokens) -> FastAPI:
    """Put the service together. It follows the database while it runs."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        with current.following():
            yield

    app = FastAPIOffline(
        title=told("영업일", "Business days"), version="1", description=ABOUT, redoc_url=None, lifespan=life
    )
    metrics = Metrics(current)
    _days(app, current)
    _calendars(app, current)
    _declaring(app, current, tokens)
    _operating(app, current, metrics)
    problem.install(app)
    app.add_middleware(Bounded)
    app.add_middleware(Measured, metrics=metrics)
    return app


def _days(app: FastAPI, current: Current) -> None:
    """What everybody may ask of days. No request waits for the database."""
    says = partial(_documented, told("일자", "Days"))

    @app.get("/v1/calendars/{name}/days/{day}", summary=told("한 일자", "One day"), **says(schemas.Day))
    async def one(request: Request, name: Name, day: Asked) -> Response:
        return _reply(request, card(current.snapshot().calendar(name), read_date(day)))

    @app.get("/v1/calendars/{name}/days", summary=told("기간", "A range, at most 1,100 days"), **says(schemas.Range))
    async def many(request: Request, name: Name, first: First, last: Last) -> Response:
        return _reply(request, answers.days(current.snapshot().calendar(name), *_range(first, last)))

    @app.get("/v1/calendars/{name}/months/{month}", summary=told("월력", "A month's grid"), **says(schemas.Month))
    async def month(request: Request, name: Name, month: Month) -> Response:
        return _reply(request, answers.grid(current.snapshot().calendar(name), _month(month)))

    @app.get("/v1/calendars/{name}/shift", summary=told("영업일 가감", "Business days away"), **says(schemas.Shifted))
    async def shift(request: Request, name: Name, first: First, days: Days = None, policy: Rule = None) -> Response:
        return _reply(request, _shifted(current.snapshot().calendar(name), read_date(first), days, policy))

    @app.get("/v1/days/{day}", summary=told("한 일자의 모든 구분", "A day in all its flags"), **says(schemas.Flags))
    async def flags(request: Request, day: Asked) -> Response:
        return _reply(request, answers.flags(current.snapshot().calendars(), read_date(day)))


def _calendars(app: FastAPI, current: Current) -> None:
    """What there is, and on what the answers rest."""
    says = partial(_documented, told("달력", "Calendars"))

    @app.get("/v1/calendars", summary=told("달력 목록", "The calendars there are"), **says(list[schemas.Coverage]))
    async def calendars(request: Request) -> Response:
        now = current.snapshot()
        return _reply(
            request, [answers.coverage(each, now.overrides_of(name)) for name, each in now.calendars().items()]
        )

    @app.get("/v1/calendars/{name}", summary=told("달력의 범위", "How far it reaches"), **says(schemas.Coverage))
    async def calendar(request: Request, name: Name) -> Response:
        now = current.snapshot()
        return _reply(request, answers.coverage(now.calendar(name), now.overrides_of(name)))

    @app.get("/v1/calendars/{name}/table", summary=told("달력 전체", "A whole calendar"), **says(schemas.Table))
    async def table(request: Request, name: Name) -> Response:
        return _reply(request, document.dumps(current.snapshot().calendar(name)).encode())

    @app.get("/v1/overrides", summary=told("유효한 결정", "Decisions that hold"), **says(list[schemas.Decision]))
    async def overrides(request: Request, calendar: Annotated[str | None, Query(description=NAMED)] = None) -> Response:
        now = current.snapshot()
        if calendar:
            now.calendar(calendar)  # one that there is
        return _reply(request, [answers.decision(each) for each in now.overrides_of(calendar)])


NAMED = told("이 달력만", "only of this calendar")


def _declaring(app: FastAPI, current: Current, tokens: Tokens) -> None:
    """What needs a token. A transaction each, in a thread of its own."""
    says = partial(_documented, told("등록", "Declaring"))

    @app.post(
        "/v1/calendars/{name}/overrides",
        summary=told("임시휴일·임시영업일 등록", "Declare a day"),
        status_code=201,
        **says(schemas.Decision, 401, 403, 409),
    )
    def declare(request: Request, name: Name, declaration: schemas.Declaration, bearer: Bearer) -> Response:
        by = tokens.holder(bearer.credentials if bearer else "")
        day, said = read_date(declaration.day), declaration
        wanted = Override(name, day, is_open=said.is_open, reason=said.reason, evidence=said.evidence, by=by)
        with current.writing() as connection:
            book.declare(connection, current.snapshot().table(name), [wanted])
        held = current.snapshot().calendar(name).override(day)
        return _reply(request, answers.decision(held or wanted), status=201)

    @app.delete(
        "/v1/calendars/{name}/overrides/{day}",
        summary=told("결정 철회", "Withdraw a decision"),
        **says(schemas.Decision, 401, 403),
    )
    def withdraw(request: Request, name: Name, day: Asked, reason: Why, bearer: Bearer) -> Response:
        by = tokens.holder(bearer.credentials if bearer else "")
        with current.writing() as connection:
            gone = book.withdraw(connection, name, read_date(day), by, reason)
        return _reply(request, answers.decision(gone))


def _operating(app: FastAPI, current: Current, metrics: Metrics) -> None:
    """What the platform asks."""

    @app.get("/healthz", include_in_schema=False)
    async def alive() -> Response:
        if current.stuck:
            raise Problem(503, "stuck", "nobody looks at the database any more: start this process again")
        return Response(b"ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> Response:
        current.snapshot(SILENT)
        return Response(b"ok\n", media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def numbers() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")


def _documented(tag: str, model: Any, *statuses: int) -> dict[str, Any]:  # noqa: ANN401 -- a model, or a list of one
    """What the OpenAPI document says of a route's answers. They are written directly, not through the model."""
    said = {"description": told("오류", "a failure"), "content": {KIND: {"schema": schemas.Said.model_json_schema()}}}
    fine = 201 if 409 in statuses else 200  # noqa: PLR2004 -- only declaring can conflict
    return {
        "tags": [tag],
        "response_model": None,
        "responses": {
            fine: {"model": model, "description": told("답", "the answer")},
            **dict.fromkeys((404, 422, 503, *statuses), said),
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
    if (high - low).days >= LONGEST:
        raise Problem(422, "bad-request", f"a range is at most {LONGEST} days: {low} to {high} has more")
    return low, high


def _month(text: str) -> date:
    try:
        return read_date(f"{text}-01" if "-" in text else f"{text}01")
    except business_day.NoSuchDay:
        raise Problem(422, "no-such-day", f"{text!r} is not a month: write YYYY-MM or YYYYMM") from None


def _shifted(calendar: business_day.Calendar, day: date, days: int | None, policy: str | None) -> answers.Answer:
    if days is not None and policy is None:
        found: date | None = calendar.offset(day, days)
    elif policy is not None and days is None:
        found = business_day.shift(calendar, day, Policy(policy))
    else:
        raise Problem(422, "bad-request", f"give days=… or policy=…, one of the two; policies: {', '.join(Policy)}")
    asked = {"base_date": day, "days": days, "policy": policy}
    return {"calendar": calendar.name, **asked, "business_day": found, "version": calendar.version}
