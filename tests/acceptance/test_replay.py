"""replay on real servers: what the ledger says was loaded comes back from Kafka as it was, and nothing else moves."""

from __future__ import annotations

from datetime import date

from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from replay_command import DAY, NEXT, WHY, everything, rates, refused, replay, whole

BULLETIN = b"""<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>
<gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender><Cube><Cube time='2026-10-30'>
<Cube currency='USD' rate='1.1225'/><Cube currency='KRW' rate='broken'/><Cube currency='JPY' rate='171.3'/>
</Cube></Cube></gesmes:Envelope>"""


def test_replay__of_what_is_there_is_all_duplicate_and_moves_nothing(two_days: Bank) -> None:
    before, spans = everything(two_days), two_days.rows("SELECT * FROM feedfall.span")
    found = replay(two_days, "fx", whole(two_days, 5))
    assert (found["status"], found["loaded"], found["duplicate"], found["read"]) == ("SUCCEEDED", 0, 6, 6)
    assert (everything(two_days), two_days.rows("SELECT * FROM feedfall.span")) == (before, spans)
    said = CliRunner().invoke(app, ["replay", "fx", *WHY, whole(two_days, 5)], env=two_days.environ).stdout
    assert said == "fx: 6 rows read again: 0 new, 6 duplicate.\n"


def test_replay__a_lost_row_comes_back_as_it_was(two_days: Bank) -> None:
    before = everything(two_days)
    two_days.rows("DELETE FROM fx_rate WHERE currency <> 'KRW'")
    assert two_days.broken("fx") != []
    found = replay(two_days, "fx", whole(two_days, 5))
    assert (found["loaded"], found["duplicate"], found["missing"]) == (4, 2, 0)
    assert (everything(two_days), two_days.broken("fx")) == (before, [])


def test_replay__a_changed_value_is_set_back(two_days: Bank) -> None:
    before = everything(two_days)
    two_days.rows("UPDATE fx_rate SET rate = 9 WHERE _offset = 4")
    found = replay(two_days, "fx", whole(two_days, 5))
    assert (found["restored"], found["duplicate"], everything(two_days)) == (1, 5, before)


def test_replay__of_part_of_what_is_lost_says_what_is_missing_still(two_days: Bank) -> None:
    two_days.rows("DELETE FROM fx_rate")
    found = replay(two_days, "fx", whole(two_days, 3, first=2))
    assert (found["read"], found["loaded"], found["missing"]) == (2, 2, 4)
    assert two_days.rows("SELECT _offset, _run FROM fx_rate ORDER BY 1") == [(2, 1), (3, 2)]


def test_replay__by_base_dates_takes_those_rows_alone(two_days: Bank) -> None:
    two_days.rows("DELETE FROM fx_rate")
    found = replay(two_days, "fx", "--from=2026-10-30", "--to=20261030")
    assert (found["loaded"], found["passed"], found["missing"]) == (3, 3, 3)
    assert two_days.rows("SELECT DISTINCT base_date FROM fx_rate") == [(NEXT,)]


def test_replay__has_a_run_and_a_line_in_the_journal(two_days: Bank) -> None:
    replay(two_days, "fx", whole(two_days, 1))
    assert two_days.rows("SELECT stage, status, counts ->> 'duplicate' FROM feedfall.run ORDER BY id DESC LIMIT 1") == [
        ("replay", "SUCCEEDED", "2")
    ]
    [(who, verb, reason, detail)] = two_days.rows(
        "SELECT who, verb, reason, detail FROM feedfall.journal WHERE phase IS NULL"
    )
    assert (who, verb, reason, detail["offsets"], detail["duplicate"]) == (
        "kim",
        "replay",
        "lost by hand",
        {"0": "0-1"},
        2,
    )


def test_replay__an_older_row_never_overwrites_a_newer_one(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    for seq in (1, 2):
        bank.respond("fx", rates(DAY, rate=f"{seq}"), DAY, seq=seq)
        door("sub", "--feed=fx")
    before = everything(bank)
    found = replay(bank, "fx", whole(bank, 5))
    assert (found["superseded"], found["duplicate"], everything(bank)) == (3, 3, before)
    bank.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    found = replay(bank, "fx", whole(bank, 5))
    assert (found["read"], found["loaded"], found["superseded"], found["duplicate"]) == (6, 1, 3, 2)
    assert (everything(bank), bank.broken("fx")) == (before, [])


def test_replay__of_only_the_older_rows_is_refused_whole(bank: Bank, door: Door) -> None:
    """They would be shown as the newest; the ledger says that they were replaced."""
    bank.create("fx", partitions=1)
    for seq in (1, 2):
        bank.respond("fx", rates(DAY, rate=f"{seq}"), DAY, seq=seq)
        door("sub", "--feed=fx")
    bank.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    before = everything(bank)
    words = refused(bank, "fx", whole(bank, 2))
    assert "run 1 would have 1 rows in the table; the ledger counts 0" in words
    assert everything(bank) == before
    assert bank.value("SELECT status FROM feedfall.run ORDER BY id DESC LIMIT 1") == "FAILED"


def test_replay__of_twins_puts_back_the_newest(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    for _ in range(3):
        bank.respond("fx", rates(DAY, currencies="USD"))
        door("sub", "--feed=fx")
    before = everything(bank)
    bank.rows("DELETE FROM fx_rate")
    found = replay(bank, "fx", whole(bank, 2))
    assert (found["loaded"], found["superseded"], everything(bank)) == (1, 2, before)
    assert bank.broken("fx") == []


def test_replay__leaves_quarantine_where_it_is(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    bank.respond("fx", [*rates(DAY), {"base_date": "2026-10-29", "currency": "ISK", "rate": "N.A."}], DAY)
    door("sub", "--feed=fx")
    bank.rows("ALTER TABLE fx_rate ADD CHECK (currency <> 'CHF')")
    bank.respond("fx", rates(DAY, currencies="CHF"))
    door("sub", "--feed=fx")
    bank.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    found = replay(bank, "fx", whole(bank, 4))
    assert (found["read"], found["loaded"], found["duplicate"], found["quarantined"]) == (5, 1, 2, 2)
    assert bank.value("SELECT count(*) FROM feedfall.quarantine") == 2
    assert bank.broken("fx") == []


def test_replay__what_todays_feed_refuses_is_said(two_days: Bank) -> None:
    two_days.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    two_days.rows("ALTER TABLE fx_rate ADD CHECK (currency <> 'USD')")
    found = replay(two_days, "fx", whole(two_days, 5))
    assert (found["loaded"], found["duplicate"], found["refused"], found["missing"]) == (0, 4, 2, 2)


def test_replay__a_feed_without_a_key_and_many_chunks(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=3)
    bank.respond("tick", [{"symbol": f"S{n}", "price": "1", "volume": n, "note": "a\tb"} for n in range(550)])
    door("sub", "--feed=tick")
    before = everything(bank, "tick")
    bank.rows("DELETE FROM tick WHERE volume % 3 = 0")
    for partition, last in bank.rows("SELECT partition, next_offset - 1 FROM feedfall.source WHERE next_offset > 0"):
        replay(bank, "tick", f"--offsets={bank.topic('tick')}/{partition}:0-{last}")
    assert (everything(bank, "tick"), bank.broken("tick")) == (before, [])
    assert "have no base_date to choose by" in refused(bank, "tick", "--from=2026-10-30", "--to=2026-10-30")


def test_replay__an_outside_message_gives_its_rows_again(bank: Bank, door: Door) -> None:
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), BULLETIN)
    door("sub", "--feed=bulletin")
    before = everything(bank, "bulletin_rate")
    bank.rows("DELETE FROM bulletin_rate")
    found = replay(bank, "bulletin", whole(bank, 0, feed="bulletin"))
    assert (found["read"], found["loaded"], found["quarantined"]) == (3, 2, 1)
    assert (everything(bank, "bulletin_rate"), bank.broken("bulletin")) == (before, [])


def test_replay__the_checkpoint_and_later_messages_are_not_touched(two_days: Bank, door: Door) -> None:
    two_days.respond("fx", rates(date(2026, 10, 28)))
    replay(two_days, "fx", whole(two_days, 5))
    assert two_days.value("SELECT next_offset FROM feedfall.source") == 6
    assert door("sub", "--feed=fx").counts("loaded") == [3]
