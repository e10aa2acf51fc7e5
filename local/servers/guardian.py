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
    end(registered(sys.stdin.buffer))


def registered(lines: Iterable[bytes]) -> dict[int, int]:
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
    """Ask in reverse order, wait, kill. A group seen gone is dropped at once: its number may be given to another."""
    left = [group for group in reversed(groups) if tell(group, groups[group])]
    deadline = time.monotonic() + GRACE
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [group for group in left if tell(group, 0)]
    for group in left:
        tell(group, signal.SIGKILL)


def tell(group: int, number: int) -> bool:
    """Signal a process group; False when nobody is left in it (macOS says EPERM where only zombies are)."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
