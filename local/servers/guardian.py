"""The guardian: ends what `local.servers.process` started when its owner dies without a word, even by SIGKILL.

It reads a pipe whose write end only the owner holds. `+ PGID SIGNAL` registers a process group with the signal
that asks it to stop, `- PGID` forgets one that has ended. At end of file the owner is gone: every group still
registered gets its signal, a few seconds, then SIGKILL. Started as a script, without site-packages: 20 ms.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE = 5.0  # seconds between asking and killing


def main() -> None:
    for ours in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ours, signal.SIG_IGN)
    end(read_groups(sys.stdin.buffer))


def read_groups(lines: Iterable[bytes]) -> dict[int, int]:
    """Process group → signal, for those that were registered and not forgotten when the lines ended."""
    groups: dict[int, int] = {}
    for line in lines:
        match line.split():
            case [b"+", group, number]:
                groups[int(group)] = int(number)
            case [b"-", group]:
                groups.pop(int(group), None)
    return groups


def end(groups: dict[int, int]) -> None:
    """Signal in reverse order, wait, kill. A group that ended is dropped at once: its number may go to another."""
    left = [group for group in reversed(groups) if send_signal(group, groups[group])]
    deadline = time.monotonic() + GRACE
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [group for group in left if send_signal(group, 0)]
    for group in left:
        send_signal(group, signal.SIGKILL)


def send_signal(group: int, number: int) -> bool:
    """Signal a process group; False when it has no process left (macOS says EPERM where only zombies are)."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
