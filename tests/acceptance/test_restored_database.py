"""The database is restored to a moment before a day's load, as docs/operate.md says: nothing twice, nothing missing."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import psycopg

from bank import Bank, Door, committed
from deep_command import deep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bank import Ended
    from local.partners.ecb import Ecb

DAYS = [date(2026, 10, day) for day in (28, 29, 30)]


def as_superuser(bank: Bank, *statements: str) -> None:
    """In another database of the same server, with nobody in the bank's own."""
    server, name = bank.url.rsplit("/", 1)
    with closing(psycopg.connect(f"{server}/postgres", autocommit=True)) as connection:
        for each in statements:
            connection.execute(each.format(name=name).encode())


def load(door: Door, relay: Callable[..., Ended], days: Sequence[date]) -> None:
    for day in days:
        door("pub", "--feed=fx", f"--base-date={day}")
    assert relay().status == "SUCCEEDED"
    assert door("sub", "--feed=fx").status == "SUCCEEDED"


def test_restored__to_before_a_day_that_was_loaded(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """The lost day is ordered again, too: its answer is known by its id, and the partner is not asked."""
    load(door, relay, DAYS[:1])
    as_superuser(bank, "CREATE DATABASE {name}_backup TEMPLATE {name}")
    load(door, relay, DAYS[1:2])
    rows, asked = bank.rows("SELECT base_date, currency, rate, _offset FROM fx_rate ORDER BY 1, 2"), len(ecb.requests)
    visible = len(committed(bank, bank.topic("fx")))
    as_superuser(bank, "DROP DATABASE {name} WITH (FORCE)", "ALTER DATABASE {name}_backup RENAME TO {name}")
    load(door, relay, DAYS[1:2])
    assert bank.rows("SELECT base_date, currency, rate, _offset FROM fx_rate ORDER BY 1, 2") == rows
    assert (len(ecb.requests), len(committed(bank, bank.topic("fx")))) == (asked, visible)
    load(door, relay, DAYS[2:])
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.value("SELECT count(DISTINCT base_date) FROM fx_rate") == len(DAYS)
    assert bank.broken("fx") == []
    assert deep(bank)["broken"] == []
