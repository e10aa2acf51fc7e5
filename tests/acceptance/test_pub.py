"""pub: a base date is requested once, by its calendar and its policy."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door, committed, eventually
from catalog import Envelope, Policy, find
from catalog.message import correlation
from ledger import control
from ledger.database import connect
from ledger.key import LeaseKey
from steps.pub import pub
from steps.run import settings
from steps.run.execution import executing
from steps.run.status import Status

if TYPE_CHECKING:
    from catalog import Feed
    from catalog.partner import Request
    from steps.run.execution import Outcome

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
GOOD_FRIDAY = date(2026, 4, 3)


def test_pub__orders_an_open_day_once(bank: Bank, door: Door) -> None:
    bank.create("fx")
    done = door("pub", "--feed=fx", f"--base-date={DAY}")
    assert (done.exit, done.status, done.words["date"]) == (0, "SUCCEEDED", "2026-10-30")
    assert done.counts("ordered", "already", "closed") == [1, 0, 0]
    again = door("pub", "--feed=fx", f"--base-date={DAY}")
    assert (again.exit, again.status) == (0, "ALREADY_DONE")
    assert again.counts("ordered", "already", "closed") == [0, 1, 0]
    [message] = committed(bank, bank.topic("fx", "request"))
    known = correlation("fx", DAY, 1)
    assert json.loads(message.value()) == {"correlation_id": str(known), "base_date": "2026-10-30", "seq": 1}
    assert Envelope.of(message.headers()) == Envelope(known, DAY, 1)
    assert bank.rows("SELECT status, ordered FROM feedfall.request") == [("sent", True)]


def test_pub__a_higher_seq_asks_again_on_purpose(bank: Bank, door: Door) -> None:
    bank.create("fx")
    for seq in (1, 2):
        assert door("pub", "--feed=fx", f"--base-date={DAY}", f"--seq={seq}").status == "SUCCEEDED"
    assert len(committed(bank, bank.topic("fx", "request"))) == 2


@pytest.mark.parametrize(
    ("policy", "status", "ordered"),
    [
        ("", "SKIPPED", []),  # an empty value is no value: the feed's own policy
        ("DoNotOrder", "SKIPPED", []),
        ("OrderOnNextConfirmedDay", "SUCCEEDED", [date(2026, 4, 7)]),  # Easter Monday is closed too
        ("OrderOnPreviousConfirmedDay", "SUCCEEDED", [date(2026, 4, 2)]),
        ("OrderAnyway", "SUCCEEDED", [GOOD_FRIDAY]),
    ],
)
def test_pub__on_a_holiday_follows_the_policy(
    bank: Bank, door: Door, policy: str, status: str, ordered: list[date]
) -> None:
    bank.create("fx")
    done = door("pub", "--feed=fx", "--base-date=2026-04-03", f"--policy={policy}")
    assert (done.exit, done.status) == (0, status)
    assert [day for (day,) in bank.rows("SELECT base_date FROM feedfall.request")] == ordered


def test_pub__skipping_says_why(bank: Bank, door: Door) -> None:
    bank.create("fx")
    done = door("pub", "--feed=fx", "--base-date=2026-04-03")
    assert done.counts("ordered", "already", "closed") == [0, 0, 1]
    assert done.words["reason"] == "2026-04-03 is no business day"


def test_pub__follows_what_a_calendar_file_decides(bank: Bank, door: Door, tmp_path: Path) -> None:
    bank.create("fx")
    file = tmp_path / "own.toml"
    file.write_text('[[override]]\ncalendar = "TARGET"\nday = 2026-10-30\nopen = false\nreason = "drill"\n')
    assert door("pub", "--feed=fx", "--base-date=2026-10-30", FEEDFALL_CALENDARS=str(file)).status == "SKIPPED"
    file.write_text("[[override]]\n")
    wrong = door("pub", "--feed=fx", "--base-date=2026-10-30", FEEDFALL_CALENDARS=str(file))
    assert (wrong.exit, f"{file}: override 1.day: is needed" in wrong.words["reason"]) == (78, True)


@pytest.mark.parametrize("day", ["261030", "20261030"])
def test_pub__reads_control_ms_dates(bank: Bank, door: Door, day: str) -> None:
    bank.create("fx")
    assert door("pub", "--feed=fx", f"--base-date={day}").words["date"] == "2026-10-30"


def test_pub__orders_a_range_and_resumes_it(bank: Bank, door: Door) -> None:
    bank.create("fx")
    door("pub", "--feed=fx", "--base-date=2026-04-08")
    done = door("pub", "--feed=fx", "--from=2026-04-01", "--to=2026-04-10")  # Easter: four of ten days are closed
    assert (done.status, done.words["date"]) == ("SUCCEEDED", "2026-04-01..2026-04-10")
    assert done.counts("ordered", "already", "closed") == [5, 1, 4]
    assert door("pub", "--feed=fx", "--from=2026-04-01", "--to=2026-04-10").status == "ALREADY_DONE"
    assert door("pub", "--feed=fx", "--from=2026-04-03", "--to=2026-04-06").status == "SKIPPED"
    assert len(committed(bank, bank.topic("fx", "request"))) == 6


def test_pub__booked_but_never_sent_is_sent(bank: Bank, door: Door) -> None:
    """A run that died between the booking and Kafka."""
    bank.create("fx")
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    bank.rows("UPDATE feedfall.request SET status = 'new', sent_at = NULL")
    assert door("pub", "--feed=fx", f"--base-date={BEFORE}").counts("ordered", "already") == [1, 0]
    assert bank.rows("SELECT status, sent_at IS NULL FROM feedfall.request") == [("sent", False)]


def test_pub__a_missing_topic_books_nothing(bank: Bank, door: Door) -> None:
    assert door("pub", "--feed=fx", f"--base-date={DAY}").exit == 78
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0


def test_pub__a_hold_in_the_middle_of_a_range_stops_it(bank: Bank) -> None:
    """When `hold` has returned no request is sent any more; what is left is kept, and the next run sends it."""
    bank.create("fx")
    holding = Holding(bank, at=1500)
    first = _publish(bank, holding.feed, 3500)
    holding.thread.join()
    assert (first.status, first.counts["ordered"], first.counts["kept"]) == (Status.HELD, 2000, 1500)
    assert first.reason == f"{HELD_BY_KIM}; 1,500 orders are kept and are sent then"
    assert len(committed(bank, bank.topic("fx", "request"))) == holding.sent_when_held == 2000
    assert bank.value("SELECT count(*) FROM feedfall.request WHERE status = 'sent'") == 2000
    assert _publish(bank, holding.feed, 3500).status is Status.HELD
    bank.rows("UPDATE feedfall.feed_control SET held_at = NULL, held_by = NULL, held_reason = NULL")
    again = _publish(bank, holding.feed, 3500)
    assert (again.status, again.counts["ordered"], again.counts["already"]) == (Status.SUCCEEDED, 1500, 2000)
    assert len(committed(bank, bank.topic("fx", "request"))) == 3500


HELD_BY_KIM = "held by kim: the partner moves house; `feedfall free` lifts it"


class Holding:
    """fx, whose request number `at` is being sent while a person holds the feed."""

    def __init__(self, bank: Bank, at: int) -> None:
        self._bank, self._at, self._written = bank, at, 0
        self.feed = replace(find.load("fx", ("feeds",)), request=self._request)
        self.thread = threading.Thread(target=self._hold)
        self.sent_when_held = 0

    def _request(self, each: Request) -> bytes:
        self._written += 1
        if self._written == self._at:
            self.thread.start()
            eventually(lambda: not self.thread.is_alive() or self._waits_for_a_lock())
        return each.base_date.isoformat().encode()

    def _hold(self) -> None:
        with closing(connect(self._bank.url, "hold in the middle")) as connection:
            control.hold(connection, "fx", "kim", "the partner moves house")
            connection.commit()
        self.sent_when_held = len(committed(self._bank, self._bank.topic("fx", "request")))

    def _waits_for_a_lock(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
        return bool(self._bank.value(query, "hold in the middle"))


def _publish(bank: Bank, feed: Feed, days: int) -> Outcome:
    span = [DAY - timedelta(days=each) for each in range(days)]
    environment = settings.read({**bank.environ, "DATABASE_URL": bank.pod_url})
    with executing(environment, LeaseKey("fx", "pub"), threading.Event()) as execution:
        execution.outcome = pub(execution, feed, span, 1, Policy.ANYWAY)
        return execution.outcome
