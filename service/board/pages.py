"""The routes that show something. None of them asks a database that the desk is read from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response

from business_day import NoSuchDay, read_date
from business_day.card import card
from service.board.timeline import timeline
from service.board.tonight import GROUPS, Choice, runs_of, tonight
from service.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from operate.desk.desk import Desk
    from service.board.view import Board

Source = TypeVar("Source")
MOST_LINES = 200
SHIFT = timedelta(hours=12)
"""What a handover covers, back from now."""
Words = Annotated[str, Query(max_length=100)]


def routes(board: Board) -> APIRouter:
    """The pages of the desk."""
    router = APIRouter()

    @router.get("/")
    async def home(request: Request, show: Words = "", q: Words = "", feed: Words = "", day: Words = "") -> Response:
        view = board.view(request)
        if view.picture.desk is None:
            return view.page("nothing.html")
        choice = Choice(show if show in GROUPS else "", q.strip(), feed, day)
        desk, template = view.desk(), "board.html" if "hx-request" in request.headers else "tonight.html"
        found = tonight(desk, choice)
        runs = runs_of(desk, found.chosen) if found.chosen else ()
        lanes = timeline(desk, view.now)
        return view.page(template, desk=desk, choice=choice, found=found, runs=runs, timeline=lanes)

    @router.get("/feeds/{feed}")
    async def one_feed(request: Request, feed: str) -> Response:
        view = board.view(request)
        desk = view.desk()
        states = [each for each in desk.feeds if each.feed == feed]
        days = sorted((each for each in desk.days if each.feed == feed), key=lambda each: each.base_date, reverse=True)
        if not states and not days:
            raise unknown(f"the desk knows no feed {feed}")
        runs = [each for each in desk.runs if each.feed == feed]
        return view.page("feed.html", feed=feed, state=states[0] if states else None, days=days, runs=runs)

    @router.get("/feeds/{feed}/{day}")
    async def one_case(request: Request, feed: str, day: str) -> Response:
        view = board.view(request)
        desk, base_date = view.desk(), read_day(day)
        found = next((each for each in desk.days if (each.feed, each.base_date) == (feed, base_date)), None)
        if found is None:
            raise unknown(f"the desk does not expect {feed} {base_date} tonight")
        return view.page("case.html", day=found, runs=runs_of(desk, found))

    @router.get("/runs/{number}")
    async def one_run(request: Request, number: int, database: str | None = None) -> Response:
        view = board.view(request)
        found = [each for each in view.desk().runs if each.id == number and database in (None, each.database)]
        if not found:
            raise unknown(f"the desk knows no run {number}: it knows those that run, and the last of each stage")
        return view.page("run.html", number=number, runs=found, argo=board.sources.argo_link)

    return router


def side_routes(board: Board) -> APIRouter:
    """The pages that another source fills. Those that wait for a database run in a thread of their own."""
    router, sources = APIRouter(), board.sources

    @router.get("/calendar/{name}/{month}")
    async def calendar(request: Request, name: str, month: str) -> Response:
        view, calendars = board.view(request), there(sources.calendars)
        first = read_day(f"{month}-01")
        found = calendars.snapshot().calendar(name)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        cards = [card(found, first + timedelta(days=each)) for each in range((last - first).days + 1)]
        around = {"before": first - timedelta(days=1), "after": last + timedelta(days=1)}
        weeks = in_weeks(first, cards)
        return view.page("calendar.html", name=name, month=month, weeks=weeks, cards=cards, **around)

    @router.get("/quarantine")
    def quarantine(request: Request, feed: str | None = None) -> Response:
        view, read = board.view(request), there(sources.quarantine)
        return view.page("quarantine.html", lines=read(feed, MOST_LINES))

    @router.get("/approvals")
    def approvals(request: Request) -> Response:
        view, read = board.view(request), there(sources.approvals)
        return view.page(
            "approvals.html", lines=read(), may_approve=view.person.may("approve") and view.picture.can_act
        )

    @router.get("/audit")
    def audit(request: Request, feed: str | None = None) -> Response:
        view, read = board.view(request), there(sources.audit)
        return view.page("audit.html", lines=read(feed, MOST_LINES))

    @router.get("/handover")
    def handover(request: Request) -> Response:
        view, read = board.view(request), there(sources.handover)
        return view.page("handover.html", report=read(view.now, SHIFT, view.language))

    return router


def in_weeks(first: date, cards: Sequence[Mapping[str, object]]) -> list[list[Mapping[str, object] | None]]:
    """A month in rows from Monday, None where a row has no day of it."""
    cells: list[Mapping[str, object] | None] = [*[None] * first.weekday(), *cards]
    cells += [None] * (-len(cells) % 7)
    return [cells[each : each + 7] for each in range(0, len(cells), 7)]


def there(source: Source | None) -> Source:
    """A source. Raises Problem 404 where nothing fills this page."""
    if source is None:
        raise unknown("nothing fills this page here")
    return source


def unknown(words: str) -> Problem:
    return Problem(404, "not-found", words)


def read_day(text: str) -> date:
    """A date of an address. Raises Problem 404."""
    try:
        return read_date(text)
    except NoSuchDay as error:
        raise unknown(str(error)) from None


def feeds_of(desk: Desk) -> set[str]:
    """The names that the desk knows."""
    return {each.feed for each in desk.days} | {each.feed for each in desk.feeds}
