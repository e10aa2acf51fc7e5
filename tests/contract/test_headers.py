"""Header names that are not UTF-8, as the driver hands them out: here from librdkafka's own broker in memory."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from catalog.message import UnreadableHeaders
from raw_produce import batch, produce, record
from steps.drain.headers import by_headers, read_headers
from steps.drain.kafka import Reader
from steps.run.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from steps.drain.kafka import Message

GOOD, LATIN, OTHER = (b"a", b"1"), ("größe".encode("latin-1"), b"\xff"), (b"b", b"2")
BATCHES = 10


@pytest.fixture
def broker() -> Iterator[str]:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "in memory", "log_level": 0})
    producer.produce("log", b"", partition=1)
    producer.flush(5)
    [address] = producer.list_topics("log", 5).brokers.values()
    yield f"{address.host}:{address.port}"
    del producer  # and its broker with it


def read(broker: str, headers: Sequence[tuple[bytes, bytes]]) -> list[Message]:
    """Ten times a message without headers, one with these, and one without."""
    for _ in range(BATCHES):
        records = [record(number, b"", headers=headers if number == 1 else []) for number in range(3)]
        produce(broker, "log", batch(records))
    messages: list[Message] = []
    with closing(Reader(Settings({"bootstrap.servers": broker}, ""), "log", "headers")) as reader:
        reader.assign({0: 0})
        while len(messages) < BATCHES * 3:
            messages += reader.read()
    return messages


@pytest.mark.parametrize(
    ("headers", "number", "readable"),
    [
        ([LATIN], 1, []),
        ([GOOD, LATIN, OTHER], 2, [("a", b"1"), ("b", b"2")]),
        ([GOOD, GOOD, LATIN, LATIN], 3, [("a", b"1"), ("a", b"1")]),
    ],
)
def test_headers__each_unreadable_one_stands_alone_with_what_could_be_read(
    broker: str, headers: Sequence[tuple[bytes, bytes]], number: int, readable: list[tuple[str, bytes]]
) -> None:
    messages = read(broker, headers)
    found = by_headers(messages)
    unreadable = [each for each, _ in found if isinstance(each, UnreadableHeaders)]
    assert [list(each) for each in unreadable] == [readable] * BATCHES
    assert {each.reason for each in unreadable} == {f"header {number} has a name that is not UTF-8"}
    assert [len(alike) for _, alike in found] == [1, *[1, 2] * (BATCHES - 1), 1, 1]
    assert [each for each, _ in by_headers(messages)] == [each for each, _ in found]  # as often as one likes


def test_headers__one_by_one_they_are_as_safe(broker: str) -> None:
    messages = read(broker, [LATIN, OTHER])
    read_headers(messages)
    read_headers(messages)
    assert [list(message.headers() or []) for message in messages] == [[], [("b", b"2")], []] * BATCHES


def test_headers__that_are_readable_are_the_drivers_own(broker: str) -> None:
    messages = read(broker, [GOOD, OTHER])
    read_headers(messages)
    assert [each for each, _ in by_headers(messages)][:2] == [None, [("a", b"1"), ("b", b"2")]]
