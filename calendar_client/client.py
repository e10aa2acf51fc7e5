"""Reads calendars from the calendar service, saves a copy of each, and uses it while the service does not answer."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import httpx

from business_day import BadCalendar, UnknownCalendar, document
from calendar_client.copy import HOUR, Unavailable, known_etag, open_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from business_day import Calendar
    from calendar_client.copy import Copies

REFRESH_EVERY = 60.0


class Unreachable(Exception):  # noqa: N818 -- a state of the service
    """The calendar service gave no usable answer. The text says why."""


class Client:
    """The service's calendars. For one thread or many; close it, or use it as a context manager."""

    def __init__(
        self,
        url: str,
        copies: Copies,
        *,
        max_age: float = 36 * HOUR,
        refresh_every: float = REFRESH_EVERY,
        seconds: float = 2.0,
        ca: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        trust = ssl.create_default_context(cafile=ca) if ca else True
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=seconds, verify=trust)
        self._copies, self._max_age, self._refresh_every, self._clock = copies, max_age, refresh_every, clock
        self._cache: dict[str, tuple[Calendar, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def calendar(self, name: str) -> Calendar:
        """The calendar from the service, or from a copy that is at most `max_age` seconds old.

        Raises Unavailable; UnknownCalendar where the service does not know the name and there is no copy.
        """
        calendar, read_at = self._cache.get(name, (None, 0.0))
        if calendar is None or self._clock() - read_at > self._refresh_every:
            calendar = self._refreshed_or_copy(name)
            self._cache[name] = (calendar, self._clock())
        return calendar

    def refresh(self, name: str) -> None:
        """Read the calendar from the service and save a copy. Raises Unreachable, UnknownCalendar."""
        copy = self._copies.read(name)
        answer = self._get(name, known_etag(copy))
        if copy and answer.status_code == httpx.codes.NOT_MODIFIED:
            self._copies.save(name, copy.etag, copy.document)
            return
        _check(name, answer)
        self._copies.save(name, answer.headers.get("ETag", ""), answer.text)

    def _refreshed_or_copy(self, name: str) -> Calendar:
        problem: Exception | None = None
        try:
            self.refresh(name)
        except (Unreachable, UnknownCalendar) as error:
            problem = error
        copy = self._copies.read(name)
        if copy is None and isinstance(problem, UnknownCalendar):
            raise problem
        try:
            return open_copy(name, copy, self._max_age)
        except Unavailable as error:
            raise Unavailable(f"{error}; {problem}") from problem

    def _get(self, name: str, known: str | None) -> httpx.Response:
        headers = {"If-None-Match": known} if known else {}
        try:
            return self._http.get(f"/v1/calendars/{quote(name, safe='')}/table", headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"the calendar service {self._http.base_url} does not answer ({_why(error)})") from error


def _check(name: str, answer: httpx.Response) -> None:
    """Is this the calendar that was requested? A proxy's error page must not be saved as one."""
    problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    if answer.status_code == httpx.codes.NOT_FOUND and problem:
        raise UnknownCalendar(str(answer.json().get("detail")))
    if not answer.is_success:
        raise Unreachable(f"the calendar service answers {answer.status_code} for {name}: {answer.text[:200]}")
    try:
        calendar = document.loads(answer.text)
    except BadCalendar as error:
        raise Unreachable(f"the answer of the calendar service is no calendar: {error}") from error
    if calendar.name != name:
        raise Unreachable(f"the calendar service answers with {calendar.name} instead of {name}")


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
