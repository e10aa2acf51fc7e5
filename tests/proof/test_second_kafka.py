"""A feed moves to another Kafka: its topic is copied there with other offsets, and each row stays once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from typer.testing import CliRunner

from bank import Bank, Door, committed
from cli.__main__ import app
from local.servers.kafka import broker
from local.servers.process import Processes

if TYPE_CHECKING:
    from pathlib import Path


def test_rebind__to_a_second_kafka(bank: Bank, door: Door, tmp_path: Path) -> None:
    bank.create("tick", partitions=2)
    for n in range(300):
        row = {"symbol": f"S{n}", "price": "1", "volume": n, "note": None}
        bank.producer.produce(
            bank.topic("tick"), json.dumps(row).encode(), partition=n % 2, timestamp=1_793_000_000_000 + n
        )
    bank.producer.flush(10)
    assert door("sub", "--feed=tick").counts("loaded") == [300]
    first = committed(bank, bank.topic("tick"))
    with Processes() as processes, broker(tmp_path, processes, say=print) as kafka:
        there = Bank(kafka, bank.url, bank.prefix)
        there.create("tick", partitions=2)
        copy = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
        for each in first:
            if each.offset() >= 30:  # retention took the beginning before the mirror began
                copy.produce(
                    there.topic("tick"), each.value(), partition=each.partition(), timestamp=each.timestamp()[1]
                )
        copy.flush(30)
        there.send(there.topic("tick"), json.dumps({"symbol": "N", "price": "1", "volume": 999, "note": None}).encode())
        new = {"KAFKA_BOOTSTRAP_SERVERS": kafka}
        assert door("sub", "--feed=tick", **new).exit == 81
        done = CliRunner().invoke(
            app, ["rebind", "tick", "--yes", "--reason=moved", "--by=kim"], env={**bank.environ, **new}
        )
        assert "120 of 150 last messages are the same" in done.stdout
        assert door("sub", "--feed=tick", **new).counts("read", "loaded") == [1, 1]
    assert bank.value("SELECT count(*) FROM tick") == 301
    assert bank.broken("tick") == []
