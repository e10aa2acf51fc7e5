"""An outside API solution's response: the ECB's own XML as one message, many rows, none of our headers."""

from collections.abc import Iterator
from datetime import date, time
from xml.etree.ElementTree import ParseError

from catalog import BaseDate, Currency, Envelope, Feed, Positive, Response, Row
from catalog.message import Headers, correlation
from feeds.partners.ecb_documents import from_xml


class Rate(Row):
    base_date: BaseDate
    currency: Currency
    rate: Positive


def read(value: bytes, key: bytes | None, headers: Headers) -> Response:
    rows = list(_rows(value))
    base_date = date.fromisoformat(rows[0]["base_date"])
    known = Envelope(correlation("bulletin", base_date, 1), base_date, 1, count=len(rows))
    return Response(rows, known)


def _rows(value: bytes) -> Iterator[dict[str, str]]:
    try:
        for day, rates in from_xml(value):
            for currency, rate in rates.items():
                yield {"base_date": day.isoformat(), "currency": currency, "rate": rate}
    except ParseError as error:
        raise ValueError(f"not XML: {error}") from error


BULLETIN = Feed(
    "bulletin",
    row=Rate,
    key=("base_date", "currency"),
    table="bulletin_rate",
    calendar="TARGET",
    due=time(17, 0),
    zone="Europe/Brussels",
    bell="response",
    read=read,
)
