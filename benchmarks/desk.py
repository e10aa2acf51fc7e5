"""The desk's questions over 200 feeds, 1,000,000 runs and 200,000 requests, and what their indexes cost the pods.

    python -m benchmarks.desk          beside `make bench`: it needs PostgreSQL alone, and two minutes

Each question with and without the indexes of migration 0014; then what a run and a request write, likewise.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psycopg

from benchmarks.line import verdict
from catalog import find
from ledger import schema
from ledger.database import connect
from local.servers.postgres import database as postgres
from local.servers.process import Processes
from operate.desk.read import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog import Feed
    from ledger.database import Connection

FEEDS, RUNS, REQUESTS, BAD = 200, 1_000_000, 200_000, 20_000
SNAPSHOT = 50.0
"""Milliseconds of SQL, all questions together."""
TIMES = 7
WHOLE = "a whole reading, with Python's judgement"
INDEXES = {
    "run_latest": "feedfall.run (feed, stage, id DESC)",
    "run_trouble": "feedfall.run (started_at) WHERE status IN ('FAILED', 'LOST', 'BROKEN')",
    "request_unanswered": "feedfall.request (feed, sent_at) WHERE answered_at IS NULL",
    "quarantine_open": "feedfall.quarantine (source, fate, at) WHERE settled_as IS NULL",
    "journal_by_feed": "feedfall.journal (feed, id DESC)",
    "journal_by_time": "feedfall.journal USING brin (at)",
}
FILL = f"""
INSERT INTO feedfall.run (feed, stage, uid, name, status, exit_code, reason, counts, code, started_at, ended_at)
SELECT 'f' || n % {FEEDS}, (ARRAY['pub', 'relay', 'sub', 'sub', 'sub'])[1 + n / {FEEDS} % 5], n, 'w' || n,
    CASE WHEN n % 100 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 0, 'partner away', '{{"loaded": 29}}', 14,
    now() - ({RUNS} - n) * interval '10 seconds', now() - ({RUNS} - n) * interval '10 seconds'
FROM generate_series(1, {RUNS}) AS n;
UPDATE feedfall.run SET status = 'RUNNING', ended_at = NULL, expires_at = now() + interval '1 hour'
WHERE id > {RUNS} - 40;
INSERT INTO feedfall.source (feed, stage, topic, topic_id, partition, markers, first_offset, next_offset, epoch)
SELECT 'f' || n / 5, CASE n % 5 WHEN 0 THEN 'relay' ELSE 'sub' END, 'f' || n / 5, 'id', n % 5, true, 0, 10000000, 1
FROM generate_series(0, {FEEDS} * 5 - 1) AS n;
INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent, rows_read, loaded, superseded,
    duplicate, quarantined, deferred, settled_at)
SELECT 1 + n % ({FEEDS} * 5), n / ({FEEDS} * 5) * 100, n / ({FEEDS} * 5) * 100 + 100, n + 1, 100, '{{}}', 100, 100,
    0, 0, 0, 0, now() - ({RUNS} - n) * interval '10 seconds' FROM generate_series(0, {RUNS} - 1001) AS n;
INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status, count, settled, last_run, new_at,
    sent_at, answered_at, complete_at)
SELECT gen_random_uuid(), 'f' || n % {FEEDS}, current_date - n / {FEEDS}, 1, true,
    CASE WHEN n < {FEEDS} / 4 THEN 'sent' ELSE 'complete' END, 29, CASE WHEN n < {FEEDS} / 4 THEN 0 ELSE 29 END, n + 1,
    now() - n / {FEEDS} * interval '1 day', now() - n / {FEEDS} * interval '1 day',
    CASE WHEN n < {FEEDS} / 4 THEN NULL ELSE now() - n / {FEEDS} * interval '1 day' END,
    CASE WHEN n < {FEEDS} / 4 THEN NULL ELSE now() - n / {FEEDS} * interval '1 day' END
FROM generate_series(0, {REQUESTS} - 1) AS n;
INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers, at)
SELECT 1 + n % ({FEEDS} * 5), n, 0, n + 1, 'quarantined', 'bad', '{{}}', now() - n * interval '1 minute'
FROM generate_series(0, {BAD} - 1) AS n;
UPDATE feedfall.quarantine SET settled_as = 'discarded', settled_at = now(), settled_by = 'b', settled_reason = 'b'
WHERE "offset" % 10 > 0;
INSERT INTO feedfall.journal (who, verb, feed, reason, at)
SELECT 'kim', 'hold', 'f' || n % {FEEDS}, 'bench', now() - (100000 - n) * interval '5 minutes'
FROM generate_series(1, 100000) AS n;
INSERT INTO feedfall.watched SELECT 'f' || n, now() - interval '9 days' FROM generate_series(0, {FEEDS} - 1) AS n;
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="feedfall-desk-") as folder:
        Path(folder).chmod(0o755)
        with Processes() as processes, postgres(Path(folder) / "postgres", processes, say=_say) as url:
            print(report(url))


def report(url: str) -> str:
    """Fill, then ask without the indexes, build them, and ask again."""
    feeds = the_feeds()
    fill(url)
    with closing(psycopg.connect(url, autocommit=True)) as owner:
        drop(owner)
        cost_without = costs(owner)
        without = snapshots(url, feeds)
        built = build(owner)
        cost_with = costs(owner)
        with_ = snapshots(url, feeds)
    lines = [f"\n{'Question of the desk, ms':44}{'without':>10}{'with':>10}"]
    lines += [f"{name:44}{without[name]:>10.1f}{with_[name]:>10.1f}" for name in with_]
    before, total = (sum(each.values()) - each[WHOLE] for each in (without, with_))
    lines += [f"{'all questions':44}{before:>10.1f}{total:>10.1f}   {verdict(total, SNAPSHOT, ' ms')}"]
    lines += [f"\n{'What the indexes cost, µs a row':44}{'without':>10}{'with':>10}"]
    lines += [f"{name:44}{cost_without[name]:>10.1f}{cost_with[name]:>10.1f}" for name in cost_with]
    return "\n".join([*lines, f"\nall indexes were built in {built:.1f} s"])


def the_feeds() -> list[Feed]:
    """The one real feed, under as many names."""
    fx = find.load("fx")
    return [replace(fx, name=f"f{number}") for number in range(FEEDS)]


def fill(url: str) -> None:
    with closing(connect(url, "migrate")) as connection:
        schema.migrate(connection, [find.load("fx")])
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in FILL.split(";\n"):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")


def drop(owner: psycopg.Connection) -> None:
    for name in INDEXES:
        owner.execute(f"DROP INDEX feedfall.{name}".encode())


def build(owner: psycopg.Connection) -> float:
    started = time.perf_counter()
    for name, on in INDEXES.items():
        owner.execute(f"CREATE INDEX {name} ON {on}".encode())
    seconds = time.perf_counter() - started
    owner.execute("ANALYZE")
    return seconds


def snapshots(url: str, feeds: Sequence[Feed]) -> dict[str, float]:
    """Milliseconds of each question, as the reader asks it: the median of several readings."""
    seconds: dict[str, list[float]] = {}
    for _ in range(TIMES):
        for name, took in one_reading(url, feeds).items():
            seconds.setdefault(name, []).append(took)
    return {name: 1000 * median(each) for name, each in seconds.items()}


def one_reading(url: str, feeds: Sequence[Feed]) -> dict[str, float]:
    """Each statement of one reading: what was asked under which name, timed around the driver's call."""
    took: dict[str, float] = {}
    source = Source("", feeds, {"DATABASE_URL": url})
    source.connection = Timed.connect_timed(url, took)
    started = time.perf_counter()
    found = source.read(datetime.now(UTC))
    took[WHOLE] = time.perf_counter() - started
    source.close()
    assert found.state.failure is None, found.state.failure
    return took


class Timed(psycopg.Connection[tuple[object, ...]]):
    """A connection that notes how long each named statement took."""

    took: dict[str, float]

    @classmethod
    def connect_timed(cls, url: str, took: dict[str, float]) -> Connection:
        connection = cls.connect(url, prepare_threshold=None)
        connection.took = took
        return connection

    def execute(self, query, params=None, **more):  # type: ignore[no-untyped-def,override] # noqa: ANN001, ANN003, ANN201 -- the driver's own
        started = time.perf_counter()
        cursor = super().execute(query, params, **more)
        name = names().get(query, "rows of feeds' tables") if isinstance(query, str) else "rows of feeds' tables"
        self.took[name] = self.took.get(name, 0.0) + time.perf_counter() - started
        return cursor


def names() -> dict[str, str]:
    """The text of each of the desk's statements → its name."""
    from ledger import statements  # noqa: PLC0415 -- its private table of blocks

    blocks = {file: statements._blocks(file) for file in ("desk", "absence", "heartbeat", "calendar")}  # noqa: SLF001 -- this alone
    return {text: f"{file}.{name}" for file, found in blocks.items() for name, text in found.items()}


ACTS: dict[str, str] = {
    "a run begins": "INSERT INTO feedfall.run (feed, stage, uid, name, code)"
    " SELECT 'f1', 'sub', n, 'w', 14 FROM generate_series(1, 20000) n",
    "a run renews its lease": "UPDATE feedfall.run SET expires_at = now() WHERE id BETWEEN 100001 AND 120000",
    "a run ends": "UPDATE feedfall.run SET status = 'FAILED' WHERE id BETWEEN 100001 AND 120000",
    "a request is answered": "UPDATE feedfall.request SET settled = 29, last_run = 1 WHERE correlation_id IN"
    " (SELECT correlation_id FROM feedfall.request LIMIT 20000)",
}


def costs(owner: psycopg.Connection) -> dict[str, float]:
    """Microseconds a row of what pods write, 20,000 at once, rolled back."""
    found = {}
    for name, statement in ACTS.items():
        times = []
        for _ in range(3):
            with owner.transaction(force_rollback=True):
                started = time.perf_counter()
                owner.execute(statement.encode())
                times.append(time.perf_counter() - started)
        found[name] = 1e6 * median(times) / 20_000
        owner.execute("VACUUM feedfall.run, feedfall.request")
    return found


def _say(words: str) -> None:
    print(words, file=sys.stderr)


if __name__ == "__main__":
    main()
