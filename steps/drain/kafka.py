"""Kafka, as the steps see it. The only file of the pods that imports confluent_kafka.

Cluster    asks: which partitions, which topic id, where do they begin and end
Reader     reads given partitions from given offsets: assign, never subscribe, so no join and no rebalance
Publisher  writes and confirms; with a transactional id, all or nothing
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from steps.run.exits import Failure, Fenced, Misconfigured, OffsetGap, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from steps.run.settings import Settings

SECONDS = 10.0
#: Seconds that the brokers are given to choose a partition's leader, as after a restart of one of them.
ELECTION = 3.0

#: A drain is always slower than the fetch; the default of 1000 ms makes librdkafka sleep a second each time its
#: queue is full (librdkafka #2879). With the small queue: the same speed in a sixth of the memory.
READER = {
    "isolation.level": "read_committed",
    "auto.offset.reset": "error",
    "check.crcs": True,  # off by default: a flipped bit on a broker's disk would be loaded as another price
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "fetch.queue.backoff.ms": 10,
    "queued.max.messages.kbytes": 16384,
    "fetch.error.backoff.ms": 50,
    # We join no group; this is how long the lag shown to one waits for its coordinator, and close for that (45 s).
    "session.timeout.ms": 1000,
}


class Message(Protocol):
    """A message as confluent_kafka hands it out."""

    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...
    def timestamp(self) -> tuple[int, int]: ...


@dataclass(frozen=True)
class Topic:
    """A topic as the cluster has it. A topic of the same name made anew has another id."""

    name: str
    id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Ends:
    """Where a partition begins and ends now. `high` beyond `committed`: a transaction is open."""

    low: int
    committed: int
    high: int


class Cluster:
    """Questions to the cluster. Every answer is a network round trip."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._trouble = settings, _Trouble()
        with translated(self._trouble):
            self._admin = AdminClient(_config(settings, self._trouble))

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Those of the named topics that exist."""
        found = {}
        with translated(self._trouble):
            asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=SECONDS)
        for name, future in asked.items():
            try:
                description = future.result()
            except KafkaException as error:
                if error.args[0].code() in ABSENT:
                    continue
                raise self._translate(error) from error
            partitions = tuple(sorted(partition.id for partition in description.partitions))
            found[name] = Topic(name, str(description.topic_id), partitions)
        return found

    def topic(self, name: str) -> Topic:
        """A topic that must exist."""
        found = self.topics([name])
        if name not in found:
            raise Misconfigured(
                f"topic {name} does not exist, or this user may not see it: create it, or grant DESCRIBE"
            )
        return found[name]

    def ends(self, topic: Topic, partitions: Sequence[int] | None = None) -> dict[int, Ends]:
        """Partition → where it begins and ends."""
        asked = [TopicPartition(topic.name, partition) for partition in partitions or topic.partitions]
        deadline = time.monotonic() + ELECTION
        while True:
            try:
                return self._ends(asked)
            except KafkaException as error:
                if error.args[0].code() not in ELECTING or time.monotonic() > deadline:
                    raise self._translate(error) from error
                time.sleep(0.1)

    def reader(self, topic: str, group: str) -> Reader:
        """A reader of one of its topics."""
        return Reader(self._settings, topic, group)

    def _translate(self, error: KafkaException) -> Failure:
        self._admin.poll(0)  # the cause behind a time-out is told only to who polls
        return translate(error, self._trouble)

    def _ends(self, asked: Sequence[TopicPartition]) -> dict[int, Ends]:
        committed, uncommitted = IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED
        low = self._offsets(asked, EARLIEST, uncommitted)
        end = self._offsets(asked, LATEST, committed)
        high = self._offsets(asked, LATEST, uncommitted)
        return {
            each.partition: Ends(low[each.partition](), at := end[each.partition](), max(high[each.partition](), at))
            for each in asked
        }

    def _offsets(self, asked: Sequence[TopicPartition], spec: Any, level: Any) -> dict[int, Any]:  # noqa: ANN401 -- the driver's own
        futures = self._admin.list_offsets(dict.fromkeys(asked, spec), isolation_level=level, request_timeout=SECONDS)
        return {each.partition: lambda future=future: future.result().offset for each, future in futures.items()}


class Reader:
    """One topic's partitions, read from given offsets."""

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        self._trouble = _Trouble()
        self._settings, self._topic, self._group = settings, topic, group
        with translated(self._trouble):
            self.consumer = Consumer({**_config(settings, self._trouble), **READER, "group.id": group})
        self._start: dict[int, int] = {}

    def assign(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions from these offsets, always numbers."""
        with translated(self._trouble):
            self._start = dict(offsets)
            wanted = [TopicPartition(self._topic, *each) for each in offsets.items()]
            self.consumer.assign(wanted)
            self.consumer.resume(wanted)  # a partition stays paused through a new assignment

    def read(self, limit: int = 500, seconds: float = 0.05) -> list[Message]:
        """Up to `limit` messages; fewer when that is all there is in `seconds`. Small batches stay in cache."""
        with translated(self._trouble):
            messages: list[Any] = self.consumer.consume(limit, seconds)
            told = [message.error() for message in messages if message.error()]
            for error in told:
                if error.code() != GROUP:
                    raise KafkaException(error)
        if not messages:
            self._trouble.raise_fatal()
        return [message for message in messages if not message.error()] if told else messages

    def positions(self) -> dict[int, int]:
        """Partition → the next offset. Steps over commit markers, which no message shows."""
        asked = [TopicPartition(self._topic, partition) for partition in self._start]
        with translated(self._trouble):
            found = self.consumer.position(asked)
        return {
            each.partition: self._start[each.partition] if each.offset == OFFSET_INVALID else each.offset
            for each in found
        }

    def pause(self, partition: int) -> None:
        """Take no more from a partition that has reached its end."""
        self.consumer.pause([TopicPartition(self._topic, partition)])

    def fetch(self, partition: int, offset: int) -> Message:
        """One message again, by its offset, on a connection of its own."""
        other = Reader(self._settings, self._topic, self._group)
        try:
            other.assign({partition: offset})
            for _ in range(int(SECONDS / 0.5)):
                for message in other.read(1, 0.5):
                    if message.offset() == offset:
                        return message
            raise Transient(f"{self._topic}[{partition}]@{offset} was read before and cannot be read again")
        finally:
            other.close()

    def group_offsets(self, partitions: Iterable[int]) -> dict[int, int]:
        """What the group has committed, where it has."""
        asked = [TopicPartition(self._topic, partition) for partition in partitions]
        with translated(self._trouble):
            found = self.consumer.committed(asked, timeout=SECONDS)
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def show_lag(self, offsets: Mapping[int, int]) -> None:
        """Tell the group where we are, for lag tools only: nothing reads it back. Best effort, never waits."""
        try:
            self.consumer.commit(offsets=_as_offsets(self._topic, offsets), asynchronous=True)
        except KafkaException:
            return

    def close(self) -> None:
        self.consumer.close()


class Publisher:
    """Writes to topics and confirms. Closing it early loses nothing that was confirmed."""

    def __init__(self, settings: Settings, transactional_id: str | None = None) -> None:
        self._trouble = _Trouble()
        self._failed: list[Failure] = []
        extra = {"transactional.id": transactional_id} if transactional_id else {}
        with translated(self._trouble):
            config = {**_config(settings, self._trouble), "enable.idempotence": True, "linger.ms": 5, **extra}
            self._producer = Producer(config)
            if transactional_id:
                self._producer.init_transactions(SECONDS)  # fences a zombie, ends its open transaction

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Hand a message over. Raises Misconfigured for one that is too large for any topic."""
        while True:
            try:
                return self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                raise _undelivered(error, topic, len(value)) from error

    def confirm(self, seconds: float = 30.0) -> None:
        """Wait until all that was sent is on the brokers. Raises when one message is not."""
        with translated(self._trouble):
            left = self._producer.flush(seconds)
            if self._failed:
                raise self._failed[0]
            if left:
                raise Transient(f"Kafka did not confirm {left} messages within {seconds:.0f} s{self._trouble.words()}")

    @contextmanager
    def transaction(self, offsets: Mapping[int, int], reader: Reader) -> Iterator[None]:
        """All of the block's messages and the reader's group offsets, or none. Aborts when the block raises."""
        with translated(self._trouble):
            self._failed.clear()
            self._producer.begin_transaction()
            try:
                yield
                where = _as_offsets(reader._topic, offsets)  # noqa: SLF001 -- the two halves of one file
                group = reader.consumer.consumer_group_metadata()
                _within(SECONDS, lambda: self._producer.send_offsets_to_transaction(where, group, SECONDS))
                self._producer.commit_transaction(SECONDS * 3)
            except BaseException:
                self._abort()
                raise

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(SECONDS)
        except KafkaException:
            return  # fenced, or out of reach: the broker ends it by itself

    def _delivered(self, error: KafkaError | None, message: Any) -> None:  # noqa: ANN401 -- the driver's own
        if error is not None:
            self._failed.append(_undelivered(KafkaException(error), message.topic(), len(message.value())))

    def close(self) -> None:
        with suppress(KafkaException):  # fenced: what was to be said about it has been said
            self._producer.flush(0)


def _within(seconds: float, call: Callable[[], None]) -> None:
    """A call that may never return, though it takes a time-out, once a connection broke (librdkafka #5456, #5511).

    Made in a thread that ends with the process: to leave is all that helps.
    """
    failed: list[KafkaException] = []

    def make() -> None:
        try:
            call()
        except KafkaException as error:
            failed.append(error)

    thread = threading.Thread(target=make, name="within", daemon=True)
    thread.start()
    thread.join(seconds + 1.0)
    if thread.is_alive():
        raise Transient(
            f"Kafka's group coordinator did not answer within {seconds:.0f} s; the next run goes on from here"
        )
    if failed:
        raise failed[0]


ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)  # noqa: SLF001 -- so named by librdkafka
SETTINGS = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 -- so named by librdkafka
    KafkaError._SSL,  # noqa: SLF001 -- so named by librdkafka
    KafkaError._INVALID_ARG,  # noqa: SLF001 -- so named by librdkafka
    KafkaError._UNKNOWN_PROTOCOL,  # noqa: SLF001 -- so named by librdkafka
)
GROUP = KafkaError.GROUP_AUTHORIZATION_FAILED
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
SMALLER = "Let the feed write less (its request=), or, below 1,000,000 bytes, raise the topic's max.message.bytes"
ELECTING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
GAPS = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)  # noqa: SLF001 -- so named by librdkafka
FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)  # noqa: SLF001 -- so named by librdkafka


EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call] # the driver has no types here


class _Trouble:
    """What librdkafka says beside the calls: the cause behind a bare time-out."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if self.last is None or self.last.code() not in SETTINGS:
            self.last = error

    def words(self) -> str:
        return f" ({self.last.str()})" if self.last else ""

    def raise_fatal(self) -> None:
        """Where a reader would wait for ever. Its group is for lag tools only: not to be let in there stops nobody."""
        if self.last is not None and self.last.code() in SETTINGS and self.last.code() != GROUP:
            raise translate(KafkaException(self.last))


@contextmanager
def translated(trouble: _Trouble | None = None) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except KafkaException as error:
        raise translate(error, trouble) from error


def translate(error: KafkaException, trouble: _Trouble | None = None) -> Failure:
    """The failure that a driver's error stands for: what is not known to need a person is transient."""
    cause: KafkaError = error.args[0]
    if trouble and trouble.last and cause.code() == KafkaError._TIMED_OUT:  # noqa: SLF001 -- so named by librdkafka
        cause = trouble.last
    code, words = cause.code(), cause.str()
    if code in ABSENT:
        return Misconfigured(f"Kafka does not know the topic: {words}. Create it")
    if code in SETTINGS:
        return Misconfigured(f"Kafka refuses this client: {words}. Check the KAFKA_* settings and the topic's rights")
    if code in GAPS:
        return OffsetGap(
            f"Kafka no longer has the offset to read: {words}. Retention or a re-creation ate data: look first"
        )
    if code in FENCED:
        return Fenced(f"a newer run writes under the same transactional id: {words}")
    if code in TOO_LARGE:
        return Misconfigured(f"a message of ours is too large: {words}. {SMALLER}")
    return Transient(f"Kafka is out of reach or not ready: {words}. Nothing was lost; the next run goes on from here")


def _undelivered(error: KafkaException, topic: str, size: int) -> Failure:
    """Why a message did not get there: refused here, or by the broker, it is one failure."""
    if error.args[0].code() in TOO_LARGE:
        return Misconfigured(f"a message of {size:,} bytes is too large for {topic}. {SMALLER}")
    return translate(error)


def _config(settings: Settings, trouble: _Trouble) -> dict[str, Any]:
    return {
        **settings.kafka,
        "client.id": f"{settings.domain}-{settings.name}"[:200],
        "error_cb": trouble,
        "log_level": 2,  # librdkafka's chatter about connections repeats what the error says
        "socket.connection.setup.timeout.ms": 5000,
    }


def _as_offsets(topic: str, offsets: Mapping[int, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, *each) for each in offsets.items()]
