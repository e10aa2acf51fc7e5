"""`feedfall rebind --mirror`: within what MirrorMaker's pairs of offsets prove, and never against the rows."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from ledger.errors import Misconfigured, OffsetGap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.testing import Result

NOON = 1_793_000_000_000
BAD = b"no JSON"


def text(word: str) -> bytes:
    return struct.pack(">h", len(word.encode())) + word.encode()


def row(n: int) -> bytes:
    return json.dumps({"symbol": f"S{n}", "price": "1", "volume": n, "note": None}).encode()


@dataclass
class Mirrored:
    """tick was read under the bank's own prefix; `copy` is what a mirror made of it, `syncs` its internal topic."""

    bank: Bank
    door: Door
    prefix: str

    @property
    def copy(self) -> str:
        return f"{self.prefix}tick.response"

    @property
    def syncs(self) -> str:
        return f"{self.bank.prefix}mm2-offset-syncs.b.internal"

    @property
    def checkpoints(self) -> str:
        return f"{self.bank.prefix}a.checkpoints.internal"

    def send(self, topic: str, values: Iterable[int | bytes]) -> None:
        for n, each in enumerate(values):
            value, time = (row(each), each) if isinstance(each, int) else (each, n)
            self.bank.producer.produce(topic, value, partition=0, timestamp=NOON + time)
        self.bank.producer.flush(10)

    def sync(self, *pairs: tuple[int, int]) -> None:
        for pair in pairs:
            key = text(self.bank.topic("tick")) + struct.pack(">i", 0)
            self.bank.send(self.syncs, struct.pack(">qq", *pair), key)

    def checkpoint(self, upstream: int, downstream: int) -> None:
        key = text("bank.tick.sub") + text(self.copy) + struct.pack(">i", 0)
        self.bank.send(self.checkpoints, struct.pack(">hqq", 0, upstream, downstream) + text(""), key)

    def read(self, *values: int | bytes) -> None:
        """Of the old topic, up to its end."""
        self.send(self.bank.topic("tick"), values)
        assert self.door("sub", "--feed=tick").exit == 0

    def rebind(self, *topics: str, servers: str | None = None) -> Result:
        words = [f"--mirror={topic}" for topic in topics] + ([f"--mirror-servers={servers}"] if servers else [])
        environ = {**self.bank.environ, "FEEDFALL_TOPIC_PREFIX": self.prefix}
        return CliRunner().invoke(app, ["rebind", "tick", "--yes", "--reason=x", "--by=kim", *words], env=environ)

    def after(self, *values: int) -> list[int]:
        """What stands in the table when the copy got these messages too, and sub has read them."""
        self.send(self.copy, values)
        ended = self.door("sub", "--feed=tick", FEEDFALL_TOPIC_PREFIX=self.prefix)
        assert ended.exit == 0, ended
        assert self.bank.broken("tick") == []
        return [volume for (volume,) in self.bank.rows("SELECT volume FROM tick ORDER BY volume")]


@pytest.fixture
def mirrored(bank: Bank, door: Door) -> Mirrored:
    bank.create("tick", partitions=1)
    new = Mirrored(bank, door, f"{bank.prefix}a.")
    bank.create_topics({new.copy: 1})
    bank.create_topics({new.syncs: 1, new.checkpoints: 1}, **{"cleanup.policy": "compact"})
    return new


def test_rebind__tells_which_of_two_copies_of_a_message_comes_last(mirrored: Mirrored) -> None:
    """MirrorMaker died and sent two messages again: by its rows alone that is refused, by its syncs it is certain."""
    mirrored.read(0, 1, 2, 3, 4)
    mirrored.send(mirrored.copy, [0, 1, 2, 3, 4, 3, 4])
    mirrored.sync((0, 0), (4, 4), (3, 5))
    assert isinstance(mirrored.rebind().exception, OffsetGap)
    done = mirrored.rebind(mirrored.syncs)
    assert "5 of 5 last messages are the same; MirrorMaker's 1 syncs agree" in done.stdout, done.exception
    assert mirrored.after(5) == [0, 1, 2, 3, 4, 5]


def test_rebind__by_both_of_its_topics_in_whichever_kafka(mirrored: Mirrored) -> None:
    """A checkpoint of any group bounds it from below; the syncs may be in the old Kafka."""
    mirrored.read(*range(20))
    mirrored.send(mirrored.copy, range(2, 20))
    mirrored.sync((10, 8))
    mirrored.checkpoint(15, 9)
    done = mirrored.rebind(mirrored.syncs, mirrored.checkpoints, servers=mirrored.bank.kafka)
    assert "18 of 20 last messages are the same" in done.stdout, done.exception
    assert mirrored.after(20) == [*range(21)]


def test_rebind__where_no_row_stands_a_sync_says_it(mirrored: Mirrored) -> None:
    mirrored.read(BAD, BAD)
    mirrored.send(mirrored.copy, [BAD])  # the copy began later
    mirrored.sync((1, 0))
    done = mirrored.rebind(mirrored.syncs)
    assert "as MirrorMaker's sync says; no row of it stands in the table" in done.stdout, done.exception
    assert mirrored.after(5) == [5]


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 0), (5, 2)], [(1, 90)]])
def test_rebind__where_no_row_stands_and_no_sync_says_it_is_refused(
    mirrored: Mirrored, pairs: list[tuple[int, int]]
) -> None:
    mirrored.read(BAD, BAD)
    mirrored.send(mirrored.copy, [BAD, BAD])
    mirrored.sync(*pairs)
    with pytest.raises(OffsetGap, match=r"no row of .* stands in the table, and of its offset 2 MirrorMaker"):
        raise mirrored.rebind(mirrored.syncs).exception or AssertionError


def test_rebind__pairs_of_another_copy_are_refused(mirrored: Mirrored) -> None:
    """The copy was made anew since, and MirrorMaker has written no sync of it yet: the rows contradict the old ones."""
    mirrored.read(0, 1, 2)
    mirrored.send(mirrored.copy, [90, 0, 1, 2])
    mirrored.sync((0, 0), (2, 2))
    with pytest.raises(OffsetGap, match="they are of another copy"):
        raise mirrored.rebind(mirrored.syncs).exception or AssertionError
    assert mirrored.bank.value("SELECT count(*) FROM feedfall.source WHERE closed_at IS NOT NULL") == 0


def test_rebind__a_topic_that_tells_nothing_of_this_one_is_refused(mirrored: Mirrored) -> None:
    mirrored.read(0)
    mirrored.send(mirrored.copy, [0])
    for topic, words in ((mirrored.syncs, "no offset sync of"), (mirrored.copy, "is no offset sync and no checkpoint")):
        with pytest.raises(Misconfigured, match=words):
            raise mirrored.rebind(topic).exception or AssertionError


def test_rebind__a_map_and_a_mirror_are_refused(mirrored: Mirrored) -> None:
    words = ["rebind", "tick", "--map=m.csv", "--mirror=m", "--reason=x", "--by=kim"]
    with pytest.raises(Misconfigured, match="--map, or --mirror"):
        raise CliRunner().invoke(app, words, env=mirrored.bank.environ).exception or AssertionError
