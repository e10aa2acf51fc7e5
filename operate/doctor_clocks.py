"""Do the clocks agree? A check of `feedfall doctor`. Leases, due times and "which row is newer" depend on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ledger import doctor
from operate.argo import Argo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ledger.database import Connection
    from steps.drain.kafka import Cluster

APART = timedelta(seconds=5)


def of_database(connection: Connection) -> Iterator[tuple[str, str]]:
    """The database's, against this machine's."""
    before = datetime.now(UTC)
    there = doctor.clock(connection)
    yield compare(there, before, datetime.now(UTC))


def of_argo(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The Argo Server's, by the Date of its answer, against this machine's."""
    if not environ.get("ARGO_SERVER"):
        return
    with Argo(environ) as argo:
        before = datetime.now(UTC)
        date = argo.call("GET", "", params={"listOptions.limit": "1"}).headers.get("Date", "")
        after = datetime.now(UTC)
    try:
        there = parsedate_to_datetime(date)
    except ValueError:
        yield "advice", "its answer has no Date"
        return
    yield compare(there, before - timedelta(seconds=1), after)  # a Date has whole seconds


def of_messages(cluster: Cluster, name: str) -> Iterator[tuple[str, str]]:
    """A broker tells no time; a message from the future does: it would stay newer than those that come after it."""
    newest = cluster.newest(cluster.topic(name))
    ahead = datetime.fromtimestamp(max(newest, 0) / 1000, UTC) - datetime.now(UTC)
    if ahead > APART:
        what = f"a message is {ahead.total_seconds():,.0f} s in the future: its rows stay newer than later ones"
        yield "to do", f"{what}. Correct the publisher's clock, or set message.timestamp.type to LogAppendTime"
    else:
        yield "ok", "no message is in the future"


def compare(there: datetime, before: datetime, after: datetime) -> tuple[str, str]:
    """A clock that was read between two looks at this machine's."""
    apart = max(there - after, before - there)
    if apart > APART:
        way = "ahead of" if there > after else "behind"
        return "to do", f"{apart.total_seconds():,.0f} s {way} this machine's: let NTP set both"
    return "ok", "agrees with this machine's to 5 s"
