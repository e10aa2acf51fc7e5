"""sub beside its peers, in turn: messages a second of each, and how many times a peer's speed sub has."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks import pod

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.servers import Servers

SLOW = 20_000
"""Messages of the peer that commits each: a million would take it minutes."""
PEERS: Mapping[str, tuple[str, ...]] = {
    "one by one, two commits each": ("one_by_one",),
    "500 at a time, INSERT ON CONFLICT": ("daemon", "insert"),
    "500 at a time, COPY": ("daemon", "copy"),
}


def measure(servers: Servers, messages: int, repetitions: int) -> dict[str, list[float]]:
    """Messages a second. A daemon's start is not counted, its group's joining neither: sub's was, in `step`."""
    found: dict[str, list[float]] = {name: [] for name in PEERS}
    for _ in range(repetitions):
        for name, (module, *words) in PEERS.items():
            number = min(messages, SLOW if module == "one_by_one" else messages)
            with servers.fresh() as url:
                ended = pod.run("-m", f"benchmarks.peers.{module}", servers.kafka, url, str(number), *words)
            found[name].append(number / float(ended.stdout.splitlines()[-1]))
    return found


def table(found: Mapping[str, Sequence[float]], sub: float) -> str:
    """`sub`: its messages a second, the whole process."""
    rows = [
        f"{name:44}{max(found[name]) / 1000:>8.1f} k/s{middle / 1000:>6.1f} k/s   sub: {sub / middle:.1f} times"
        for name, middle in ((each, median(speeds)) for each, speeds in found.items())
    ]
    return "\n".join([f"\n{'Peers, by messages a second':44}{'best':>12}{'median':>10}", *rows])
