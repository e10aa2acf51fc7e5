"""Decisions about days in a real PostgreSQL: all or none, one that holds, and a journal that keeps each."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest

import business_day
from bank import Bank
from business_day import Override
from ledger.calendar import (
    Conflict,
    NoOverride,
    declare_overrides,
    load_copy,
    load_history,
    load_overrides,
    save_copy,
    withdraw_override,
)
from ledger.database import connect
from service.snapshot import SERVE_FOR, STUCK_AFTER, Current, OutOfDate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database import Connection

BANK = business_day.calendar("BANK")


@pytest.fixture
def database(bank: Bank) -> Iterator[Connection]:
    with closing(connect(bank.url, "test")) as connection:
        yield connection


def closed(day: int, by: str = "kim") -> Override:
    return Override("BANK", date(2026, 12, day), is_open=False, reason="임시공휴일", evidence="관보", by=by)


def test_declare__many_at_once_are_all_or_none(database: Connection, bank: Bank) -> None:
    declare_overrides(database, BANK, [closed(22), closed(23)])
    database.commit()
    with pytest.raises(Conflict, match="BANK 2026-12-23 is declared closed already, by kim"):
        declare_overrides(database, BANK, [closed(21), closed(23)])
    database.rollback()
    assert [each.day.day for each in load_overrides(database, "BANK")] == [22, 23]
    assert bank.rows("SELECT verb, detail->>'day' FROM feedfall.journal ORDER BY id") == [
        ("declare", "2026-12-22"),
        ("declare", "2026-12-23"),
    ]


def test_declare__of_two_writers_the_second_waits_and_learns_who_was_first(bank: Bank, database: Connection) -> None:
    declare_overrides(database, BANK, [closed(24, by="first")])
    refused: list[str] = []

    def second() -> None:
        with closing(connect(bank.url, "second")) as other, pytest.raises(Conflict) as found:
            declare_overrides(other, BANK, [closed(24, by="second")])
        refused.append(str(found.value))

    writer = threading.Thread(target=second)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive()  # it waits for what the first will do
    database.commit()
    writer.join(10)
    assert refused
    assert "is declared closed already, by first" in refused[0]


def test_declare__goes_on_where_the_first_writer_took_it_back(bank: Bank, database: Connection) -> None:
    declare_overrides(database, BANK, [closed(24, by="first")])

    def second() -> None:
        with closing(connect(bank.url, "second")) as other:
            declare_overrides(other, BANK, [closed(24, by="second")])
            other.commit()

    writer = threading.Thread(target=second)
    writer.start()
    writer.join(0.3)
    database.rollback()
    writer.join(10)
    assert [each.by for each in load_overrides(database)] == ["second"]


def test_withdraw__and_declare_again_keeps_both_in_the_history(database: Connection) -> None:
    declare_overrides(database, BANK, [closed(24, by="kim")])
    assert withdraw_override(database, "BANK", date(2026, 12, 24), "lee", "a slip").by == "kim"
    declare_overrides(database, BANK, [closed(24, by="lee")])
    database.commit()
    assert [(each.by, until is None) for each, until in load_history(database)] == [("kim", False), ("lee", True)]
    with pytest.raises(NoOverride, match="BANK 2026-12-25 has no override"):
        withdraw_override(database, "BANK", date(2026, 12, 25), "lee", "none there")


def test_overrides__come_back_as_they_went_in(database: Connection) -> None:
    declare_overrides(database, BANK, [closed(24)])
    [found] = load_overrides(database)
    assert found.at
    assert business_day.calendar("BANK", [found]).closure(date(2026, 12, 24)) == business_day.Closure(
        "OVERRIDE", "임시공휴일"
    )


def test_copy__has_an_age_by_the_databases_clock(database: Connection, bank: Bank) -> None:
    assert load_copy(database, "BANK") is None
    for etag in ("one", "two"):
        save_copy(database, "BANK", etag, "text")
    bank.rows("UPDATE feedfall.calendar_copy SET confirmed_at = clock_timestamp() - interval '1 hour'")
    found = load_copy(database, "BANK")
    assert found
    assert (found.etag, found.document, 3600 <= found.age < 3700) == ("two", "text", True)


def test_snapshot__serves_through_an_outage_and_not_for_ever(bank: Bank) -> None:
    now = [0.0]
    with closing(Current(bank.url, business_day.read_own(""), clock=lambda: now[0])) as current:
        _serves_for_a_while(current, now)


def _serves_for_a_while(current: Current, now: list[float]) -> None:
    with pytest.raises(OutOfDate, match="not loaded yet"):
        current.snapshot()
    current.refresh()
    now[0] = SERVE_FOR
    assert current.snapshot().calendar("BANK").version == BANK.version
    now[0] = SERVE_FOR + 1
    with pytest.raises(OutOfDate, match="not read for 301 s"):
        current.snapshot()


def test_service__is_stuck_when_nobody_looks_and_not_in_an_outage(
    bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    with closing(Current(nowhere, business_day.read_own(""), clock=lambda: now[0])) as away:
        now[0] = STUCK_AFTER
        assert not away.stuck
        now[0] = STUCK_AFTER + 1
        assert away.stuck
        with away.follow_database():
            assert not away.stuck
    assert capsys.readouterr().out.count("overrides not read") == 1


def test_snapshot__is_the_same_until_something_was_declared(bank: Bank, database: Connection) -> None:
    with closing(Current(bank.url, business_day.read_own(""))) as current:
        current.refresh()
        first = current.snapshot()
        current.refresh()
        assert current.snapshot() is first
        declare_overrides(database, BANK, [closed(24)])
        database.commit()
        current.refresh()
        assert current.snapshot().calendar("BANK").version != first.calendar("BANK").version
