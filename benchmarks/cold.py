"""A pod's process that finds nothing, and one that finds a message, beside what bare Python and its imports take."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from benchmarks import pod
from benchmarks.line import line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.servers import Servers

NOTHING, MESSAGE = 0.35, 0.40
IMPORTS = "import confluent_kafka, psycopg, pydantic"


@dataclass
class Cold:
    """Seconds of each process, and of the parts of one that finds nothing and of one that finds a message."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    nothing: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    message: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, name: str) -> float:
        return median(self.seconds[name])


def measure(servers: Servers, repetitions: int) -> Cold:
    found, messages = Cold(), one_by_one(servers.kafka)
    with servers.fresh() as url:
        env = servers.environment(url)
        pod.sub("fx", env)  # writes the .pyc files that an image ships, and opens the partitions
        split(env, {})
        for _ in range(repetitions):
            found.seconds["python"].append(pod.run("-c", "pass").seconds)
            found.seconds["imports"].append(pod.run("-c", IMPORTS).seconds)
            found.seconds["nothing"].append(loaded(0, env))
            split(env, found.nothing)
            next(messages)
            found.seconds["message"].append(loaded(1, env))
            next(messages)
            split(env, found.message)
    return found


def loaded(expected: int, env: Mapping[str, str]) -> float:
    ended = pod.sub("fx", env)
    assert ended.result("loaded") == str(expected), ended.stdout
    return ended.seconds


def split(env: Mapping[str, str], into: dict[str, list[float]]) -> None:
    """Where a pod's time goes."""
    ended = pod.run("-m", "benchmarks.split", "fx", env=env)
    spent = json.loads(ended.stdout.splitlines()[-1])
    spent["exit"] = time.monotonic() - spent.pop("left")
    spent["whole process"] = ended.seconds
    for name, seconds in spent.items():
        into.setdefault(name, []).append(seconds)


def one_by_one(kafka: str) -> Iterator[None]:
    """One message on the topic at each step, in a transaction of its own, as relay writes."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": "benchmarks-cold"})
    producer.init_transactions()
    day = date(2026, 1, 1)
    while True:
        producer.begin_transaction()
        row = {"base_date": f"{day}", "currency": "USD", "rate": "1.1"}
        producer.produce("fx.response", json.dumps(row).encode(), f"{day}|USD".encode())
        producer.commit_transaction()
        day += timedelta(days=1)
        yield


def table(found: Cold) -> str:
    rows = [
        line("python -c pass", found.seconds["python"]),
        line("its imports alone", found.seconds["imports"]),
        line("a pod with nothing to do", found.seconds["nothing"], NOTHING),
        line("a pod with one message", found.seconds["message"], MESSAGE),
    ]
    return "\n".join(
        [f"\n{'Cold start':44}{'best':>10}{'median':>10}", *rows, "", split_table(found.nothing, found.message)]
    )


def split_table(nothing: Mapping[str, Sequence[float]], message: Mapping[str, Sequence[float]]) -> str:
    rows = [
        f"  {name:42}{1000 * median(nothing.get(name, [0])):>7.1f} ms{1000 * median(seconds):>7.1f} ms"
        for name, seconds in message.items()
    ]
    return "\n".join([f"{'Where it goes (some lie within others)':44}{'nothing':>10}{'message':>10}", *rows])
