"""A redrive while another session is at work, and one that is killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from bank import ROOT, Bank, Door, eventually
from quarantine_command import WHY, command, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

GATE = 4712


@pytest.fixture
def stuck(bank: Bank, door: Door) -> Iterator[psycopg.Connection]:
    """Five bad rows of tick; who writes a row of volume 500 stands still until this connection lets go."""
    bank.create("tick", partitions=1)
    for _ in range(5):
        bank.send(bank.topic("tick"), b"?")
    door("sub", "--feed=tick")
    bank.rows(
        f"""CREATE FUNCTION stick() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$ BEGIN
            IF NEW.volume = 500 THEN PERFORM pg_advisory_xact_lock({GATE}); END IF; RETURN NEW; END $$"""
    )
    bank.rows("CREATE TRIGGER stick BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION stick()")
    with psycopg.connect(bank.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield connection


# `lock_timeout = 0` above: who stands still does so for as long as the test takes, on a slow machine too.


def start(bank: Bank, *words: str, **environ: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", *words], env=bank.environment(**environ), stdout=pipe, stderr=pipe, text=True, cwd=ROOT
    )


@contextmanager
def standing_still(bank: Bank, process: Sequence[str], **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A process that stands in the middle of its transaction."""
    started = start(bank, *process, **environ)
    try:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        eventually(lambda: bank.value(waiting) == 1)
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture
def mended(stuck: psycopg.Connection, bank: Bank, tmp_path: Path) -> list[str]:
    """The words that redrive all five rows; the third stands still."""
    found = listed(bank, "tick")
    for entry in found:
        volume = 500 if entry["offset"] == 2 else entry["offset"]
        entry["value"] = json.dumps({"symbol": "A", "price": "1", "volume": volume, "note": None})
    (tmp_path / "rows.json").write_text(json.dumps(found))
    return ["redrive", "tick", f"--fixed={tmp_path / 'rows.json'}", *WHY]


def test_redrive__while_a_drain_runs_is_busy(bank: Bank, stuck: psycopg.Connection, mended: list[str]) -> None:
    bank.respond("tick", [{"symbol": "A", "price": "1", "volume": 500, "note": None}])
    with standing_still(bank, ["steps", "sub", "--feed=tick"]) as pod:
        done = command(bank, *mended)
        assert (done.returncode, "BUSY: by-hand holds the lease for" in done.stderr) == (77, True)
        stuck.execute("SELECT pg_advisory_unlock_all()")
        pod.wait(30)
    assert command(bank, *mended).returncode == 0
    assert bank.value("SELECT count(*) FROM tick") == 6
    assert bank.broken("tick") == []


def test_redrive__keeps_a_drain_out_and_a_second_redrive(
    bank: Bank, stuck: psycopg.Connection, mended: list[str], door: Door
) -> None:
    with standing_still(bank, ["cli", "quarantine", *mended]) as first:
        assert door("sub", "--feed=tick").status == "BUSY"
        assert command(bank, *mended).returncode == 77
        stuck.execute("SELECT pg_advisory_unlock_all()")
        assert first.wait(120) == 0
    assert bank.value("SELECT count(*) FROM tick") == 5
    assert bank.broken("tick") == []


@pytest.mark.parametrize("let_go_first", [True, False])
def test_redrive__killed_in_the_middle_leaves_nothing_and_runs_again(
    bank: Bank,
    stuck: psycopg.Connection,
    mended: list[str],
    let_go_first: bool,  # noqa: FBT001 -- a table
) -> None:
    """Also while the dead one's session still stands in its transaction: the taker ends it."""
    with standing_still(bank, ["cli", "quarantine", *mended], FEEDFALL_LEASE_SECONDS="1") as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        if let_go_first:
            stuck.execute("SELECT pg_advisory_unlock_all()")
        assert bank.value("SELECT count(*) FROM feedfall.quarantine WHERE settled_as IS NULL") == 5
        assert bank.value("SELECT count(*) FROM tick") == 0
        time.sleep(1.1)
        if let_go_first:
            assert command(bank, *mended).returncode == 0
        else:
            with standing_still_again(bank, mended, stuck) as second:
                assert second.wait(30) == 0
    assert bank.value("SELECT count(*) FROM tick") == 5
    assert bank.broken("tick") == []
    assert bank.rows("SELECT status FROM feedfall.run WHERE stage = 'redrive' ORDER BY id") == [
        ("LOST",),
        ("SUCCEEDED",),
    ]


@contextmanager
def standing_still_again(
    bank: Bank, words: Sequence[str], stuck: psycopg.Connection
) -> Iterator[subprocess.Popen[str]]:
    """A second process reaches the same place only when the first one's session is gone; then it may pass."""
    waiting = "SELECT array_agg(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    dead = bank.value(waiting)
    second = start(bank, "cli", "quarantine", *words)
    try:
        eventually(lambda: bank.value(waiting) not in (dead, None))
        stuck.execute("SELECT pg_advisory_unlock_all()")
        yield second
    finally:
        second.kill()
        second.communicate()


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05])
def test_redrive__killed_between_its_transactions_goes_on_from_there(bank: Bank, door: Door, seconds: float) -> None:
    """5,000 rows are ten transactions; wherever the kill falls, each is there completely or not at all."""
    bank.create("latest", partitions=1)
    rows = [{"symbol": f"S{n}", "base_date": "2999-01-02", "price": "1"} for n in range(5000)]
    bank.respond("latest", rows)
    assert door("sub", "--feed=latest").counts("deferred") == [5000]
    words = ["redrive", "latest", "--all", "--fate=deferred", *WHY]
    settled = "SELECT count(*) FROM feedfall.quarantine WHERE settled_as = 'loaded'"
    first = start(bank, "cli", "quarantine", *words, FEEDFALL_LEASE_SECONDS="0.5")
    eventually(lambda: bank.value(settled) > 0)
    time.sleep(seconds)
    first.kill()
    first.communicate()
    time.sleep(0.6)
    done = bank.value(settled)
    assert 0 < done < 5000
    assert done % 500 == 0
    assert bank.value("SELECT count(*) FROM latest") == done
    assert bank.broken("latest") == []
    assert command(bank, *words).returncode == 0
    assert bank.value("SELECT count(*) FROM latest") == 5000
    assert bank.broken("latest") == []
