"""python -m benchmarks.split FEED: the pod in this process, with a watch on its milestones; prints them as JSON.

Milestones are seconds of the monotonic clock, which all processes of a machine share: STARTED is the parent's own.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SPENT: dict[str, float] = {"interpreter": time.monotonic() - float(os.environ["STARTED"])}


def watch(owner: Any, name: str, words: str) -> None:  # noqa: ANN401 -- a class or a module
    """Add up the seconds that a function takes."""
    inner: Callable[..., Any] = getattr(owner, name)

    def timed(*args: object, **kwargs: object) -> object:
        started = time.monotonic()
        try:
            return inner(*args, **kwargs)
        finally:
            SPENT[words] = SPENT.get(words, 0) + time.monotonic() - started

    setattr(owner, name, timed)


def main(feed: str) -> int:
    started = time.monotonic()
    from ledger import lease, rows  # noqa: PLC0415 -- what is timed here
    from steps import __main__ as door  # noqa: PLC0415
    from steps import sub  # noqa: PLC0415
    from steps.drain import drain, kafka, lease_keeper  # noqa: PLC0415
    from steps.run import execution  # noqa: PLC0415

    SPENT["imports"] = time.monotonic() - started
    watch(execution, "connect", "PostgreSQL: connect")
    watch(kafka.Cluster, "__init__", "Kafka: the clients")
    watch(kafka.Reader, "__init__", "Kafka: the clients")
    watch(kafka.Cluster, "topic", "Kafka: topic and partitions")
    watch(kafka.Cluster, "watermarks", "Kafka: watermarks")
    watch(kafka.Reader, "read", "Kafka: read")
    watch(kafka.Reader, "positions", "Kafka: positions")
    watch(kafka.Reader, "close", "Kafka: close the consumer")
    watch(lease_keeper.Keeper, "__exit__", "the lease's thread")
    watch(sub.Judge, "__init__", "the row's validator")
    watch(lease, "exclude", "PostgreSQL: exclude the previous holder")
    watch(rows, "load", "COPY, reading included")
    watch(drain, "commit", "PostgreSQL: commit the chunk")
    began = time.monotonic()
    code = door.main(["sub", f"--feed={feed}"])
    SPENT["all of main"] = time.monotonic() - began
    atexit.register(lambda: print(json.dumps({**SPENT, "left": time.monotonic()})))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
