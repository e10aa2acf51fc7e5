"""0008: a ledger whose leases were by shard goes on by partition, whatever the number of its shards was."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka import TopicCollection

from bank import PACKAGES, Bank, Door, with_roles
from catalog import find
from ledger import schema
from ledger.database import connect

if TYPE_CHECKING:
    from pathlib import Path

#: Two shards of two partitions each, at different epochs; a closed source; a shard that never read anything.
FILL = """
INSERT INTO feedfall.run (feed, stage, shard, uid, name, status, exit_code, code, ended_at)
    VALUES ('latest', 'sub', 0, 'a', 'a', 'SUCCEEDED', 0, 7, now()),
           ('latest', 'sub', 1, 'b', 'b', 'RUNNING', NULL, 7, NULL);
INSERT INTO feedfall.lease (feed, stage, shard, holder, run, epoch, taken_at, expires_at)
    VALUES ('latest', 'sub', 0, 'a', 1, 5, now(), NULL),
           ('latest', 'sub', 1, 'b', 2, 9, now(), now() + interval '1 hour'),
           ('latest', 'relay', 3, NULL, NULL, 0, NULL, NULL);
INSERT INTO feedfall.source (feed, stage, shard, topic, topic_id, partition, markers, first_offset, next_offset, epoch)
    SELECT 'latest', 'sub', p %% 2, %(topic)s, %(topic_id)s, p, false, 0, 10, CASE p %% 2 WHEN 0 THEN 5 ELSE 9 END
    FROM generate_series(0, 3) AS p;
INSERT INTO feedfall.source (feed, stage, shard, topic, topic_id, partition, markers, first_offset, next_offset, epoch,
                             closed_at)
    VALUES ('latest', 'sub', 0, %(topic)s, 'before', 0, false, 0, 3, 4, now());
INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent, rows_read, loaded, superseded,
                           duplicate, quarantined, deferred)
    SELECT id, 0, 10, 1, 10, '{}', 10, 0, 10, 0, 0, 0 FROM feedfall.source WHERE closed_at IS NULL
"""


@pytest.fixture
def by_shard(bank: Bank, tmp_path: Path) -> Bank:
    """A database as code 7 left it, and the topic with twelve messages in each of its four partitions."""
    bank.create("latest", partitions=4)
    for partition in range(4):
        for number in range(12):
            row = f'{{"symbol": "P{partition}N{number}", "base_date": "2026-10-30", "price": "1"}}'
            bank.producer.produce(bank.topic("latest"), row.encode(), partition=partition)
    bank.producer.flush(10)
    [described] = bank.admin.describe_topics(TopicCollection([bank.topic("latest")])).values()
    for file in schema.MIGRATIONS.glob("000[1-7]*.sql"):
        shutil.copy(file, tmp_path)
    bank.rows("DROP SCHEMA feedfall CASCADE")
    with closing(connect(bank.url, "migrate")) as connection:
        schema.migrate(connection, [], tmp_path)
    where = {"topic": bank.topic("latest"), "topic_id": str(described.result().topic_id)}
    with psycopg.ClientCursor(psycopg.connect(bank.url, autocommit=True)) as cursor:
        cursor.execute(FILL.encode(), where)
        cursor.connection.close()
    with closing(connect(bank.url, "migrate")) as connection:
        assert schema.migrate(connection, find.every(PACKAGES))[:1] == ["0008_partitions"]
    with_roles(bank.url)
    return bank


def test_migrate__shards_become_partitions_with_the_highest_epoch_and_their_checkpoints(by_shard: Bank) -> None:
    """Each epoch rises by one, so that a pod of the old code that still runs commits nothing more."""
    leases = "SELECT stage, partition, epoch, run, held FROM feedfall.lease ORDER BY stage, partition"
    assert by_shard.rows(leases) == [("sub", partition, 10, 2, False) for partition in range(4)]
    sources = "SELECT partition, next_offset, epoch FROM feedfall.source WHERE closed_at IS NULL ORDER BY partition"
    assert by_shard.rows(sources) == [(partition, 10, 10) for partition in range(4)]
    assert by_shard.rows("SELECT next_offset, epoch FROM feedfall.source WHERE closed_at IS NOT NULL") == [(3, 10)]


def test_migrate__a_run_goes_on_where_two_shards_were(by_shard: Bank, door: Door) -> None:
    """The history that ended in KeyError and a unique violation: shards changed from one number to another."""
    done = door("sub", "--feed=latest")
    assert (done.status, *done.counts("read", "loaded", "lag")) == ("SUCCEEDED", 8, 8, 0)
    assert by_shard.value("SELECT status FROM feedfall.run WHERE uid = 'b'") == "LOST"
    every = "SELECT count(*), min(next_offset), max(next_offset) FROM feedfall.source WHERE closed_at IS NULL"
    assert by_shard.rows(every) == [(4, 12, 12)]
