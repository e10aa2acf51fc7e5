"""Promise: at most one answer of a request is ever visible, wherever relay dies, and whatever becomes of its topics."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from bank import Bank, Door, committed, hasten
from steps.drain.kafka import Cluster
from steps.drain.publisher import Publisher
from steps.run.settings import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from bank import Ended
    from local.partners.ecb import Ecb

DAY, BEFORE = date(2026, 10, 30), date(2026, 10, 29)


def forget_what_kafka_knows(bank: Bank) -> None:
    """relay died between Kafka's commit and the ledger's: the batch is open, and nothing of the chunk is recorded."""
    bank.rows("UPDATE feedfall.source SET next_offset = first_offset WHERE stage = 'relay'")
    bank.rows("DELETE FROM feedfall.span")
    bank.rows("UPDATE feedfall.request SET status = 'sent', answered_at = NULL, count = NULL")
    bank.rows("UPDATE feedfall.batch SET answered = NULL, closed_at = NULL, closed_by = NULL")


def forget_what_was_written(bank: Bank) -> None:
    """relay died between the batch's commit and Kafka's."""
    forget_what_kafka_knows(bank)
    bank.rows("UPDATE feedfall.batch SET ends = %s", ends(bank))


def ends(bank: Bank) -> list[int]:
    """Where the response topic ends now."""
    cluster = Cluster(read(bank.environ))
    marks = cluster.watermarks(cluster.topic(bank.topic("fx")))
    return [marks[partition].high for partition in sorted(marks)]


def make_anew(bank: Bank, name: str) -> None:
    bank.delete_topic(name)
    bank.create_topics({name: 2})


def answers(bank: Bank) -> int:
    return len(committed(bank, bank.topic("fx")))


# -- a batch --


def test_batch__says_before_the_transaction_what_it_carries(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", "--from=2026-10-29", "--to=2026-10-30")
    relay()
    [(name, topic, ends, same, closed)] = bank.rows(
        "SELECT transactional_id, topic, ends, ids = answered, closed_by = run FROM feedfall.batch"
    )
    assert (name, topic, ends) == (f"feedfall.{bank.prefix}fx.relay.0", bank.topic("fx"), [0, 0])
    assert (same, closed) == (True, True)
    relay()
    assert bank.value("SELECT count(*) FROM feedfall.batch") == 1  # none for nothing


def test_batch__where_nothing_is_visible_its_requests_are_open_again(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    ecb.failures = [403]
    relay()
    before = answers(bank)
    forget_what_was_written(bank)
    assert relay().counts("loaded") == [1]
    assert bank.rows("SELECT answered = '{}', answered = ids FROM feedfall.batch ORDER BY id") == [
        (True, False),
        (False, True),
    ]
    assert answers(bank) > before
    assert bank.broken("fx") == []


def test_batch__answers_before_a_deferred_one_prove_nothing_of_it(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """Answer 6 went before the deferred 5, and relay died: 6 is answered, and 5 is not."""
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    door("pub", "--feed=fx", f"--base-date={DAY}")
    relay()
    forget_what_kafka_knows(bank)
    bank.rows("UPDATE feedfall.request SET retry_at = NULL, tries = 0, deferred_at = NULL")
    assert relay().counts("read", "loaded", "duplicate") == [2, 1, 1]
    door("sub", "--feed=fx")
    assert bank.rows("SELECT base_date, status FROM feedfall.request ORDER BY 1") == [
        (BEFORE, "complete"),
        (DAY, "complete"),
    ]
    assert bank.broken("fx") == []


def test_batch__a_topic_of_requests_made_anew_is_not_answered_by_position(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """Its offsets begin at 0 again, where the old topic's requests were answered."""
    door("pub", "--feed=fx", "--from=2026-10-26", "--to=2026-10-28")
    relay()
    make_anew(bank, bank.topic("fx", "request"))
    bank.rows("UPDATE feedfall.source SET closed_at = clock_timestamp() WHERE stage = 'relay'")
    bank.rows("DELETE FROM feedfall.batch")
    door("pub", "--feed=fx", "--from=2026-10-29", "--to=2026-10-30")
    assert relay().counts("read", "loaded", "duplicate") == [2, 2, 0]


@pytest.mark.parametrize("when", ["before it wrote", "after it wrote"])
def test_batch__a_topic_of_responses_made_anew_is_read_whole(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, when: str
) -> None:
    """The old topic's answers are gone, so they are written again; what a dead run wrote into the new one counts."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    if when == "after it wrote":
        make_anew(bank, bank.topic("fx"))
        relay()
        bank.rows("UPDATE feedfall.batch SET topic_id = 'the old one', ends = %s", ends(bank))
    else:
        relay()
        make_anew(bank, bank.topic("fx"))
    forget_what_kafka_knows(bank)
    asked = len(ecb.requests)
    assert relay().counts("loaded", "duplicate") == ([0, 1] if when == "after it wrote" else [1, 0])
    assert len(ecb.requests) == asked + (when == "before it wrote")
    assert answers(bank) == bank.value("SELECT count FROM feedfall.request") > 0


@pytest.mark.parametrize("gone", [False, True])
def test_batch__another_domain_or_prefix_settles_the_old_ones_first(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, *, gone: bool
) -> None:
    """The settings were changed after relay had died: its producer is fenced, and its answers are found."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    forget_what_kafka_knows(bank)
    bank.rows("UPDATE feedfall.source SET closed_at = clock_timestamp()")
    asked = len(ecb.requests)
    names = {f"new.{bank.prefix}fx.{kind}": 2 for kind in ("request", "response", "bell")}
    bank.create_topics(names)
    if gone:
        bank.delete_topic(bank.topic("fx"))
    changed = {"FEEDFALL_DOMAIN": "bank", "FEEDFALL_TOPIC_PREFIX": f"new.{bank.prefix}"}
    bank.rows("UPDATE feedfall.request SET sent_at = NULL")
    door("pub", "--feed=fx", f"--base-date={BEFORE}", **changed)
    assert relay(**changed).counts("read", "loaded", "duplicate") == ([1, 1, 0] if gone else [1, 0, 1])
    assert len(ecb.requests) == asked + gone


def test_batch__of_a_frozen_run_under_another_domain_is_ended(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """Its transaction is open in Kafka: unfenced it could still commit its answers beside the new ones."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay(FEEDFALL_DOMAIN="old")
    forget_what_was_written(bank)
    zombie = Publisher(read(bank.environ), f"old.{bank.prefix}fx.relay.0")
    with pytest.raises(Exception, match="a newer run writes"), zombie.transaction():  # noqa: PT012 -- its whole life
        zombie.send(bank.topic("fx"), None, b"from the grave")
        zombie.confirm()
        assert relay().counts("loaded") == [1]
    assert b"from the grave" not in {each.value() for each in committed(bank, bank.topic("fx"))}


def test_batch__behind_anothers_open_transaction_is_looked_for_later(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """Committed answers that no reader sees yet are not taken for missing ones."""
    other = Publisher(read(bank.environ), f"{bank.prefix}another")
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    with other.transaction():
        for partition in (0, 1):
            other.send(bank.topic("fx"), str(partition).encode(), b"{}")
        for number in range(20):
            other.send(bank.topic("fx"), str(number).encode(), b"{}")
        other.confirm()
        relay()
        forget_what_kafka_knows(bank)
        asked = len(ecb.requests)
        done = relay()
        assert (done.exit, len(ecb.requests)) == (75, asked)
        assert f"a transaction on {bank.topic('fx')} is still open" in done.words["reason"]
    assert relay().counts("loaded", "duplicate") == [0, 1]
    assert len(ecb.requests) == asked


def test_batch__in_a_log_that_lost_its_tail_is_looked_for_in_all_of_it(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """It ends before the offset at which the batch began: then offsets say nothing of what was written after it."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    forget_what_kafka_knows(bank)
    bank.rows("UPDATE feedfall.batch SET ends = %s", [10_000, 10_000])
    assert relay().counts("loaded", "duplicate") == [0, 1]


def test_verify__finds_a_batch_that_no_relay_has_closed(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    for day in (BEFORE, DAY):
        door("pub", "--feed=fx", f"--base-date={day}")
        relay()
    bank.rows("UPDATE feedfall.batch SET answered = NULL, closed_at = NULL, closed_by = NULL WHERE id = 1")
    assert bank.broken("fx") == ["batch 1 is open, though batch 2 came after it"]


# -- a ledger that knows less than Kafka --


def restore(bank: Bank) -> None:
    """The database as its backup had it, before all that relay and sub did since."""
    forget_what_kafka_knows(bank)
    bank.rows("DELETE FROM feedfall.batch")


@pytest.mark.parametrize("loaded", [False, True])
def test_restored__what_is_visible_is_not_sent_again(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb, *, loaded: bool
) -> None:
    """A backup of the database; or the last relay of a version without batches, which died before the ledger knew."""
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    asked, there = len(ecb.requests), answers(bank)
    if loaded:  # the other way round: sub has seen it, and relay's part is lost
        door("sub", "--feed=fx")
        bank.rows("DELETE FROM feedfall.span WHERE source IN (SELECT id FROM feedfall.source WHERE stage = 'relay')")
        bank.rows("UPDATE feedfall.source SET next_offset = first_offset WHERE stage = 'relay'")
        bank.rows("DELETE FROM feedfall.batch")
    else:
        restore(bank)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    assert relay().counts("read", "loaded", "duplicate") == [2, 1, 1]
    assert (len(ecb.requests), answers(bank)) == (asked + 1, 2 * there)
    door("sub", "--feed=fx")
    assert bank.rows("SELECT DISTINCT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_restored__a_deferred_request_that_was_answered_since_is_not_sent_again(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    ecb.failures = [503] * 4
    door("pub", "--feed=fx", f"--base-date={BEFORE}")
    relay()
    hasten(bank)
    assert relay().counts("loaded", "retried") == [1, 1]
    asked = len(ecb.requests)
    bank.rows("DELETE FROM feedfall.batch")
    bank.rows("UPDATE feedfall.request SET status = 'sent', answered_at = NULL, count = NULL, retry_at = now()")
    assert relay().counts("read", "loaded", "retried") == [0, 0, 0]
    assert len(ecb.requests) == asked
    door("sub", "--feed=fx")
    assert bank.rows("SELECT status FROM feedfall.request") == [("complete",)]
    assert bank.broken("fx") == []


def test_restored__what_others_send_meanwhile_is_waited_for_by_nobody(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    """Another publisher's open transaction holds relay up only where a batch was left open."""
    other = Publisher(read(bank.environ), f"{bank.prefix}another")
    with other.transaction():
        other.send(bank.topic("fx"), b"k", b"{}")
        other.confirm()
        door("pub", "--feed=fx", f"--base-date={BEFORE}")
        assert relay().counts("loaded") == [1]
