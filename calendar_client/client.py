"""Asks the calendar service, keeps what it said, and answers from that while the service is away. Never guesses."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import httpx

from business_day import BadCalendar, UnknownCalendar, document
from calendar_client.copy import HOUR, Unavailable, etag, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from business_day import Calendar
    from calendar_client.copy import Copies

AGAIN = 60.0


class Unreachable(Exception):  # noqa: N818 -- reads as what it says
    """The calendar service gave no answer that can be used. The text says why."""


class Client:
    """The service's calendars. For one thread or many; close it, or use it as a context manager."""

    def __init__(
        self,
        url: str,
        copies: Copies,
        *,
        max_age: float = 36 * HOUR,
        again: float = AGAIN,
        seconds: float = 2.0,
        ca: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        trust = ssl.create_default_context(cafile=ca) if ca else True
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=seconds, verify=trust)
        self._copies, self._max_age, self._again, self._clock = copies, max_age, again, clock
        self._kept: dict[str, tuple[Calendar, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def calendar(self, name: str) -> Calendar:
        """The calendar as the service says, or as it said at most `max_age` seconds ago.

        Raises Unavailable; UnknownCalendar where the service knows none of this name, and there is no copy either.
        """
        calendar, asked = self._kept.get(name, (None, 0.0))
        if calendar is None or self._clock() - asked > self._again:
            calendar = self._asked_or_kept(name)
            self._kept[name] = (calendar, self._clock())
        return calendar

    def refresh(self, name: str) -> None:
        """Ask the service, and keep what it says. Raises Unreachable, UnknownCalendar."""
        copy = self._copies.read(name)
        answer = self._get(name, etag(copy))
        if copy and answer.status_code == httpx.codes.NOT_MODIFIED:
            self._copies.keep(name, copy.etag, copy.document)
            return
        _check(name, answer)
        self._copies.keep(name, answer.headers.get("ETag", ""), answer.text)

    def _asked_or_kept(self, name: str) -> Calendar:
        problem: Exception | None = None
        try:
            self.refresh(name)
        except (Unreachable, UnknownCalendar) as error:
            problem = error
        copy = self._copies.read(name)
        if copy is None and isinstance(problem, UnknownCalendar):
            raise problem
        try:
            return opened(name, copy, self._max_age)
        except Unavailable as error:
            raise Unavailable(f"{error}; {problem}") from problem

    def _get(self, name: str, known: str | None) -> httpx.Response:
        headers = {"If-None-Match": known} if known else {}
        try:
            return self._http.get(f"/v1/calendars/{quote(name, safe='')}/table", headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"the calendar service {self._http.base_url} does not answer ({_why(error)})") from error


def _check(name: str, answer: httpx.Response) -> None:
    """Is this the calendar that was asked for? A proxy's own page must not be kept as one."""
    problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    if answer.status_code == httpx.codes.NOT_FOUND and problem:
        raise UnknownCalendar(str(answer.json().get("detail")))
    if not answer.is_success:
        raise Unreachable(f"the calendar service answers {answer.status_code} for {name}: {answer.text[:200]}")
    try:
        found = document.loads(answer.text)
    except BadCalendar as error:
        raise Unreachable(f"what answers for the calendar service is not one: {error}") from error
    if found.name != name:
        raise Unreachable(f"the calendar service answers with {found.name}, asked for {name}")


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
