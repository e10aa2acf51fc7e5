"""A broker's disk that lies: a batch whose bytes are no longer what was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from faults.acts import assert_each_once, ticks

if TYPE_CHECKING:
    from bank import Bank, Door
    from faults.wire import Wired


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_disk__a_batch_that_was_changed_is_never_loaded(wire: Wired, bank: Bank, door: Door, codec: str) -> None:
    bank.create("tick", partitions=1)
    producer = Producer({"bootstrap.servers": bank.kafka, "compression.type": codec, "linger.ms": 200, "log_level": 0})
    for row in ticks(200):
        producer.produce(bank.topic("tick"), json.dumps(row).encode())
    producer.flush(10)
    wire.stop_kafka()
    [segment] = wire.segments(bank.topic("tick"))
    written = segment.read_bytes()
    middle = len(written) // 2
    segment.write_bytes(written[:middle] + bytes([written[middle] ^ 1]) + written[middle + 1 :])
    wire.start_kafka()
    done = door("sub", "--feed=tick")
    assert done.exit in (75, 78, 81)
    assert bank.value("SELECT count(*) FROM tick") == 0
    assert bank.value("SELECT count(*) FROM feedfall.quarantine") == 0
    wire.stop_kafka()
    segment.write_bytes(written)  # another replica
    wire.start_kafka()
    bank.rows("UPDATE feedfall.feed_control SET blocked_at = NULL, blocked_reason = NULL")
    assert door("sub", "--feed=tick").status == "SUCCEEDED"
    assert_each_once(bank, 200)
