"""Promise: a request that has no answer yet waits for its own time, and for nothing else waits."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import stamina

from bank import Bank, Door, committed, eventually, hasten
from catalog import Envelope, find
from catalog.message import correlation
from local.partners.server import serve_simulator
from steps.relay import relay as relay_stage
from steps.run.exits import Transient
from steps.sweep import due
from sweeps import at, feedfall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bank import Ended
    from local.partners.ecb import Ecb
    from sweeps import Sweeps

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
FX = find.load("fx", ("feeds",))


@pytest.fixture
def clock(bank: Bank, ecb: Ecb, sweeps: Sweeps) -> Iterator[Clock]:
    with serve_simulator(ecb) as url, stamina.set_testing(True, attempts=4):
        yield Clock(bank, sweeps, url)


class Clock:
    """relay and the sweep's look at any time of any day."""

    def __init__(self, bank: Bank, sweeps: Sweeps, url: str) -> None:
        self._bank, self._sweeps, self.url = bank, sweeps, url
        sweeps.told["FEEDFALL_PARTNER_URL_ECB"] = url

    def starts(self, now: datetime) -> list[str]:
        """What the sweep would start."""
        with self._sweeps.execution(now) as execution:
            return [f"{each.key.stage}: {each.lag} {each.what}" for each in due(execution, [FX])]

    def relay(self, now: datetime) -> dict[str, object]:
        with self._sweeps.execution(now) as execution:
            outcome = relay_stage(execution, FX)
            execution.outcome = outcome
            return {**outcome.counts, "status": str(outcome.status), "exit": int(outcome.exit), "why": outcome.reason}

    def retry_at(self) -> datetime:
        found: datetime = self._bank.value("SELECT min(retry_at) FROM feedfall.request WHERE answered_at IS NULL")
        return found


# -- one does not hold up others --


def test_deferred__the_others_are_answered_and_it_is_sent_again_at_its_time(
    bank: Bank, door: Door, clock: Clock, ecb: Ecb
) -> None:
    """At 16:30 the 30th is late. It is requested first, then the 29th, which is there."""
    ecb.published = BEFORE
    for day in (DAY, BEFORE):
        door("pub", "--feed=fx", f"--base-date={day}")
    done = clock.relay(at(16, 30))
    assert [done[name] for name in ("read", "loaded", "deferred", "lag", "exit")] == [2, 1, 1, 0, 0]
    assert done["why"] == (
        "deferred 1, the first until 2026-10-30 16:31:00 CET: TARGET is open on 2026-10-30, but the newest fixing "
        "served is of 2026-10-29; due by 17:00 Europe/Brussels"
    )
    assert {Envelope.of(each.headers()).base_date for each in committed(bank, bank.topic("fx"))} == {BEFORE}
    assert [each[:5] for each in clock.starts(at(16, 30))] == ["sub: "]  # not before its time
    assert clock.starts(at(16, 31))[1:] == ["relay: 1 deferred requests due"]
    done = clock.relay(at(16, 31))  # still not there
    assert [done[name] for name in ("read", "loaded", "deferred", "retried")] == [1, 0, 1, 1]
    ecb.published = None
    assert clock.retry_at() >= at(16, 32)
    done = clock.relay(clock.retry_at())
    assert [done[name] for name in ("read", "loaded", "deferred", "retried")] == [1, 1, 0, 1]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_deferred__nothing_at_the_due_time_is_an_answer_that_a_person_sees(
    bank: Bank, door: Door, clock: Clock, ecb: Ecb
) -> None:
    ecb.published = BEFORE
    door("pub", "--feed=fx", f"--base-date={DAY}")
    now, runs = at(16), 0
    while now < at(17):
        done = clock.relay(now)
        now, runs = clock.retry_at(), runs + 1
        assert (done["exit"], done["deferred"]) == (0, 1)
    assert (now, runs < 10) == (at(17), True)
    done = clock.relay(now)
    assert (done["exit"], done["loaded"]) == (69, 1)
    door("sub", "--feed=fx")
    assert bank.value("SELECT status FROM feedfall.request") == "empty"
    assert bank.broken("fx") == []


def test_deferred__the_same_request_again_waits_too(bank: Bank, door: Door, clock: Clock, ecb: Ecb) -> None:
    """pub died between confirm and mark: its repetition must not go round the pause."""
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert clock.relay(at(12))["deferred"] == 1
    bank.rows("UPDATE feedfall.request SET sent_at = NULL")
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    done = clock.relay(at(12))
    assert [done[name] for name in ("read", "duplicate", "deferred", "retried")] == [1, 1, 0, 0]
    assert len(ecb.requests) == 4
    assert bank.value("SELECT status FROM feedfall.request") == "sent"
    assert bank.broken("fx") == []


def test_deferred__a_strangers_request_is_rebuilt_from_the_ledger(
    bank: Bank, door: Door, clock: Clock, ecb: Ecb
) -> None:
    """Never recorded by our pub; with a seq and a correlation id of its own."""
    known = correlation("another's name", BEFORE, 7)
    ecb.failures = [503] * 4
    bank.send(bank.topic("fx", "request"), b"{}", headers=Envelope(known, BEFORE, 7).headers())
    assert clock.relay(at(12))["deferred"] == 1
    assert clock.relay(clock.retry_at())["loaded"] == 1
    told = Envelope.of(committed(bank, bank.topic("fx"))[0].headers())
    assert (told.correlation_id, told.base_date, told.seq) == (known, BEFORE, 7)
    door("sub", "--feed=fx")
    assert bank.broken("fx") == []


def test_deferred__an_id_of_another_feed_is_no_request(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    """It could be neither answered nor deferred: the ledger's row is another feed's."""
    known = correlation("fx", DAY, 1)
    bank.rows(
        "INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status)"
        " VALUES (%s, 'tick', '2026-10-30', 1, true, 'sent')",
        known,
    )
    bank.send(bank.topic("fx", "request"), b"{}", headers=Envelope(known, DAY, 1).headers())
    assert relay().counts("read", "quarantined") == [1, 1]
    reason = bank.value("SELECT reason FROM feedfall.quarantine")
    assert reason == "not a request: its correlation id belongs to a request of feed tick"
    assert bank.broken("fx") == []


# -- a partner that is away --


def test_away__costs_a_few_runs_and_no_workflow_a_minute(bank: Bank, door: Door, clock: Clock, ecb: Ecb) -> None:
    """Two hours without the partner, the sweep looking once a minute: then it is back, and all are answered once."""
    ecb.failures = [503] * 100_000
    door("pub", "--feed=fx", "--from=2026-10-01", "--to=2026-10-29")
    runs = 0
    with stamina.set_testing(True, attempts=1):
        for minute in range(2 * 60):
            now = at(9) + timedelta(minutes=minute)
            if clock.starts(now):
                done, runs = clock.relay(now), runs + 1
                assert (done["exit"], done["status"], done["deferred"]) == (0, "SUCCEEDED", 21)
    assert 3 < runs <= 7 + 2 * 2  # the short pauses, then one each half hour
    ecb.failures = []
    assert clock.relay(at(12))["loaded"] == 21
    assert [each[:5] for each in clock.starts(at(12))] == ["sub: "]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status, count(*) FROM feedfall.request GROUP BY 1") == [("complete", 21)]
    assert bank.broken("fx") == []


def test_away__for_three_days_is_a_refusal_that_a_person_sees(bank: Bank, door: Door, clock: Clock, ecb: Ecb) -> None:
    ecb.failures = [503] * 100_000
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert clock.relay(at(18))["deferred"] == 1
    assert clock.relay(at(17, day=date(2026, 11, 2)))["deferred"] == 1
    done = clock.relay(at(18, 30, day=date(2026, 11, 2)))
    assert (done["exit"], done["loaded"], done["deferred"]) == (69, 1, 0)
    assert "given up after 3 tries in 3 days or more: the partner answered 503 4 times" in str(done["why"])
    door("sub", "--feed=fx")
    assert bank.value("SELECT status FROM feedfall.request") == "refused"
    assert clock.starts(at(23, day=date(2026, 11, 20))) == []
    assert bank.broken("fx") == []


def test_quota__all_requests_wait_and_come_together(bank: Bank, door: Door, clock: Clock, ecb: Ecb) -> None:
    ecb.failures, ecb.retry_after = [429] * 4, "3600"  # as many as are sent at once
    door("pub", "--feed=fx", "--from=2026-10-26", "--to=2026-10-29")
    now = datetime.now(UTC)
    assert clock.relay(now)["deferred"] == 4
    door("pub", "--feed=fx", "--from=2026-10-21", "--to=2026-10-23")
    assert clock.starts(now + timedelta(minutes=30)) == []
    assert clock.relay(now + timedelta(minutes=30))["status"] == "WAITING"
    ecb.failures = []
    later = bank.value("SELECT wait_until FROM feedfall.feed_control")
    done = clock.relay(later)
    assert [done[name] for name in ("read", "loaded", "retried", "lag")] == [7, 7, 4, 0]
    assert bank.broken("fx") == []


def test_quota__of_a_partner_who_says_no_time_is_no_loop(bank: Bank, door: Door, clock: Clock, ecb: Ecb) -> None:
    ecb.failures, ecb.retry_after = [429] * 100, "0"
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    now = datetime.now(UTC)
    pauses = []
    for _ in range(6):
        clock.relay(now)
        pauses.append(clock.retry_at() - now)
        now = clock.retry_at()
    assert pauses[-1] >= timedelta(minutes=15)


# -- people --


def test_people__see_until_when_and_why(bank: Bank, door: Door, clock: Clock, sweeps: Sweeps, ecb: Ecb) -> None:
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={DAY}")
    clock.relay(at(16, 50))
    bank.rows("UPDATE feedfall.request SET sent_at = sent_at - interval '1 day'")
    with pytest.raises(Transient):  # relay is to be started, and there is no Argo here
        sweeps(at(17))
    assert "and is not answered; deferred until 2026-10-30 16:51 CET: the partner answered 503 4 times" in sweeps.log
    assert re.search(r"OVERDUE fx 2026-10-30 seq 1: sent .* no answer; deferred until 2026-10-30 .*503 4", sweeps.log)
    assert "1 requests are deferred, the first until 2026-10-" in feedfall(bank, "verify", "fx")
    assert door("verify", "--feed=fx").counts("deferred", "broken") == [1, 0]


def test_people__free_a_feed_and_all_are_sent_at_once(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures, ecb.retry_after = [429], "3600"
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    assert relay().status == "WAITING"
    assert "fx is free" in feedfall(bank, "free", "fx", "--reason=they raised it", "--by=kim")
    assert relay().counts("loaded", "retried") == [1, 1]


def test_hold__nothing_deferred_is_sent(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    hasten(bank)
    feedfall(bank, "hold", "fx", "--reason=maintenance", "--by=kim")
    assert (relay().status, len(ecb.requests)) == ("HELD", 4)


def test_killed__requests_that_kill_each_run_block_the_feed(bank: Bank, door: Door, clock: Clock, ecb: Ecb) -> None:
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    clock.relay(at(12))
    ecb.delay = 60
    for _ in range(FX.max_lost):
        asked = len(ecb.requests)
        pod = bank.start("relay", "--feed=fx", WORKFLOW_UID="the same", FEEDFALL_PARTNER_URL_ECB=clock.url)
        eventually(lambda asked=asked: len(ecb.requests) > asked, 30)
        pod.kill()
        pod.communicate()
    bank.rows("UPDATE feedfall.run SET expires_at = clock_timestamp() WHERE expires_at IS NOT NULL")
    done = door("relay", "--feed=fx", FEEDFALL_PARTNER_URL_ECB=clock.url)
    assert (done.exit, "3 runs in a row were killed before they answered" in done.words["reason"]) == (78, True)
    assert clock.starts(at(18)) == []
