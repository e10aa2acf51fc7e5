"""Outage or poison: one table of faults, and what each must do. The table in `docs/evidence.md` is this one.

Five rows wait, number 3 meets the fault. Then the fault is healed, and what was not poison is loaded, once.

    retry        outside trouble: exit 75, nothing in quarantine, nothing blocked; the next run loads all
    quarantine   that row alone is set aside; its neighbours are loaded, exit 0
    block        a person must act: nothing is loaded, and no run starts again before `feedfall free`
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bank import PACKAGES, Bank, Door
from catalog import find
from ledger import rights
from ledger.database import connect
from operate import hold
from operate.act import Actor
from steps.run import settings
from steps.run.execution import Execution
from steps.sweep import due

DOCS = Path(__file__).parent.parent.parent / "docs" / "evidence.md"
ROW = {"symbol": "A", "price": "1", "volume": 0, "note": "n"}


@dataclass(frozen=True)
class Fault:
    """`act` and `heal` are SQL on the bank's database, or what Kafka meets; `url` changes the pod's DATABASE_URL."""

    what: str
    must: str
    exit: int
    act: str | Callable[[Bank], None] = ""
    heal: str | Callable[[Bank], None] = ""
    url: tuple[str, str] = ("", "")
    says: str = ""


def at_row_3(body: str) -> str:
    """A trigger in which the row with volume 3 meets something."""
    return f"""CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.volume = 3 THEN {body}; END IF; RETURN NEW; END $$;
        CREATE TRIGGER meet BEFORE INSERT ON tick FOR EACH ROW EXECUTE FUNCTION meet()"""


def raises(state: str) -> str:
    return at_row_3(f"RAISE 'as the server would' USING ERRCODE = '{state}'")


def read_only(clause: str) -> str:
    return f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {clause}', current_database()); END $$"


GONE = "DROP FUNCTION meet CASCADE"
POD = (r"//[^@]+@", "//pod:pod@")
#: A role of its own, with all that a pod is given.
ROLE = "CREATE ROLE pod LOGIN PASSWORD 'pod'; GRANT USAGE ON SCHEMA feedfall TO pod;" + rights.pod(
    [find.load("tick", PACKAGES)], "pod"
)


def no_topic(bank: Bank) -> None:
    bank.delete_topic(bank.topic("tick"))


def many_bad(bank: Bank) -> None:
    for _ in range(21):
        bank.send(bank.topic("tick"), b"not json")


FAULTS = [
    # -- the database is in trouble: nobody's row is at fault --
    Fault("the disk is full (53100)*", "retry", 75, raises("53100"), GONE),
    Fault("the backend is out of memory (53200)*", "retry", 75, raises("53200"), GONE),
    Fault("a limit on temporary files or the like (53400)*", "retry", 75, raises("53400"), GONE),
    Fault(
        "too many connections (53300)",
        "retry",
        75,
        f"{ROLE}ALTER ROLE pod CONNECTION LIMIT 0",
        "ALTER ROLE pod CONNECTION LIMIT 9",
        POD,
    ),
    Fault("a serialization failure (40001)*", "retry", 75, raises("40001"), GONE),
    Fault("a deadlock (40P01)*", "retry", 75, raises("40P01"), GONE),
    Fault("a lock is not to be had (55P03)*", "retry", 75, raises("55P03"), GONE),
    Fault(
        "read only: a standby after a failover (25006)",
        "retry",
        75,
        read_only("SET default_transaction_read_only = on"),
        "SET TRANSACTION READ WRITE; " + read_only("RESET default_transaction_read_only"),
    ),
    Fault(
        "an administrator ends the session in mid-COPY (57P01)",
        "retry",
        75,
        at_row_3("PERFORM pg_terminate_backend(pg_backend_pid())"),
        GONE,
    ),
    Fault(
        "a statement is cancelled, by a time-out too (57014)",
        "retry",
        75,
        at_row_3("PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(5)"),
        GONE,
    ),
    Fault("the server shuts down or starts up (57P02, 57P03)*", "retry", 75, raises("57P03"), GONE),
    Fault("an I/O error (58030)*", "retry", 75, raises("58030"), GONE),
    Fault("nobody listens at the database's address", "retry", 75, url=(r":\d+/", ":1/")),
    # -- a setting, a right or a table is wrong: a person must act --
    Fault("a wrong password (28P01)", "block", 78, url=(r":[^:@]+@", ":guess@")),
    Fault("no such database (3D000)", "block", 78, url=(r"/\w+$", "/nothing")),
    Fault(
        "a role without rights on the table (42501)",
        "block",
        78,
        f"{ROLE}REVOKE INSERT ON tick FROM pod",
        "GRANT INSERT ON tick TO pod",
        POD,
        "GRANT",
    ),
    Fault("a column was dropped", "block", 78, "ALTER TABLE tick DROP note", "ALTER TABLE tick ADD note text"),
    Fault(
        "a column was renamed", "block", 78, "ALTER TABLE tick RENAME note TO n", "ALTER TABLE tick RENAME n TO note"
    ),
    Fault(
        "a column was narrowed",
        "block",
        78,
        "ALTER TABLE tick ALTER volume TYPE int",
        "ALTER TABLE tick ALTER volume TYPE bigint",
    ),
    Fault(
        "a column was added that must have a value",
        "block",
        78,
        "ALTER TABLE tick ADD more int NOT NULL",
        "ALTER TABLE tick DROP more",
    ),
    Fault("the topic does not exist", "block", 78, no_topic, "", says="does not exist"),
    Fault("more bad rows than the budget", "block", 65, many_bad, "", says="more than 20 bad rows"),
    # -- poison that only the database sees: that row, and no other --
    Fault(
        "a number too large for a computed column (22003)",
        "quarantine",
        0,
        "ALTER TABLE tick ADD big int GENERATED ALWAYS AS ((CASE volume WHEN 3 THEN 1e10 ELSE 1 END)::int) STORED",
    ),
    Fault("a CHECK (23514)", "quarantine", 0, "ALTER TABLE tick ADD CHECK (volume <> 3)"),
    Fault(
        "a foreign key (23503)",
        "quarantine",
        0,
        (
            "CREATE TABLE known (volume bigint PRIMARY KEY); INSERT INTO known VALUES (0), (1), (2), (4);"
            "ALTER TABLE tick ADD FOREIGN KEY (volume) REFERENCES known"
        ),
    ),
    Fault(
        "a foreign key that is checked at COMMIT (23503)",
        "quarantine",
        0,
        (
            "CREATE TABLE known (volume bigint PRIMARY KEY); INSERT INTO known VALUES (0), (1), (2), (4);"
            "ALTER TABLE tick ADD FOREIGN KEY (volume) REFERENCES known DEFERRABLE INITIALLY DEFERRED"
        ),
    ),
    Fault(
        "a unique index on another column (23505)",
        "quarantine",
        0,
        "CREATE UNIQUE INDEX ON tick ((CASE volume WHEN 3 THEN 2 ELSE volume END))",
    ),
    Fault("a trigger that refuses (P0001)", "quarantine", 0, at_row_3("RAISE 'not this one'")),
    Fault("a NUL in a computed text (54000)", "quarantine", 0, at_row_3("NEW.note := chr(0)")),
    Fault(
        "bytes that are no UTF-8, made by a trigger (22021)",
        "quarantine",
        0,
        at_row_3(r"NEW.note := convert_from('\xff', 'UTF8')"),
    ),
    Fault("a division by zero in a trigger (22012)", "quarantine", 0, at_row_3("NEW.price := 1 / (NEW.volume - 3)")),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: re.sub(r"\W+", "-", fault.what).strip("-"))
def test_fault__is_an_outage_or_poison(bank: Bank, door: Door, fault: Fault) -> None:
    bank.create("tick", partitions=1)
    bank.respond("tick", [{**ROW, "volume": number} for number in range(5)])
    try:
        do(bank, fault.act)
        url = re.sub(*fault.url, bank.url, count=1) if fault.url[0] else bank.url
        done = door("sub", "--feed=tick", DATABASE_URL=url, WORKFLOW_UID="w1")
        assert (done.exit, fault.says in done.words.get("reason", "")) == (fault.exit, True)
        HELD_TO[fault.must](bank, door, fault, url)
    finally:
        if bank.rows("SELECT 1 FROM pg_roles WHERE rolname = 'pod'"):
            bank.rows("DROP OWNED BY pod; DROP ROLE pod")


def retried(bank: Bank, door: Door, fault: Fault, url: str) -> None:
    """An outage moves no message to quarantine and blocks nothing."""
    assert bank.value("SELECT count(*) FROM tick") == bank.value("SELECT count(*) FROM feedfall.quarantine") == 0
    assert bank.value("SELECT count(*) FROM feedfall.feed_control WHERE blocked_at IS NOT NULL") == 0
    do(bank, fault.heal)
    again = door(
        "sub", "--feed=tick", WORKFLOW_UID="w1"
    )  # Argo's retry: a lease that could not be given back is its own
    assert again.counts("loaded", "quarantined", "lag") == [5, 0, 0]
    assert bank.broken("tick") == []


def quarantined(bank: Bank, door: Door, fault: Fault, url: str) -> None:
    """A poison row stops nobody, and is kept whole."""
    assert bank.rows("SELECT volume FROM tick ORDER BY 1") == [(0,), (1,), (2,), (4,)]
    [(offset, value)] = bank.rows('SELECT "offset", value FROM feedfall.quarantine')
    assert (offset, b'"volume": 3' in bytes(value)) == (3, True)
    assert door("sub", "--feed=tick").counts("read", "lag") == [0, 0]
    assert bank.broken("tick") == []


def blocked(bank: Bank, door: Door, fault: Fault, url: str) -> None:
    """Nothing moved, the sweep leaves it alone, and a freed feed loads all."""
    assert (
        bank.value("SELECT count(*) FROM feedfall.span") == bank.value("SELECT count(*) FROM feedfall.quarantine") == 0
    )
    if url == bank.url or fault.url == POD:  # else there was no database to write it into
        assert bank.rows("SELECT blocked_code FROM feedfall.feed_control") == [(fault.exit,)]
        assert door("sub", "--feed=tick", DATABASE_URL=url).status == "BLOCKED"
        assert swept(bank) == []
    do(bank, fault.heal)
    free(bank)
    if fault.must == "block" and fault.act not in (no_topic, many_bad):
        assert door("sub", "--feed=tick", DATABASE_URL=bank.url).counts("loaded", "quarantined", "lag") == [5, 0, 0]
    assert bank.broken("tick") == []


HELD_TO = {"retry": retried, "quarantine": quarantined, "block": blocked}


def do(bank: Bank, what: str | Callable[[Bank], None]) -> None:
    if callable(what):
        what(bank)
    elif what:
        bank.rows(what)


def free(bank: Bank) -> None:
    with closing(connect(bank.url, "test")) as connection:
        hold.free(connection, find.load("tick", PACKAGES), Actor("test"), "healed")


def swept(bank: Bank) -> list[str]:
    """What a sweep would start."""
    with closing(connect(bank.url, "test")) as connection:
        execution = Execution(settings.read(bank.environ), connection, 0, threading.Event())
        return [start.name for start in due(execution, [find.load("tick", PACKAGES)])]


def table() -> str:
    """The table of the documents."""
    lines = [f"| {fault.what} | {fault.must} | {fault.exit} |" for fault in FAULTS]
    return "\n".join(["| What goes wrong | What happens | Exit |", "|---|---|---|", *lines])


def test_documents__have_this_very_table() -> None:
    assert table() in DOCS.read_text(encoding="utf-8"), table()
