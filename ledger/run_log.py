"""What runs that failed printed last, kept after their pods are gone: written by the run itself at its end.

A run that was killed (SIGKILL, out of memory, a lost node) writes nothing: its log is Argo's alone, while that has it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger import database
from ledger.database import Connection, at_once
from ledger.errors import translated
from ledger.printable import escaped

#: Of each run so many lines, and so many bytes of UTF-8, the last ones.
LINES, BYTES = 200, 65_536
#: Of each feed so many runs, the newest ones.
RUNS = 100


@dataclass(frozen=True)
class KeptLog:
    """One run, and its last lines; None: it did not fail, or it was killed, or newer ones took its place."""

    feed: str
    stage: str
    name: str
    status: str
    exit_code: int | None
    reason: str | None
    counts: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None
    lines: str | None


def keep(connection: Connection, run: int, feed: str, lines: Iterable[str]) -> None:
    """Keep the last lines of a run, with nothing in them that a terminal obeys. Commits."""
    with translated(), at_once(connection):
        database.run(connection, "run_log.keep", run=run, feed=feed, lines=shortened(lines), others=RUNS - 1)


def shortened(lines: Iterable[str]) -> str:
    """The last of these lines, as many as there is room for; of a line that is too long its end."""
    room, kept = BYTES, list[bytes]()
    for line in reversed(list(lines)[-LINES:]):
        text = escaped(line, keep="\t").encode(errors="backslashreplace")
        if len(text) + 1 > room:
            kept += [text[len(text) - room + 1 :]] if not kept else []
            break
        kept.append(text)
        room -= len(text) + 1
    return b"\n".join(reversed(kept)).decode(errors="ignore")


def fetch_of_name(connection: Connection, name: str) -> list[KeptLog]:
    """The runs of one Workflow, in their order."""
    with translated():
        return database.fetch_all(connection, KeptLog, "run_log.of_name", name=name)[::-1]
