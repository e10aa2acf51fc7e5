"""What a topic may do to a drain: open transactions, retention, a new life under an old name, more partitions."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from bank import PACKAGES, Bank, Door, ended, eventually
from catalog import find
from ledger.chunk import ChunkResult
from ledger.key import LeaseKey
from steps.drain.drain import Patience, drain
from steps.run.execution import executing
from steps.run.exits import OffsetGap
from steps.run.settings import read
from steps.run.status import Status
from steps.sub import Sub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.chunk import Source
    from ledger.database import Connection
    from ledger.lease import Lease
    from steps.drain.intake import Intake
    from steps.drain.kafka import Reader
    from steps.run.execution import Outcome


def ticks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]


def impatient(bank: Bank) -> Outcome:
    """A sub of fx that waits half a second for an open transaction, where a pod waits ten."""
    environment, feed = read({**bank.environ, "DATABASE_URL": bank.pod_url}), find.load("fx", PACKAGES)
    with executing(environment, LeaseKey("fx", "sub"), threading.Event()) as execution:
        execution.outcome = drain(execution, feed, Sub(feed, environment.topic_prefix), Patience(transaction=0.5))
        return execution.outcome


def test_open_transaction__is_waited_for_and_then_counted_as_lag(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    producer = Producer({"bootstrap.servers": bank.kafka, "transactional.id": bank.prefix, "log_level": 0})
    producer.init_transactions(10)
    producer.begin_transaction()
    row = b'{"base_date": "2026-10-30", "currency": "USD", "rate": "1"}'
    producer.produce(bank.topic("fx"), row)
    producer.flush(10)
    pod = bank.start("sub", "--feed=fx")
    time.sleep(1.0)
    assert pod.poll() is None
    producer.commit_transaction(10)
    out, err = pod.communicate(timeout=30)
    assert ended(pod.returncode, out, err).counts("loaded", "lag") == [1, 0]
    assert bank.broken("fx") == []
    producer.begin_transaction()
    producer.produce(bank.topic("fx"), row)
    producer.flush(10)
    left = impatient(bank)
    assert (left.exit, left.status, left.counts["lag"]) == (75, Status.OPEN_TXN, 1)
    producer.abort_transaction(10)
    assert door("sub", "--feed=fx").counts("read", "lag") == [0, 0]
    assert bank.broken("fx") == []


def test_retention_past_the_checkpoint__is_an_offset_gap_that_blocks(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    bank.respond("tick", ticks(10, first=10))
    [future] = bank.admin.delete_records([TopicPartition(bank.topic("tick"), 0, 15)]).values()
    future.result()
    gap = door("sub", "--feed=tick")
    assert (gap.exit, "offsets 10 to 15 are gone" in gap.words["reason"]) == (81, True)
    assert door("sub", "--feed=tick").status == "BLOCKED"


def test_topic_made_anew__is_an_offset_gap(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    bank.delete_topic(bank.topic("tick"))
    bank.create_topics({bank.topic("tick"): 1})
    bank.respond("tick", ticks(20))
    gap = door("sub", "--feed=tick")
    assert (gap.exit, "created anew" in gap.words["reason"]) == (81, True)


def test_partitions_added__start_at_their_beginning(bank: Bank, door: Door) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    door("sub", "--feed=tick")
    [future] = bank.admin.create_partitions([NewPartitions(bank.topic("tick"), 3)]).values()
    future.result()
    eventually(lambda: len(bank.admin.list_topics(timeout=10).topics[bank.topic("tick")].partitions) == 3)
    fresh = Bank(bank.kafka, bank.url, bank.prefix, bank.roles)  # a producer that knows the new partitions
    for partition in range(3):
        fresh.send(
            bank.topic("tick"),
            b'{"symbol":"B","price":"1","volume":%d,"note":null}' % (100 + partition),
            partition=partition,
        )
    assert door("sub", "--feed=tick").counts("loaded") == [3]
    assert bank.broken("tick") == []


class StandsStill:
    """A sink like relay: it reads in `gather`, and would commit to Kafka in `load`. Between the two it stands still."""

    stage, markers, batch, shares = "relay", False, 50, False

    def __init__(self, topic: str, meanwhile: Callable[[], None]) -> None:
        self.topic, self._meanwhile, self.loaded = topic, meanwhile, False

    def open(self, held: Lease, reader: Reader, sources: Mapping[int, Source]) -> None: ...

    def gather(self, intake: Intake) -> None:
        assert sum(map(len, intake.batches())) == 10
        self._meanwhile()

    def load(self, connection: Connection, intake: Intake) -> ChunkResult:  # noqa: ARG002 -- its form
        self.loaded = True
        return ChunkResult()

    def outcome(self, outcome: Outcome) -> Outcome:
        return outcome


def test_topic_made_anew_after_the_last_read__nothing_is_committed_to_kafka(bank: Bank) -> None:
    """Promise: the topic's id is looked at before any commit, and relay's first one is Kafka's."""
    bank.create("tick", partitions=1)
    bank.respond("tick", ticks(10))
    topic = bank.topic("tick")

    def made_anew() -> None:
        bank.delete_topic(topic)
        bank.create_topics({topic: 1})

    sink = StandsStill(topic, made_anew)
    with (
        pytest.raises(OffsetGap, match="deleted and created anew"),
        executing(read(bank.environ), LeaseKey("tick", "relay"), threading.Event()) as execution,
    ):
        drain(execution, find.load("tick", PACKAGES), sink)
    assert not sink.loaded
    assert bank.value("SELECT count(*) FROM feedfall.span") == 0
