"""replay of rows that a redrive or a release loaded: they come back from quarantine, as they were loaded."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bank import PACKAGES, Bank, Door
from catalog import find
from cli.__main__ import app
from ledger.key import LeaseKey
from quarantine_command import BAD, DAY, GOOD, answer, command, quarantine
from quarantine_command import WHY as RIGHT
from replay_command import WHY, everything, refused, replay, whole
from steps.run import settings
from steps.run.execution import executing
from steps.sub import sub

if TYPE_CHECKING:
    from pathlib import Path

XML = """<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube><Cube time='2026-10-30'>
<Cube currency='USD' rate='1.1'/><Cube currency='KRW' rate='broken'/><Cube currency='JPY' rate='3'/>
</Cube></Cube></gesmes:Envelope>"""
FATES = ("loaded", "restored", "duplicate", "superseded", "quarantined", "refused", "unreadable", "passed")


def mend(bank: Bank, entry: str = "0@1", feed: str = "fx", **values: str) -> None:
    """Redrive an entry with a corrected value."""
    value = json.dumps({**GOOD, **values})
    assert command(bank, "redrive", feed, entry, "--value=-", *RIGHT, said=value).returncode == 0


def seen(found: dict[str, Any]) -> dict[str, int]:
    """The fates that occur; together they are what was read."""
    fates = {name: found[name] for name in FATES if found[name]}
    assert sum(fates.values()) == found["read"]
    return fates


def test_replay__a_mended_row_comes_back_under_the_run_that_loaded_it(fx: Bank) -> None:
    mend(fx)
    before = everything(fx)
    fx.rows("DELETE FROM fx_rate")
    found = replay(fx, "fx", whole(fx, 1))
    assert (seen(found), found["missing"]) == ({"loaded": 2}, 0)
    assert (everything(fx), fx.broken("fx")) == (before, [])


def test_replay__a_redriven_row_that_stands_is_a_duplicate_and_a_changed_one_is_set_back(fx: Bank) -> None:
    mend(fx)
    before = everything(fx)
    assert seen(replay(fx, "fx", whole(fx, 1))) == {"duplicate": 2}
    fx.rows("UPDATE fx_rate SET rate = 9 WHERE currency = 'KRW'")
    assert seen(replay(fx, "fx", whole(fx, 1))) == {"duplicate": 1, "restored": 1}
    assert (everything(fx), fx.broken("fx")) == (before, [])


def test_replay__a_row_redriven_as_it_came_comes_back(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    bank.rows("ALTER TABLE fx_rate ADD CONSTRAINT tight CHECK (rate < 1000)")
    bank.respond("fx", [GOOD], DAY)
    door("sub", "--feed=fx")
    bank.rows("ALTER TABLE fx_rate DROP CONSTRAINT tight")
    assert command(bank, "redrive", "fx", "--all", *RIGHT).returncode == 0
    before = everything(bank)
    bank.rows("DELETE FROM fx_rate")
    assert seen(replay(bank, "fx", whole(bank, 0))) == {"loaded": 1}
    assert (everything(bank), bank.broken("fx")) == (before, [])


def test_replay__what_is_unresolved_or_discarded_stays_in_quarantine(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**BAD, "currency": "JPY"}, {**BAD, "currency": "CHF"}])
    door("sub", "--feed=fx")
    quarantine(fx, "discard", "fx", "0@2", *RIGHT)
    mend(fx)
    fx.rows("DELETE FROM fx_rate")
    assert seen(replay(fx, "fx", whole(fx, 3))) == {"loaded": 2, "quarantined": 2}
    assert fx.broken("fx") == []


def test_replay__a_redriven_row_and_the_newer_one_that_replaced_it_are_both_lost(fx: Bank, door: Door) -> None:
    mend(fx)
    fx.respond("fx", [{**GOOD, "rate": "4"}], DAY, seq=3)
    door("sub", "--feed=fx")
    before = everything(fx)
    assert seen(replay(fx, "fx", whole(fx, 2))) == {"duplicate": 2, "superseded": 1}
    fx.rows("DELETE FROM fx_rate")
    lost = everything(fx)
    assert "Newer rows with the same keys are lost as well" in refused(fx, "fx", whole(fx, 1))
    assert everything(fx) == lost
    assert seen(replay(fx, "fx", whole(fx, 2))) == {"loaded": 2, "superseded": 1}
    assert (everything(fx), fx.broken("fx")) == (before, [])


def test_replay__a_redriven_row_that_replaced_an_older_one(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "rate": "3"}], DAY, seq=1)
    door("sub", "--feed=fx")
    mend(fx)
    before = everything(fx)
    fx.rows("DELETE FROM fx_rate")
    assert seen(replay(fx, "fx", whole(fx, 2))) == {"loaded": 2, "superseded": 1}
    assert (everything(fx), fx.broken("fx")) == (before, [])


def test_replay__an_entry_that_was_superseded_when_redriven_stays_away(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "rate": "3"}], DAY, seq=3)
    door("sub", "--feed=fx")
    mend(fx)
    before = everything(fx)
    fx.rows("DELETE FROM fx_rate")
    assert seen(replay(fx, "fx", whole(fx, 2))) == {"loaded": 2, "superseded": 1}
    assert (everything(fx), fx.broken("fx")) == (before, [])


def test_replay__a_mended_key_and_date_are_those_of_the_mended_value(fx: Bank) -> None:
    """The original says KRW on the 30th; a person made it JPY on the 29th."""
    mend(fx, base_date="2026-10-29", currency="JPY")
    before = everything(fx)
    fx.rows("DELETE FROM fx_rate WHERE currency = 'JPY'")
    found = replay(fx, "fx", "--from=2026-10-30", "--to=2026-10-30")
    assert (seen(found), found["missing"]) == ({"duplicate": 1, "passed": 1}, 1)
    found = replay(fx, "fx", "--from=2026-10-29", "--to=2026-10-29")
    assert (seen(found), found["missing"]) == ({"loaded": 1, "passed": 1}, 0)
    assert (everything(fx), fx.broken("fx")) == (before, [])


def test_replay__the_rows_of_a_split_message_come_back(bank: Bank, door: Door) -> None:
    """Two by the value that mended their message, one by a value of its own; the message itself is still not XML."""
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), b"not XML")
    door("sub", "--feed=bulletin")
    done = command(bank, "redrive", "bulletin", "0@0", "--value=-", "--json", *RIGHT, said=XML)
    assert answer(done) == [("0@0", "split")]
    mend(bank, "0@0/1", "bulletin", currency="CHF")
    before = everything(bank, "bulletin_rate")
    assert len(before) == 3
    bank.rows("DELETE FROM bulletin_rate")
    assert seen(replay(bank, "bulletin", whole(bank, 0, feed="bulletin"))) == {"loaded": 3}
    assert (everything(bank, "bulletin_rate"), bank.broken("bulletin")) == (before, [])
    assert seen(replay(bank, "bulletin", whole(bank, 0, feed="bulletin"))) == {"duplicate": 3}


def test_replay__a_part_that_still_waits_stays(bank: Bank, door: Door) -> None:
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), b"not XML")
    door("sub", "--feed=bulletin")
    command(bank, "redrive", "bulletin", "0@0", "--value=-", *RIGHT, said=XML)
    bank.rows("DELETE FROM bulletin_rate WHERE currency = 'USD'")
    found = replay(bank, "bulletin", whole(bank, 0, feed="bulletin"))
    assert seen(found) == {"loaded": 1, "duplicate": 1, "quarantined": 1}
    assert bank.broken("bulletin") == []


def test_replay__a_value_that_the_journal_cannot_give_back_is_said_and_missing(
    bank: Bank, door: Door, tmp_path: Path
) -> None:
    """Latin-1 is no UTF-8: the journal has an escape for that byte, and a file may hold the same letters itself."""
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), b"not XML")
    door("sub", "--feed=bulletin")
    file = tmp_path / "bulletin.xml"
    file.write_bytes(b'<?xml version="1.0" encoding="ISO-8859-1"?><!-- \xe9 -->' + XML.encode())
    command(bank, "redrive", "bulletin", "0@0", f"--value={file}", *RIGHT)
    assert bank.value("SELECT count(*) FROM bulletin_rate") == 2
    topic = bank.topic("bulletin")
    bank.rows("DELETE FROM bulletin_rate WHERE currency = 'USD'")
    found = replay(bank, "bulletin", whole(bank, 0, feed="bulletin"))
    assert (seen(found), found["missing"]) == ({"unreadable": 2, "quarantined": 1}, 1)
    assert f"the corrected value of {topic}/0@0 cannot be read back from the journal" in found["reason"]
    said = CliRunner().invoke(app, ["replay", "bulletin", *WHY, whole(bank, 0, feed="bulletin")], env=bank.environ)
    assert "2 whose corrected value the journal cannot give back" in said.stdout


def test_replay__what_todays_feed_refuses_of_quarantine_is_said(fx: Bank) -> None:
    mend(fx)
    fx.rows("DELETE FROM fx_rate WHERE currency = 'KRW'")
    fx.rows("ALTER TABLE fx_rate ADD CHECK (currency <> 'KRW')")
    found = replay(fx, "fx", whole(fx, 1))
    assert (seen(found), found["missing"]) == ({"duplicate": 1, "refused": 1}, 1)


@pytest.mark.parametrize("words", [("--offsets={topic}/0:0-1",), ("--from=2026-11-02", "--to=2026-11-02")])
def test_replay__a_deferred_row_that_was_released_comes_back(bank: Bank, door: Door, words: tuple[str, ...]) -> None:
    bank.create("fx", partitions=1)
    monday = date(2026, 11, 2)
    bank.respond("fx", [{**GOOD, "base_date": "2026-11-02", "currency": each} for each in ("USD", "JPY")], monday)
    feed = replace(find.load("fx", PACKAGES), closed="defer")
    with executing(settings.read(bank.environ), LeaseKey("fx", "sub"), threading.Event()) as execution:
        execution.now = lambda: datetime.fromisoformat("2026-10-31T12:00+01:00")
        execution.outcome = sub(execution, feed)
    assert door("release", "--feed=fx").counts("loaded") == [2]
    before = everything(bank)
    bank.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    found = replay(bank, "fx", *(word.format(topic=bank.topic("fx")) for word in words))
    assert seen(found) == {"loaded": 1, "duplicate": 1}
    assert (everything(bank), bank.broken("fx")) == (before, [])
