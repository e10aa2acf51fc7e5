"""`feedfall quarantine redrive`: entries are mended and loaded after all; and the ledger adds up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from quarantine_command import BAD, DAY, GOOD, WHY, answer, command, listed, quarantine

if TYPE_CHECKING:
    from pathlib import Path

ECB = """<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube><Cube time='2026-10-30'>
<Cube currency='USD' rate='1.1'/><Cube currency='KRW' rate='2'/></Cube></Cube></gesmes:Envelope>"""


def test_redrive__what_is_still_bad_stays_and_says_why(fx: Bank) -> None:
    done = command(fx, "redrive", "fx", "0@1", *WHY)
    assert (done.returncode, "still bad, and waiting on: 1" in done.stderr) == (65, True)
    assert "'N.A.' is not a number above zero" in done.stdout
    assert [entry["settled_as"] for entry in listed(fx, "fx")] == [None]
    assert fx.broken("fx") == []


def test_redrive__a_mended_row_is_loaded_from_where_it_came(fx: Bank) -> None:
    done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
    assert (done.returncode, answer(done)) == (0, [("0@1", "loaded")])
    entry = fx.rows('SELECT source, "offset", 0, sent_at, 2, settled_run FROM feedfall.quarantine')
    assert fx.rows("SELECT _source, _offset, _row, _at, _seq, _run FROM fx_rate WHERE currency = 'KRW'") == entry
    assert fx.rows("SELECT stage, status, name FROM feedfall.run ORDER BY id DESC LIMIT 1") == [
        ("redrive", "SUCCEEDED", "redrive by kim")
    ]
    assert json.loads(bytes(fx.value("SELECT value FROM feedfall.quarantine"))) == BAD  # the original stays
    assert listed(fx, "fx") == []
    assert [entry["settled_as"] for entry in listed(fx, "fx", "--settled")] == ["loaded"]
    assert fx.broken("fx") == []


def test_redrive__a_second_time_does_nothing(fx: Bank) -> None:
    for became in ("loaded", "loaded"):
        done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
        assert (done.returncode, answer(done)) == (0, [("0@1", became)])
    assert "already, by kim on" in done.stdout
    assert fx.value("SELECT count(*) FROM feedfall.run WHERE stage = 'redrive'") == 1
    assert answer(quarantine(fx, "redrive", "fx", "--all", "--json", *WHY)) == []
    assert fx.broken("fx") == []


def test_redrive__mended_badly_stays_as_it_came(fx: Bank) -> None:
    done = command(fx, "redrive", "fx", "0@1", "--value=-", *WHY, said="not JSON \0")
    assert done.returncode == 65
    [entry] = listed(fx, "fx")
    assert (json.loads(entry["value"]), "'N.A.'" in entry["reason"]) == (BAD, True)
    assert fx.broken("fx") == []


def test_show__tells_the_first_reason_where_it_is_another_one_now(fx: Bank, door: Door) -> None:
    fx.rows("ALTER TABLE fx_rate ADD CONSTRAINT too_high CHECK (rate < 1000) NOT VALID")
    fx.respond("fx", [GOOD])
    assert door("sub", "--feed=fx").words["quarantined"] == "1"
    first = json.loads(quarantine(fx, "show", "fx", "0@2", "--json").stdout)
    assert ("too_high" in first["reason"], first["first_reason"], first["first_fate"]) == (True, None, None)
    assert "first_reason" not in quarantine(fx, "show", "fx", "0@2").stdout
    fx.rows("ALTER TABLE fx_rate DROP CONSTRAINT too_high, ADD CONSTRAINT even_so CHECK (rate < 1001) NOT VALID")
    assert command(fx, "redrive", "fx", "0@2", *WHY).returncode == 65
    now = json.loads(quarantine(fx, "show", "fx", "0@2", "--json").stdout)
    assert ("even_so" in now["reason"], now["first_reason"]) == (True, first["reason"])
    [line] = [each for each in quarantine(fx, "show", "fx", "0@2").stdout.splitlines() if "first_reason" in each]
    assert "too_high" in line


@pytest.mark.parametrize("form", ["as listed", "an entry a line"])
def test_redrive__many_by_a_file_that_list_printed(fx: Bank, door: Door, tmp_path: Path, form: str) -> None:
    fx.respond("fx", [{**BAD, "currency": "JPY"}, {**BAD, "currency": "GBP"}])
    door("sub", "--feed=fx")
    found = listed(fx, "fx")
    for entry in found:
        if "GBP" not in entry["value"]:
            entry["value"] = entry["value"].replace("N.A.", "7")
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(found) if form == "as listed" else "\n".join(map(json.dumps, found)))
    done = command(fx, "redrive", "fx", f"--fixed={file}", "--json", *WHY)
    assert (done.returncode, sorted(became for _, became in answer(done))) == (65, ["loaded", "loaded", "quarantined"])
    assert fx.rows("SELECT currency FROM fx_rate WHERE rate = 7 ORDER BY 1") == [("JPY",), ("KRW",)]
    assert fx.broken("fx") == []


def test_redrive__all_of_a_reason_after_the_rule_was_mended(fx: Bank, door: Door) -> None:
    """What only the database refused is loaded as it came, once the CHECK is gone; the rest waits on."""
    fx.rows("ALTER TABLE fx_rate ADD CONSTRAINT tight CHECK (rate < 2000)")
    fx.respond("fx", [{**GOOD, "currency": each, "rate": "3000"} for each in ("AAA", "BBB")])
    door("sub", "--feed=fx")
    assert command(fx, "redrive", "fx", "--all", "--matching=tight", *WHY).returncode == 65
    fx.rows("ALTER TABLE fx_rate DROP CONSTRAINT tight")
    done = command(fx, "redrive", "fx", "--all", "--matching=tight", "--json", *WHY)
    assert (done.returncode, [became for _, became in answer(done)]) == (0, ["loaded", "loaded"])
    assert len(listed(fx, "fx")) == 1
    assert fx.broken("fx") == []


def test_redrive__never_takes_the_place_of_a_newer_row(fx: Bank, door: Door) -> None:
    """Of the same seq a later message, of a higher seq any."""
    fx.respond("fx", [{**GOOD, "rate": "3"}], seq=2)
    door("sub", "--feed=fx")
    assert answer(command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))) == [
        ("0@1", "superseded")
    ]
    assert fx.value("SELECT rate::text FROM fx_rate WHERE currency = 'KRW'") == "3.00000000"
    assert fx.broken("fx") == []


def test_redrive__takes_the_place_of_an_older_row_and_the_books_say_whose(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "rate": "3"}], DAY, seq=1)
    door("sub", "--feed=fx")
    done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
    assert answer(done) == [("0@1", "loaded")]
    older = fx.value("SELECT max(id) FROM feedfall.run WHERE stage = 'sub'")
    assert fx.value("SELECT replaced_run FROM feedfall.quarantine") == older
    assert fx.broken("fx") == []
    fx.respond("fx", [{**GOOD, "rate": "4"}], DAY, seq=3)  # and is itself replaced
    assert door("sub", "--feed=fx").counts("loaded") == [1]
    assert fx.broken("fx") == []


def test_redrive__a_row_that_came_again_meanwhile_is_a_duplicate(fx: Bank, door: Door) -> None:
    fx.respond("fx", [GOOD], seq=2)
    door("sub", "--feed=fx")
    done = command(fx, "redrive", "fx", "0@1", "--value=-", "--json", *WHY, said=json.dumps(GOOD))
    assert answer(done) == [("0@1", "duplicate")]
    assert fx.broken("fx") == []


def test_redrive__a_table_without_a_key_takes_the_row_once(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.send(bank.topic("tick"), b"?")
    door("sub", "--feed=tick")
    row = '{"symbol": "A", "price": "1", "volume": 1, "note": "tab\\there"}'
    assert command(bank, "redrive", "tick", "0@0", "--value=-", *WHY, said=row).returncode == 0
    assert bank.rows("SELECT note FROM tick") == [("tab\there",)]
    assert bank.broken("tick") == []


def test_redrive__a_message_quarantined_whole_is_split_into_its_rows(bank: Bank, door: Door) -> None:
    """An outside message that could not be read gives many rows; one of them is bad, and one is deferred."""
    bank.create("holiday", partitions=1)
    bank.send(bank.topic("holiday"), b"[{'single': 'quotes'}]")
    door("sub", "--feed=holiday")
    row = {"base_date": f"{DAY}", "price": "1"}
    rows = [{**row, "code": "A"}, {**row, "code": "A"}, {**row, "code": "?!"}, {**row, "code": "B"}]
    done = command(bank, "redrive", "holiday", "0@0", "--value=-", "--json", *WHY, said=json.dumps(rows))
    assert (done.returncode, answer(done)) == (65, [("0@0", "split")])
    assert "2 loaded; 1 duplicate; 1 quarantined" in done.stdout.replace(
        "1 duplicate; 2 loaded", "2 loaded; 1 duplicate"
    )
    assert bank.broken("holiday") == []
    [waits] = listed(bank, "holiday")
    assert (waits["entry"].rpartition("@")[2], json.loads(waits["value"])) == ("0/2", rows[2])
    mended = json.dumps({**rows[2], "code": "C"})
    assert command(bank, "redrive", "holiday", "0@0/2", "--value=-", *WHY, said=mended).returncode == 0
    assert bank.rows("SELECT code, _row FROM holiday ORDER BY 1") == [("A", 1), ("B", 3), ("C", 2)]
    assert bank.broken("holiday") == []
    bank.rows("DELETE FROM feedfall.quarantine WHERE row = 0")
    assert any("was split into 4 rows and 3 are there" in words for words in bank.broken("holiday"))


def test_redrive__a_split_message_counts_for_its_answer(bank: Bank, door: Door) -> None:
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), ECB.replace("</gesmes:Envelope>", "").encode())
    door("sub", "--feed=bulletin")
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0
    done = command(bank, "redrive", "bulletin", "0@0", "--value=-", *WHY, said=ECB)
    assert done.returncode == 0, done
    assert bank.rows("SELECT status, count, settled FROM feedfall.request") == [("complete", 2, 2)]
    assert bank.rows("SELECT _seq FROM bulletin_rate") == [(1,), (1,)]
    assert bank.broken("bulletin") == []


@pytest.mark.parametrize(("stored_by", "seq"), [("this code", 1), ("code 1", 0)])
def test_redrive__a_row_of_an_outside_message_keeps_its_seq(bank: Bank, door: Door, stored_by: str, seq: int) -> None:
    """Its message's body said it. Code 1 did not store it: there the headers say it, and these have none."""
    bank.create("bulletin", partitions=1)
    bank.send(bank.topic("bulletin"), ECB.replace("'2'", "'?'").encode())
    assert door("sub", "--feed=bulletin").counts("loaded", "quarantined") == [1, 1]
    if stored_by == "code 1":
        bank.rows("UPDATE feedfall.quarantine SET seq = NULL")
    row = '{"base_date": "2026-10-30", "currency": "KRW", "rate": "2"}'
    assert command(bank, "redrive", "bulletin", "0@0/1", "--value=-", *WHY, said=row).returncode == 0
    assert bank.rows("SELECT _seq, _row FROM bulletin_rate WHERE currency = 'KRW'") == [(seq, 1)]
    assert bank.rows("SELECT status, settled FROM feedfall.request") == [("complete", 2)]
    assert bank.broken("bulletin") == []


def test_redrive__a_deferred_row_at_once_by_a_persons_word(fx: Bank, door: Door) -> None:
    fx.respond("fx", [{**GOOD, "base_date": "2999-01-02"}])
    door("sub", "--feed=fx")
    assert answer(command(fx, "redrive", "fx", "--all", "--json", *WHY)) == [("0@1", "quarantined")]  # not the deferred
    assert answer(command(fx, "redrive", "fx", "0@2", "--calendar", "--json", *WHY)) == [("0@2", "deferred")]
    assert answer(command(fx, "redrive", "fx", "0@2", "--json", *WHY)) == [("0@2", "loaded")]
    assert fx.value("SELECT max(base_date)::text FROM fx_rate") == "2999-01-02"
    assert fx.broken("fx") == []


def test_redrive__gives_the_budget_back(bank: Bank, door: Door) -> None:
    """tick allows 20 bad rows in its last ten spans: those that are resolved no longer count."""
    bank.create("tick", partitions=1)
    for _ in range(20):
        bank.send(bank.topic("tick"), b"?")
    door("sub", "--feed=tick")
    bank.send(bank.topic("tick"), b"?")
    assert door("sub", "--feed=tick").exit == 65
    first, *others = [entry["entry"] for entry in listed(bank, "tick")]
    row = '{"symbol": "A", "price": "1", "volume": 1, "note": null}'
    assert command(bank, "redrive", "tick", first, "--value=-", *WHY, said=row).returncode == 0  # blocked, and yet
    assert quarantine(bank, "discard", "tick", *others, *WHY).exit_code == 0
    assert CliRunner().invoke(app, ["free", "tick", *WHY], env=bank.environ).exit_code == 0
    assert door("sub", "--feed=tick").counts("quarantined") == [1]
    assert bank.broken("tick") == []


def test_redrive__of_a_held_feed_moves_nothing(fx: Bank, door: Door) -> None:
    CliRunner().invoke(app, ["hold", "fx", *WHY], env=fx.environ)
    for words in (["redrive", "fx", "--all"], ["discard", "fx", "0@1"]):
        done = command(fx, *words, *WHY)
        assert (done.returncode, "HELD: a person holds the feed" in done.stderr) == (77, True)
    assert [entry["settled_as"] for entry in listed(fx, "fx")] == [None]
    assert fx.broken("fx") == []
