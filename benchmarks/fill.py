"""python -m benchmarks.fill SERVERS MESSAGES: the price topic as relay writes it, ten responses a transaction."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from catalog import Envelope
from catalog.message import correlation

if TYPE_CHECKING:
    from collections.abc import Iterator

    Header = tuple[str, str | bytes | None]

A_RESPONSE, RESPONSES = 10_000, 10  # rows of one response, responses of one transaction
FIRST = date(2025, 1, 1)
SOURCE = (
    "https://prices.example.com/v2/markets/krx/equities/daily?symbol={symbol}&base_date={day}"
    "&adjusted=false&currency=KRW&cursor={page:09}"
)


def prices(number: int) -> Iterator[tuple[str, bytes, bytes]]:
    """(base date, key, value), in the order of time."""
    for i in range(number):
        day = FIRST + timedelta(days=i // A_RESPONSE)
        ts = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000 + i % A_RESPONSE * 1000
        symbol = f"KRX:{i * 7919 % 2000:06}"
        source = SOURCE.format(symbol=symbol, day=day, page=i)
        value = (
            f'{{"base_date": "{day}", "ts": {ts}, "symbol": "{symbol}", "price": "{i % 900_000 + 100}.{i % 9999:04}", '
            f'"volume": {i * 31 % 100_000}, "source": "{source}"}}'
        )
        yield f"{day}", f"{day}|{ts}|{symbol}".encode(), value.encode()


def fill(servers: str, number: int) -> None:
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "transactional.id": "benchmarks",
            "linger.ms": 20,
            "queue.buffering.max.messages": 20_000,
            "batch.size": 200_000,
        }
    )
    producer.init_transactions()
    headers: list[Header] = []
    for i, (day, key, value) in enumerate(prices(number)):
        if i % A_RESPONSE == 0:
            if i % (A_RESPONSE * RESPONSES) == 0:
                if i:
                    producer.commit_transaction()
                producer.begin_transaction()
            base_date = date.fromisoformat(day)
            rows = min(A_RESPONSE, number - i)
            headers = [*Envelope(correlation("price", base_date, 1), base_date, 1, count=rows).headers()]
        _send(producer, key, value, headers)
    producer.commit_transaction()


def _send(producer: Producer, key: bytes, value: bytes, headers: list[Header]) -> None:
    while True:
        try:
            return producer.produce("price.response", value, key, headers=headers)
        except BufferError:
            producer.poll(0.01)


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
