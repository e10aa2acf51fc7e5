"""Kafka as the steps read it. `publisher.py` writes to it, `kafka_errors.py` translates its errors.

Cluster    metadata: partitions, topic ids, watermarks
Reader     given partitions from given offsets: assign, never subscribe, so no join and no rebalance
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined] # it is re-exported
from confluent_kafka.admin._listoffsets import OffsetSpec

from steps.drain.client_settings import READER, config
from steps.drain.headers import read_headers
from steps.drain.kafka_errors import ABSENT, ELECTING, GROUP, UNSEEN, Trouble, translate, translated
from steps.run.exits import Misconfigured, Transient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steps.run.exits import Failure
    from steps.run.settings import Settings

SECONDS = 10.0
#: Seconds that the brokers are given to choose a partition's leader, as after a restart of one of them.
ELECTION = 3.0

#: Bytes that one batch is meant to hold, by the size of the message before it.
BATCH_BYTES = 4 * 2**20


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
    cluster_id: str | None = None
    """None: this Kafka names none."""

    def is_that(self, topic_id: str, cluster_id: str | None) -> bool:
        """Is it that topic of that cluster? A cluster without a name, here or there, is not compared."""
        there = self.cluster_id is None or cluster_id in (None, self.cluster_id)
        return self.id == topic_id and there


@dataclass(frozen=True)
class Watermarks:
    """Where a partition begins and ends now, in Kafka's words. `high` beyond `last_stable`: a transaction is open."""

    low: int
    last_stable: int
    """What a reader of committed records reads up to."""
    high: int


class Cluster:
    """The cluster's metadata. Each method is a network round trip or three."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._trouble = settings, Trouble(settings.kafka)
        with translated(self._trouble):
            self._admin = AdminClient(config(settings, self._trouble))

    def topics(self, names: Iterable[str], refused: dict[str, Failure] | None = None) -> dict[str, Topic]:
        """Describe those of the named topics that exist. `refused` takes failures by topic, which else are raised."""
        found = {}
        with translated(self._trouble):
            futures = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=SECONDS)
        for name, future in futures.items():
            try:
                description = future.result()
            except KafkaException as error:
                if error.args[0].code() in ABSENT:
                    continue
                if refused is None:
                    raise self._translate(error) from error
                refused[name] = self._translate(error)
                continue
            partitions = tuple(sorted(partition.id for partition in description.partitions))
            found[name] = Topic(name, str(description.topic_id), partitions, self._cluster_id())
        return found

    def _cluster_id(self) -> str | None:
        """As librdkafka has it from metadata that it was given anyway: no request of its own."""
        try:
            return self._admin.cluster_id(0) or None
        except KafkaException:
            return None

    def topic(self, name: str) -> Topic:
        """Describe a topic that must exist."""
        found = self.topics([name])
        if name not in found:
            raise Misconfigured(
                f"topic {name} does not exist, or this user may not see it: create it, or grant DESCRIBE"
            )
        return found[name]

    def watermarks(self, topic: Topic, partitions: Sequence[int] | None = None) -> dict[int, Watermarks]:
        """Partition → its watermarks. Waits up to ELECTION seconds for a leader."""
        wanted = [TopicPartition(topic.name, partition) for partition in partitions or topic.partitions]
        deadline = time.monotonic() + ELECTION
        while True:
            try:
                return self._watermarks(wanted)
            except KafkaException as error:
                if error.args[0].code() not in ELECTING or time.monotonic() > deadline:
                    raise self._translate(error) from error
                time.sleep(0.1)

    def configs(self, topic: Topic) -> dict[str, str]:
        """A topic's settings, those included that it has from its broker."""
        wanted = [ConfigResource(ConfigResource.Type.TOPIC, topic.name)]
        with translated(self._trouble):
            [future] = self._admin.describe_configs(wanted, request_timeout=SECONDS).values()
            return {name: str(entry.value) for name, entry in future.result().items()}

    def newest(self, topic: Topic) -> int:
        """The largest time of a message of the topic, in milliseconds; -1 where there is none."""
        with translated(self._trouble):
            wanted = {TopicPartition(topic.name, partition): NEWEST for partition in topic.partitions}
            futures = self._admin.list_offsets(wanted, request_timeout=SECONDS)
            return max(int(future.result().timestamp) for future in futures.values())

    def groups_of(self, topic: str, ending: str) -> list[str]:
        """The consumer groups whose name ends so and who have offsets of this topic, as far as this user may see."""
        try:
            every = self._admin.list_consumer_groups(request_timeout=SECONDS).result().valid
            named = [each.group_id for each in every if each.group_id.endswith(ending)]
            return [group for group in named if self._has_offsets(group, topic)]
        except KafkaException as error:
            if error.args[0].code() in UNSEEN:
                return []
            raise self._translate(error) from error

    def _has_offsets(self, group: str, topic: str) -> bool:
        [future] = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        return any(each.topic == topic and each.offset >= 0 for each in future.result().topic_partitions)

    def reader(self, topic: str, group: str) -> Reader:
        """Open a reader of one of its topics. The caller closes it."""
        return Reader(self._settings, topic, group)

    def _translate(self, error: KafkaException) -> Failure:
        self._admin.poll(0)  # librdkafka reports the cause of a time-out only to who polls
        return translate(error, self._trouble)

    def _watermarks(self, wanted: Sequence[TopicPartition]) -> dict[int, Watermarks]:
        committed, uncommitted = IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED
        low = self._offsets(wanted, EARLIEST, uncommitted)
        last_stable = self._offsets(wanted, LATEST, committed)
        high = self._offsets(wanted, LATEST, uncommitted)
        stable = {each.partition: last_stable[each.partition]() for each in wanted}
        return {each: Watermarks(low[each](), end, max(high[each](), end)) for each, end in stable.items()}

    def _offsets(self, wanted: Sequence[TopicPartition], spec: Any, level: Any) -> dict[int, Any]:  # noqa: ANN401 -- the driver's own
        futures = self._admin.list_offsets(dict.fromkeys(wanted, spec), isolation_level=level, request_timeout=SECONDS)
        return {each.partition: lambda future=future: future.result().offset for each, future in futures.items()}


class Reader:
    """One topic's partitions, read from given offsets."""

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        self._trouble = Trouble(settings.kafka)
        self._settings, self.topic, self._group = settings, topic, group
        with translated(self._trouble):
            self.consumer = Consumer({**config(settings, self._trouble), **READER, "group.id": group})
        self._start: dict[int, int] = {}
        self._epochs: dict[int, int | None] = {}
        self._fitting = 1
        """Messages that one batch may hold, by the size of the last one read."""

    def assign(self, offsets: Mapping[int, int], epochs: Mapping[int, int | None] | None = None) -> None:
        """Read these partitions from these offsets, always numbers.

        `epochs`: of the leader that gave what is before them. Where the log has changed since, `read` raises OffsetGap.
        """
        with translated(self._trouble):
            self._start, self._epochs = dict(offsets), dict(epochs or {})
            wanted = [
                TopicPartition(self.topic, partition, offset, leader_epoch=_or_unknown(self._epochs.get(partition)))
                for partition, offset in offsets.items()
            ]
            self.consumer.assign(wanted)
            self.consumer.resume(wanted)  # a partition stays paused through a new assignment

    def read(self, limit: int = 500, seconds: float = 0.05) -> list[Message]:
        """Up to `limit` messages, as many as are there; waits `seconds` for the first. Small batches stay in cache."""
        limit = min(limit, self._fitting)
        with translated(self._trouble):
            # Only what the queue holds now: a call that waits for `limit` would take in all that is fetched meanwhile.
            messages: list[Any] = self.consumer.consume(limit, 0) or self.consumer.consume(1, seconds)
            errors = [message.error() for message in messages if message.error()]
            for error in errors:
                if error.code() != GROUP:
                    raise KafkaException(error)
        if not messages:
            self._trouble.raise_fatal()
            return []
        self._fitting = max(1, BATCH_BYTES // max(1, len(messages[-1])))
        return [message for message in messages if not message.error()] if errors else messages

    def positions(self) -> dict[int, int]:
        """Partition → the next offset. Steps over commit markers, which no message shows."""
        assigned = [TopicPartition(self.topic, partition) for partition in self._start]
        with translated(self._trouble):
            found = self.consumer.position(assigned)
        return {
            each.partition: self._start[each.partition] if each.offset == OFFSET_INVALID else each.offset
            for each in found
        }

    def leader_epochs(self) -> dict[int, int | None]:
        """Partition → the epoch of the leader that gave what is before its position; None: not known."""
        found = self.consumer.position([TopicPartition(self.topic, partition) for partition in self._start])
        return {
            each.partition: self._epochs.get(each.partition) if each.offset == OFFSET_INVALID else each.leader_epoch
            for each in found
        }

    def pause(self, partition: int) -> None:
        """Read no more from a partition that has reached its end."""
        self.consumer.pause([TopicPartition(self.topic, partition)])

    def fetch(self, partition: int, offset: int) -> Message:
        """Read one message again, by its offset, on a connection of its own. Its headers are safe to read."""
        other = Reader(self._settings, self.topic, self._group)
        try:
            other.assign({partition: offset})
            for _ in range(int(SECONDS / 0.5)):
                for message in other.read(1, 0.5):
                    if message.offset() == offset:
                        read_headers([message])
                        return message
            raise Transient(f"{self.topic}[{partition}]@{offset} was read before and cannot be read again")
        finally:
            other.close()

    def show_lag(self, offsets: Mapping[int, int]) -> None:
        """Commit the position to the group, for lag tools only: nothing reads it back. Best effort, never waits."""
        try:
            self.consumer.commit(offsets=as_offsets(self.topic, offsets), asynchronous=True)
        except KafkaException:
            return

    def close(self) -> None:
        self.consumer.close()


EARLIEST, LATEST, NEWEST = OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call] # the driver has no types here


def _or_unknown(epoch: int | None) -> int:
    return -1 if epoch is None else epoch


def as_offsets(topic: str, offsets: Mapping[int, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, *each) for each in offsets.items()]
