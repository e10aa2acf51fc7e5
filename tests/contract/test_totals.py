"""What a database has counted: the same at each read, whenever a row comes, and after a restart of who reads it."""

from __future__ import annotations

from contextlib import closing

import psycopg

from bank import Bank, as_role
from ledger.database import Connection, connect
from ledger.rights import Roles
from ledger.totals import BOUNDS, Count, Totals

RUN = (
    "INSERT INTO feedfall.run (feed, stage, uid, name, status, code, started_at, ended_at)"
    " SELECT 'fx', 'sub', 'u', 'n', '{status}', 1, clock_timestamp() - interval '{ago}',"
    " clock_timestamp() - interval '{ago}' + interval '{took}' FROM generate_series(1, {many})"
)
SPAN = (
    "INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent, rows_read, loaded, superseded,"
    " duplicate, quarantined, deferred, settled_at) VALUES ({source}, {offset}, {offset} + 1, {run}, 1, '{{}}', 1, 1,"
    " 0, 0, 0, 0, clock_timestamp() - interval '{ago}')"
)


def runs(bank: Bank, status: str, *, ago: str = "1 hour", took: str = "3 s", many: int = 1) -> None:
    bank.rows(RUN.format(status=status, ago=ago, took=took, many=many))


def sourced(bank: Bank) -> dict[str, object]:
    """A run and a source that spans may belong to."""
    runs(bank, "SUCCEEDED")
    source = bank.value(
        "INSERT INTO feedfall.source (feed, stage, topic, topic_id, partition, markers, first_offset,"
        " next_offset, epoch) VALUES ('fx', 'sub', 't', 'i', 0, false, 0, 0, 1) RETURNING id"
    )
    return {"source": source, "run": bank.value("SELECT max(id) FROM feedfall.run")}


def read(count: Count, database: Connection) -> Totals:
    database.autocommit = True
    return count.read(database)


def test_runs__are_counted_once_however_often_they_are_read(bank: Bank, database: Connection) -> None:
    count = Count("")
    runs(bank, "FAILED", many=3)
    runs(bank, "SUCCEEDED", ago="1 min")
    wanted = {("fx", "FAILED"): 3, ("fx", "SUCCEEDED"): 1}
    assert [read(count, database).runs for _ in range(3)] == [wanted] * 3
    assert read(Count(""), database).runs == wanted  # of another process, or after a restart


def test_runs__that_are_at_work_are_counted_when_they_end(bank: Bank, database: Connection) -> None:
    count = Count("")
    runs(bank, "RUNNING")
    bank.rows("UPDATE feedfall.run SET ended_at = NULL")
    runs(bank, "SUCCEEDED")  # newer, and over before it
    assert read(count, database).runs == {("fx", "SUCCEEDED"): 1}
    bank.rows("UPDATE feedfall.run SET status = 'FAILED', ended_at = clock_timestamp() WHERE status = 'RUNNING'")
    assert read(count, database).runs == {("fx", "SUCCEEDED"): 1, ("fx", "FAILED"): 1}


def test_runs__one_that_never_ends_stops_no_counting(bank: Bank, database: Connection) -> None:
    """Killed, and its feed removed: each read would begin at it for ever."""
    runs(bank, "RUNNING", ago="3 days")
    runs(bank, "FAILED", many=5)
    count = Count("")
    read(count, database)
    assert read(count, database).runs == {("fx", "FAILED"): 5}
    assert count.newest_over == bank.value("SELECT max(id) FROM feedfall.run")


def test_durations__by_stage(bank: Bank, database: Connection) -> None:
    runs(bank, "SUCCEEDED", took="3 s", many=2)
    runs(bank, "FAILED", took="2 hours")
    buckets, seconds = read(Count(""), database).durations["sub"]
    assert (buckets[BOUNDS.index(5.0)], buckets[-1], sum(buckets), round(seconds)) == (2, 1, 3, 7206)


def test_rows__of_a_transaction_that_began_earlier_and_commits_later(bank: Bank, database: Connection) -> None:
    values = sourced(bank)
    count = Count("")
    with closing(psycopg.connect(bank.url)) as slow:
        slow.execute(SPAN.format(offset=0, ago="1 min", **values).encode())
        bank.rows(SPAN.format(offset=1, ago="0 s", **values))
        assert read(count, database).rows["fx", "loaded"] == 1
        slow.commit()
    assert read(count, database).rows["fx", "loaded"] == 2


def test_rows__a_fate_that_has_none_is_a_zero_that_was_read(bank: Bank, database: Connection) -> None:
    bank.rows(SPAN.format(offset=0, ago="1 hour", **sourced(bank)))
    assert read(Count(""), database).rows["fx", "quarantined"] == 0


def test_acts__by_verb(bank: Bank, database: Connection) -> None:
    for verb in ("hold", "hold", "free"):
        bank.rows(f"INSERT INTO feedfall.journal (who, verb, feed, reason) VALUES ('kim', '{verb}', 'fx', 'x')")
    counted = read(Count(""), database)
    assert counted.acts == {("hold", "recorded"): 2, ("free", "recorded"): 1}
    assert counted.break_glass_at is None


def test_acts__by_phase_and_the_newest_with_a_ticket(bank: Bank, database: Connection) -> None:
    count = Count("")
    bank.rows("ALTER TABLE feedfall.journal ADD COLUMN IF NOT EXISTS phase text, ADD COLUMN IF NOT EXISTS ticket text")
    bank.rows("ALTER TABLE feedfall.journal DROP CONSTRAINT IF EXISTS journal_act")
    line = "INSERT INTO feedfall.journal (who, verb, feed, reason, phase, ticket) VALUES ('kim', 'accept', 'fx', 'x', "
    bank.rows(f"{line} 'intent', NULL), ('kim', 'accept', 'fx', 'x', 'done', 'INC-1')")
    counted = read(count, database)
    assert counted.acts == {("accept", "intent"): 1, ("accept", "done"): 1}
    assert counted.break_glass_at == bank.value("SELECT max(at) FROM feedfall.journal WHERE ticket IS NOT NULL")
    bank.rows("INSERT INTO feedfall.journal (who, verb, feed, reason) VALUES ('kim', 'free', 'fx', 'x')")
    assert read(count, database).break_glass_at == counted.break_glass_at


def test_notices__that_wait(bank: Bank, database: Connection) -> None:
    bank.rows(
        "INSERT INTO feedfall.notice (subject, base_date, body, made_at) VALUES ('fx', '2026-10-30', '{}', now())"
    )
    assert read(Count(""), database).notices_pending == 1


def test_approvals__that_wait_for_a_second_person(bank: Bank, database: Connection) -> None:
    bank.rows(
        "INSERT INTO feedfall.approval (verb, feed, arguments, preview, digest, reason, asked_by, asked_signed_in,"
        " asked_channel, asked_address) VALUES ('accept', 'fx', '{}', 'p', 'd', 'r', 'kim', 'kim', 'board', '-'),"
        " ('accept', 'gold', '{}', 'p', 'd', 'r', 'kim', 'kim', 'board', '-')"
    )
    assert read(Count(""), database).approvals_pending == 2
    bank.rows(
        "UPDATE feedfall.approval SET decision = 'rejected', decided_by = 'lee', decided_signed_in = 'lee',"
        " decided_reason = 'y' WHERE feed = 'gold'"
    )
    assert read(Count(""), database).approvals_pending == 1


def test_restore__counting_begins_anew(bank: Bank, database: Connection) -> None:
    count = Count("")
    runs(bank, "FAILED", many=5)
    read(count, database)
    bank.rows("TRUNCATE feedfall.run RESTART IDENTITY CASCADE")
    runs(bank, "SUCCEEDED", many=2)
    assert read(count, database).runs == {("fx", "SUCCEEDED"): 2}


def test_reader__may_count(bank: Bank) -> None:
    with closing(connect(as_role(bank.url, Roles().reader), "test")) as connection:
        assert Count("").read(connection).runs == {}


def test_empty__a_new_ledger_has_counted_nothing(database: Connection) -> None:
    assert read(Count("stk"), database) == Totals("stk")
