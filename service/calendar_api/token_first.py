"""A route that checks the token, and what it allows, before it reads the rest of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from service.tokens import Tokens

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def token_first(tokens: Tokens) -> type[APIRoute]:
    """The route class of routes about a calendar `{name}`. It leaves the holder in `request.state.holder`."""

    class TokenFirst(APIRoute):
        def get_route_handler(self) -> Handler:
            answer = super().get_route_handler()

            async def check_and_answer(request: Request) -> Response:
                holder = await run_in_threadpool(tokens.find_holder, _token_of(request))
                request.state.holder = holder
                holder.check_calendar(request.path_params["name"])
                return await answer(request)

            return check_and_answer

    return TokenFirst


def _token_of(request: Request) -> str:
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    return token if scheme.lower() == "bearer" else ""
