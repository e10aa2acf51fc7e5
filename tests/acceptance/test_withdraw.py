"""Promise: a request that is withdrawn is not asked for, and an answer that comes all the same is loaded."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest
import stamina
from typer.testing import CliRunner, Result

from bank import Bank, Door, as_role, committed, eventually, hasten
from cli.__main__ import app
from ledger import request
from ledger.database import connect
from ledger.rights import Roles
from local.partners.server import serve_simulator
from sweeps import at

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Ended
    from local.partners.ecb import Ecb
    from sweeps import Sweeps

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
WHY = ("--reason=asked twice", "--by=kim")


def feedfall(bank: Bank, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env=bank.environ, catch_exceptions=False)


def withdraw(bank: Bank, day: date = DAY, *more: str) -> list[bool]:
    """Which of the date's requests were withdrawn now."""
    done = feedfall(bank, "withdraw", "fx", f"--date={day}", *WHY, *more, "--json")
    return [each["now"] for each in json.loads(done.stdout)]


def states(bank: Bank) -> list[tuple[int, str]]:
    return bank.rows("SELECT seq, status FROM feedfall.request ORDER BY seq")


def test_withdraw__what_is_in_kafka_is_not_asked_for(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert withdraw(bank) == [True]
    assert withdraw(bank) == [False]  # again
    done = relay()
    assert (done.exit, done.counts("read", "loaded", "superseded"), ecb.requests) == (0, [1, 0, 1], [])
    assert (states(bank), committed(bank, bank.topic("fx"))) == ([(1, "withdrawn")], [])
    assert bank.broken("fx") == []
    assert bank.rows("SELECT who, verb, detail->>'base_date', detail->>'seq' FROM feedfall.journal") == [
        ("kim", "withdraw", "2026-10-30", "1")
    ]
    assert "1 requests were withdrawn." in feedfall(bank, "verify", "fx").stdout


def test_withdraw__what_is_kept_during_a_hold_is_never_sent(bank: Bank, door: Door) -> None:
    bank.create("fx")
    feedfall(bank, "hold", "fx", *WHY)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert withdraw(bank) == [True]
    assert feedfall(bank, "free", "fx", *WHY).stdout.splitlines()[-1] == "fx is free."
    done = door("pub", "--feed=fx", f"--base-date={DAY}")
    assert (done.exit, done.status, done.counts("ordered", "withdrawn")) == (0, "WITHDRAWN", [0, 1])
    assert committed(bank, bank.topic("fx", "request")) == []


def test_withdraw__what_is_deferred_is_not_sent_again(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, sweeps_of: Callable[[], list[str]]
) -> None:
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert relay().counts("deferred") == [1]
    assert withdraw(bank) == [True]
    hasten(bank)
    assert sweeps_of() == []
    assert (relay().counts("retried"), len(ecb.requests)) == ([0], 4)
    assert bank.broken("fx") == []


@pytest.fixture
def sweeps_of(bank: Bank) -> Callable[[], list[str]]:
    def overdue() -> list[str]:
        """What still waits, in the eyes of the sweep."""
        bank.rows("UPDATE feedfall.request SET sent_at = now() - interval '2 h'")
        with closing(connect(bank.url, "test")) as connection:
            late = [each.feed for each in request.fetch_overdue(connection, 1800)]
            return [*late, *request.fetch_due_feeds(connection, datetime.now(UTC))]

    return overdue


def test_withdraw__a_rerun_asks_under_the_next_seq(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    withdraw(bank)
    door("pub", "--feed=fx", f"--base-date={DAY}", "--seq=2")
    assert relay().counts("loaded", "superseded") == [1, 1]
    door("sub", "--feed=fx")
    assert states(bank) == [(1, "withdrawn"), (2, "complete")]
    assert bank.broken("fx") == []


def test_withdraw__while_the_partner_has_it_is_overtaken_and_said(bank: Bank, door: Door, ecb: Ecb) -> None:
    """Rows that come are rows: nothing is dropped."""
    bank.create("fx")
    door("pub", "--feed=fx", f"--base-date={DAY}")
    ecb.delay = 2
    with serve_simulator(ecb) as url, stamina.set_testing(True, attempts=4):
        run = bank.start("relay", "--feed=fx", FEEDFALL_PARTNER_URL_ECB=url)
        eventually(lambda: bool(ecb.requests))
        assert withdraw(bank) == [True]
        stdout, _ = run.communicate(timeout=60)
    assert "1 withdrawn requests were at the partner's, and are answered" in stdout
    door("sub", "--feed=fx")
    assert states(bank) == [(1, "complete")]
    assert bank.value("SELECT count(*) FROM fx_rate") > 0
    assert bank.broken("fx") == []
    again = feedfall(bank, "withdraw", "fx", f"--date={DAY}", *WHY)
    assert (again.exit_code, "already withdrawn by kim; its answer came all the same" in again.stdout) == (0, True)
    assert "1 requests were withdrawn, and 1 of them answered" in feedfall(bank, "verify", "fx").stdout


def test_withdraw__while_relay_asks_for_others_it_is_not_asked_for(bank: Bank, door: Door, ecb: Ecb) -> None:
    """It was read from the topic before: the run looks again while others are at the partner's."""
    bank.create("fx", partitions=1)
    for number in range(1, 30):
        door("pub", "--feed=fx", f"--base-date={BEFORE}", f"--seq={number}")
    door("pub", "--feed=fx", f"--base-date={DAY}")
    ecb.delay = 0.7
    with serve_simulator(ecb) as url, stamina.set_testing(True, attempts=4):
        run = bank.start("relay", "--feed=fx", FEEDFALL_PARTNER_URL_ECB=url)
        eventually(lambda: bool(ecb.requests))
        assert withdraw(bank) == [True]
        stdout, _ = run.communicate(timeout=60)
    assert "read=30 loaded=29 deferred=0 superseded=1 " in stdout
    assert bank.value("SELECT status FROM feedfall.request WHERE base_date = %s", DAY) == "withdrawn"


def test_withdraw__what_is_answered_stays(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    relay()
    done = feedfall(bank, "withdraw", "fx", f"--date={DAY}", *WHY)
    assert (done.exit_code, "it is answered: its rows stay" in done.stdout) == (77, True)
    assert states(bank) == [(1, "answered")]
    assert bank.value("SELECT count(*) FROM feedfall.journal") == 0


def test_withdraw__names_one_of_several(bank: Bank, door: Door) -> None:
    bank.create("fx")
    for seq in (1, 2):
        door("pub", "--feed=fx", f"--base-date={DAY}", f"--seq={seq}")
    assert withdraw(bank, DAY, "--seq=2") == [True]
    assert states(bank) == [(1, "sent"), (2, "withdrawn")]
    assert withdraw(bank) == [False, True]


def test_withdraw__the_newest_is_what_the_day_lacks(bank: Bank, door: Door, sweeps: Sweeps) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    withdraw(bank)
    assert door("relay", "--feed=fx").counts("superseded") == [1]  # so that the sweep has nothing to start
    assert sweeps(at(17, 1))["absent"] == 1
    assert bank.rows("SELECT found, words LIKE %s FROM feedfall.absence", "%by kim: asked twice") == [
        ("withdrawn", True)
    ]


def test_withdraw__stays_and_only_a_person_does_it(bank: Bank, door: Door) -> None:
    """In the database itself: a pod cannot, and nobody undoes it or withdraws what is answered."""
    bank.create("fx")
    door("pub", "--feed=fx", f"--base-date={DAY}")
    forged = "UPDATE feedfall.request SET withdrawn_at = now(), withdrawn_by = 'x', withdrawn_reason = 'x', status = "
    roles = Roles()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bank.act(roles.pod, f"{forged} 'withdrawn'")
    withdraw(bank)
    undo = (
        "UPDATE feedfall.request SET withdrawn_at = NULL, withdrawn_by = NULL, withdrawn_reason = NULL, status = 'sent'"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="stays so"):
        bank.act(roles.operator, undo)
    with psycopg.connect(as_role(bank.url, roles.operator), autocommit=True) as connection:
        connection.execute("UPDATE feedfall.request SET answered_at = now(), status = 'answered'")
    assert bank.value("SELECT withdrawn_by FROM feedfall.request") == "kim"


def test_withdraw__without_a_line_in_the_journal_is_broken(bank: Bank, door: Door) -> None:
    bank.create("fx")
    door("pub", "--feed=fx", f"--base-date={DAY}")
    forged = "UPDATE feedfall.request SET withdrawn_at = now(), withdrawn_by = 'x', withdrawn_reason = 'x', status = "
    bank.act(Roles().operator, f"{forged} 'withdrawn'")
    [sentence] = bank.broken("fx")
    assert sentence.endswith("of 2026-10-30 is withdrawn, and the journal does not say by whom")


@pytest.mark.parametrize("reason", ["", "  "])
def test_withdraw__without_a_reason_is_refused(bank: Bank, reason: str) -> None:
    with pytest.raises(Exception, match="--reason is empty: say why"):
        feedfall(bank, "withdraw", "fx", f"--date={DAY}", f"--reason={reason}")


def test_withdraw__what_was_never_ordered_is_78(bank: Bank) -> None:
    with pytest.raises(Exception, match="fx has no request of 2026-10-30: nothing to withdraw"):
        withdraw(bank)
