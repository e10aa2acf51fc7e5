"""relay's topic of requests, moved or mirrored: no partner is asked a second time, and none is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bank import Bank, Door, committed
from cli.__main__ import app

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from confluent_kafka import Message

    from bank import Ended
    from local.partners.ecb import Ecb

KINDS = ("request", "response", "bell")


@dataclass
class Moved:
    """fx was read under the bank's own prefix; pods know the new one."""

    bank: Bank
    door: Door
    ask: Callable[..., Ended]
    prefix: str

    def topic(self, kind: str) -> str:
        return f"{self.prefix}fx.{kind}"

    def pub(self, day: str, prefix: str | None = None) -> Ended:
        return self.door("pub", "--feed=fx", f"--base-date={day}", FEEDFALL_TOPIC_PREFIX=prefix or self.prefix)

    def relay(self) -> Ended:
        return self.ask(FEEDFALL_TOPIC_PREFIX=self.prefix)

    def sub(self) -> Ended:
        return self.door("sub", "--feed=fx", FEEDFALL_TOPIC_PREFIX=self.prefix)

    def rebind(self) -> Any:  # noqa: ANN401 -- typer's
        words = ["rebind", "fx", "--yes", "--reason=moved", "--by=kim"]
        return CliRunner().invoke(app, words, env={**self.bank.environ, "FEEDFALL_TOPIC_PREFIX": self.prefix})

    def mirror(self, kind: str, messages: Sequence[Message] | None = None) -> None:
        """Keys, values, headers, times and partitions stay; the offsets are new."""
        for each in committed(self.bank, self.bank.topic("fx", kind)) if messages is None else messages:
            where = {"partition": each.partition(), "timestamp": each.timestamp()[1]}
            self.bank.producer.produce(self.topic(kind), each.value(), each.key(), headers=each.headers(), **where)
        self.bank.producer.flush(10)


@pytest.fixture
def moved(bank: Bank, door: Door, relay: Callable[..., Ended]) -> Moved:
    new = Moved(bank, door, relay, f"{bank.prefix}new.")
    bank.create_topics({new.topic(kind): 2 for kind in KINDS})
    for day in ("2026-10-28", "2026-10-29"):
        new.pub(day, bank.prefix)
    assert relay().counts("loaded") == [2]
    assert door("sub", "--feed=fx").exit == 0
    return new


def test_rebind__relay_of_a_mirrored_topic_asks_for_nothing_twice(moved: Moved, ecb: Ecb) -> None:
    """Answered requests are there again, at other offsets; one that nobody has answered is among them."""
    asked = len(ecb.requests)
    moved.pub("2026-10-30", moved.bank.prefix)  # after the last run of relay, before the move
    moved.mirror("request", committed(moved.bank, moved.bank.topic("fx", "request"))[::-1])
    moved.mirror("response")
    assert moved.relay().exit == 81
    done = moved.rebind()
    assert done.stdout.count("from its low end: requests are known by their id") == 2, done.exception
    assert moved.relay().counts("read", "loaded") == [3, 1]
    assert len(ecb.requests) == asked + 1
    assert moved.sub().exit == 0
    assert moved.bank.rows("SELECT status, count(*) FROM feedfall.request GROUP BY 1") == [("complete", 3)]
    assert moved.bank.value("SELECT count(DISTINCT base_date) FROM fx_rate") == 3
    assert moved.bank.broken("fx") == []
    journal = "SELECT count(*) FROM feedfall.journal WHERE verb = 'rebind' AND detail->>'stage' = 'relay'"
    assert moved.bank.value(journal) == 2


def test_rebind__relay_of_a_new_topic_without_the_old_requests(moved: Moved, ecb: Ecb) -> None:
    """Only the responses were mirrored: nothing of the old requests is there, and nothing is asked again."""
    asked = len(ecb.requests)
    moved.mirror("response")
    assert moved.rebind().exit_code == 0
    moved.pub("2026-10-30")
    assert moved.relay().counts("read", "loaded") == [1, 1]
    assert len(ecb.requests) == asked + 1
    assert moved.sub().exit == 0
    assert moved.bank.broken("fx") == []


def test_rebind__of_a_batch_that_relay_died_in(moved: Moved, ecb: Ecb) -> None:
    """relay died between Kafka's commit and the ledger's, then the topics were mirrored: the copied answer is found."""
    bank = moved.bank
    bank.rows("UPDATE feedfall.source SET next_offset = first_offset WHERE stage = 'relay'")
    bank.rows("DELETE FROM feedfall.span p USING feedfall.source s WHERE s.id = p.source AND s.stage = 'relay'")
    bank.rows("UPDATE feedfall.request SET status = 'sent', answered_at = NULL, count = NULL, settled = 0")
    bank.rows("UPDATE feedfall.batch SET answered = NULL, closed_at = NULL, closed_by = NULL")
    asked, answers = len(ecb.requests), len(committed(bank, bank.topic("fx")))
    for kind in ("request", "response"):
        moved.mirror(kind)
    assert moved.rebind().exit_code == 0
    assert moved.relay().exit == 0
    assert len(ecb.requests) == asked
    assert len(committed(bank, moved.topic("response"))) == answers
