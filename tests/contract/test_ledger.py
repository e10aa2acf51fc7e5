"""What the ledger promises, asked of a real PostgreSQL: leases, fences, migrations."""

from __future__ import annotations

import re
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bank import PACKAGES, Bank, Door
from catalog import find
from ledger import lease, request, run, schema
from ledger.control import free, hold
from ledger.control import state as control_state
from ledger.database import check, connect
from ledger.errors import Fenced, Misconfigured, Transient
from ledger.key import LeaseKey
from ledger.rights import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database import Connection
    from ledger.lease import Lease

ROW = {"symbol": "A", "price": "1", "volume": 1, "note": None}


@pytest.fixture
def database(bank: Bank) -> Iterator[Connection]:
    with closing(connect(bank.url, "test")) as connection:
        yield connection


def take(connection: Connection, holder: str, feed: str = "fx", seconds: float = 30.0) -> Lease | None:
    number = run.start(connection, LeaseKey(feed, "sub"), holder, holder)
    return lease.take(connection, LeaseKey(feed, "sub"), holder=holder, run_id=number, seconds=seconds)


def held(connection: Connection, holder: str, seconds: float = 30.0) -> Lease:
    taken = take(connection, holder, seconds=seconds)
    assert taken
    return taken


# -- the lease --


def test_lease__one_has_it_and_the_other_learns_who(database: Connection) -> None:
    held(database, "one")
    assert take(database, "two") is None
    assert re.fullmatch("one holds the lease for (29|30) s more", lease.holder(database, LeaseKey("fx", "sub")))


def test_lease__of_another_feed_stage_or_shard_is_another(database: Connection) -> None:
    held(database, "one")
    number = run.start(database, LeaseKey("fx", "sub"), "two", "two")
    for key in (LeaseKey("tick", "sub"), LeaseKey("fx", "relay"), LeaseKey("fx", "sub", 1)):
        assert lease.take(database, key, holder="two", run_id=number)


def test_lease__released_is_free_at_once(database: Connection) -> None:
    lease.release(database, held(database, "one"))
    assert lease.holder(database, LeaseKey("fx", "sub")) == "the lease is free"
    assert held(database, "two").epoch == 2


def test_lease__expires_by_itself(database: Connection) -> None:
    held(database, "one", seconds=0.2)
    assert take(database, "two") is None
    time.sleep(0.25)
    assert held(database, "two").epoch == 2


def test_lease__renewed_lives_longer(database: Connection) -> None:
    mine = held(database, "one", seconds=0.2)
    assert lease.renew(database, mine, seconds=30)
    database.commit()
    time.sleep(0.25)
    assert take(database, "two") is None


def test_lease__lost_is_neither_renewed_nor_released(database: Connection) -> None:
    old = held(database, "one", seconds=0.01)
    time.sleep(0.02)
    held(database, "two")
    assert not lease.renew(database, old)
    lease.release(database, old)
    assert take(database, "three") is None


def test_lease__released_is_not_renewed_by_a_late_heartbeat(database: Connection) -> None:
    mine = held(database, "one")
    lease.release(database, mine)
    assert not lease.renew(database, mine)


def test_lease__the_same_workflow_takes_it_again_under_a_higher_epoch(database: Connection) -> None:
    """Argo's retry: the same uid, another pod."""
    first, second = held(database, "one"), held(database, "one")
    assert (first.epoch, second.epoch) == (1, 2)
    assert not lease.renew(database, first)


def test_lease__of_many_at_once_one_gets_it(bank: Bank) -> None:
    taken: list[Lease | None] = []

    def try_it(name: str) -> None:
        with closing(connect(bank.url, name)) as connection:
            taken.append(take(connection, name))

    threads = [threading.Thread(target=try_it, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len([each for each in taken if each])) == (8, 1)


# -- the fence --


def test_guard__lets_the_holder_in_and_nobody_before_it(database: Connection) -> None:
    mine = held(database, "one")
    lease.guard(database, mine)
    with pytest.raises(Fenced, match="another run drains fx sub now"):
        lease.guard(database, replace(mine, epoch=mine.epoch - 1))


def test_guard__is_not_kept_out_by_a_run_before_it_that_woke_up(bank: Bank, database: Connection) -> None:
    """A frozen run looks whether its last COMMIT got there; its successor must not take itself for fenced."""
    old = held(database, "old", seconds=0.01)
    time.sleep(0.02)
    mine = held(database, "new")
    with closing(connect(bank.url, "zombie")) as zombie:
        zombie.execute("SELECT pg_advisory_xact_lock(%s, %s)", [lease.SPACE, old.id])
        lease.guard(database, mine)
        with pytest.raises(psycopg.OperationalError):
            zombie.commit()


def test_exclude__by_one_who_was_overtaken_ends_nobody(bank: Bank, database: Connection) -> None:
    """A zombie that looks up its last COMMIT finds its successor at work."""
    old = held(database, "old", seconds=0.01)
    time.sleep(0.02)
    mine = held(database, "new")
    lease.guard(database, mine)
    with closing(connect(bank.url, "zombie")) as zombie, pytest.raises(Fenced):
        lease.exclude(zombie, old)
    database.commit()


def test_exclude__ends_a_backend_in_mid_copy(bank: Bank, database: Connection) -> None:
    """A pod that froze inside its chunk: no time-out of the database would ever end it."""
    old = held(database, "old", seconds=0.01)
    frozen = connect(bank.url, "old")
    lease.guard(frozen, old)
    time.sleep(0.02)
    copying = frozen.cursor().copy("COPY feedfall.journal (who, verb, reason) FROM STDIN")
    copy = copying.__enter__()
    copy.write(b"ghost\twrites\t1\n")
    started = time.monotonic()
    lease.exclude(database, held(database, "new"))
    database.commit()
    assert time.monotonic() - started < 5
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        copying.__exit__(None, None, None)
    frozen.close()
    assert bank.value("SELECT count(*) FROM feedfall.journal WHERE who = 'ghost'") == 0


def test_exclude__is_itself_fenced_by_a_later_taker(bank: Bank, database: Connection) -> None:
    mine = held(database, "one")
    with closing(connect(bank.url, "two")) as other:
        held(other, "one")
    with pytest.raises(Fenced, match="the lease of fx sub went to another run"):
        lease.exclude(database, mine)


# -- control and journal --


def test_journal__is_append_only(bank: Bank, database: Connection) -> None:
    hold(database, "fx", "kim", "why not")
    database.commit()
    for act in ("UPDATE feedfall.journal SET who = 'lee'", "DELETE FROM feedfall.journal", "TRUNCATE feedfall.journal"):
        with pytest.raises(psycopg.errors.RaiseException, match="the journal is append only"):
            bank.rows(act)
    assert bank.rows("SELECT who, verb, feed, reason FROM feedfall.journal") == [("kim", "hold", "fx", "why not")]


def test_free__of_an_open_feed_writes_nothing(bank: Bank, database: Connection) -> None:
    assert not free(database, "fx", "kim", "to be sure")
    database.commit()
    assert bank.value("SELECT count(*) FROM feedfall.journal") == 0
    assert control_state(database, "fx").held_at is None


def test_request__overdue_is_what_was_sent_and_not_answered(bank: Bank, database: Connection) -> None:
    bank.rows(
        "INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status, sent_at, answered_at)"
        " SELECT gen_random_uuid(), 'fx', '2026-10-30', n, true, 'sent', clock_timestamp() - n * interval '1 minute',"
        " CASE n WHEN 40 THEN now() END FROM unnest(ARRAY[10, 40, 50]) AS n"
    )
    assert [late.seq for late in request.fetch_overdue(database, 1800.0)] == [50]


# -- migrations: expand first, contract a release later --

OLD = "-- oldest code: 1\nCREATE SCHEMA feedfall;\nCREATE TABLE feedfall.schema (version int, oldest_code int);\n"


def migrate(bank: Bank, folder: Path) -> list[str]:
    with closing(connect(bank.url, "migrate")) as connection:
        return schema.migrate(connection, [], folder)


@pytest.fixture
def folder(bank: Bank, tmp_path: Path) -> Path:
    """Migrations of our own, and a database that has seen none."""
    bank.rows("DROP SCHEMA feedfall CASCADE")
    (tmp_path / "0001_start.sql").write_text(OLD + "CREATE TABLE feedfall.note (words text);\n")
    return tmp_path


def test_migrate__applies_each_once(bank: Bank, folder: Path) -> None:
    assert migrate(bank, folder) == ["0001_start"]
    assert migrate(bank, folder) == []
    (folder / "0002_more.sql").write_text("-- oldest code: 1\nALTER TABLE feedfall.note ADD who text;\n")
    assert migrate(bank, folder) == ["0002_more"]
    assert bank.rows("SELECT version, oldest_code FROM feedfall.schema ORDER BY 1") == [(1, 1), (2, 1)]


def test_migrate__expand_serves_old_code_and_contract_refuses_it(bank: Bank, folder: Path) -> None:
    (folder / "0002_expand.sql").write_text("-- oldest code: 1\nALTER TABLE feedfall.note ADD text text;\n")
    migrate(bank, folder)
    with closing(connect(bank.url, "pod")) as connection:
        check(connection, code=1)  # the old image still runs beside the new one
        check(connection, code=2)
        with pytest.raises(Misconfigured, match=r"the schema \(2\) is older than this code \(3\): run `feedfall mi"):
            check(connection, code=3)
    (folder / "0003_contract.sql").write_text("-- oldest code: 2\nALTER TABLE feedfall.note DROP words;\n")
    migrate(bank, folder)
    with closing(connect(bank.url, "pod")) as connection:
        check(connection, code=2)
        with pytest.raises(Misconfigured, match=r"code \(1\) is older than the schema serves \(2\): use a newer image"):
            check(connection, code=1)


def test_migrate__that_fails_leaves_nothing_behind(bank: Bank, folder: Path) -> None:
    (folder / "0002_wrong.sql").write_text("-- oldest code: 1\nALTER TABLE feedfall.nothing ADD who text;\n")
    with pytest.raises(Misconfigured, match=r'relation "feedfall\.nothing" does not exist'):
        migrate(bank, folder)
    assert bank.value("SELECT to_regclass('feedfall.note')") is None


def test_migrate__without_its_first_line_is_refused(bank: Bank, folder: Path) -> None:
    (folder / "0002_silent.sql").write_text("ALTER TABLE feedfall.note ADD who text;\n")
    with pytest.raises(Misconfigured, match=r"0002_silent\.sql must begin with `-- oldest code: N`"):
        migrate(bank, folder)


def test_migrate__two_at_once_are_one(bank: Bank, folder: Path) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(bank, folder))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], ["0001_start"]]


def test_migrate__waits_five_seconds_for_a_lock_and_gives_up(bank: Bank, folder: Path) -> None:
    migrate(bank, folder)
    (folder / "0002_more.sql").write_text("-- oldest code: 1\nALTER TABLE feedfall.note ADD who text;\n")
    with closing(connect(bank.url, "reader")) as reader:
        reader.execute("SELECT FROM feedfall.note")
        with pytest.raises(Transient, match=r"blocked by another session's lock: .*lock timeout"):
            migrate(bank, folder)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ("ALTER TABLE tick DROP note", "table tick has no column note: ALTER TABLE tick ADD note text"),
        ("ALTER TABLE tick DROP _row CASCADE", "table tick has no column _row: ALTER TABLE tick ADD _row int"),
        (
            "ALTER TABLE tick ALTER price TYPE numeric(10,2)",  # it would round
            r"tick.price is numeric\(10,2\); the feed writes numeric\(24,8\): change one of the two",
        ),
    ],
)
def test_migrate__a_table_that_differs_is_named(bank: Bank, act: str, says: str) -> None:
    bank.rows(act)
    with closing(connect(bank.url, "migrate")) as connection, pytest.raises(Misconfigured, match=says):
        schema.migrate(connection, [find.load("tick", PACKAGES)])


# -- the script for a DBA --

SHAPE = """
SELECT table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
       numeric_precision, numeric_scale, is_identity
FROM information_schema.columns WHERE table_schema IN ('feedfall', 'public') ORDER BY 1, 2, 4"""
BOUND = """
SELECT conrelid::regclass::text, contype, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace IN ('feedfall'::regnamespace, 'public'::regnamespace) ORDER BY 1, 2, 3"""
INDEXED = "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('feedfall', 'public') ORDER BY 1"
TRIGGERS = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
VERSIONS = "SELECT version, oldest_code FROM feedfall.schema ORDER BY 1"


def shape(url: str) -> list[list[tuple[Any, ...]]]:
    with psycopg.connect(url) as connection:
        return [connection.execute(query.encode()).fetchall() for query in (SHAPE, BOUND, INDEXED, TRIGGERS, VERSIONS)]


def test_script__makes_from_nothing_what_migrate_makes(bank: Bank) -> None:
    every, migrated = find.every(PACKAGES), shape(bank.url)
    bank.rows("DROP SCHEMA feedfall CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    bank.rows("".join(schema.script(every, Roles())))
    assert shape(bank.url) == migrated
    with closing(connect(bank.url, "test")) as connection:
        check(connection)
        assert schema.migrate(connection, every) == []


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


def set_back_the_clock(database: Connection) -> None:
    """The lease's times are of before, when it was an hour later."""
    database.execute(
        "UPDATE feedfall.lease SET taken_at = taken_at + interval '1 hour', expires_at = expires_at + interval '1 hour'"
    )
    database.commit()


def test_lease__of_a_dead_holder_lasts_one_lease_though_the_clock_was_set_back(database: Connection) -> None:
    """Promise: BUSY lasts no longer than a lease by the holder's last word."""
    held(database, "dead", seconds=0.5)
    set_back_the_clock(database)
    assert take(database, "next", seconds=0.5) is None
    time.sleep(0.5)
    assert take(database, "next", seconds=0.5)


def test_lease__of_a_live_holder_is_not_taken_though_the_clock_was_set_back(database: Connection) -> None:
    lived = held(database, "live", seconds=1)
    set_back_the_clock(database)
    assert take(database, "next", seconds=1) is None
    assert lease.renew(database, lived, 1)
    time.sleep(0.7)
    assert lease.renew(database, lived, 1)
    time.sleep(0.5)
    assert take(database, "next", seconds=1) is None


def test_cap__leaves_a_lease_alone_that_ends_in_time(database: Connection) -> None:
    held(database, "one", seconds=20)
    expires = "SELECT expires_at FROM feedfall.lease"
    before = database.execute(expires).fetchall()
    lease.cap(database, 20)
    assert database.execute(expires).fetchall() == before
    set_back_the_clock(database)
    lease.cap(database, 20)
    assert before < database.execute(expires).fetchall() < [(before[0][0] + timedelta(seconds=30),)]
