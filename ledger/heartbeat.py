"""The sweep's heartbeat: its last round, and its last good one. A sweep that is gone says nothing by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from psycopg.types.json import Jsonb

from ledger.database import Connection, commit, fetch_one, run
from ledger.errors import translated

#: A sweep starts once a minute; after this long, one is missed.
MISSED = timedelta(minutes=3)


@dataclass(frozen=True)
class LastSweep:
    """The run that swept last, and how long ago; the same of the last one without a fault, or None."""

    run: int
    age: timedelta
    good_run: int | None
    good_age: timedelta | None


def record(connection: Connection, number: int, *, good: bool) -> None:
    """A sweep has come to its end; `good`: it served every feed. Commits."""
    with translated():
        run(connection, "heartbeat.record", run=number, good=good)
    commit(connection)


def record_lag(connection: Connection, lag: Mapping[str, int]) -> None:
    """What the sweep saw of the topics: feed → offsets that wait for sub. Before the first heartbeat lost. Commits."""
    with translated():
        run(connection, "heartbeat.lag", lag=Jsonb(lag))
    commit(connection)


def alarm(connection: Connection) -> str | None:
    """What is wrong with the sweep, in words; None: it swept well within the last three minutes."""
    with translated():
        last = fetch_one(connection, LastSweep, "heartbeat.last")
    if last is None:
        return f"no sweep has come to its end in this database yet: {MEANS}"
    if last.age > MISSED:
        return f"the last sweep ended {_words(last.age)} ago (run {last.run}): {MEANS}"
    if last.good_age is None:
        return f"no sweep was without a fault yet; run {last.run} says why: `feedfall runs`"
    if last.good_age > MISSED:
        good = f"the last sweep without a fault ended {_words(last.good_age)} ago (run {last.good_run})"
        return f"{good}; run {last.run} says why: `feedfall runs`"
    return None


def _words(age: timedelta) -> str:
    """4 min, 7 h, 3 days."""
    minutes = age // timedelta(minutes=1)
    if minutes < 2 * 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days"


MEANS = "until one does, no lost doorbell is made good and no absence is reported. Look at CronWorkflow feedfall-sweep"
