"""`feedfall verify` of ten million offsets, as a person types it: the whole command, and the proof alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from benchmarks import pod
from benchmarks.line import line
from benchmarks.servers import PACKAGES
from catalog import find
from ledger import verify
from ledger.database import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.servers import Servers

OFFSETS = 10_000_000
PROOF = 2.0


@dataclass
class Proof:
    """One ledger's: seconds of each command, of its first one on rows that nobody has read yet, and of the proof."""

    spans: int
    first: float = 0.0
    commands: list[float] = field(default_factory=list)
    proofs: list[float] = field(default_factory=list)


def measure(servers: Servers, offsets: int, spans: int, runs: int, repetitions: int) -> Proof:
    """Fill a ledger and its table, and prove it."""
    found = Proof(spans)
    with servers.fresh() as url:
        fill(url, offsets, spans, runs)
        found.first = command(servers, url, offsets)
        for _ in range(repetitions):
            found.commands.append(command(servers, url, offsets))
            found.proofs.append(alone(url))
    return found


def command(servers: Servers, url: str, offsets: int) -> float:
    ended = pod.run("-m", "cli", "verify", "fx", env=servers.environment(url))
    assert f"Proven: each of {offsets:,} offsets has one fate." in ended.stdout, ended.stdout
    return ended.seconds


def alone(url: str) -> float:
    connection = connect(url, "verify")
    started = time.monotonic()
    account = verify.verify(connection, find.load("fx", PACKAGES))
    seconds = time.monotonic() - started
    connection.close()
    assert not account.broken, account.broken
    return seconds


def fill(url: str, offsets: int, spans: int, runs: int) -> None:
    """Spans of one size, a tenth of a thousandth of the rows in quarantine, the rest in the table."""
    size = offsets // spans
    with psycopg.connect(url) as connection:
        for statement in FILL:
            connection.execute(statement.encode(), {"offsets": offsets, "spans": spans, "runs": runs, "size": size})


#: Every span's first offset went to quarantine; the other rows are in the table, under their span's run.
FILL = (
    """INSERT INTO feedfall.run (feed, stage, uid, name, status, exit_code, code, ended_at)
       SELECT 'fx', 'sub', i, i, 'SUCCEEDED', 0, 1, now() FROM generate_series(1, %(runs)s) AS i""",
    """INSERT INTO feedfall.source (feed, stage, topic, topic_id, partition, markers, first_offset, next_offset,
                                    epoch)
       VALUES ('fx', 'sub', 'fx.response', 'x', 0, true, 0, %(offsets)s, 1)""",
    """INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent, rows_read, loaded, superseded,
                                  duplicate, quarantined, deferred)
       SELECT 1, i * %(size)s, (i + 1) * %(size)s, 1 + i * %(runs)s / %(spans)s, %(size)s, '{}', %(size)s, %(size)s - 1,
              0, 0, 1, 0 FROM generate_series(0, %(spans)s - 1) AS i""",
    """INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers)
       SELECT source, from_offset, -1, run, 'quarantined', 'a bad row', '{}' FROM feedfall.span""",
    """INSERT INTO fx_rate (_source, _offset, _row, _at, _seq, _run, base_date, currency, rate)
       SELECT 1, i, 0, '2026-01-01'::timestamptz + i * interval '1 ms', 1, 1 + i / %(size)s * %(runs)s / %(spans)s,
              date '1990-01-01' + (i / 1000)::int, chr(65 + (i / 100 %% 10)::int) || chr(65 + (i / 10 %% 10)::int)
              || chr(65 + (i %% 10)::int), 1 + i %% 1000
       FROM generate_series(0, %(offsets)s - 1) AS i WHERE i %% %(size)s <> 0""",
)


def table(found: Sequence[Proof], offsets: int) -> str:
    rows = [
        row
        for each in found
        for row in (
            line(f"in {each.spans:,} spans: feedfall verify", each.commands, PROOF),
            line("of that, the proof", each.proofs),
            f"{'the first on fresh rows (it marks them read)':44}{'':10}{each.first:>8.2f} s",
        )
    ]
    return "\n".join([f"\n{f'verify of {offsets:,} offsets':44}{'best':>10}{'median':>10}", *rows])
