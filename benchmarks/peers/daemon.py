"""python -m benchmarks.peers.daemon KAFKA URL MESSAGES insert|copy: 500 at a time, as a careful daemon does.

`insert` may meet a row again after a crash (ON CONFLICT); `copy` is quicker, and stops at the first such row.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.peers.consumer import NAMES, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from benchmarks.peers.consumer import Row

INSERT = f"INSERT INTO peer VALUES ({', '.join(['%s'] * len(NAMES))}) ON CONFLICT DO NOTHING"
COPY = f"COPY peer ({', '.join(NAMES)}) FROM STDIN"


def insert(cursor: psycopg.Cursor, rows: Sequence[Row]) -> None:
    cursor.executemany(INSERT, rows)


def copy(cursor: psycopg.Cursor, rows: Sequence[Row]) -> None:
    with cursor.copy(COPY) as stream:
        for each in rows:
            stream.write_row(each)


if __name__ == "__main__":
    run({"insert": insert, "copy": copy}[sys.argv[4]], at_once=500)
