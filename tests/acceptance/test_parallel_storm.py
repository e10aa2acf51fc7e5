"""2 to 6 runs at once over shared keys, in seeded schedules: each offset once, a ledger that adds up, the newest row.

The oracle knows what was sent and nothing of what was done. STORMS=1000 plays so many schedules (`make proof` does).
"""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from bank import PACKAGES, Bank
from catalog import Envelope, find
from ledger.key import LeaseKey
from steps.drain.drain import drain
from steps.run import settings
from steps.run.execution import Outcome, executing
from steps.run.exits import Failure, Transient
from steps.run.status import Status
from steps.sub import Sub

if TYPE_CHECKING:
    from steps.run.settings import Settings

STORMS = int(os.environ.get("STORMS") or 15)
SHARED = find.load("shared", PACKAGES)
KEY = LeaseKey("shared", "sub")
DAY, NOON = date(2026, 10, 30), 1_793_000_000_000
PARTITIONS = 4


@dataclass(frozen=True)
class Sent:
    """A message, and what makes it newer than another one of its key."""

    symbol: str
    base_date: date
    seq: int
    at: int
    partition: int
    offset: int
    price: int


class Sender:
    """Sends messages of a few keys, and remembers them."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.sent: list[Sent] = []
        self._ends = dict.fromkeys(range(PARTITIONS), 0)

    def send(self, chance: random.Random, count: int) -> None:
        for _ in range(count):
            partition = chance.randrange(PARTITIONS)
            message = Sent(
                symbol=f"K{chance.randrange(40)}",
                base_date=DAY + timedelta(days=chance.randrange(3)),
                seq=chance.randint(1, 3),
                at=NOON + chance.randrange(5),
                partition=partition,
                offset=self._ends[partition],
                price=chance.randint(1, 3),
            )
            self._ends[partition] += 1
            self.sent.append(message)
            self._produce(message)
        self._bank.producer.flush(10)

    def _produce(self, message: Sent) -> None:
        value = f'{{"symbol": "{message.symbol}", "base_date": "{message.base_date}", "price": "{message.price}"}}'
        self._bank.producer.produce(
            self._bank.topic("shared"),
            value.encode(),
            headers=Envelope(None, message.base_date, message.seq).headers(),
            partition=message.partition,
            timestamp=message.at,
        )


def play(environment: Settings, parallel: int, index: int, stop: threading.Event, ends: list[Outcome]) -> None:
    """One run, as a pod of its own would be. What is outside trouble a retry would mend."""
    feed = replace(SHARED, parallel=parallel, chunk_rows=20)
    environment = replace(environment, uid=f"{environment.uid}/{index}")
    try:
        with executing(environment, KEY, stop) as execution:
            execution.outcome = drain(execution, feed, Sub(feed, environment.topic_prefix))
            ends.append(execution.outcome)
    except Failure as error:
        ends.append(Outcome(Status.FAILED, None if isinstance(error, Transient) else 70, str(error)))  # type: ignore[arg-type]


def storm(bank: Bank, sender: Sender, seed: int) -> list[Outcome]:
    """2 to 6 runs start at once; messages come meanwhile, and some runs are stopped. Then one run reads the rest."""
    chance = random.Random(seed)
    sender.send(chance, chance.randint(20, 120))
    ends: list[Outcome] = []
    environment = settings.read({**bank.environ, "DATABASE_URL": bank.pod_url, "WORKFLOW_UID": f"w{seed}"})
    pods = chance.randint(2, 6)
    stops = [threading.Event() for _ in range(pods)]
    claimed = chance.choice([1, 2, pods])
    threads = [
        threading.Thread(target=play, args=(environment, claimed, index, stop, ends))
        for index, stop in enumerate(stops)
    ]
    for thread in threads:
        thread.start()
    sender.send(chance, chance.randint(0, 40))
    for stop in stops:
        if chance.random() < 0.2:
            stop.set()
    for thread in threads:
        thread.join()
    for _ in range(5):  # what is outside trouble is over soon
        play(environment, 1, 9, threading.Event(), ends)
        if ends[-1].status is Status.SUCCEEDED:
            return ends
    raise AssertionError(f"seed {seed}: {ends[-5:]}")


def test_storm__each_offset_once_whoever_reads_it(bank: Bank) -> None:
    bank.create("shared", partitions=PARTITIONS, **{"retention.ms": "-1"})  # the messages are of another month
    sender, seen = Sender(bank), set[Status]()
    for seed in range(STORMS):
        ends = storm(bank, sender, seed)
        assert [each for each in ends if each.code] == [], f"seed {seed}"
        seen |= {each.status for each in ends}
        assert_each_offset_once(bank, sender, seed)
        assert_winners(bank, sender, seed)
    assert {Status.SUCCEEDED, Status.BUSY, Status.STOPPED} <= seen


def assert_each_offset_once(bank: Bank, sender: Sender, seed: int) -> None:
    spans = """SELECT count(*), sum(p.to_offset - p.from_offset), sum(p.rows_read),
        sum(p.loaded + p.superseded + p.duplicate), sum(p.records) FROM feedfall.span p"""
    [(_, *counted)] = bank.rows(spans)
    assert counted == [len(sender.sent)] * 4, f"seed {seed}"
    at = "SELECT sum(next_offset) FROM feedfall.source"
    assert bank.value(at) == len(sender.sent), f"seed {seed}"
    assert bank.broken("shared") == [], f"seed {seed}"


def assert_winners(bank: Bank, sender: Sender, seed: int) -> None:
    """By base date, seq, message time, source in order of opening, offset: the newest of all that was sent."""
    opened = dict(bank.rows("SELECT partition, id FROM feedfall.source"))

    def rank(each: Sent) -> tuple[object, ...]:
        return each.base_date, each.seq, each.at, opened[each.partition], each.offset

    newest = {each.symbol: each for each in sorted(sender.sent, key=rank)}
    wanted = sorted((each.symbol, each.base_date, Decimal(each.price), each.offset) for each in newest.values())
    assert bank.rows("SELECT symbol, base_date, price, _offset FROM shared ORDER BY 1") == wanted, f"seed {seed}"
