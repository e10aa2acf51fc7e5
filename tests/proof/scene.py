"""What is played: a stage under fault, on topics that were filled before, and the stages that show what came of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Any

from confluent_kafka import IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from catalog import Envelope, find
from catalog.message import correlation
from ledger import schema
from proof.partner import rows_of
from proof.tap import CONNECT
from proof.world import PACKAGES, Servers
from raw_produce import batch, produce, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PUB = ("pub", "--feed=rate", "--from=2026-03-04", "--to=2026-03-06")
ONE = ("pub", "--feed=rate", "--base-date=2026-03-04")
RELAY, SUB = ("relay", "--feed=rate"), ("sub", "--feed=rate")
DAYS = [date(2026, 3, day) for day in (3, 4, 5, 6, 7)]  # of the 5th the partner has nothing
LATEST = OffsetSpec.latest()

Message = tuple[str, bytes, list[tuple[str, bytes]]]


@dataclass(frozen=True)
class Scene:
    """`words` is struck; `then` shows what came of it; `same` must equal the run without faults."""

    name: str
    words: Sequence[str]
    messages: Sequence[Message]
    loads: Sequence[tuple[str, str, str]]
    """The oracle: what the table must hold at the end, by what was sent and what the partner has."""
    then: Sequence[Sequence[str]] = ()
    same: Sequence[str] = ("rows", "requests", "fates of sub", "quarantine")
    kinds: Sequence[str] = ("response",)
    linger: float = 0.0
    """Seconds that each COMMIT takes longer, so that the lease is renewed meanwhile."""
    only: str = ""
    """Strike only calls whose name begins so."""
    hostile: Sequence[bytes] = ()
    """Records that no producer of confluent-kafka's would write, as bytes: last on the topic that `words` reads."""


def _requests() -> list[Message]:
    """Five days, one asked for twice, and a message that is no request."""
    asked = [Envelope(correlation("rate", day, 1), day, 1) for day in (*DAYS, DAYS[0])]
    return [*(("request", b"{}", each.headers()) for each in asked), ("request", b"no request", [])]


def _answers() -> list[Message]:
    """The partner's answers as relay writes them."""
    found = []
    for day in DAYS:
        rows = rows_of(day)
        headers = Envelope(correlation("rate", day, 1), day, 1, count=len(rows)).headers()
        found += [("response", json.dumps(row).encode(), headers) for row in rows]
    return found


def _corrections() -> list[Message]:
    """New rows and a bad one; newer ones, which need a merge; one that only the database refuses, and one again."""
    told = [("C1", "1.1", 1), ("C2", "1.2", 1), ("C3", "bad", 1), ("C1", "2.1", 2), ("C4", "2.2", 1), ("C4", "2.3", 2)]
    told += [("C5", "1001.1", 1), ("C4", "2.3", 2), ("C6", "3.1", 1)]
    return [
        (
            "response",
            json.dumps({"base_date": "2026-03-04", "code": code, "price": price}).encode(),
            Envelope(None, None, seq).headers(),
        )
        for code, price, seq in told
    ]


def _rows(days: Iterable[date]) -> list[tuple[str, str, str]]:
    return [(row["base_date"], row["code"], f"{row['price']}0000000") for day in days for row in rows_of(day)]


CORRECTED = [
    ("2026-03-04", code, f"{price}0000000")
    for code, price in (("C1", "2.1"), ("C2", "1.2"), ("C4", "2.3"), ("C6", "3.1"))
]
KINDS = ("request", "response", "bell")
#: A header whose name is not UTF-8, a value of no JSON in a header of no words, and a good message's neighbour.
HOSTILE = (
    record(0, b"{}", headers=[(b"stra\xdfe", b"1")]),
    record(1, b"\x00\xff", b"\xff", headers=[(b"", b"\xff" * 300)]),
)
DEEP = (*Scene.same, "lineage", "absent")
SCENES = {
    scene.name: scene
    for scene in (
        Scene("pub", PUB, [], _rows(DAYS[1:4]), then=(RELAY, SUB), kinds=KINDS),
        # One day: its request and the one that a retry repeats fit into one chunk.
        Scene("day", ONE, [], _rows(DAYS[1:2]), then=(RELAY, SUB), kinds=KINDS),
        Scene("relay", RELAY, _requests(), _rows(DAYS), then=(SUB,), same=(*Scene.same, "reads of relay"), kinds=KINDS),
        Scene("sub", SUB, _answers(), _rows(DAYS), same=DEEP),
        Scene("merge", SUB, _corrections(), CORRECTED, same=DEEP),
        # Struck only where what is set aside is written: the other calls are those of relay and sub.
        Scene("hostile", SUB, _answers(), _rows(DAYS), same=DEEP, only="pg chunk.", hostile=HOSTILE),
        Scene(
            "no request", RELAY, _requests(), _rows(DAYS), then=(SUB,), kinds=KINDS, only="pg chunk.", hostile=HOSTILE
        ),
        Scene("keeper", SUB, _answers(), _rows(DAYS), same=DEEP, linger=0.45, only="keeper's "),
    )
}


class Stage:
    """The servers with everything laid out for many worlds at once: that is what makes a world cheap."""

    def __init__(self, kafka: str, url: str, partner: str) -> None:
        self.servers = Servers(kafka, url, "proof", partner)
        own = {"bootstrap.servers": kafka, "log_level": 0}
        self._admin = AdminClient(own)
        self._numbers = count(1)
        self._now = int(time.time() * 1000)  # one time for every message, so that a row says the same in every world
        self._plain = Producer({**own, "linger.ms": 20})
        self._transactional = Producer({**own, "linger.ms": 20, "transactional.id": "proof"})
        self._transactional.init_transactions(30)
        with CONNECT(url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS proof")
            connection.execute("CREATE DATABASE proof")
        with CONNECT(self.servers.database("proof")) as connection:
            schema.migrate(connection, [find.load("rate", PACKAGES)])
            connection.execute("ALTER TABLE rate ADD CHECK (price < 1000)")  # that only the database knows

    def name(self) -> str:
        """A world that nobody has used."""
        return f"w{next(self._numbers)}"

    def lay_out(self, worlds: Sequence[tuple[str, Scene]], partitions: int = 1) -> None:
        """Topics and messages, as a transactional publisher writes them: an aborted transaction before the good one."""
        made = [NewTopic(topic, partitions, 1) for topic in _topics(worlds)]
        for some in batches(made):
            for future in self._admin.create_topics(some, operation_timeout=60).values():
                future.result()
        for some in batches(worlds):
            for commits in (False, True):
                self._transaction(some, commits=commits)
        for name, scene in worlds:
            self._send(self._plain, name, [each for each in scene.messages if each[0] == "request"])
        self._plain.flush()
        for some in batches([TopicPartition(f"{name}.rate.response", 0) for name, _ in worlds]):
            while not self._is_settled(some):
                time.sleep(0.05)
        for name, scene in worlds:
            if scene.hostile:
                kind = "request" if scene.words is RELAY else "response"
                produce(self.servers.kafka, f"{name}.rate.{kind}", batch(scene.hostile))

    def _is_settled(self, partitions: Sequence[TopicPartition]) -> bool:
        """A new partition has a leader, and a commit its markers, a moment later."""
        levels = (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        try:
            committed, written = (self._end(partitions, level) for level in levels)
        except KafkaException:
            return False
        return committed == written

    def _end(self, partitions: Sequence[TopicPartition], level: IsolationLevel) -> list[int]:
        found = self._admin.list_offsets(dict.fromkeys(partitions, LATEST), isolation_level=level)
        return [future.result().offset for future in found.values()]

    def _transaction(self, worlds: Iterable[tuple[str, Scene]], *, commits: bool) -> None:
        self._transactional.begin_transaction()
        for name, scene in worlds:
            answers = [each for each in scene.messages if each[0] == "response"]
            self._send(self._transactional, name, answers if commits else answers[:1])
        self._transactional.flush()
        end = self._transactional.commit_transaction if commits else self._transactional.abort_transaction
        end(60)

    def _send(self, producer: Producer, world: str, messages: Iterable[Message]) -> None:
        for number, (kind, value, headers) in enumerate(messages):
            producer.produce(f"{world}.rate.{kind}", value, headers=headers, timestamp=self._now + number)
            producer.poll(0)

    def clear_away(self, worlds: Sequence[tuple[str, Scene]]) -> None:
        for some in batches(_topics(worlds)):
            for future in self._admin.delete_topics(list(some), operation_timeout=60).values():
                future.result()


def _topics(worlds: Iterable[tuple[str, Scene]]) -> list[str]:
    """Only what its stages need: 4,000 worlds have many."""
    return [f"{name}.rate.{kind}" for name, scene in worlds for kind in scene.kinds]


def batches(things: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """As many as a broker takes at once."""
    for start in range(0, len(things), size):
        yield things[start : start + size]


__all__ = ["SCENES", "Scene", "Stage"]
