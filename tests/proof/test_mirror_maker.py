"""A feed moves to a second Kafka that a real MirrorMaker 2 fills: its own pairs of offsets say where it goes on."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

import steps.sub
from bank import PACKAGES, Bank, committed, eventually
from catalog import find
from cli.__main__ import app
from ledger import verify
from ledger.database import connect
from ledger.errors import OffsetGap
from ledger.key import LeaseKey
from local.servers.kafka import broker
from local.servers.process import Processes
from proof.mirror_maker import mirror_maker
from steps.run import settings
from steps.run.execution import executing

if TYPE_CHECKING:
    from pathlib import Path

TICK = replace(find.load("tick", PACKAGES), transactional=True)
SYNCS, CHECKPOINTS = "mm2-offset-syncs.new.internal", "old.checkpoints.internal"
PATIENCE = 120


def send(bank: Bank, topic: str, first: int, count: int, *, transactional: bool) -> None:
    """Each transaction's marker takes an offset that no copy has."""
    config = {"bootstrap.servers": bank.kafka, "enable.idempotence": True}
    producer = Producer({**config, **({"transactional.id": "tests"} if transactional else {})})
    if transactional:
        producer.init_transactions(30)
    for start in range(first, first + count, 25):
        if transactional:
            producer.begin_transaction()
        for n in range(start, min(start + 25, first + count)):
            row = {"symbol": f"S{n}", "price": "1", "volume": n, "note": None}
            producer.produce(topic, json.dumps(row).encode(), partition=n % 2, timestamp=1_793_000_000_000 + n)
        if transactional:
            producer.commit_transaction(30)
    producer.flush(30)


def sub(bank: Bank) -> list[int]:
    """Rows read and loaded, by a feed that knows of offsets that no message has."""
    found = settings.read({**bank.environ, "DATABASE_URL": bank.pod_url})
    with executing(found, LeaseKey("tick", "sub"), threading.Event()) as execution:
        execution.outcome = steps.sub.sub(execution, TICK)
        return [execution.outcome.counts[name] for name in ("read", "loaded")]


def copied(bank: Bank, topic: str) -> int:
    return len(committed(bank, topic)) if topic in bank.admin.list_topics(timeout=10).topics else 0


@pytest.mark.parametrize("transactional", [False, True])
def test_rebind__to_what_a_real_mirror_maker_copied(bank: Bank, tmp_path: Path, *, transactional: bool) -> None:
    with (
        Processes() as processes,
        broker(tmp_path / "old", processes, say=print) as before,
        broker(tmp_path / "new", processes, say=print) as after,
    ):
        here, there = (Bank(kafka, bank.url, bank.prefix, bank.roles) for kafka in (before, after))
        here.create("tick", partitions=2)
        old = here.topic("tick")
        send(here, old, 0, 400, transactional=transactional)
        assert sub(here) == [400, 400]
        with mirror_maker(tmp_path / "mirror", processes, before, after, old.replace(".", r"\\.")):
            eventually(lambda: copied(there, f"old.{old}") == 400, PATIENCE)
            send(here, old, 400, 30, transactional=transactional)
            eventually(lambda: copied(there, f"old.{old}") == 430, PATIENCE)
            eventually(lambda: copied(there, CHECKPOINTS) > 0, PATIENCE)
        there.environ["FEEDFALL_TOPIC_PREFIX"] = f"old.{bank.prefix}"
        with pytest.raises(OffsetGap):
            sub(there)
        words = ["rebind", "tick", "--yes", "--reason=moved", "--by=kim"]
        mirrors = [f"--mirror={SYNCS}", f"--mirror-servers={before}"]
        done = CliRunner().invoke(app, [*words, *mirrors], env=there.environ)
        print(done.stdout, done.exception)
        assert done.stdout.count("200 of 200 last messages are the same; MirrorMaker") == 2, done.exception
        assert sub(there) == [30, 30]
    assert bank.value("SELECT count(*), count(DISTINCT volume) FROM tick") == 430
    with closing(connect(bank.url, "verify")) as connection:
        assert list(verify.verify(connection, TICK).broken) == []
