"""pub, relay and the simulated ECB: a base date is ordered once, asked once, answered once, and its rows arrive."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import stamina

from bank import Bank, Door, committed
from catalog import Envelope
from catalog.message import correlation
from ledger import control
from ledger.database import connect
from local.partners.ecb import Ecb
from local.partners.server import serve_simulator
from steps.drain.kafka import Reader
from steps.drain.publisher import Publisher
from steps.run.exits import Fenced
from steps.run.settings import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bank import Ended

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)
GOOD_FRIDAY = date(2026, 4, 3)


@pytest.fixture
def ecb() -> Ecb:
    return Ecb()


@pytest.fixture
def relay(bank: Bank, door: Door, ecb: Ecb) -> Iterator[Callable[..., Ended]]:
    """relay against the simulator; it tries again as often as in truth, without the pauses."""
    bank.create("fx")
    with serve_simulator(ecb) as url, stamina.set_testing(True, attempts=4):
        yield lambda **environ: door("relay", "--feed=fx", **{"FEEDFALL_PARTNER_URL_ECB": url, **environ})


# -- pub --


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


def test_pub__a_held_feed_orders_nothing(bank: Bank, door: Door) -> None:
    bank.create("fx")
    connection = connect(bank.url, "test")
    control.hold(connection, "fx", "kim", "the partner moves house")
    connection.commit()
    connection.close()
    done = door("pub", "--feed=fx", f"--base-date={DAY}")
    assert (done.exit, done.status) == (0, "HELD")
    assert done.words["reason"].startswith("held by kim: the partner moves house")
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0


def test_pub__a_missing_topic_books_nothing(bank: Bank, door: Door) -> None:
    assert door("pub", "--feed=fx", f"--base-date={DAY}").exit == 78
    assert bank.value("SELECT count(*) FROM feedfall.request") == 0


# -- pub, relay, sub --


def test_relay__answers_and_rings_once_and_the_rows_arrive(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", "--from=2026-10-29", "--to=2026-11-01")
    done = relay()
    assert (done.exit, done.status) == (0, "SUCCEEDED")
    assert done.counts("read", "loaded", "lag") == [2, 2, 0]
    answers = committed(bank, bank.topic("fx"))
    assert {Envelope.of(each.headers()).base_date for each in answers} == {BEFORE, DAY}
    assert {Envelope.of(each.headers()).count for each in answers} == {len(answers) // 2}
    [bell] = committed(bank, bank.topic("fx", "bell"))  # one a transaction, not one an answer or a row
    assert json.loads(bell.value())["responses"] == 2
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("answered",)]
    assert door("sub", "--feed=fx").counts("read", "loaded", "lag") == [len(answers), len(answers), 0]
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.value("SELECT rate::text FROM fx_rate WHERE base_date = %s AND currency = 'USD'", DAY) == "1.11720000"
    assert bank.broken("fx") == []
    assert relay().words["read"] == "0"


def test_relay__a_backfill_rings_once(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    door("pub", "--feed=fx", "--from=2020-01-01", "--to=2020-03-31")
    assert relay(FEEDFALL_DOMAIN="bank").counts("loaded") == [64]
    assert ecb.requests == ["eurofxref-hist.zip"]
    assert len(committed(bank, bank.topic("fx", "bell"))) <= 2
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status, count(*) FROM feedfall.request GROUP BY 1") == [("complete", 64)]
    assert bank.broken("fx") == []


def test_relay__a_holiday_is_answered_with_empty(bank: Bank, door: Door, relay: Callable[..., Ended]) -> None:
    door("pub", "--feed=fx", f"--base-date={GOOD_FRIDAY}", "--policy=OrderAnyway")
    assert (relay().exit, relay().exit) == (0, 0)
    [message] = committed(bank, bank.topic("fx"))
    told = Envelope.of(message.headers())
    assert (told.kind, told.count, told.reason) == ("empty", 0, "TARGET is closed on 2026-04-03: Good Friday")
    assert door("sub", "--feed=fx").counts("read", "loaded") == [0, 0]
    assert bank.rows("SELECT status, reason FROM feedfall.request") == [("empty", told.reason)]
    assert bank.broken("fx") == []


def test_relay__silence_on_an_open_day_is_an_error_that_somebody_sees(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.published = BEFORE
    door("pub", "--feed=fx", f"--base-date={DAY}")
    done = relay()
    assert done.exit == 69
    assert "TARGET is open on 2026-10-30, but the newest fixing served is of 2026-10-29" in done.words["reason"]
    door("sub", "--feed=fx")
    assert bank.value("SELECT status FROM feedfall.request") == "empty"


def test_relay__a_poison_rate_costs_one_row(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    ecb.poison[DAY, "KRW"] = "N.A."
    door("pub", "--feed=fx", f"--base-date={DAY}")
    relay()
    assert door("sub", "--feed=fx").words["quarantined"] == "1"
    assert bank.value("SELECT status FROM feedfall.request") == "complete"
    assert bank.broken("fx") == []


# -- a partner's troubles --


def test_relay__asks_again_when_the_partner_stumbles(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures += [503, 502, 503]
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert (relay().exit, len(ecb.requests)) == (0, 4)


def test_relay__a_partner_that_is_down_costs_time_and_nothing_else(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures += [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    down = relay()
    assert (down.exit, down.status) == (75, "FAILED")
    assert down.words["reason"] == "the partner answered 503 4 times; asked again later"
    nobody = relay(FEEDFALL_PARTNER_URL_ECB="http://127.0.0.1:1/")
    assert (nobody.exit, nobody.status) == (75, "FAILED")
    assert nobody.words["reason"] == "the partner is out of reach (ConnectError); asked again later"
    assert committed(bank, bank.topic("fx")) == []
    assert bank.value("SELECT sum(next_offset) FROM feedfall.source") == 0
    assert bank.value("SELECT status FROM feedfall.request") == "sent"
    assert relay().counts("loaded") == [1]
    assert bank.broken("fx") == []


@pytest.mark.parametrize(
    ("failures", "body", "says"),
    [
        ([403], None, "HTTP 403 Forbidden"),
        ([404], None, "HTTP 404 Not Found"),
        ([], b"<!DOCTYPE html><title>Maintenance</title>", "malformed answer: "),
        ([], b"", "malformed answer: "),
    ],
)
def test_relay__a_refusal_is_an_answer_and_an_error(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, failures: list[int], body: bytes | None, says: str
) -> None:
    ecb.failures, ecb.body = failures, body
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    done = relay()
    assert done.exit == 69
    assert done.words["reason"].startswith("2026-10-29: ")
    assert says in done.words["reason"]
    door("sub", "--feed=fx")
    [(status, reason)] = bank.rows("SELECT status, reason FROM feedfall.request")
    assert (status, says in reason) == ("refused", True)
    assert relay().words["read"] == "0"  # not asked again by itself; a higher seq asks again
    assert bank.broken("fx") == []


def test_relay__a_quota_waits_until_the_partner_allows(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures, ecb.retry_after = [429], "3600"
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    done = relay()
    assert (done.exit, done.status) == (75, "FAILED")
    assert "the partner's quota is used up: " in done.words["reason"]
    waits = bank.value("SELECT wait_until FROM feedfall.feed_control")
    assert timedelta(minutes=55) < waits - datetime.now(UTC) < timedelta(minutes=65)
    again = relay()
    assert (again.exit, again.status) == (0, "WAITING")
    assert "the partner's quota is used up until " in again.words["reason"]
    assert len(ecb.requests) == 1
    assert door("sub", "--feed=fx").status == "SUCCEEDED"  # a quota is relay's alone
    bank.rows("UPDATE feedfall.feed_control SET wait_until = clock_timestamp()")
    assert relay().counts("loaded") == [1]
    assert bank.broken("fx") == []


# -- requests that are none, or twice --


def test_relay__the_same_request_twice_is_answered_once(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """pub died between confirm and mark: the topic has it twice, in one chunk and again in a later one."""
    for _ in range(2):
        door("pub", "--feed=fx", f"--base-date={DAY}")
        bank.rows("UPDATE feedfall.request SET sent_at = NULL")
    assert relay().counts("read", "loaded", "duplicate") == [2, 1, 1]
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert relay().counts("read", "loaded", "duplicate") == [1, 0, 1]
    assert (len(ecb.requests), len(committed(bank, bank.topic("fx", "bell")))) == (1, 1)
    assert len(committed(bank, bank.topic("fx"))) == Envelope.of(committed(bank, bank.topic("fx"))[0].headers()).count
    assert bank.broken("fx") == []


def test_relay__two_requests_of_one_correlation_id_are_one(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """A stranger's mistake; the first one counts."""
    known = correlation("fx", DAY, 1)
    for day in (DAY, BEFORE):
        bank.send(bank.topic("fx", "request"), b"{}", headers=Envelope(known, day, 1).headers(), partition=0)
    assert relay().counts("read", "loaded", "duplicate") == [2, 1, 1]
    assert bank.rows("SELECT base_date FROM feedfall.request") == [(DAY,)]


NO_REQUESTS: list[bytes | None] = [
    None,
    b"",
    b"{}",
    b"[]",
    b'{"correlation_id": "x", "base_date": "2026-10-30", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-02-31", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "0000-01-01", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "0", "seq": 1}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-10-30", "seq": 0}',
    b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-10-30", "seq": 2147483648}',
    b"\xff\xfe",
]


def test_relay__what_is_no_request_is_quarantined(bank: Bank, relay: Callable[..., Ended], ecb: Ecb) -> None:
    for value in NO_REQUESTS:
        bank.send(bank.topic("fx", "request"), value, partition=0)
    bank.send(bank.topic("fx", "request"), b"{}", headers=[("schema", b"feedfall/1"), ("seq", b"x")], partition=0)
    by_body = b'{"correlation_id": "11111111-2222-3333-4444-555555555555", "base_date": "2026-10-29", "seq": 1}'
    bank.send(bank.topic("fx", "request"), by_body, partition=0)
    done = relay()
    assert (done.exit, done.counts("read", "loaded", "quarantined")) == (0, [13, 1, 12])
    found = bank.rows('SELECT value, reason FROM feedfall.quarantine ORDER BY "offset"')
    assert [value for value, _ in found] == [*NO_REQUESTS, b"{}"]
    assert {reason.split(":")[0] for _, reason in found} == {"not a request"}
    assert bank.broken("fx") == []


def test_relay__too_many_that_are_none_block_the_feed(bank: Bank, relay: Callable[..., Ended]) -> None:
    for _ in range(101):
        bank.producer.produce(bank.topic("fx", "request"), b"?", partition=0)
    bank.producer.flush(10)
    done = relay()
    assert done.exit == 65
    assert "more than 100 messages of " in done.words["reason"]
    assert relay().status == "BLOCKED"
    assert bank.value("SELECT count(*) FROM feedfall.quarantine") == 0


def test_relay__a_feed_without_a_partner_has_none(bank: Bank, door: Door) -> None:
    done = door("relay", "--feed=tick")
    assert (done.exit, done.words["reason"][:28]) == (78, "feed tick has no partner: an")


@pytest.mark.parametrize("kind", ["response", "bell"])
def test_relay__a_missing_topic_is_named_before_anybody_is_asked(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, kind: str
) -> None:
    door("pub", "--feed=fx", f"--base-date={DAY}")
    name = bank.topic("fx", kind)
    bank.delete_topic(name)
    done = relay()
    assert done.exit == 78
    assert f"topic {name} does not exist: create it" in done.words["reason"]
    assert ecb.requests == []


# -- a crash between Kafka's commit and the ledger's --


def forget_the_last_chunk(bank: Bank) -> None:
    """The ledger as it was: what Kafka has committed, the database never heard of."""
    bank.rows("UPDATE feedfall.source SET next_offset = first_offset WHERE stage = 'relay'")
    bank.rows("DELETE FROM feedfall.span")
    bank.rows("UPDATE feedfall.request SET status = 'sent', answered_at = NULL, count = NULL")


def test_crash__between_kafka_and_the_ledger_asks_and_answers_no_second_time(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", "--from=2026-10-28", "--to=2026-10-30")
    assert relay().counts("loaded") == [3]
    asked, answers = len(ecb.requests), len(committed(bank, bank.topic("fx")))
    forget_the_last_chunk(bank)
    assert relay().counts("read", "loaded", "duplicate", "lag") == [3, 0, 3, 0]
    assert len(ecb.requests) == asked
    assert len(committed(bank, bank.topic("fx"))) == answers
    assert len(committed(bank, bank.topic("fx", "bell"))) == 1
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("answered",)]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_crash__requests_that_came_later_are_asked(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    forget_the_last_chunk(bank)
    door("pub", "--feed=fx", "--from=2026-10-26", "--to=2026-10-30")
    assert relay().counts("read", "loaded", "duplicate") == [5, 4, 1]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status, count(*) FROM feedfall.request GROUP BY 1") == [("complete", 5)]
    assert bank.broken("fx") == []


def test_crash__of_both_pub_and_relay_answers_no_second_time(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """relay died between Kafka's commit and the ledger's, pub between confirm and mark: the topic has it twice."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert relay().counts("loaded") == [1]
    requested, answers = len(ecb.requests), len(committed(bank, bank.topic("fx")))
    forget_the_last_chunk(bank)
    bank.rows("UPDATE feedfall.request SET sent_at = NULL")
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    assert relay().counts("read", "loaded", "duplicate") == [2, 0, 2]
    assert (len(ecb.requests), len(committed(bank, bank.topic("fx")))) == (requested, answers)
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_crash__a_zombie_cannot_answer_any_more(bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb) -> None:
    """A relay that froze in mid-transaction: its successor ends that transaction, and it can never commit."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    settings = read(bank.environ)
    topic = bank.topic("fx", "request")
    zombie = Publisher(settings, f"feedfall.{bank.prefix}fx.relay.0")
    group = Reader(settings, topic, f"feedfall.{bank.prefix}fx.relay.0.answered")
    with pytest.raises(Fenced, match="a newer run writes"), zombie.transaction({0: 99}, group):  # noqa: PT012 -- a transaction's whole life
        zombie.send(bank.topic("fx"), None, b"from the grave")
        assert relay().counts("loaded") == [1]  # it freezes before this line, and wakes up after it
    group.close()
    assert b"from the grave" not in {each.value() for each in committed(bank, bank.topic("fx"))}
    assert door("sub", "--feed=fx").status == "SUCCEEDED"
    assert bank.broken("fx") == []
