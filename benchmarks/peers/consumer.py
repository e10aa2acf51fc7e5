"""A consumer as a daemon has one, its table, and the clock: from its first message to its last commit."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import psycopg
from confluent_kafka import Consumer

from benchmarks.bench_feeds.price import PRICE
from steps.drain.client_settings import READER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from confluent_kafka import Message

TABLE = "CREATE TABLE peer ({}, PRIMARY KEY (base_date, ts, symbol))".format(
    ", ".join(f"{name} {column.sql}" for name, column in PRICE.columns.items())
)
NAMES = tuple(PRICE.columns)
Row = tuple[object, ...]


def row(message: Message) -> Row:
    found = json.loads(message.value() or b"")
    return tuple(found[name] for name in NAMES)


def run(write: Callable[[psycopg.Cursor, Sequence[Row]], object], at_once: int) -> None:
    """Arguments: KAFKA URL MESSAGES. Prints seconds."""
    kafka, url, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    own = {
        "bootstrap.servers": kafka,
        "group.id": url,
        "auto.offset.reset": "earliest",
        "enable.auto.offset.store": True,
        "session.timeout.ms": 45_000,  # a daemon joins its group, and stays in it
    }
    consumer = Consumer({**READER, **own})
    consumer.subscribe(["price.response"])
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        connection.commit()
        seen, began = 0, 0.0
        while seen < number:
            messages = consumer.consume(min(at_once, number - seen), 1.0)
            began = began or (time.monotonic() if messages else 0.0)
            if messages:
                write(cursor, [row(each) for each in messages])
                connection.commit()
                consumer.commit(asynchronous=False)
            seen += len(messages)
        print(time.monotonic() - began)
        assert cursor.execute("SELECT count(*) FROM peer").fetchone() == (number,)
    consumer.close()
