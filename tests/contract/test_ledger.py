"""What the ledger promises, asked of a real PostgreSQL: control, journal, requests, and rows by COPY."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from bank import Bank, Door
from ledger import journal, request
from ledger.control import free
from ledger.control import state as control_state

if TYPE_CHECKING:
    from ledger.database import Connection

ROW = {"symbol": "A", "price": "1", "volume": 1, "note": None}


# -- control and journal --


def test_journal__is_append_only(bank: Bank, database: Connection) -> None:
    journal.write(database, "hold", "fx", "kim", "why not")
    database.commit()
    for act in ("UPDATE feedfall.journal SET who = 'lee'", "DELETE FROM feedfall.journal", "TRUNCATE feedfall.journal"):
        with pytest.raises(psycopg.errors.RaiseException, match="the journal is append only"):
            bank.rows(act)
    assert bank.rows("SELECT who, verb, feed, reason FROM feedfall.journal") == [("kim", "hold", "fx", "why not")]


def test_free__of_an_open_feed_lifts_nothing(database: Connection) -> None:
    assert not free(database, "fx")
    assert control_state(database, "fx").held_at is None


def test_request__overdue_is_what_was_sent_and_not_answered(bank: Bank, database: Connection) -> None:
    bank.rows(
        "INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status, sent_at, answered_at)"
        " SELECT gen_random_uuid(), 'fx', '2026-10-30', n, true, 'sent', clock_timestamp() - n * interval '1 minute',"
        " CASE n WHEN 40 THEN now() END FROM unnest(ARRAY[10, 40, 50]) AS n"
    )
    assert [late.seq for late in request.fetch_overdue(database, 1800.0)] == [50]


# -- rows: COPY's text format, there and back --


def test_copy__every_character_arrives_as_it_left(bank: Bank, door: Door) -> None:
    """All of Unicode that PostgreSQL can keep, a hundred characters a row."""
    bank.create("tick", partitions=1)
    kept = [chr(code) for code in (*range(1, 0x3000), 0xD7FF, 0xE000, 0xFEFF, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF)]
    notes = ["".join(kept[start : start + 100]) for start in range(0, len(kept), 100)]
    notes += ["\\N", "\\.", "\\", "\\\\n", "\\t", "\t", "\r\n", "NULL", " ", "'", '"', "%s", "%(note)s", "{}"]
    bank.respond("tick", [{**ROW, "note": note} for note in notes])
    assert door("sub", "--feed=tick").counts("loaded", "quarantined") == [len(notes), 0]
    assert [note for (note,) in bank.rows("SELECT note FROM tick ORDER BY _offset")] == notes
