"""The ECB's adapter over documents made here: for the tests of what it reads and of what HTTP says."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import BytesIO
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import httpx

from catalog.partner import Answer, Request, Rows
from feeds.partners import ecb
from feeds.partners.ecb_documents import DAILY

FRIDAY, SATURDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 23)
MONDAY_EVENING = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)  # 17:30 in Brussels
MONDAY_NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)

# A document as the ECB serves it, with two of its currencies.
ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" \
xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
\t<gesmes:subject>Reference rates</gesmes:subject>
\t<gesmes:Sender>
\t\t<gesmes:name>European Central Bank</gesmes:name>
\t</gesmes:Sender>
\t<Cube>
%s\t</Cube>
</gesmes:Envelope>
"""
CUBE = """\
\t\t<Cube time='%s'>
\t\t\t<Cube currency='USD' rate='1.1225'/>
\t\t\t<Cube currency='JPY' rate='%s'/>
\t\t</Cube>
"""


def xml(*days: date, jpy: str = "175.68") -> bytes:
    return (ENVELOPE % "".join(CUBE % (day, jpy) for day in days)).encode()


def packed(csv: str, method: int = ZIP_DEFLATED) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", method) as archive:
        archive.writestr("eurofxref-hist.csv", csv)
    return file.getvalue()


def history(*days: date) -> bytes:
    return packed("Date,USD,JPY,BGN,\n" + "".join(f"{day},1.1225,175.68,N/A,\n" for day in days))


def rows(day: date, jpy: str = "175.68") -> Rows:
    return Rows(
        [
            {"base_date": f"{day}", "currency": "USD", "rate": "1.1225"},
            {"base_date": f"{day}", "currency": "JPY", "rate": jpy},
        ]
    )


class Partner:
    """The adapter, made for a moment, over documents that are bytes or whole responses; it counts what is fetched."""

    def __init__(self, now: datetime, documents: dict[str, bytes | Callable[[], httpx.Response]]) -> None:
        self.fetched: list[str] = []
        self._documents = documents
        client = httpx.Client(base_url=ecb.URL, transport=httpx.MockTransport(self._serve))
        self._partner = ecb.partner(client, now)

    def ask(self, day: date) -> Answer:
        return self._partner.ask(Request(UUID(int=0), day))

    def _serve(self, request: httpx.Request) -> httpx.Response:
        name = str(request.url).removeprefix(ecb.URL)
        self.fetched.append(name)
        found = self._documents[name]
        return found() if callable(found) else httpx.Response(200, content=found)


def responding(status: int, **headers: str) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def monday(daily: bytes | Callable[[], httpx.Response]) -> Partner:
    return Partner(MONDAY_EVENING, {DAILY: daily})
