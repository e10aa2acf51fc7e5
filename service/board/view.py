"""What every page shares: who asks, in which language, the picture, and the functions that its template calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from business_day import CalendarError
from operate.desk.desk import Band, State
from service.board import html, tonight
from service.board.html import ZONE, Pages, clock, moment, path
from service.board.picture import Freshness
from service.board.texts import TABLES, text
from service.problem import Problem
from service.snapshot import OutOfDate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import Request, Response

    from operate.desk.desk import Desk, FeedDay, Why
    from service.board.people import Person
    from service.board.picture import Current, Picture
    from service.board.sign_in import SignIn
    from service.board.sources import Language, Sources

LANGUAGE = "feedfall_language"
HOME = "BANK"
"""The calendar of the header."""


@dataclass(frozen=True)
class Board:
    """All that a route needs."""

    sources: Sources
    current: Current
    sign_in: SignIn
    place: str
    """production, test or local: the banner of every page."""
    pages: Pages
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def view(self, request: Request) -> View:
        """A view for whoever asks. Raises Problem 401 or 403."""
        return View(self, request, self.sign_in.person(request))


class View:
    """One request's view."""

    def __init__(self, board: Board, request: Request, person: Person) -> None:
        self.board, self.request, self.person = board, request, person
        self.language, self.now = language_of(request), board.now()
        self.picture: Picture = board.current.picture

    def desk(self) -> Desk:
        """What is known. Raises Problem 503 while nothing is."""
        if self.picture.desk is None:
            raise Problem(503, "no-picture", TABLES[self.language]["none"], {"Retry-After": "2"})
        return self.picture.desk

    def text(self, name: str, **values: object) -> str:
        """One of the board's own texts."""
        return text(self.language, name, **values)

    def say(self, why: Why | None) -> str:
        """A reason as a sentence."""
        return self.board.sources.sentence(why, self.language, ZONE) if why else ""

    def verbs(self, day: FeedDay) -> Sequence[str]:
        """The verbs that help, that are connected and that this person may use now; the best first."""
        acts = self.board.sources.acts
        known = acts.verbs if acts and self.picture.can_act else ()
        return [each for each in day.verbs if each in known and self.person.may(each)]

    def page(self, template: str, **values: object) -> Response:
        """The page, as it is sent where it has no form."""
        taken = self.picture.desk.taken_at if self.picture.desk else None
        headers = {"X-Taken-At": f"{taken.astimezone(ZONE):%H:%M:%S}"} if taken else {}
        return html.reply(self.request, self.render(template, **values), headers)

    def render(self, template: str, **values: object) -> str:
        """The page's text."""
        return self.board.pages.render(template, self.language, {**self._shared(), **values})

    def _shared(self) -> dict[str, Any]:
        return {
            "person": self.person,
            "place": self.board.place,
            "warnings": self.board.sources.warnings,
            "picture": self.picture,
            "taken": self._taken(),
            "local": self.now.astimezone(ZONE),
            "business_day": self._business_day(),
            "here": self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else ""),
            "pages": self._navigation(),
            "clock": partial(clock, now=self.now),
            "moment": partial(moment, now=self.now),
            "say": self.say,
            "verbs": self.verbs,
            "row_id": tonight.row_id,
            "Band": Band,
            "State": State,
            "Freshness": Freshness,
            "can_sign_out": self.board.place == "local",
        }

    def _taken(self) -> str:
        desk = self.picture.desk
        return f"{desk.taken_at.astimezone(ZONE):%H:%M:%S}" if desk else ""

    def _business_day(self) -> int | None:
        """Which business day of its month it is; 0 on a closed day, None where nobody knows."""
        calendars, today = self.board.sources.calendars, self.now.astimezone(ZONE).date()
        if calendars is None:
            return None
        try:
            calendar = calendars.snapshot().calendar(HOME)
            if not calendar.is_business_day(today):
                return 0
            return calendar.count(today.replace(day=1), today)
        except (CalendarError, OutOfDate):
            return None

    def _navigation(self) -> list[tuple[str, str]]:
        """The pages that something fills, with their addresses."""
        sources = self.board.sources
        there = {name: getattr(sources, name) for name in ("quarantine", "approvals", "audit", "handover")}
        found = [("tonight", "/"), *((name, path(name)) for name, source in there.items() if source)]
        if sources.calendars:
            found.append(("calendar", path("calendar", HOME, f"{self.now.astimezone(ZONE):%Y-%m}")))
        return found


def language_of(request: Request) -> Language:
    """The cookie's; otherwise the first of Korean and English that the browser asks for; otherwise Korean."""
    chosen = request.cookies.get(LANGUAGE)
    if chosen in TABLES:
        return "en" if chosen == "en" else "ko"
    asked = [each.strip()[:2].lower() for each in request.headers.get("accept-language", "").split(",")]
    return "en" if next((each for each in asked if each in TABLES), "ko") == "en" else "ko"
