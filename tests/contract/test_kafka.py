"""What steps/drain expects of a broker, tried on a real one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bank import Bank, committed, eventually
from steps.drain.kafka import Cluster, Reader, Watermarks
from steps.drain.publisher import Publisher
from steps.run.exits import Fenced, Misconfigured, OffsetGap
from steps.run.settings import Settings, read

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def settings(bank: Bank) -> Settings:
    return read(bank.environ)


@pytest.fixture
def cluster(settings: Settings) -> Cluster:
    return Cluster(settings)


@pytest.fixture
def topic(bank: Bank) -> str:
    """A topic of one partition."""
    bank.create_topics({f"{bank.prefix}topic": 1})
    return f"{bank.prefix}topic"


@pytest.fixture
def reader(settings: Settings, topic: str) -> Iterator[Reader]:
    with closing(Reader(settings, topic, "contract")) as reader:
        yield reader


def ends(cluster: Cluster, topic: str) -> Watermarks:
    return cluster.watermarks(cluster.topic(topic))[0]


def write(publisher: Publisher, topic: str, *values: bytes) -> None:
    """A transaction."""
    with publisher.transaction():
        for value in values:
            publisher.send(topic, b"key", value)


def read_to(reader: Reader, start: int, end: int) -> list[bytes | None]:
    """Values from start, until the position has reached the end."""
    reader.assign({0: start})
    values: list[bytes | None] = []
    for _ in range(100):
        values += [message.value() for message in reader.read()]
        if reader.positions()[0] >= end:
            return values
    raise AssertionError((values, reader.positions()))


# -- Cluster --


def test_topics__only_those_that_exist(cluster: Cluster, topic: str) -> None:
    assert set(cluster.topics([topic, "nowhere"])) == {topic}
    assert cluster.topics([topic])[topic].partitions == (0,)


def test_topic__missing_is_named(cluster: Cluster) -> None:
    with pytest.raises(Misconfigured, match=r"topic nowhere does not exist, .* create it, or grant DESCRIBE"):
        cluster.topic("nowhere")


def test_topic__made_anew_has_another_id(bank: Bank, cluster: Cluster, topic: str) -> None:
    before = cluster.topic(topic).id
    assert cluster.topic(topic).id == before
    bank.delete_topic(topic)
    bank.create_topics({topic: 1})
    assert cluster.topic(topic).id != before


def test_ends__of_an_empty_topic(cluster: Cluster, topic: str) -> None:
    assert ends(cluster, topic) == Watermarks(0, 0, 0)


def test_ends__only_of_the_partitions_asked_for(bank: Bank, cluster: Cluster) -> None:
    bank.create_topics({f"{bank.prefix}wide": 3})
    wide = cluster.topic(f"{bank.prefix}wide")
    assert set(cluster.watermarks(wide, [0, 2])) == {0, 2}


def test_ends__retention_moves_the_low_one(bank: Bank, cluster: Cluster, topic: str) -> None:
    from confluent_kafka import TopicPartition  # noqa: PLC0415 -- for this one act of an administrator

    for _ in range(3):
        bank.send(topic, b"x")
    for future in bank.admin.delete_records([TopicPartition(topic, 0, 2)]).values():
        future.result()
    assert ends(cluster, topic) == Watermarks(2, 3, 3)


def test_ends__an_open_transaction_holds_the_committed_one(cluster: Cluster, settings: Settings, topic: str) -> None:
    with closing(Publisher(settings, f"{topic}.open")) as publisher:
        write(publisher, topic, b"before")
        with publisher.transaction():
            publisher.send(topic, None, b"in flight")
            publisher.confirm()
            assert ends(cluster, topic) == Watermarks(0, 2, 3)  # a record and its marker; then what is in flight
    eventually(lambda: ends(cluster, topic) == Watermarks(0, 4, 4))  # markers follow a moment later


# -- Reader --


def test_reader__steps_over_markers_and_aborted_records(
    cluster: Cluster, settings: Settings, topic: str, reader: Reader
) -> None:
    with closing(Publisher(settings, f"{topic}.writer")) as publisher:
        write(publisher, topic, b"one", b"two")  # 0, 1, marker 2
        with pytest.raises(ZeroDivisionError), publisher.transaction():  # noqa: PT012 -- a transaction's whole life
            publisher.send(topic, None, b"never")  # 3, marker 4
            publisher.confirm()
            raise ZeroDivisionError
        write(publisher, topic, b"three")  # 5, marker 6
    eventually(lambda: ends(cluster, topic) == Watermarks(0, 7, 7))
    assert read_to(reader, 0, 7) == [b"one", b"two", b"three"]
    assert read_to(reader, 2, 7) == [b"three"]  # from a marker's own offset
    assert read_to(reader, 6, 7) == []  # nothing but a marker is left, and the position still gets there


def test_reader__position_is_where_it_was_told_before_anything_came(reader: Reader) -> None:
    reader.assign({0: 0})
    assert reader.positions() == {0: 0}


def test_reader__an_offset_that_is_gone_is_a_gap_and_never_a_jump(reader: Reader) -> None:
    with pytest.raises(OffsetGap, match="Retention or a re-creation ate data"):
        read_to(reader, 10, 11)


def test_reader__fetches_one_message_again(bank: Bank, topic: str, reader: Reader) -> None:
    for value in (b"one", b"two", b"three"):
        bank.send(topic, value)
    assert reader.fetch(0, 1).value() == b"two"


# -- Publisher --


def test_publisher__an_abort_leaves_nothing_visible(bank: Bank, settings: Settings, topic: str) -> None:
    with closing(Publisher(settings, f"{topic}.writer")) as publisher:
        with pytest.raises(ZeroDivisionError), publisher.transaction():  # noqa: PT012 -- a transaction's whole life
            publisher.send(topic, None, b"never")
            publisher.confirm()
            raise ZeroDivisionError
        write(publisher, topic, b"after")
    assert [message.value() for message in committed(bank, topic)] == [b"after"]


def test_publisher__a_new_one_fences_the_old_and_ends_its_transaction(
    bank: Bank, cluster: Cluster, settings: Settings, topic: str
) -> None:
    old = Publisher(settings, f"{topic}.writer")
    with pytest.raises(Fenced, match="a newer run writes"), old.transaction():  # noqa: PT012 -- a transaction's whole life
        old.send(topic, None, b"old")
        old.confirm()
        new = Publisher(settings, f"{topic}.writer")
        assert ends(cluster, topic).last_stable == 2  # aborted: no reader waits for it
        write(new, topic, b"new")
    with pytest.raises(Fenced):
        write(old, topic, b"old again")
    assert [message.value() for message in committed(bank, topic)] == [b"new"]


def test_publisher__headers_and_keys_arrive_as_they_were(bank: Bank, settings: Settings, topic: str) -> None:
    publisher = Publisher(settings)
    publisher.send(topic, b"\xff", b"\x00", [("a", b"1"), ("a", b"2"), ("한글", b"\xff")])
    publisher.confirm()
    [message] = committed(bank, topic)
    assert (message.key(), message.value()) == (b"\xff", b"\x00")
    assert message.headers() == [("a", b"1"), ("a", b"2"), ("한글", b"\xff")]


def test_publisher__a_message_too_large_for_any_topic_is_refused_at_once(settings: Settings, topic: str) -> None:
    with pytest.raises(Misconfigured, match=r"a message of 2,000,000 bytes is too large for .*request="):
        Publisher(settings).send(topic, None, b"x" * 2_000_000)


def test_publisher__a_message_too_large_for_this_topic_needs_a_person(bank: Bank, settings: Settings) -> None:
    narrow = f"{bank.prefix}narrow"
    bank.create_topics({narrow: 1}, **{"max.message.bytes": "1000"})
    publisher = Publisher(settings)
    publisher.send(narrow, None, b"x" * 5000)
    with pytest.raises(Misconfigured, match=r"5,000 bytes is too large for .*narrow.*max\.message\.bytes"):
        publisher.confirm()
