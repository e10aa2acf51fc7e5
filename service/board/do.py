"""A verb: the page that says what it will do and asks why, and the act.

GET  /do/VERB?feed=…        what will happen now; nothing is done
POST /do/VERB               by a form of that page, or by a program as JSON with its own bearer token

The web process loads no rows. What takes longer than a transaction is a Workflow that the act starts.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from ledger import printable
from ledger.errors import Failure, Transient
from operate.act import Channel
from service.board.guard import check_origin
from service.board.pages import feeds_of, read_day, unknown
from service.board.sign_in import actor_of
from service.board.sources import Changed, Target
from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.board.guard import FormTokens
    from service.board.sources import Acts, Outcome, Preview
    from service.board.view import Board, View

LONGEST_REASON = 500
OF_ALL = ("approve", "reject")
"""Verbs that may be about no feed in particular: what was asked for may be about all."""
AT_ONCE = 8
"""Acts that may wait for a database or Argo at the same time: further ones wait here, and the pages do not."""


class Doing:
    """The verbs of one board."""

    def __init__(self, board: Board, tokens: FormTokens) -> None:
        self._board, self._tokens = board, tokens
        self._limit = CapacityLimiter(AT_ONCE)

    async def show(self, request: Request, verb: str) -> Response:
        """The preview. Raises Problem."""
        view, acts = self._begin(request, verb)
        target = self._target(view, verb, dict(request.query_params))
        actor = actor_of(view.person, request, verb, Channel.API if wants_json(request) else Channel.BOARD)
        found = await self._wait(acts.preview, actor, verb, target, view.language)
        return JSONResponse(asdict(found)) if wants_json(request) else self._form(view, verb, target, found)

    async def post(self, request: Request, verb: str) -> Response:
        """The act. Raises Problem."""
        check_origin(request.method, request.headers)
        view, acts = self._begin(request, verb)
        fields = await read_fields(request)
        target, by_form = self._target(view, verb, fields), not is_json(request)
        if by_form:
            self._tokens.check(view.person, subject(verb, target), fields.get("token", ""))
        elif "authorization" not in request.headers:
            raise Problem(403, "forbidden", "JSON is for programs with a bearer token: use the form")
        actor = actor_of(view.person, request, verb, Channel.BOARD if by_form else Channel.API)
        reason = fields.get("reason", "").strip()
        if trouble := faulty(view, reason):
            if not by_form:
                raise Problem(422, "bad-request", trouble)
            again = await self._wait(acts.preview, actor, verb, target, view.language)
            return self._form(view, verb, target, again, reason, trouble, 422)
        try:
            words = (actor, verb, target, reason, fields.get("digest", ""), view.language)
            outcome = await self._wait(acts.act, *words)
        except Changed:
            if not by_form:
                raise Problem(409, "changed", "the facts have changed since this digest: preview again") from None
            again = await self._wait(acts.preview, actor, verb, target, view.language)
            return self._form(view, verb, target, again, reason, view.text("do.changed"), 409)
        return JSONResponse(asdict(outcome)) if not by_form else done(view, verb, target, outcome)

    def _begin(self, request: Request, verb: str) -> tuple[View, Acts]:
        view, acts = self._board.view(request), self._board.sources.acts
        if acts is None or verb not in acts.verbs:
            raise unknown(f"the board has no verb {printable.escaped(verb[:40])}")
        view.person.check_may(verb)
        if not view.picture.can_act:
            raise Problem(503, "out-of-date", view.text("do.off"), {"Retry-After": "5"})
        return view, acts

    def _target(self, view: View, verb: str, fields: Mapping[str, str]) -> Target:
        feed, day, name = (fields.get(each, "") for each in ("feed", "day", "name"))
        if feed not in feeds_of(view.desk()) and (feed or verb not in OF_ALL):
            raise unknown(f"the desk knows no feed {printable.escaped(feed[:40])}")
        printable.check(name=name[:200])
        return Target(feed, read_day(day) if day else None, name[:200])

    async def _wait(self, call: Any, *words: Any) -> Any:  # noqa: ANN401 -- one of the two of Acts
        try:
            return await to_thread.run_sync(call, *words, limiter=self._limit)
        except Transient as error:
            raise Problem(503, "unsure", str(error), {"Retry-After": "5"}) from error
        except Failure as error:
            raise Problem(409, "refused", str(error)) from error

    def _form(
        self,
        view: View,
        verb: str,
        target: Target,
        found: Preview,
        reason: str = "",
        trouble: str = "",
        status: int = 200,
    ) -> Response:
        token = self._tokens.make(view.person, subject(verb, target))
        more = {"preview": found, "reason": reason, "trouble": trouble, "token": token, "most": LONGEST_REASON}
        return HTMLResponse(view.render("do.html", verb=verb, target=target, **more), status)


def routes(board: Board, tokens: FormTokens) -> APIRouter:
    """The two routes of every verb."""
    router, doing = APIRouter(), Doing(board, tokens)
    router.add_api_route("/do/{verb}", doing.show, methods=["GET"])
    router.add_api_route("/do/{verb}", doing.post, methods=["POST"])
    return router


def done(view: View, verb: str, target: Target, outcome: Outcome) -> Response:
    """What was done. A refused act is a conflict with how things are."""
    page = view.render("done.html", verb=verb, target=target, outcome=outcome)
    return HTMLResponse(page, 200 if outcome.done else 409)


def faulty(view: View, reason: str) -> str:
    """What is wrong with a reason; empty: nothing."""
    if not reason:
        return view.text("reason.empty")
    if len(reason) > LONGEST_REASON:
        return view.text("reason.long", most=LONGEST_REASON)
    try:
        printable.check(reason=reason)
    except printable.Unprintable as error:
        return view.text("reason.unprintable", words=str(error))
    return ""


def subject(verb: str, target: Target) -> str:
    """What a form is about: its token is good for nothing else."""
    return json.dumps([verb, target.feed, str(target.base_date), target.name])


async def read_fields(request: Request) -> dict[str, str]:
    """The fields of a form, or of a JSON object of texts. Raises Problem 422."""
    body = await request.body()
    try:
        if is_json(request):
            found = json.loads(body)
            if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
                raise ValueError("not an object of texts")  # noqa: TRY301 -- one way out for all that is no such body
            return found
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except (ValueError, RecursionError) as error:
        raise Problem(422, "bad-request", f"the body cannot be read: {str(error)[:100]}") from None


def is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")
