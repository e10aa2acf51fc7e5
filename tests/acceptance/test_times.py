"""Times that no calendar has, its last millisecond, and a database that writes dates in another style."""

from __future__ import annotations

from contextlib import closing
from datetime import date

import pytest

from bank import PACKAGES, Bank, Door
from catalog import find
from ledger import quarantine, rows
from ledger.database import connect
from ticks import tick

DAY = date(2026, 10, 30)


@pytest.mark.parametrize("milliseconds", [1, 2**53, 2**62])  # 1970, the year 287,396, and beyond
def test_time__that_no_calendar_has_is_no_fault_of_the_row(bank: Bank, door: Door, milliseconds: int) -> None:
    bank.create("tick", partitions=1, **{"message.timestamp.after.max.ms": str(2**63 - 1)})
    for value in (tick(), b"not json"):
        bank.send(bank.topic("tick"), value, timestamp=milliseconds)
    done = door("sub", "--feed=tick")
    assert (done.exit, done.counts("loaded", "quarantined")) == (0, [1, 1])
    assert bank.broken("tick") == []


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_database__of_another_date_style_is_read_as_any(bank: Bank, door: Door, style: str) -> None:
    bank.rows(f"ALTER DATABASE {bank.url.rsplit('/', 1)[1]} SET datestyle = '{style}'")
    bank.create("latest", partitions=1)
    for price in ("1", "2", "?"):
        bank.respond("latest", [{"symbol": "A", "base_date": f"{DAY}", "price": price}], DAY)
    assert door("sub", "--feed=latest").counts("loaded", "superseded", "quarantined") == [1, 1, 1]
    with closing(connect(bank.url, "test")) as connection:
        [row] = rows.newest(connection, find.load("latest", PACKAGES), 1)
        [entry] = quarantine.entries(connection, "latest")
    assert (row[1], entry.at.tzinfo is not None) == (DAY, True)
    assert door("verify", "--feed=latest").status == "SUCCEEDED"


def test_time__of_the_last_millisecond_of_9999_is_read_from_the_ledger(bank: Bank, door: Door) -> None:
    """The end of what a calendar has, in UTC; whoever shows it elsewhere has to look."""
    bank.create("latest", partitions=1, **{"message.timestamp.after.max.ms": str(2**63 - 1)})
    for value in (b'{"symbol": "A", "base_date": "2026-10-30", "price": "1"}', b"?"):
        bank.send(bank.topic("latest"), value, timestamp=2**53)
    assert door("sub", "--feed=latest").counts("loaded", "quarantined") == [1, 1]
    with closing(connect(bank.url, "test")) as connection:
        [row] = rows.newest(connection, find.load("latest", PACKAGES), 1)
        [entry] = quarantine.entries(connection, "latest")
    assert [row[3].year, entry.sent_at and entry.sent_at.year] == [9999, 9999]
