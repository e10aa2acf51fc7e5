"""The one reader of DATABASE_URL."""

import re
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import databases
from ledger.database import connect
from ledger.errors import Misconfigured

ROOT = Path(__file__).parents[2]
ROOMS = ("catalog", "cli", "feeds", "ledger", "operate", "scripts", "service", "steps")


def test_url__is_the_one_that_is_set() -> None:
    assert databases.url({"DATABASE_URL": "postgresql://bank/feedfall"}) == "postgresql://bank/feedfall"


@pytest.mark.parametrize("environ", [{}, {"DATABASE_URL": ""}])
def test_url__that_is_not_set_is_one_sentence(environ: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"^not set: DATABASE_URL\. The overrides are there$"):
        databases.url(environ, "The overrides are there")
    assert not databases.is_set(environ)


def test_variable__is_read_in_one_module_alone() -> None:
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    quoted = [file.relative_to(ROOT) for file in files if '"DATABASE_URL"' in file.read_text(encoding="utf-8")]
    assert quoted == [Path("ledger/databases.py")]


# -- an address that cannot be meant so: 78, and no word of it --

MISWRITTEN = [
    "postgresql://pod:qx@zk@127.0.0.1/bank",
    "postgresql://pod:@qxzk@127.0.0.1/bank",
    "postgresql://pod:qx/zk@127.0.0.1/bank",
    "postgresql://pod:12/qxzk@127.0.0.1/bank",  # libpq: host pod, port 12
    "postgresql://pod:qxzk@localhost@127.0.0.1/bank",
    "postgresql://pod:qx%zk@127.0.0.1/bank",
    "postgresql://pod:qx zk@127.0.0.1/bank",
    "postgresql://pod:qxzk@127.0.0.1:54qx/bank",
    "postgresql://pod:qxzk@127.0.0.1,qx zk/bank",
    "postgresql://pod:qxzk@127.0.0.1:5432",
    "postgresql://pod:qxzk@127.0.0.1:5432/",
    "postgresql://pod:qxzk@127.0.0.1/bank?sslmod=qxzk",
    "postgresql://pod:qxzk@127.0.0.1/bank?sslmode=qxzk",
    "postgresql://pod:qxzk@127.0.0.1/bank\n",
    "mysql://pod:qxzk@127.0.0.1/bank",
    "pod:qxzk@127.0.0.1/bank",
    "host=127.0.0.1 dbname=bank user=pod password=qx zk",
    "host='127.0.0.1 qxzk' dbname=bank",
    "host=127.0.0.1 port=qxzk dbname=bank",
    "host=127.0.0.1 user=pod password=qxzk",
]


@pytest.mark.parametrize("address", MISWRITTEN)
@pytest.mark.parametrize("door", [lambda url: databases.url({"DATABASE_URL": url}), lambda url: connect(url, "pod")])
def test_url__that_is_miswritten_is_a_setting_and_stays_unseen(address: str, door: Callable[[str], object]) -> None:
    with pytest.raises(Misconfigured, match=r"^DATABASE_URL ") as raised:
        door(address)
    shown = "".join(traceback.format_exception(raised.value))
    assert not re.search(r"qx|zk|pod:|127\.0|mysql", re.sub(r"(?m)^  .*", "", shown)), shown


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://pod:qx:z?k#w@127.0.0.1/bank",  # as libpq reads it
        "postgresql://pod:qx%40zk@[::1]:5432/bank?sslmode=verify-full",
        "postgres://pod@one.bank:5432,two-2.bank:5433/bank?target_session_attrs=read-write",
        "postgresql:///bank?host=/var/run/postgresql",
        "host=db dbname=bank user=pod password='qx @/zk'",
        "service=bank",
    ],
)
def test_url__that_libpq_reads_as_it_was_meant_is_taken(address: str) -> None:
    assert databases.url({"DATABASE_URL": address}) == address


def test_url__may_leave_the_database_to_libpqs_own_variable() -> None:
    databases.url({"DATABASE_URL": "postgresql://pod@db", "PGDATABASE": "bank"})
