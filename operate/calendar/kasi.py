"""The government's list of public holidays: data.go.kr 특일정보, of the Korea Astronomy and Space Science Institute.

    request ─▶ holidays of the year ─▶ Published      compared with a calendar by `operate.calendar.compare`
            ├▶ nothing                 None           the year is not published yet; it is no year without holidays
            ├▶ inconsistent            DataRefused    its count, year or rows contradict each other; too large
            ├▶ no right                Misconfigured  the key is not registered, expired, or not the Decoding key
            └▶ trouble, quota          Transient      sent up to three times; after a used-up daily quota only once

It lags: on 2026-04-07 it did not have 05-01 yet, a month after the law. So it proposes, and a person decides. Errors
come as XML though JSON was asked for, and with any HTTP status. The key is in the query: no text here holds a URL, and
httpx, whose log lines do, is told to be quiet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

import httpx
import stamina
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from ledger.errors import DataRefused, Failure, Misconfigured, Transient
from steps.run.http_client import BoundedClient, UnusableAnswer

URL = "https://apis.data.go.kr/B090041/openapi/service/SpcdeInfoService/"
TIMEOUT = httpx.Timeout(10.0, connect=5.0)
SECONDS, MAX_BYTES = 20.0, 2**20
"""For one whole answer: a year's 25 rows are 4 kB."""
ATTEMPTS = 3
FINE = ("00", "0")
#: The portal's codes, and what a person does about them. Any other is an outage, or a change of the service.
NO_RIGHT = {
    "20": "the service is not granted to this key, or the key is missing: apply for 특일정보 on data.go.kr",
    "30": "the key is not registered: give the portal's Decoding key, an hour after it was granted",
    "31": "the key has expired: renew it on data.go.kr",
    "32": "this address is not registered for the key: add it on data.go.kr",
}
OURS = {"10": "it calls a parameter wrong", "12": "it has no such service any more"}
QUOTA = "22"
FIELD = re.compile(r"<(\w{1,40})>([^<>]*)</")
"""A field of an answer in XML. It matches in one way only: with a choice, a few thousand spaces take minutes."""
MAX_ROWS = 100
"""What `numOfRows` requests; a year has about 25."""
LONGEST_TEXT = 300


class QuotaUsed(Transient):
    """The daily quota is used up: asking again today does not help."""


@dataclass(frozen=True)
class Published:
    """A year's public holidays, weekends too, by name; and days that the answer lists but calls no holiday."""

    year: int
    holidays: Mapping[date, str]
    no_holidays: Mapping[date, str] = field(default_factory=dict)


def ask(key: str, year: int, url: str = URL, pause: float = 1.0, seconds: float = SECONDS) -> Published | None:
    """Ask for a year; None while it is not published. `pause`: seconds before the second attempt.

    `seconds`: for one whole answer.
    """
    if not key:
        raise Misconfigured("not set: FEEDFALL_KASI_KEY. It is the Decoding key that data.go.kr grants for 특일정보")
    if "%" in key:
        raise Misconfigured("FEEDFALL_KASI_KEY has a %: that is the portal's Encoding key. Give the Decoding key")
    with BoundedClient(base_url=url, timeout=TIMEOUT, seconds=seconds, max_bytes=MAX_BYTES) as client:
        for attempt in stamina.retry_context(_again, attempts=ATTEMPTS, wait_initial=pause, wait_jitter=pause):
            with attempt:
                return _once(client, key, year)
    raise AssertionError


def _again(error: Exception) -> bool:
    return isinstance(error, Transient) and not isinstance(error, QuotaUsed)


def _once(client: httpx.Client, key: str, year: int) -> Published | None:
    query = {"serviceKey": key, "solYear": str(year), "numOfRows": "100", "pageNo": "1", "_type": "json"}
    try:
        answer = client.get("getRestDeInfo", params=query)
    except UnusableAnswer as error:
        raise DataRefused(f"data.go.kr sent {error}: does FEEDFALL_KASI_URL name the service?") from None
    except httpx.HTTPError as error:
        raise Transient(f"data.go.kr is out of reach: {type(error).__name__}. Try again later") from None
    try:
        return _whole(read(answer.text, answer.status_code, year))
    except Failure as error:
        raise type(error)(_without(key, str(error))) from None  # an answer may repeat the question


def _whole(found: Published | None) -> Published | None:
    """A year that begins without New Year's Day was not sent in full."""
    if found and date(found.year, 1, 1) not in found.holidays:
        raise DataRefused(f"data.go.kr sent {found.year} without 1 January: that is not the whole year")
    return found


def _without(key: str, text: str) -> str:
    return text.replace(key, "***").replace(quote(key, safe=""), "***")


def read(text: str, status: int, year: int) -> Published | None:
    """Read an answer by its envelope first: the HTTP status says little. Whatever it holds: a value or a Failure."""
    try:
        return _read(text, status, year)
    except RecursionError:
        raise DataRefused("data.go.kr answered with JSON nested too deeply") from None


def _read(text: str, status: int, year: int) -> Published | None:
    envelope = _json(text)
    code, words = _verdict(envelope if envelope is not None else text)
    if code and code not in FINE:
        raise _refused(code, words)
    if status != HTTPStatus.OK:
        raise _http(status)
    if envelope is None or not code:
        raise DataRefused(f"data.go.kr answered neither JSON nor an error that is known: {text[:80]!r}")
    try:
        body = Body.model_validate(envelope["response"]["body"])
    except (ValidationError, LookupError, TypeError) as error:
        what = "; ".join(str(each["msg"]) for each in error.errors()) if isinstance(error, ValidationError) else error
        raise DataRefused(f"data.go.kr answered in a form that is not known: {str(what)[:LONGEST_TEXT]}") from None
    return _checked(body, year)


def _encodable(value: str) -> str:
    value.encode()  # half a surrogate pair is a str, and no text that can be stored or printed
    return value


class Item(BaseModel):
    """A row: one name of one day. A day may have two."""

    locdate: int
    dateName: Annotated[str, Field(max_length=100), AfterValidator(_encodable)]  # noqa: N815 -- the service's names
    isHoliday: Literal["Y", "N"]  # noqa: N815


def _items(value: object) -> object:
    """Many are a list, one is itself, and none is an empty string."""
    found = value.get("item", []) if isinstance(value, dict) else value or []
    return [found] if isinstance(found, dict) else found


class Body(BaseModel):
    """The answer within its envelope."""

    totalCount: int  # noqa: N815
    items: Annotated[list[Item], BeforeValidator(_items)]


def _checked(body: Body, year: int) -> Published | None:
    """Believe an answer only where it agrees with itself, and with the question."""
    if not body.items and body.totalCount == 0:
        return None
    if len(body.items) > MAX_ROWS:
        raise DataRefused(f"data.go.kr sent {len(body.items):,} rows of {year}, and {MAX_ROWS} were requested")
    if len(body.items) != body.totalCount:
        raise DataRefused(f"data.go.kr counts {body.totalCount} rows of {year}, and sent {len(body.items)}")
    rows = [(_date(item.locdate), item) for item in body.items]
    strangers = sorted({str(day) for day, _ in rows if day.year != year})
    if strangers:
        raise DataRefused(f"data.go.kr was asked for {year}, and sent {', '.join(strangers)[:LONGEST_TEXT]}")
    names = [(day, item.dateName) for day, item in rows]
    twice = sorted({f"{day} {name}" for day, name in names if names.count((day, name)) > 1})
    if twice:
        what = ", ".join(twice)[:LONGEST_TEXT]
        raise DataRefused(f"data.go.kr sent a row twice, so perhaps another not at all: {what}")
    holidays = _named(rows, "Y")
    return Published(year, holidays, {d: name for d, name in _named(rows, "N").items() if d not in holidays})


def _named(rows: list[tuple[date, Item]], flag: str) -> dict[date, str]:
    named: dict[date, str] = {}
    for day, item in rows:
        if item.isHoliday == flag:
            named[day] = f"{named[day]}; {item.dateName}" if day in named else item.dateName
    return dict(sorted(named.items()))


def _date(locdate: int) -> date:
    try:
        return date.fromisoformat(f"{locdate:08d}")
    except ValueError:
        raise DataRefused(f"data.go.kr sent {str(locdate)[:40]}, which is no date") from None


def _json(text: str) -> Any | None:  # noqa: ANN401 -- whatever came
    try:
        return json.loads(text)
    except ValueError:
        return None


def _verdict(answer: object) -> tuple[str, str]:
    """The result code and its words, from whichever of the service's four envelopes it came in."""
    fields = FIELD.findall(answer) if isinstance(answer, str) else _leaves(answer)
    found = {name: str(value).strip() for name, value in fields}
    code = found.get("returnReasonCode") or found.get("resultCode") or ""
    return str(code), str(found.get("returnAuthMsg") or found.get("resultMsg") or found.get("errMsg") or "")


def _leaves(answer: object) -> list[tuple[str, object]]:
    """The header's fields: of the answer, or of the objects that wrap them. Never those of the rows."""
    if not isinstance(answer, dict):
        return []
    leaves = [(name, value) for name, value in answer.items() if not isinstance(value, dict | list | None)]
    wrapped = ("response", "header", "OpenAPI_ServiceResponse", "cmmMsgHeader")
    return leaves + [leaf for name in wrapped for leaf in _leaves(answer.get(name))]


def _refused(code: str, words: str) -> Failure:
    said = f"data.go.kr refuses with {code} {words[:120]}"
    if code in NO_RIGHT:
        return Misconfigured(f"{said}: {NO_RIGHT[code]}")
    if code in OURS:
        return DataRefused(f"{said}: {OURS[code]}; this version of feedfall cannot ask it")
    if code == QUOTA:
        return QuotaUsed(f"{said}: today's calls are used up. Ask again tomorrow")
    return Transient(f"{said}. Try again later")


def _http(status: int) -> Failure:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Misconfigured(f"data.go.kr answered HTTP {status}: {NO_RIGHT['30']}")
    if (
        status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return Transient(f"data.go.kr answered HTTP {status}. Try again later")
    return DataRefused(f"data.go.kr answered HTTP {status}: does FEEDFALL_KASI_URL name the service?")
