"""Newer wins, whatever the order in which quarantined rows are loaded: a property, on a real PostgreSQL."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank import PACKAGES, Bank, Door
from catalog import find
from ledger import quarantine, rows
from ledger.database import check, connect
from ledger.errors import Misconfigured
from ledger.merge import ReloadResult

LATEST = find.load("latest", PACKAGES)
TABLE, LINE = rows.Table(LATEST), rows.line_of(LATEST)
AT = "2026-10-30T12:00:00+00:00"

#: (day of the base date, seq) of one message each; its place in the list is its offset.
MESSAGES = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=MESSAGES, shuffled=st.randoms(use_true_random=False), batch=st.integers(1, 4))
def test_reload__in_any_order_and_batches_the_newest_row_is_left(
    bank: Bank, messages: list[tuple[int, int]], shuffled: object, batch: int
) -> None:
    """By base date, then seq, then offset. Each row has its fate in the result: loaded less replaced is there."""
    order = list(enumerate(messages))
    shuffled.shuffle(order)  # type: ignore[attr-defined] # hypothesis' own Random
    with closing(psycopg.connect(bank.url)) as connection:
        connection.execute("SELECT")  # a transaction begins
        fates: list[tuple[str, int | None]] = []
        for start in range(0, len(order), batch):
            lines = [
                LINE % (1, offset, 0, f"{AT}\t{seq}\t7", "A", f"2026-10-{day:02}", offset + 1)
                for offset, (day, seq) in order[start : start + batch]
            ]
            fates += rows.reload(connection, TABLE, lines).each.values()
        [(offset,)] = connection.execute("SELECT _offset FROM latest").fetchall()
        connection.rollback()
    day, seq, newest = max((day, seq, offset) for offset, (day, seq) in enumerate(messages))
    assert (offset, len(fates)) == (newest, len(messages)), (day, seq)
    assert sum(fate == "loaded" for fate, _ in fates) - sum(run is not None for _, run in fates) == 1


def test_reload__names_each_row_that_the_database_refuses(bank: Bank) -> None:
    bank.rows("ALTER TABLE latest ADD CHECK (price <> 13)")
    lines = [LINE % (1, n, 0, f"{AT}\t0\t7", f"S{n}", "2026-10-30", 13 if n in (2, 5) else 1) for n in range(7)]
    with closing(psycopg.connect(bank.url)) as connection:
        done = rows.reload(connection, TABLE, lines)
        assert [(each.offset, each.row) for each in done.refused] == [(2, 0), (5, 0)]
        assert set(done.each) == {(1, n, 0) for n in (0, 1, 3, 4, 6)}


def test_reload__of_nothing_does_nothing(bank: Bank) -> None:
    with closing(psycopg.connect(bank.url)) as connection:
        assert rows.reload(connection, TABLE, []) == ReloadResult()


def test_batches__end_by_rows_or_by_bytes_and_lose_none(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    sizes = [10, 10, 10, 10, 70, 100, 10]
    for size in sizes:
        bank.send(bank.topic("tick"), b"?" * size)
    door("sub", "--feed=tick")
    with closing(connect(bank.url, "test")) as connection:
        [keys] = quarantine.fetch_unresolved(connection, "tick", "quarantined").values()
        found = [[offset for _, offset, _ in each] for each in quarantine.batches(connection, keys, 3, 80)]
        assert list(quarantine.batches(connection, [], 3, 80)) == []
    assert found == [[0, 1, 2], [3, 4], [5], [6]]  # three rows; 80 bytes; one that is larger stands alone; the rest


def test_schema__serves_the_code_since_partitions_have_the_leases(bank: Bank) -> None:
    """Pods of code 8 go on draining while this one is rolled out; those before it share a topic out otherwise."""
    with closing(connect(bank.url, "test")) as connection:
        check(connection, code=8)
        with pytest.raises(Misconfigured, match=r"code \(7\) is older than the schema serves \(8\)"):
            check(connection, code=7)
