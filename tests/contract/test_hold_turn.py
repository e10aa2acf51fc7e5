"""A hold waits for the chunks in flight, and no chunk that begins later passes it: else runs side by side starve it."""

from __future__ import annotations

import threading
from contextlib import closing

from bank import Bank, eventually
from ledger import control
from ledger.database import connect

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def test_hold__is_passed_by_no_chunk_that_begins_later(bank: Bank) -> None:
    """A chunk is in flight, a person holds the feed, another run's chunk begins."""
    found: list[bool] = []

    def hold() -> None:
        with closing(connect(bank.url, "kim")) as person:
            control.hold(person, "fx", "kim", "maintenance")
            person.commit()

    def begin() -> None:
        with closing(connect(bank.url, "later")) as run:
            found.append(control.still_open(run, "fx"))

    bank.rows("INSERT INTO feedfall.feed_control (feed) VALUES ('fx')")
    with closing(connect(bank.url, "first")) as first:
        assert control.still_open(first, "fx")
        threads = [threading.Thread(target=each) for each in (hold, begin)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            eventually(lambda: bank.value(WAITING) == number)  # noqa: B023 -- asked at once
        first.commit()
        for thread in threads:
            thread.join(20)
    assert found == [False]


def test_chunks__of_two_runs_do_not_wait_for_each_other(bank: Bank) -> None:
    with closing(connect(bank.url, "one")) as one, closing(connect(bank.url, "two")) as two:
        assert control.still_open(one, "fx")
        assert control.still_open(two, "fx")


def test_hold__of_another_feed_waits_for_no_chunk_of_this_one(bank: Bank) -> None:
    with closing(connect(bank.url, "one")) as one, closing(connect(bank.url, "kim")) as person:
        assert control.still_open(one, "fx")
        control.hold(person, "gold", "kim", "maintenance")
        person.commit()
