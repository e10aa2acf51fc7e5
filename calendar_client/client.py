"""Reads calendars from the calendar service, saves a copy of each, and uses it while the service does not answer."""

from __future__ import annotations

import json
import ssl
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx

from business_day import BadCalendar, UnknownCalendar, document
from calendar_client.bounded import Unusable, fetch
from calendar_client.copy import HOUR, Unavailable, known_etag, open_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from business_day import Calendar
    from calendar_client.bounded import Answer
    from calendar_client.copy import Copies

REFRESH_EVERY = 60.0
MAX_BYTES = 4 * 1024 * 1024
"""Of an answer: a hundred times BANK's table."""
LONGEST_ETAG = 200


class Unreachable(Exception):  # noqa: N818 -- a state of the service
    """The calendar service gave no usable answer. The text says why."""


class Client:
    """The service's calendars. For one thread or many; close it, or use it as a context manager.

    `seconds`: for a whole answer, however it comes. `max_age`: of a copy. `ca`: a file with whom to trust over TLS.
    """

    def __init__(
        self,
        url: str,
        copies: Copies,
        *,
        max_age: float = 36 * HOUR,
        refresh_every: float = REFRESH_EVERY,
        seconds: float = 5.0,
        ca: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        trust = ssl.create_default_context(cafile=ca) if ca else True
        once = httpx.Limits(max_keepalive_connections=0)  # a deadline shuts a connection: none is used twice
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=seconds, verify=trust, limits=once)
        self._seconds = seconds
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
        if copy and answer.status == httpx.codes.NOT_MODIFIED:
            self._copies.save(name, copy.etag, copy.document)
            return
        text = _document(name, answer)
        self._copies.save(name, _etag(answer), text)

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

    def _get(self, name: str, known: str | None) -> Answer:
        headers = {"If-None-Match": known} if known else {}
        try:
            path = f"/v1/calendars/{quote(name, safe='')}/table"
            return fetch(self._http, path, headers, self._seconds, MAX_BYTES)
        except Unusable as error:
            raise Unreachable(f"the calendar service {self._http.base_url} does not answer usably: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # ValueError: of a hostile header
            raise Unreachable(f"the calendar service {self._http.base_url} does not answer ({_why(error)})") from error


def _document(name: str, answer: Answer) -> str:
    """The calendar's document in an answer. A proxy's error page must not be saved as one."""
    if answer.status == httpx.codes.NOT_FOUND and (sentence := _sentence(answer)):
        raise UnknownCalendar(_visible(sentence))
    if not httpx.codes.is_success(answer.status):
        beginning = _visible(answer.body[:200].decode(errors="replace"))
        raise Unreachable(f"the calendar service answers {answer.status} for {name}: {beginning}")
    try:
        text = answer.body.decode()
        calendar = document.loads(text)
        ZoneInfo(calendar.zone)
    except (BadCalendar, ValueError, LookupError, OSError) as error:
        raise Unreachable(f"the answer of the calendar service is no calendar: {_visible(str(error))}") from error
    if calendar.name != name:
        raise Unreachable(f"the calendar service answers with {_visible(calendar.name)} instead of {name}")
    return text


def _sentence(answer: Answer) -> str:
    """What a problem document says in `detail`; empty where the answer is none."""
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return ""
    try:
        detail = json.loads(answer.body)["detail"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return detail if isinstance(detail, str) else ""


def _etag(answer: Answer) -> str:
    """The ETag, if it can be sent back."""
    etag = str(answer.headers.get("ETag", ""))
    return etag if etag.isascii() and etag.isprintable() and len(etag) <= LONGEST_ETAG else ""


def _visible(text: str) -> str:
    """The beginning of a text from outside, with the escape of what cannot be seen."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[:300])


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {_visible(str(error))}" if str(error) else type(error).__name__
