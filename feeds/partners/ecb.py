"""The ECB's euro reference rates, from the three documents that it serves. Relay makes it once a run.

    eurofxref-daily.xml      the newest fixing day alone: on a holiday, and before 16:00, still the previous one
    eurofxref-hist-90d.xml   the fixing days of the last 90 days
    eurofxref-hist.zip       the fixing days since 1999-01-04, as CSV

Each is fetched and read at most once. The smallest that may hold the base date comes first, then the larger ones.
A date that a document holds is answered with its rows, whatever the calendar says: that only judges a silence. A rate
stays the text that the ECB wrote, be it nonsense: whether a row is good is sub's question.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import business_day
from catalog.partner import Answer, Empty, Malformed, Quota, Refused, Request, Rows
from feeds.partners.ecb_documents import DAILY, HISTORY, LAST_90_DAYS, MAX_BYTES, Document, read

if TYPE_CHECKING:
    import httpx

URL = "https://www.ecb.europa.eu/stats/eurofxref/"
"""Where the documents are, unless the environment says otherwise: the `base_url` of the client handed in."""

FIRST_DAY = date(1999, 1, 4)
ZONE = "Europe/Brussels"
PUBLISHED_AT = time(16, 0)

No = Refused | Quota | Malformed


def partner(client: "httpx.Client", now: datetime) -> "Ecb":
    """Make the adapter: what relay calls, with `client.base_url` set."""
    return Ecb(client, now)


class Ecb:
    """One run's requests to the ECB; called from several threads at once."""

    def __init__(self, client: "httpx.Client", now: datetime) -> None:
        self._now = now.astimezone(ZoneInfo(ZONE))
        self._target = business_day.calendar("TARGET")
        self._documents = {name: _CachedDocument(client, name, self._now) for name in (DAILY, LAST_90_DAYS, HISTORY)}

    def ask(self, request: Request) -> Answer:
        """Answer with the fixing of one base date. Lets httpx's own exceptions through."""
        day, today = request.base_date, self._now.date()
        if day < FIRST_DAY:
            return Refused(f"the ECB's reference rates begin on {FIRST_DAY}: there is no {day}")
        if day > today:
            return Empty(f"{day} is still to come: it is {today} in {ZONE}", expected=True)
        for name in documents((today - day).days):
            document = self._documents[name].get()
            if isinstance(document, No):
                return document
            if day in document:
                return Rows(rows(day, document[day]))
            newest = max(document)
            silence = why_empty(day, self._now, self._target, newest)
            if silence.expected or (name == DAILY and newest < day):
                break
        return silence


class _CachedDocument:
    """One document, fetched when it is first needed. What httpx raises is not remembered, so relay may try again."""

    def __init__(self, client: "httpx.Client", name: str, now: datetime) -> None:
        self._client, self._name, self._now = client, name, now
        self._lock = Lock()
        self._found: Document | No | None = None

    def get(self) -> Document | No:
        with self._lock:
            if self._found is None:
                self._found = fetch(self._client, self._name, self._now)
            return self._found


def documents(age: int) -> list[str]:
    """Name the documents that may hold a base date of so many days ago, the smallest first."""
    reach = {DAILY: 4, LAST_90_DAYS: 85}  # Easter is four days long; a lagging 90-day file reaches less far back
    return [name for name, days in reach.items() if age <= days] + [HISTORY]


def rows(day: date, rates: Mapping[str, str]) -> list[dict[str, str]]:
    """Write a fixing as rows of `feeds/fx.py`."""
    return [{"base_date": day.isoformat(), "currency": currency, "rate": rate} for currency, rate in rates.items()]


def why_empty(day: date, now: datetime, calendar: business_day.Calendar, newest: date) -> Empty:
    """Judge a day without a fixing: closed, too early, or missing. A calendar that ends before it excuses nothing."""
    try:
        closure = calendar.closure(day)
    except business_day.NotCovered as unknown:
        return Empty(f"no fixing of {day}, and {unknown}", expected=False)
    if closure:
        return Empty(f"{calendar.name} is closed on {day}: {closure}", expected=True)
    if day == now.date() and now.time() < PUBLISHED_AT:
        return Empty(f"it is {now:%H:%M} in {ZONE}: {day} comes at about {PUBLISHED_AT:%H:%M}", expected=True)
    return Empty(f"{calendar.name} is open on {day}, but the newest fixing served is of {newest}", expected=False)


def fetch(client: "httpx.Client", name: str, now: datetime) -> Document | No:
    """Get a document and read it. Raises httpx's own exceptions for what may pass by itself."""
    from httpx import DecodingError  # noqa: PLC0415 -- whoever has a client has it; a feed's import must not

    try:
        return _fetch(client, name, now)
    except DecodingError as error:  # too large, or encoded though no encoding was accepted
        return Malformed(f"{name}: {error}")


def _fetch(client: "httpx.Client", name: str, now: datetime) -> Document | No:
    with client.stream("GET", name) as response:
        if response.status_code == 429:  # noqa: PLR2004 -- HTTP's numbers are words
            return Quota(f"{name}: HTTP 429", retry_at(response.headers.get("retry-after", ""), now))
        if response.is_server_error or response.status_code == 408:  # noqa: PLR2004
            response.raise_for_status()
        if not response.is_success:
            return Refused(f"{name}: HTTP {response.status_code} {response.reason_phrase}".rstrip())
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                break
    return read(name, bytes(body))


def retry_at(header: str, now: datetime) -> datetime | None:
    """Read Retry-After, in seconds or as a date; None where it is neither."""
    try:
        if header.isdigit():
            return now + timedelta(seconds=int(header))
        at = parsedate_to_datetime(header)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
