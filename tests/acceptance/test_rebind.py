"""A topic under another name, or copied with other offsets: refused, then rebound, and each row once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bank import Bank, Door, committed
from cli.__main__ import app
from deep_command import deep
from ledger.errors import Misconfigured, OffsetGap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from click.testing import Result
    from confluent_kafka import Message

WHY = ("--reason=moved to the new cluster", "--by=kim")
NOON = 1_793_000_000_000


@dataclass
class Moved:
    """A feed that was read under the bank's own prefix, and the door of pods that know the new one."""

    bank: Bank
    door: Door
    prefix: str

    def topic(self, feed: str = "tick") -> str:
        return f"{self.prefix}{feed}.response"

    def sub(self, feed: str = "tick") -> Any:  # noqa: ANN401 -- an Ended
        return self.door("sub", f"--feed={feed}", FEEDFALL_TOPIC_PREFIX=self.prefix)

    def rebind(self, *words: str, feed: str = "tick") -> Result:
        return CliRunner().invoke(app, ["rebind", feed, *WHY, *words], env=self.environ)

    @property
    def environ(self) -> dict[str, str]:
        return {**self.bank.environ, "FEEDFALL_TOPIC_PREFIX": self.prefix}


@pytest.fixture
def moved(bank: Bank, door: Door) -> Moved:
    bank.create("tick", partitions=2)
    new = Moved(bank, door, f"{bank.prefix}new.")
    bank.create_topics({new.topic(): 2})
    return new


def send(bank: Bank, topic: str, first: int, count: int, partition: int = 0) -> None:
    for n in range(first, first + count):
        row = {"symbol": f"S{n}", "price": "1", "volume": n, "note": None}
        bank.producer.produce(topic, json.dumps(row).encode(), partition=partition, timestamp=NOON + n)
    bank.producer.flush(10)


def mirror(bank: Bank, messages: Sequence[Message], topic: str) -> None:
    """As MirrorMaker does: keys, values, headers, times and partitions; the offsets are new."""
    for each in messages:
        bank.producer.produce(
            topic, each.value(), each.key(), each.partition(), timestamp=each.timestamp()[1], headers=each.headers()
        )
    bank.producer.flush(10)


def volumes(bank: Bank) -> list[int]:
    return [volume for (volume,) in bank.rows("SELECT volume FROM tick ORDER BY volume")]


def test_sub__of_a_topic_of_another_name_is_refused(moved: Moved) -> None:
    send(moved.bank, moved.bank.topic("tick"), 0, 3)
    moved.door("sub", "--feed=tick")
    send(moved.bank, moved.topic(), 0, 3)
    ended = moved.sub()
    assert (ended.exit, "`feedfall rebind tick`" in ended.words["reason"]) == (81, True)
    assert volumes(moved.bank) == [0, 1, 2]


def test_rebind__finds_where_a_copy_with_other_offsets_goes_on(moved: Moved) -> None:
    """The mirror began later than the topic, so every offset is another one; and it is ahead of the checkpoint."""
    bank, old = moved.bank, moved.bank.topic("tick")
    for partition in (0, 1):
        send(bank, old, partition * 100, 10, partition)
    moved.door("sub", "--feed=tick")
    for partition in (0, 1):
        send(bank, old, partition * 100 + 10, 5, partition)
    mirror(bank, [each for each in committed(bank, old) if each.offset() >= 4], moved.topic())
    assert moved.sub().exit == 81
    shown = json.loads(moved.rebind("--json").stdout)
    assert [(each["partition"], each["from"], each["to"]) for each in shown["moves"]] == [(0, 10, 6), (1, 10, 6)]
    assert {each["how sure"] for each in shown["moves"]} == {"6 of 10 last messages are the same"}
    assert moved.sub().status == "BLOCKED"  # it was only shown
    assert "no longer blocked" in moved.rebind("--yes").stdout
    assert moved.sub().counts("read", "loaded") == [10, 10]
    assert volumes(bank) == [*range(15), *range(100, 115)]
    assert bank.broken("tick") == []
    bank.environ["FEEDFALL_TOPIC_PREFIX"] = moved.prefix
    assert deep(bank, "tick")["broken"] == []
    assert "goes on in" in CliRunner().invoke(app, ["verify", "tick"], env=moved.environ).stdout
    journal = "SELECT who, reason, count(*) FROM feedfall.journal WHERE verb = 'rebind' AND phase IS NULL GROUP BY 1, 2"
    assert bank.rows(journal) == [("kim", "moved to the new cluster", 2)]


def test_rebind__a_second_time_finds_nothing(moved: Moved) -> None:
    send(moved.bank, moved.bank.topic("tick"), 0, 3)
    moved.door("sub", "--feed=tick")
    mirror(moved.bank, committed(moved.bank, moved.bank.topic("tick")), moved.topic())
    for words in ("Rebound.", "there is nothing to rebind"):
        assert words in moved.rebind("--yes").stdout


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ([], "does not have the last row"),
        ([0, 1], "does not have the last row"),
        ([0, 1, 2, 2], "has the last row of .* 2 times"),
        ([1, 0, 2], "not in their order"),
        ([0, 2], "only some of the last rows"),
    ],
)
def test_rebind__what_is_no_copy_is_refused(moved: Moved, sent: list[int], words: str) -> None:
    send(moved.bank, moved.bank.topic("tick"), 0, 3)
    moved.door("sub", "--feed=tick")
    for n in sent:
        send(moved.bank, moved.topic(), n, 1)
    with pytest.raises(OffsetGap, match=words):
        raise moved.rebind("--yes").exception or AssertionError
    assert moved.bank.value("SELECT count(*) FROM feedfall.source WHERE closed_at IS NOT NULL") == 0


def test_rebind__by_a_map_of_ones_own(moved: Moved, tmp_path: Path) -> None:
    for partition in (0, 1):
        send(moved.bank, moved.bank.topic("tick"), partition * 100, 3, partition)
    moved.door("sub", "--feed=tick")
    send(moved.bank, moved.topic(), 50, 2)
    file = tmp_path / "map.csv"
    file.write_text("partition,offset\n0,1\n1,0\n")
    assert moved.rebind("--map", str(file), "--yes").exit_code == 0
    assert moved.sub().counts("loaded") == [1]
    assert volumes(moved.bank) == [0, 1, 2, 51, 100, 101, 102]
    assert moved.bank.broken("tick") == []


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("0,1\n", OffsetGap, "the map says nothing of that partition"),
        ("0,1\n1,9\n", OffsetGap, "has the offsets 0 to 0"),
        ("0,1\n0,2\n", Misconfigured, "line 2"),
        ("0;1\n", Misconfigured, "is not PARTITION,OFFSET"),
    ],
)
def test_rebind__a_map_that_does_not_fit_is_refused(
    moved: Moved, tmp_path: Path, text: str, kind: type[Exception], words: str
) -> None:
    for partition in (0, 1):
        send(moved.bank, moved.bank.topic("tick"), partition * 100, 3, partition)
    moved.door("sub", "--feed=tick")
    send(moved.bank, moved.topic(), 0, 2)
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(kind, match=words):
        raise moved.rebind("--map", str(tmp_path / "map.csv"), "--yes").exception or AssertionError


def test_rebind__says_what_is_read_again(moved: Moved) -> None:
    """A bad message after the last good one: it is set aside a second time, and that is said before."""
    send(moved.bank, moved.bank.topic("tick"), 0, 2)
    moved.bank.send(moved.bank.topic("tick"), b"?", partition=0)
    moved.door("sub", "--feed=tick")
    mirror(moved.bank, committed(moved.bank, moved.bank.topic("tick")), moved.topic())
    assert "1 set aside and 0 replaced after them are read again" in moved.rebind("--json").stdout
    moved.rebind("--yes")
    assert moved.sub().counts("loaded", "quarantined") == [0, 1]
    assert moved.bank.broken("tick") == []


def test_rebind__away_and_back(moved: Moved) -> None:
    """A failover to the mirror, and the return to the first topic, which the mirror fed meanwhile."""
    bank, home = moved.bank, moved.bank.topic("tick")
    send(bank, home, 0, 3)
    moved.door("sub", "--feed=tick")
    mirror(bank, committed(bank, home), moved.topic())
    moved.rebind("--yes")
    send(bank, moved.topic(), 3, 2)
    assert moved.sub().counts("loaded") == [2]
    mirror(bank, committed(bank, moved.topic())[3:], home)
    back = CliRunner().invoke(app, ["rebind", "tick", *WHY, "--yes"], env=bank.environ)
    assert "Rebound" in back.stdout, back.exception
    send(bank, home, 5, 1)
    assert moved.door("sub", "--feed=tick").counts("read", "loaded") == [1, 1]
    assert volumes(bank) == [*range(6)]
    assert bank.broken("tick") == []
    assert deep(bank, "tick")["broken"] == []
