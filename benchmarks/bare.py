"""python -m benchmarks.bare: sub without its guarantees: the same reader, envelope, checks and COPY, and no more.

No lease, no fence, no checkpoint beside the rows, no fates, no lineage columns, no quarantine, no answers counted: the
offsets go to the Kafka group, so that a crash between the two commits loads rows twice. Only to see what it costs.
"""

from __future__ import annotations

import gc
import os
from itertools import groupby
from typing import TYPE_CHECKING

import psycopg

from benchmarks.bench_feeds.price import PRICE
from catalog import Envelope, Kind
from steps.drain.headers import HEADERS
from steps.drain.kafka import Cluster, Reader
from steps.load.judge import Judge
from steps.run import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steps.drain.kafka import Watermarks

COLUMNS = ", ".join(PRICE.columns)
TABLE = f"CREATE TABLE price_bare AS SELECT {COLUMNS} FROM price WITH NO DATA"
KEY = f"ALTER TABLE price_bare ADD PRIMARY KEY ({', '.join(PRICE.key)})"


def main() -> int:
    """Drain the topic; how many rows."""
    environment = settings.read(os.environ)
    cluster = Cluster(environment)
    topic = cluster.topic(PRICE.topic("response"))
    ends = cluster.watermarks(topic)
    reader = Reader(environment, topic.name, "bare")
    reader.assign({partition: end.low for partition, end in ends.items()})
    rows = 0
    with psycopg.connect(environment.database_url) as connection:
        while chunk := load(connection, reader, ends):
            connection.commit()
            reader.show_lag(reader.positions())
            rows += chunk
    reader.close()
    return rows


def load(connection: psycopg.Connection, reader: Reader, ends: dict[int, Watermarks]) -> int:
    """One chunk of rows, copied while they are read."""
    rows = 0
    with connection.cursor() as cursor, cursor.copy(f"COPY price_bare ({COLUMNS}) FROM STDIN".encode()) as copy:
        for block, count in blocks(reader, ends):
            copy.write(block)
            rows += count
    return rows


def blocks(reader: Reader, ends: dict[int, Watermarks]) -> Iterator[tuple[bytes, int]]:
    judge, left = Judge(PRICE), PRICE.chunk_rows
    line = "\t".join(["%s"] * len(PRICE.columns)) + "\n"
    while left > 0 and any(at < ends[partition].last_stable for partition, at in reader.positions().items()):
        batch = reader.read(min(500, left))
        left -= len(batch)
        lines: list[str] = []
        for headers, alike in groupby(batch, HEADERS):
            if Envelope.of(headers).kind is Kind.ROW:
                found, _ = judge.all_rows([message.value() for message in alike])
                lines += [line % (*row.values(),) for row in found]
        if lines:
            yield "".join(lines).encode(), len(lines)


if __name__ == "__main__":
    gc.freeze()  # as the pod's own door does
    gc.set_threshold(50_000)
    print(main())
