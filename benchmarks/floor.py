"""python -m benchmarks.floor URL FILE: COPY the lines of FILE, ready made as blocks, in one transaction.

The rows, their order and their lineage are those that sub wrote. A process of its own, so that the benchmark's own
stays small: the kernel counts what a parent has at the fork as the child's peak.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from benchmarks.bench_feeds.price import PRICE
from ledger.rows import LINEAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

A_BLOCK = 5000  # lines; blocks of 50 to 5000 are alike, of 500 as sub writes them never faster
COLUMNS = ", ".join([*LINEAGE, *PRICE.columns])


def blocks(file: Path) -> list[bytes]:
    lines = file.read_bytes().splitlines(keepends=True)
    return [b"".join(lines[at : at + A_BLOCK]) for at in range(0, len(lines), A_BLOCK)]


def copy(url: str, ready: Sequence[bytes]) -> float:
    """Seconds from BEGIN to the reply to COMMIT."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        connection.execute("SELECT 1")
        connection.commit()
        started = time.monotonic()
        with cursor.copy(f"COPY price ({COLUMNS}) FROM STDIN".encode()) as stream:
            for block in ready:
                stream.write(block)
        connection.commit()
        return time.monotonic() - started


def export(url: str, file: Path) -> None:
    """Write down what a run of sub loaded, in the order in which it did."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY (SELECT {COLUMNS} FROM price) TO STDOUT".encode()) as stream,
        file.open("wb") as to,
    ):
        to.writelines(stream)


if __name__ == "__main__":
    print(copy(sys.argv[1], blocks(Path(sys.argv[2]))))
