"""The ECB's euro reference rates, from the three documents that it serves. Made by relay, once a run.

    eurofxref-daily.xml      the newest fixing day alone: on a holiday, and before 16:00, still the one before
    eurofxref-hist-90d.xml   the fixing days of the last 90 days
    eurofxref-hist.zip       the fixing days since 1999-01-04, as CSV

Each is fetched and read at most once. The smallest that may hold the base date is asked first, then the larger ones.
A date that a document holds is answered with its rows, whatever the calendar says: that only judges a silence. A rate
stays the text that the ECB wrote, be it nonsense: whether a row is good is sub's question.
"""

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
from zoneinfo import ZoneInfo

import business_day
from catalog.partner import Answer, Empty, Malformed, Quota, Refused, Request, Rows

if TYPE_CHECKING:
    import httpx

URL = "https://www.ecb.europa.eu/stats/eurofxref/"
"""Where the documents are, unless the environment says otherwise: the `base_url` of the client handed in."""

DAILY, LAST_90_DAYS, HISTORY = "eurofxref-daily.xml", "eurofxref-hist-90d.xml", "eurofxref-hist.zip"
FIRST_DAY = date(1999, 1, 4)
ZONE = "Europe/Brussels"
PUBLISHED_AT = time(16, 0)
MAX_BYTES = 8 * 2**20
"""No document is larger, packed or unpacked: the history is 1.9 MB of CSV in 2026."""
GESMES = "{http://www.gesmes.org/xml/2002-08-01}"
EUROFXREF = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}"
NO_RATE = "N/A"
UNREADABLE = (ET.ParseError, BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError)

Document = Mapping[date, Mapping[str, str]]
"""Fixing day → currency → rate, as it was written."""
No = Refused | Quota | Malformed


def partner(client: "httpx.Client", now: datetime) -> "Ecb":
    """Make the adapter: what relay calls, with `client.base_url` set."""
    return Ecb(client, now)


class Ecb:
    """One run's conversation with the ECB; asked from several threads at once."""

    def __init__(self, client: "httpx.Client", now: datetime) -> None:
        self._now = now.astimezone(ZoneInfo(ZONE))
        self._target = business_day.calendar("TARGET")
        self._shelf = {name: _Fetched(client, name, self._now) for name in (DAILY, LAST_90_DAYS, HISTORY)}

    def ask(self, request: Request) -> Answer:
        """Answer with the fixing of one base date. Lets httpx's own exceptions through."""
        day, today = request.base_date, self._now.date()
        if day < FIRST_DAY:
            return Refused(f"the ECB's reference rates begin on {FIRST_DAY}: there is no {day}")
        if day > today:
            return Empty(f"{day} is still to come: it is {today} in {ZONE}", expected=True)
        for name in documents((today - day).days):
            document = self._shelf[name].get()
            if isinstance(document, No):
                return document
            if day in document:
                return Rows(rows(day, document[day]))
            newest = max(document)
            silence = why_empty(day, self._now, self._target, newest)
            if silence.expected or (name == DAILY and newest < day):
                break
        return silence


class _Fetched:
    """One document, fetched when it is first asked for. What httpx raises is not remembered, so relay may ask again."""

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


def read(name: str, body: bytes) -> Document | Malformed:
    """Read a document by its name."""
    try:
        if len(body) > MAX_BYTES:
            return Malformed(f"{name}: more than {MAX_BYTES:,} bytes")
        fixings = from_zip(body) if name == HISTORY else from_xml(body)
        return {day: rates for day, rates in fixings if rates} or Malformed(f"{name}: no rates in it")
    except UNREADABLE as error:
        return Malformed(f"{name}: {type(error).__name__}: {error}"[:300])


def from_xml(body: bytes) -> Iterator[tuple[date, Mapping[str, str]]]:
    envelope = ET.fromstring(body, parser=ET.XMLParser(target=_NoDoctype()))  # noqa: S314 -- no DOCTYPE, no entities
    if envelope.tag != f"{GESMES}Envelope":
        raise ValueError(f"{envelope.tag} where gesmes:Envelope should be")
    for fixing in envelope.iterfind(f"{EUROFXREF}Cube/{EUROFXREF}Cube"):
        rates = {cube.attrib["currency"]: cube.attrib["rate"] for cube in fixing.iterfind(f"{EUROFXREF}Cube")}
        yield date.fromisoformat(fixing.attrib["time"]), rates


class _NoDoctype(ET.TreeBuilder):
    """A tree without entity games: called where a DOCTYPE begins, before anything in it counts."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002 -- expat's signature
        raise ValueError(f"a DOCTYPE ({name}), which the ECB's documents do not have")


def from_zip(body: bytes) -> Iterator[tuple[date, Mapping[str, str]]]:
    with ZipFile(BytesIO(body)) as archive:
        packed = archive.infolist()[0]
        if packed.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ValueError(f"packed by method {packed.compress_type}")
        with archive.open(packed) as file:
            csv = file.read(MAX_BYTES + 1)
    if len(csv) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes unpacked")
    header, *lines = csv.decode().splitlines()
    first, *currencies = header.split(",")
    if first != "Date":
        raise ValueError(f"a first column {first!r} where Date should be")
    for line in lines:
        day, *rates = line.split(",")
        pairs = zip(currencies, rates, strict=True)  # the last column has no name and no values
        yield date.fromisoformat(day), {currency: rate for currency, rate in pairs if currency and rate != NO_RATE}
