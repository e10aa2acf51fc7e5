"""Migrations, and the script that a DBA runs in their place, asked of a real PostgreSQL."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bank import PACKAGES, Bank
from catalog import find
from ledger import schema
from ledger.database import ONE_HEADER, check, connect, has_one_header
from ledger.errors import Misconfigured, Transient
from ledger.rights import Roles

if TYPE_CHECKING:
    from pathlib import Path

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


def test_migrate__made_new_serves_only_code_that_reads_one_header(bank: Bank, folder: Path) -> None:
    """No older code was ever here; and what was refused once is not served again by a later migration."""
    for version in range(2, ONE_HEADER + 1):
        (folder / f"{version:04}_more.sql").write_text("-- oldest code: 1\n")
    migrate(bank, folder)
    (folder / f"{ONE_HEADER + 1:04}_later.sql").write_text("-- oldest code: 1\n")
    migrate(bank, folder)
    earlier = [(version, 1) for version in range(1, ONE_HEADER)]
    wanted = [*earlier, (ONE_HEADER, ONE_HEADER), (ONE_HEADER + 1, ONE_HEADER)]
    assert bank.rows("SELECT version, oldest_code FROM feedfall.schema ORDER BY 1") == wanted
    bank.rows("CREATE TABLE feedfall.run (id int, feed text, code int, started_at timestamptz, ended_at timestamptz)")
    with closing(connect(bank.url, "pod")) as connection:
        assert has_one_header(connection, "fx")
        with pytest.raises(Misconfigured, match=rf"code \({ONE_HEADER - 1}\) is older than the schema serves"):
            check(connection, code=ONE_HEADER - 1)


def test_migrate__a_ledger_that_is_there_serves_the_code_that_it_served(bank: Bank, folder: Path) -> None:
    migrate(bank, folder)
    for version in range(2, ONE_HEADER + 1):
        (folder / f"{version:04}_more.sql").write_text("-- oldest code: 1\n")
    migrate(bank, folder)
    bank.rows("CREATE TABLE feedfall.run (id int, feed text, code int, started_at timestamptz, ended_at timestamptz)")
    with closing(connect(bank.url, "pod")) as connection:
        check(connection, code=1)
        assert not has_one_header(connection, "fx")


def test_migrate__what_one_refused_a_later_one_does_not_serve_again(bank: Bank, folder: Path) -> None:
    (folder / "0002_contract.sql").write_text("-- oldest code: 2\nALTER TABLE feedfall.note DROP words;\n")
    (folder / "0003_expand.sql").write_text("-- oldest code: 1\nALTER TABLE feedfall.note ADD text text;\n")
    migrate(bank, folder)
    refused = pytest.raises(Misconfigured, match=r"code \(1\) is older than the schema serves \(2\)")
    with closing(connect(bank.url, "pod")) as connection, refused:
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
TRIGGERS = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
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
