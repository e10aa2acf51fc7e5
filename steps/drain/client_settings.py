"""What librdkafka is told: by every client of ours, and by a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steps.drain.kafka_errors import Trouble
    from steps.run.settings import Settings

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
    # Bytes as the broker has them; gzip makes a thousand times as many of them. What is in flight here is at most this
    # times that, and the queue: a pod's memory must not be its sender's choice.
    "fetch.message.max.bytes": 65536,
    "fetch.error.backoff.ms": 50,
    # We join no group; this is how long the lag shown to one waits for its coordinator, and close for that (45 s).
    "session.timeout.ms": 1000,
}


def config(settings: Settings, trouble: Trouble) -> dict[str, Any]:
    """The properties that every client shares."""
    return {
        **settings.kafka,
        "client.id": f"{settings.domain}-{settings.name}"[:200],
        "error_cb": trouble,
        "log_level": 2,  # librdkafka's chatter about connections repeats what the error says
        "socket.connection.setup.timeout.ms": 5000,
    }
