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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.servers import Servers

IMPORTS = "import confluent_kafka, psycopg, pydantic"


@dataclass
class Cold:
    """Seconds of each process, and of the parts of one that finds nothing and of one that finds a message."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    nothing: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    message: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def median(self, name: str) -> float:
        return median(self.seconds[name])


def cold(servers: Servers, repetitions: int) -> Cold:
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
