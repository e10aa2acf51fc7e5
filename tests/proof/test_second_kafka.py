"""A feed moves to another Kafka: its topic is copied there with other offsets, and each row stays once."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from bank import Bank, Door, committed
from cli.__main__ import app
from deep_command import deep
from local.servers.kafka import broker
from local.servers.process import Processes

if TYPE_CHECKING:
    from pathlib import Path


def row(n: int) -> bytes:
    return json.dumps({"symbol": f"S{n}", "price": "1", "volume": n, "note": None}).encode()


def moved_to(bank: Bank, kafka: str) -> Bank:
    """The same database and topics, another Kafka."""
    return Bank(kafka, bank.url, bank.prefix)


def new(kafka: str) -> dict[str, str]:
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka}


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


def test_same_names_in_a_second_kafka__is_81_with_what_was_found(bank: Bank, door: Door, tmp_path: Path) -> None:
    """The same topic name, another cluster: nothing is read, and the reason names both clusters."""
    bank.create("tick", partitions=1)
    bank.send(bank.topic("tick"), row(1))
    assert door("sub", "--feed=tick").counts("loaded") == [1]
    with Processes() as processes, broker(tmp_path, processes, say=print) as kafka:
        there = moved_to(bank, kafka)
        there.create("tick", partitions=1)
        there.send(there.topic("tick"), row(1))
        ended = door("sub", "--feed=tick", **new(kafka))
        clusters = [each.admin.list_topics(timeout=10).cluster_id for each in (bank, there)]
    assert ended.exit == 81
    assert all(cluster in ended.words["reason"] for cluster in clusters)
    assert "with another topic id" in ended.words["reason"]
    assert bank.value("SELECT count(*) FROM tick") == 1


@pytest.mark.parametrize("renamed", [True, False])
def test_copied_disks__with_a_cluster_id_of_their_own_or_not(
    bank: Bank, door: Door, tmp_path: Path, *, renamed: bool
) -> None:
    """A copy of the disks has the same topic ids, and a cluster id of its own only where somebody gave it one.

    Without one, a copy that ends before the checkpoint is refused; what it holds otherwise, `verify --deep` finds.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    with Processes() as processes:
        with broker(first, processes, say=print) as kafka:
            here = moved_to(bank, kafka)
            here.create("tick", partitions=1)
            for n in range(3):
                here.send(here.topic("tick"), row(n))
            assert door("sub", "--feed=tick", **new(kafka)).counts("loaded") == [3]
        shutil.copytree(first, second)
        if renamed:
            meta = second / "data" / "meta.properties"
            meta.write_text(re.sub(r"cluster.id=.*", "cluster.id=AAAAAAAAAAAAAAAAAAAAAA", meta.read_text()))
        with broker(first, processes, say=print) as kafka:  # the first one goes on: its log is longer than the copy's
            moved_to(bank, kafka).send(here.topic("tick"), row(3))
            assert door("sub", "--feed=tick", **new(kafka)).counts("loaded") == [1]
        with broker(second, processes, say=print) as kafka:
            behind = door("sub", "--feed=tick", **new(kafka))
            moved_to(bank, kafka).send(here.topic("tick"), row(4))  # the copy has another message there
            CliRunner().invoke(app, ["free", "tick", "--reason=x", "--by=kim"], env=bank.environ)
            beside = door("sub", "--feed=tick", **new(kafka))
            account = deep(moved_to(bank, kafka), "tick")
    assert behind.exit == 81
    assert ("with the same topic id" if renamed else "data was lost in Kafka") in behind.words["reason"]
    assert beside.exit == (81 if renamed else 0)
    assert bool(account["broken"]) is not renamed
    assert bank.broken("tick") == []
