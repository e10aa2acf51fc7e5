"""skip-gap on real servers: what Kafka lost is shown, accepted by a person, and never hidden again."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from confluent_kafka import TopicPartition
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from ledger import lease
from ledger.database import connect
from ledger.key import LeaseKey

if TYPE_CHECKING:
    from click.testing import Result

DAY = date(2026, 10, 30)
WHY = ("--reason=retention was a day", "--by=kim", "--break-glass", "--ticket=INC-7")


def ticks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]


def feedfall(bank: Bank, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env=bank.environ)


def gaps(bank: Bank, *words: str, feed: str = "tick", code: int = 0) -> list[dict[str, Any]]:
    """The command's answer as a program reads it."""
    done = feedfall(bank, "skip-gap", feed, *WHY, *words, "--json")
    assert done.exit_code == code, (done.stdout, done.exception)
    found: list[dict[str, Any]] = json.loads(done.stdout)["gaps"]
    return found


def expire(bank: Bank, topic: str, low: int) -> None:
    [future] = bank.admin.delete_records([TopicPartition(topic, 0, low)]).values()
    future.result()


def make_anew(bank: Bank, topic: str, partitions: int = 1) -> None:
    bank.delete_topic(topic)
    bank.create_topics({topic: partitions})


@pytest.fixture
def expired(bank: Bank, door: Door) -> Bank:
    """Ten ticks are loaded, of the next ten retention took five; blocked."""
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    bank.respond("tick", ticks(10, first=10))
    expire(bank, bank.topic("tick"), 15)
    assert door("sub", "--feed=tick").exit == 81
    assert door("sub", "--feed=tick").status == "BLOCKED"
    return bank


def test_skip_gap__shows_first_and_changes_nothing(expired: Bank, door: Door) -> None:
    [found] = gaps(expired, code=77)
    assert {name: found[name] for name in ("stage", "topic", "partition", "from", "to", "offsets")} == {
        "stage": "sub",
        "topic": expired.topic("tick"),
        "partition": 0,
        "from": 10,
        "to": 15,
        "offsets": 5,
    }
    assert "Nothing was changed. With --yes" in feedfall(expired, "skip-gap", "tick", *WHY).stdout
    assert (door("sub", "--feed=tick").status, expired.rows("SELECT * FROM feedfall.gap")) == ("BLOCKED", [])


def test_skip_gap__accepted_the_feed_goes_on_and_verify_says_so(expired: Bank, door: Door) -> None:
    said = feedfall(expired, "skip-gap", "tick", *WHY, "--yes").stdout
    assert "Accepted as lost. tick is no longer blocked." in said
    assert door("sub", "--feed=tick").counts("loaded") == [5]
    assert (expired.broken("tick"), expired.value("SELECT count(*) FROM tick")) == ([], 15)
    proven = feedfall(expired, "verify", "tick").stdout
    assert f"SKIPPED {expired.topic('tick')}[0] 10 to 14: lost by Kafka, accepted by kim on " in proven
    assert "retention was a day\nProven: each of 20 offsets has one fate, and 5 were skipped." in proven
    assert door("verify", "--feed=tick").counts("skipped", "broken") == [5, 0]
    deep = json.loads(feedfall(expired, "verify", "tick", "--deep", "--json").stdout)
    assert (deep["broken"], deep["depth"]["gone"], deep["skipped"][0]["who"]) == ([], 15, "kim")


def test_skip_gap__has_a_run_and_a_line_in_the_journal(expired: Bank) -> None:
    gaps(expired, "--yes")
    [(who, reason, detail)] = expired.rows(
        "SELECT who, reason, detail FROM feedfall.journal WHERE verb = 'skip-gap' AND phase IS NULL"
    )
    assert (who, reason, detail["from"], detail["to"]) == ("kim", "retention was a day", 10, 15)
    assert expired.value("SELECT counts ->> 'offsets' FROM feedfall.run WHERE stage = 'skip-gap'") == "5"


def test_skip_gap__again_has_nothing_to_skip(expired: Bank) -> None:
    assert len(gaps(expired, "--yes")) == 1
    assert gaps(expired, "--yes") == []
    assert feedfall(expired, "skip-gap", "tick", *WHY).stdout == "tick has no gap: there is nothing to skip.\n"
    assert expired.value("SELECT count(*) FROM feedfall.gap") == 1


def test_skip_gap__a_hold_stays_and_so_does_another_fault(expired: Bank, door: Door) -> None:
    feedfall(expired, "hold", "tick", "--reason=audit", "--by=lee")
    expired.rows("UPDATE feedfall.feed_control SET blocked_code = 65")
    assert "no longer blocked" not in feedfall(expired, "skip-gap", "tick", *WHY, "--yes").stdout
    assert door("sub", "--feed=tick").status == "HELD"
    feedfall(expired, "free", "tick", "--reason=done", "--by=lee")
    assert door("sub", "--feed=tick").counts("loaded") == [5]


def test_skip_gap__is_busy_while_a_run_holds_the_lease(expired: Bank) -> None:
    connection = connect(expired.url, "a sub")
    taken = lease.take(connection, LeaseKey("tick", "sub"), range(2), run_id=1, seconds=30)
    assert taken
    gaps(expired, "--yes", code=77)
    assert expired.rows("SELECT * FROM feedfall.gap") == []
    lease.release(connection, taken)
    connection.close()
    assert len(gaps(expired, "--yes")) == 1


#: How many messages the new topic has: ends below the old checkpoint, at it, beyond it.
@pytest.mark.parametrize("messages", [3, 10, 20])
def test_skip_gap__a_topic_made_anew_is_read_from_its_beginning(bank: Bank, door: Door, messages: int) -> None:
    bank.create("fx", partitions=1)
    rates = [{"base_date": "2026-10-30", "currency": f"AA{chr(65 + n)}", "rate": "1"} for n in range(20)]
    bank.respond("fx", rates[:10])
    door("sub", "--feed=fx")
    make_anew(bank, bank.topic("fx"), partitions=2)
    bank = Bank(bank.kafka, bank.url, bank.prefix, bank.roles)  # a producer that knows the new topic
    bank.respond("fx", [{**each, "rate": "2"} for each in rates[:messages]])
    assert door("sub", "--feed=fx").exit == 81
    [found] = gaps(bank, "--yes", feed="fx")
    assert (found["from"], found["to"], "made anew" in found["why"]) == (10, None, True)
    assert door("sub", "--feed=fx").counts("read") == [messages]
    assert bank.broken("fx") == []
    assert bank.rows("SELECT count(*) FILTER (WHERE closed_at IS NULL), count(*) FROM feedfall.source") == [(2, 3)]
    proven = feedfall(bank, "verify", "fx").stdout
    assert f"SKIPPED {bank.topic('fx')}[0] all from 10 of an old topic: lost by Kafka" in proven
    assert {line["partition"] for line in json.loads(feedfall(bank, "lag", "fx", "--json").stdout)} == {0, 1}
    deep = json.loads(feedfall(bank, "verify", "fx", "--deep", "--json").stdout)
    assert (deep["broken"], deep["depth"]["offsets"], deep["depth"]["gone"]) == ([], messages, 10)


def test_skip_gap__the_same_topic_that_lost_its_end_is_not_skipped(expired: Bank) -> None:
    """The checkpoint set back by hand stands for a broker that lost its tail: the offsets will be given again."""
    expired.rows("UPDATE feedfall.source SET next_offset = 99")
    done = feedfall(expired, "skip-gap", "tick", *WHY, "--yes")
    assert "ends at 20, before the checkpoint 99: it lost its end" in str(done.exception)
    assert expired.rows("SELECT * FROM feedfall.gap") == []


def test_skip_gap__of_relays_requests(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    door("relay", "--feed=fx")
    for _ in range(4):
        bank.send(bank.topic("fx", "request"), b"never read")
    expire(bank, bank.topic("fx", "request"), 4)
    assert door("relay", "--feed=fx").exit == 81
    [found] = gaps(bank, "--yes", feed="fx")
    assert (found["stage"], found["from"], found["to"]) == ("relay", 0, 4)
    assert (door("relay", "--feed=fx").status, bank.broken("fx")) == ("SUCCEEDED", [])


def test_skip_gap__an_answer_that_lost_rows_in_it_is_no_fault_of_the_books(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    door("sub", "--feed=fx")
    rates = [{"base_date": "2026-10-30", "currency": each, "rate": "1"} for each in ("USD", "JPY", "KRW")]
    bank.respond("fx", rates, DAY)
    expire(bank, bank.topic("fx"), 1)
    assert door("sub", "--feed=fx").exit == 81
    gaps(bank, "--yes", feed="fx")
    assert door("sub", "--feed=fx").counts("loaded") == [2]
    assert bank.broken("fx") == []
    bank.rows("DELETE FROM feedfall.gap")
    assert any("its 3 rows should have a fate and 2 have" in each for each in bank.broken("fx"))


#: What is done to the ledger of a gap → what verify says.
TAMPERING = {
    "DELETE FROM feedfall.gap": None,  # tick has no markers: no person accepted these absent offsets
    "UPDATE feedfall.gap SET to_offset = 14": "[10, 14): accepted as lost, and no span says so",
    "DELETE FROM feedfall.span WHERE records = 0": "accepted as lost, and no span says so",
}


@pytest.mark.parametrize("statement", TAMPERING)
def test_verify__a_gap_is_a_span_that_somebody_accepted(expired: Bank, statement: str) -> None:
    gaps(expired, "--yes")
    expired.rows(statement)
    wanted = TAMPERING[statement] or "{[10,15)} is recorded as absent, where every offset is a record"
    assert any(wanted in each for each in expired.broken("tick")), expired.broken("tick")


def test_migration__an_older_sub_still_drains_beside_a_gap(expired: Bank) -> None:
    """Expand only: code 1 knows neither the table nor the column, and its statements still hold."""
    gaps(expired, "--yes")
    with psycopg.connect(expired.url) as connection:
        found = connection.execute(
            "SELECT id, topic_id, partition, first_offset, next_offset FROM feedfall.source "
            "WHERE feed = 'tick' AND stage = 'sub' ORDER BY partition, id"
        ).fetchall()
    assert [row[4] for row in found] == [15]
    assert expired.value("SELECT oldest_code FROM feedfall.schema WHERE version = 3") == 1
