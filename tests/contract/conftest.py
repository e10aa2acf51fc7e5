"""A connection to the ledger, a feed that has run, and hands of each role upon its database."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.database import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bank import Bank, Door
    from ledger.database import Connection

DAY = "2026-10-30"
RATES = [{"base_date": DAY, "currency": each, "rate": "1"} for each in ("USD", "JPY")]


@pytest.fixture
def database(bank: Bank) -> Iterator[Connection]:
    with closing(connect(bank.url, "test")) as connection:
        yield connection


@pytest.fixture
def used(bank: Bank, door: Door) -> Bank:
    """A feed that has run: rows, two entries of quarantine, an order, a batch, a block, a line in the journal."""
    bank.create("fx", partitions=1)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    bank.respond("fx", [*RATES, {"base_date": DAY, "currency": "KRW", "rate": "N.A."}])
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [2, 1]
    bank.rows(
        'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, until, headers)'
        " SELECT source, \"offset\", 7, run, 'deferred', 'closed', '2026-11-01', '{}' FROM feedfall.quarantine"
    )
    bank.rows(
        "INSERT INTO feedfall.batch (feed, run, transactional_id, topic, topic_id, ends, ids, answered,"
        " closed_at, closed_by) SELECT 'fx', run, 'x', 't', 'i', '{0}', '{}', '{}', now(), run FROM feedfall.span"
    )
    bank.rows("UPDATE feedfall.feed_control SET blocked_at = now(), blocked_code = 78, blocked_reason = 'a fault'")
    bank.rows("INSERT INTO feedfall.journal (who, verb, feed, reason) VALUES ('kim', 'hold', 'fx', 'a test')")
    return bank


def refused(bank: Bank, role: str, table: Mapping[str, str]) -> list[str]:
    """Which of these acts the database did not refuse."""
    done = []
    for what, statement in table.items():
        try:
            bank.act(role, statement)
        except psycopg.errors.InsufficientPrivilege:
            continue
        except psycopg.Error as error:
            done.append(f"{what}: {error}")
        else:
            done.append(what)
    return done
