"""Every database counted, and the calendars' ends: what a process exposes beside the Desk, also through an outage."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

import business_day
from bank import PACKAGES, Bank, as_role
from catalog import find
from ledger.rights import Roles
from operate.desk.totals import Counting, Numbers
from service.desk_side import desk_side
from service.repeated import Repeated

FX = find.load("fx", PACKAGES)
RUN = (
    "INSERT INTO feedfall.run (feed, stage, uid, name, status, code, started_at, ended_at)"
    " VALUES ('fx', 'sub', 'u', 'n', 'FAILED', 1, now() - interval '1 h', now() - interval '1 h')"
)


def environ(bank: Bank, **more: str) -> dict[str, str]:
    return {**bank.environ, "DATABASE_URL": as_role(bank.url, Roles().reader), **more}


def test_counting__with_a_readers_rights(bank: Bank) -> None:
    bank.rows(RUN)
    [totals] = Counting([FX], environ(bank)).read().totals
    assert totals.runs == {("fx", "FAILED"): 1}


def test_counting__a_database_that_is_away_costs_its_own_numbers_alone(bank: Bank) -> None:
    settings = environ(bank, DATABASE_URL_STK="postgresql://nobody@127.0.0.1:9/none")
    counting = Counting([FX, replace(FX, name="stock", database="stk")], settings)
    assert [each.database for each in counting.read().totals] == [""]


def test_counting__what_a_database_counted_last_stays(bank: Bank) -> None:
    bank.rows(RUN)
    settings = environ(bank)
    counting = Counting([FX], settings)
    before = counting.read()
    settings["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"
    assert counting.read() == before


def test_counting__knows_where_the_feeds_calendars_end(bank: Bank) -> None:
    feeds = [FX, replace(FX, name="any", calendar=business_day.NONE)]  # which has no end
    covered = Counting(feeds, environ(bank)).read().covered
    last = business_day.calendar(FX.calendar).covers[1]
    assert {name: (end.date() - last).days for name, end in covered.items()} == {FX.calendar: 1}


def test_counting__a_database_that_never_answered_has_no_zeros() -> None:
    assert Counting([FX], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}).read() == Numbers()


def test_side__answers_before_anything_was_read_and_has_nothing_else(bank: Bank) -> None:
    async def ask(app: Starlette) -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://side") as client:
            return [await client.get(path) for path in ("/metrics", "/")]

    with desk_side(lambda: None, [FX], environ(bank)) as app:
        answer, other = asyncio.run(ask(app))
    samples = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert (answer.status_code, samples) == (200, ['feedfall_snapshot_age_seconds{database=""} +Inf'])
    assert other.status_code == 404


def test_repeated__what_fails_leaves_the_answer_before_it_and_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([1, ConnectionError("away"), ConnectionError("away"), 4])
    seen: list[int | None] = []
    over = threading.Event()

    def ask() -> int:
        seen.append(repeated.newest)
        answer = next(answers, None)
        if answer is None:
            over.set()
            return 5
        if isinstance(answer, Exception):
            raise answer
        return answer

    repeated = Repeated(ask, 0.001, "numbers")
    with repeated.follow():
        assert over.wait(10)
    assert seen[:5] == [None, 1, 1, 1, 4]
    assert capsys.readouterr().out.splitlines() == ["numbers: not read: ConnectionError: away", "numbers: read again"]
