"""Frozen in mid-COPY: the successor waits no longer than the lease, ends the zombie's session, and it is refused."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg

from bank import Bank, ended

if TYPE_CHECKING:
    import subprocess

GATE, LEASE = 4711, 1.0
ROWS = [{"symbol": f"S{number}", "price": "1", "volume": number, "note": None} for number in range(1000)]
STICK = """CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.volume = 500 THEN PERFORM pg_advisory_xact_lock(4711); END IF; RETURN NEW; END $$"""
IN_COPY = "SELECT array_agg(pid) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%COPY%'"


def test_frozen_in_mid_copy__costs_one_lease_and_the_zombie_is_refused(bank: Bank) -> None:
    """Two real processes. The gate stops the first one's COPY at row 500 and stays shut until its session is ended."""
    bank.create("tick", partitions=1)
    bank.rows(STICK)
    bank.rows("CREATE TRIGGER stick BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION stick()")
    bank.respond("tick", ROWS)
    with psycopg.connect(bank.url, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        zombie = bank.start("sub", "--feed=tick", FEEDFALL_LEASE_SECONDS=str(LEASE))
        session = _until(lambda: bank.value(IN_COPY))
        os.kill(zombie.pid, signal.SIGSTOP)
        frozen = time.monotonic()
        successor, starts = _take_over(bank, session)
        waited = time.monotonic() - frozen
        gate.execute("SELECT pg_advisory_unlock_all()")
        done = ended(*_end(successor))
    recorded = time.monotonic() - frozen
    time.sleep(max(0.0, 3 * LEASE - recorded))
    before = bank.rows("SELECT count(*), sum(_run) FROM tick")
    os.kill(zombie.pid, signal.SIGCONT)
    refused = ended(*_end(zombie))
    print(f"\nlease {LEASE} s; its session ended {waited:.2f} s after it (start {starts}), loaded {recorded:.2f} s")
    print(f"{done.status}; the zombie, thawed after {3 * LEASE} s: exit {refused.exit}, {refused.words['reason'][:60]}")
    assert done.status == "SUCCEEDED"
    assert waited < LEASE + 3.0  # a renewal just before the freeze, and an interpreter's start on a busy machine
    assert refused.exit == 75
    assert bank.rows("SELECT count(*), sum(_run) FROM tick") == before
    assert bank.rows("SELECT count(*), count(DISTINCT volume), count(DISTINCT _offset) FROM tick") == [
        (1000, 1000, 1000)
    ]
    assert bank.broken("tick") == []


def _take_over(bank: Bank, session: list[int]) -> tuple[subprocess.Popen[str], int]:
    """Doorbells, one after the other, until one has ended the zombie's session; that one still runs, at the gate."""
    for number in range(1, 50):
        pod = bank.start("sub", "--feed=tick", FEEDFALL_LEASE_SECONDS=str(LEASE))
        while pod.poll() is None:
            if bank.value(IN_COPY) not in (session, None):
                return pod, number
            time.sleep(0.01)
        assert ended(*_end(pod)).status == "BUSY"
    raise AssertionError("no run took over")


def _end(pod: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = pod.communicate(timeout=30)
    return pod.returncode, out, err


def _until(look: callable) -> list[int]:
    deadline = time.monotonic() + 15
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found
