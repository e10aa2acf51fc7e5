"""The routes: POST /api/acts/VERB does a verb, GET /api/QUESTION answers one. Each has the command's own parameters.

An answer has what the command printed, line by line, and its exit code, whatever it is: a run that was held (77) is an
answer. What failed (75, 78, 83) is a problem, RFC 9457, with the same members beside `detail`.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from service import problem
from service.desk_api.repeats import Repeats
from service.desk_api.verbs import Answer, Caller, Kind, Verb
from service.limits import BodyLimit
from service.problem import MEDIA_TYPE
from service.refusals import RefusalLog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from service.desk_api.tokens import DeskHolder, DeskTokens

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

AT_ONCE, WAITING = 32, 96
"""So many commands run at once, and beside them so many that only wait: a hold never queues behind those."""
Text = Annotated[str, StringConstraints(max_length=2_000)]
TYPES: dict[Kind, Any] = {Kind.TEXT: Text, Kind.NUMBER: int, Kind.FLAG: bool, Kind.TEXTS: list[Text]}
#: The HTTP status of a command that failed, by its exit code; of any other it is 500.
STATUSES = {2: 422, 75: 503, 77: 409, 78: 422}
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=200, description="the same request is done once")]
#: For the document; the route's class reads it before anything else of the request.
TOKEN = Depends(HTTPBearer(auto_error=False, description="the token of a holder"))


class Said(BaseModel):
    """What the command said, and how it ended."""

    verb: str
    exit: Annotated[int | None, Field(description="the command's exit code; null: it waits, send `resume` again")]
    stdout: list[str]
    stderr: list[str]
    values: Annotated[Any, Field(description="of a question with json=true: what it found; of an act: what was asked")]
    resume: Annotated[dict[str, Any] | None, Field(description="where the next request of a waiting act goes on")]


class Going(BaseModel):
    """Where a waiting act stands: as the last answer had it, and how many lines its sender has."""

    model_config = ConfigDict(extra="forbid")

    resume: Annotated[dict[str, Any] | None, Field(max_length=20)] = None
    skip: Annotated[int, Field(ge=0, le=10_000_000)] = 0


def api(verbs: Iterable[Verb], tokens: DeskTokens) -> FastAPI:
    """The application of the desk's interface alone. The board includes `routes` beside its pages."""
    app = FastAPIOffline(
        title="feedfall desk", version="1", docs_url="/api/docs", redoc_url=None, openapi_url="/api/openapi.json"
    )
    app.include_router(routes(verbs, tokens))

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return Response(b"ok\n", media_type="text/plain")

    log = RefusalLog()
    problem.install(app, log)
    app.add_middleware(BodyLimit, log=log)
    return app


def routes(verbs: Iterable[Verb], tokens: DeskTokens) -> APIRouter:
    """A route for each verb. A token is checked before the rest of a request is read."""
    router, repeats, places = APIRouter(), Repeats(), Places()
    for verb in verbs:
        more: dict[str, Any] = {"route_class_override": _token_first(tokens, verb), "dependencies": [TOKEN]}
        method, endpoint = ("GET", _question(verb, places)) if verb.asks else ("POST", _act(verb, repeats, places))
        router.add_api_route(
            verb.path,
            endpoint,
            methods=[method],
            summary=verb.words,
            tags=[f"{verb.role}"],
            name=verb.name,
            response_model=None,
            responses={200: {"model": Said}, **dict.fromkeys((401, 403, 409, 422, 503), PROBLEM)},
            **more,
        )
    return router


class Places:
    """The threads of the commands."""

    def __init__(self) -> None:
        self._acting, self._waiting = CapacityLimiter(AT_ONCE), CapacityLimiter(WAITING)

    def of(self, *, waits: bool) -> CapacityLimiter:
        return self._waiting if waits else self._acting


PROBLEM: dict[str, Any] = {
    "description": "a problem, RFC 9457; with exit, stdout and stderr where the command ran",
    "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
}


def _act(verb: Verb, repeats: Repeats, places: Places) -> Callable[..., Coroutine[Any, Any, Response]]:
    body = _model(verb, Going)

    async def act(request: Request, wanted: BaseModel, key: Key = "") -> Response:
        given = wanted.model_dump(exclude_none=True, exclude_unset=True, by_alias=True)
        resume, skip = given.pop("resume", None), given.pop("skip", 0)
        caller = _caller(request, skip, resume)
        name = (verb.name, tuple(sorted((word, str(value)) for word, value in given.items())))

        def once() -> tuple[Answer, bool]:
            return repeats.once(caller.holder, "" if resume else key, name, lambda: verb.do(caller, given))

        answer, again = await to_thread.run_sync(once, limiter=places.of(waits=resume is not None))
        return _reply(verb, answer, repeated=again)

    act.__annotations__ = {"request": Request, "wanted": body, "key": Key, "return": Response}
    return act


def _question(verb: Verb, places: Places) -> Callable[..., Coroutine[Any, Any, Response]]:
    model = _model(verb, BaseModel)

    async def question(request: Request, wanted: BaseModel) -> Response:
        given = wanted.model_dump(exclude_none=True, exclude_unset=True, by_alias=True)
        caller = _caller(request, 0, None)
        return _reply(verb, await to_thread.run_sync(lambda: verb.do(caller, given), limiter=places.of(waits=False)))

    question.__annotations__ = {"request": Request, "wanted": Annotated[model, Query()], "return": Response}
    return question


def _model(verb: Verb, base: type[BaseModel]) -> type[BaseModel]:
    """The parameters of a verb, as pydantic knows them: each of its type, and no other one."""
    fields: dict[str, Any] = {}
    for each in verb.parameters:
        kind = TYPES[each.kind]
        default = ... if each.required else None
        # Under an alias: a field must not be named as a method of BaseModel, such as json.
        field = Field(default, alias=each.name, description=each.words)
        fields[f"{each.name}_"] = (kind if each.required else kind | None, field)
    name = "".join(word.title() for word in verb.name.replace("-", " ").split())
    strict = ConfigDict(extra="forbid")
    made: type[BaseModel] = create_model(name, __base__=type(name, (base,), {"model_config": strict}), **fields)
    return made


def _caller(request: Request, skip: int, resume: dict[str, Any] | None) -> Caller:
    holder: DeskHolder = request.state.holder
    return Caller(holder.name, holder.role, request.client.host if request.client else "-", skip, resume)


def _reply(verb: Verb, answer: Answer, *, repeated: bool = False) -> Response:
    headers = {"Cache-Control": "no-store", **({"Idempotent-Replayed": "true"} if repeated else {})}
    body = {"verb": verb.name, **{name: value for name, value in asdict(answer).items() if name != "failure"}}
    if not answer.failure:
        return JSONResponse(body, headers=headers)
    status = STATUSES.get(answer.exit or 0, 500)
    about = {"type": f"urn:feedfall:exit-{answer.exit}", "title": HTTPStatus(status).phrase, "status": status}
    return JSONResponse({**about, "detail": answer.failure, **body}, status, headers, media_type=MEDIA_TYPE)


def _token_first(tokens: DeskTokens, verb: Verb) -> type[APIRoute]:
    """The route class of a verb. It leaves the holder in `request.state.holder`."""

    class TokenFirst(APIRoute):
        def get_route_handler(self) -> Handler:
            answer = super().get_route_handler()

            async def check_and_answer(request: Request) -> Response:
                scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
                holder = await to_thread.run_sync(tokens.holder, token if scheme.lower() == "bearer" else "")
                request.state.holder = holder
                holder.check_may(verb.name, verb.role)
                return await answer(request)

            return check_and_answer

    return TokenFirst
