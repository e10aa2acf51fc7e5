"""Rights by duty: what each role may do is enough for it, and what it may not do the database refuses.

`tests/acceptance` runs its stages as `feedfall_pod` and its commands as `feedfall_operator`:
a missing right shows there.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
from typer.testing import CliRunner

from bank import PACKAGES, Bank, Door, as_role
from catalog import find
from cli.__main__ import app
from contract.conftest import refused
from ledger import lease, rights, run, schema, statements
from ledger.database import connect
from ledger.key import LeaseKey
from ledger.rights import Roles
from ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database import Connection

DAY = "2026-10-30"
RATES = [{"base_date": DAY, "currency": each, "rate": "1"} for each in ("USD", "JPY")]
ROLES = Roles()


# -- what each role does every day --


def test_reader__sees_what_runs_and_what_waits(used: Bank) -> None:
    environ = {**used.environ, "DATABASE_URL": as_role(used.url, ROLES.reader)}
    for words in ("runs", "lag fx", "absent", "newest fx", "quarantine list fx", "verify fx"):
        done = CliRunner().invoke(app, words.split(), env=environ)
        # the entry that the fixture invents is found by verify: an exception, which the command's door makes 83 of
        assert done.exit_code == (words == "verify fx"), (words, done.stdout, done.exception)


@pytest.mark.parametrize("words", ["hold fx", "free fx", "quarantine discard fx 0@2", "quarantine redrive fx 0@2"])
def test_reader__changes_nothing(used: Bank, words: str) -> None:
    environ = {**used.environ, "DATABASE_URL": as_role(used.url, ROLES.reader)}
    done = CliRunner().invoke(app, [*words.split(), "--reason=test", "--by=me"], env=environ)
    assert "the database role lacks a right" in str(done.exception)


def test_operator__holds_frees_and_resolves(used: Bank) -> None:
    for words in ("hold fx --take-over", "free fx", "quarantine discard fx 0@2"):
        done = CliRunner().invoke(app, [*words.split(), "--reason=test", "--by=me"], env=used.environ)
        assert done.exit_code == 0, (words, done.stdout, done.exception)
    said = used.rows(
        "SELECT who, role, verb FROM feedfall.journal WHERE who = 'me' AND phase IS DISTINCT FROM 'intent' ORDER BY id"
    )
    assert said == [("me", ROLES.operator, verb) for verb in ("hold", "free", "discard")]


def test_operator__compares_with_kafka_puts_back_and_looks_for_gaps(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    bank.respond("fx", RATES)
    door("sub", "--feed=fx")
    bank.rows("DELETE FROM fx_rate WHERE currency = 'USD'")
    bank.rows("UPDATE fx_rate SET rate = 2")
    why = ["--reason=test", "--by=me"]
    for words, code in (
        (["verify", "fx", "--deep"], 1),  # as an exception, which the command's door makes 83 of
        (["replay", "fx", *why, f"--offsets={bank.topic('fx')}/0:0-1"], 0),
        (["verify", "fx", "--deep"], 0),
        (["skip-gap", "fx", *why, "--yes", "--break-glass", "--ticket=7"], 0),
    ):
        done = CliRunner().invoke(app, words, env=bank.environ)
        assert done.exit_code == code, (words, done.stdout, done.exception)


def test_pod__loads_merges_orders_and_proves(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    for times in ("1", "2"):  # the second goes by a merge, and its temporary tables
        bank.respond("fx", [{**RATES[0], "rate": times}])
        assert door("sub", "--feed=fx").counts("loaded") == [1]
    assert door("pub", "--feed=fx", f"--base-date={DAY}").status == "SUCCEEDED"
    assert door("verify", "--feed=fx").status == "SUCCEEDED"
    assert bank.value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", ROLES.owner) == 0


def test_pod__releases_what_is_deferred_and_marks_a_block(used: Bank) -> None:
    released = (
        "UPDATE feedfall.quarantine SET settled_as = 'loaded', settled_run = run, settled_at = now(),"
        " settled_by = 'release', settled_reason = 'its day' WHERE row = 7"
    )
    assert used.act(ROLES.pod, released) == 1
    used.rows("UPDATE feedfall.feed_control SET blocked_at = NULL")
    assert used.act(ROLES.pod, "UPDATE feedfall.feed_control SET blocked_at = now(), blocked_code = 65") == 1


# -- every statement, and who may run it --

#: A person's statements beside a pod's, and those of a migration.
OPERATORS = {
    "acceptance.write",
    "approval.ask",
    "approval.decide",
    "approval.find",
    "approval.latest",
    "approval.pending",
    "approval.standing",
    "approval.use",
    "audit.lines",
    "calendar.declare",
    "calendar.withdraw",
    "control.free",
    "control.hold",
    "correction.record",
    "gap.accept",
    "gap.close",
    "journal.sign",
    "quarantine.history",
    "request.withdraw",
    "totals.acts",
    "totals.approvals",
    "totals.newest",
}
OWNERS = {"schema.applied"}
BOARDS = {
    *("acceptance.write", "approval.ask", "approval.decide", "approval.find", "approval.use"),
    *("control.ensure", "control.free", "control.free_all", "control.held_with_all", "control.hold", "control.lock"),
    *("control.share", "control.wait", "gap.unblock", "journal.sign", "journal.write", "request.hasten"),
    "request.unsent",  # it locks rows, which needs the right of `hasten`, and changes none
}
SERVICES = {
    "calendar.declare",
    "calendar.history",
    "calendar.in_force",
    "calendar.in_force_on",
    "calendar.withdraw",
    "journal.sign",
    "journal.write",
    "schema.version",
}
TABLE = re.compile(r"(FROM|JOIN|INTO|UPDATE) feedfall\.")
TEMPORARY = re.compile(r"\b_(incoming|judged|again|unread|reread|differ|lost)\b")


def _names() -> Iterator[str]:
    """Every statement about the ledger's own tables. Those about a feed's table the acceptance suite runs."""
    for file in sorted(statements.HERE.glob("*.sql")):
        for name in re.findall(r"^-- name: (\w+)$", file.read_text(encoding="utf-8"), re.MULTILINE):
            text = statements.sql(f"{file.stem}.{name}")
            if file.stem != "rights" and TABLE.search(text) and "{" not in text and not TEMPORARY.search(text):
                yield f"{file.stem}.{name}"


PLAIN = list(_names())


def allowed(bank: Bank, role: str) -> set[str]:
    """The statements that the role may run: to explain one checks its rights, and does nothing."""
    with psycopg.connect(as_role(bank.url, role), autocommit=True) as connection:
        return {name for name in PLAIN if _explains(connection, statements.sql(name))}


def _explains(connection: psycopg.Connection, statement: LiteralString) -> bool:
    for value in (None, "{}", "1"):  # whatever is of a type that fits
        values = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement), value)
        try:
            psycopg.ClientCursor(connection).execute("EXPLAIN " + statement, values)
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.Error as error:
            problem = error
        else:
            return True
    raise problem


def test_statements__each_role_may_run_its_own(bank: Bank) -> None:
    writing = {name for name in PLAIN if re.search(r"INSERT INTO|UPDATE|FOR SHARE", statements.sql(name))}
    assert allowed(bank, ROLES.pod) == set(PLAIN) - OPERATORS - OWNERS
    assert allowed(bank, ROLES.operator) == set(PLAIN) - OWNERS
    assert allowed(bank, ROLES.reader) == set(PLAIN) - writing
    assert allowed(bank, ROLES.service) == SERVICES
    assert allowed(bank, ROLES.board) == (set(PLAIN) - writing) | BOARDS


# -- the printed rights --


def test_rights__applied_again_take_back_what_an_earlier_version_gave(bank: Bank) -> None:
    bank.rows(f"GRANT ALL ON ALL TABLES IN SCHEMA feedfall TO {ROLES.pod}; GRANT pg_signal_backend TO {ROLES.pod}")
    bank.rows("".join(schema.rights_only(find.every(PACKAGES), ROLES)))
    assert refused(bank, ROLES.pod, {"removes a span": "DELETE FROM feedfall.span"}) == []
    assert bank.value("SELECT pg_has_role(%s, 'pg_signal_backend', 'MEMBER')", ROLES.pod) is False


def test_rights__one_role_may_have_every_duty(bank: Bank) -> None:
    bank.rows("".join(schema.rights_only(find.every(PACKAGES), Roles(*[ROLES.reader] * 4))))
    assert bank.act(ROLES.reader, "INSERT INTO feedfall.feed_control (feed, held_at) VALUES ('fx', now())") == 1


def test_rights__are_for_the_feeds_that_are_named(bank: Bank, single: str) -> None:
    bank.rows(rights.pod([find.load("fx", PACKAGES)], single))
    assert refused(bank, single, {"another feed's table": "SELECT FROM latest"}) == []


@pytest.fixture
def single(bank: Bank) -> Iterator[str]:
    """A role that may log in, and nothing else."""
    name = f"single_{bank.prefix.strip('.')}"
    bank.rows(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'; GRANT USAGE ON SCHEMA feedfall TO {name}")
    yield name
    bank.rows(f"DROP OWNED BY {name}")
    bank.rows(f"DROP ROLE {name}")


def test_rights__without_any_the_message_names_the_grants(bank: Bank, door: Door, single: str) -> None:
    done = door("sub", "--feed=tick", DATABASE_URL=as_role(bank.url, single))
    assert done.exit == 78
    assert "`feedfall schema` prints the GRANTs" in done.words["reason"]


# -- a frozen run's session --


@pytest.fixture
def ghost(bank: Bank) -> Iterator[Connection]:
    """A frozen pod, inside its chunk; its lease has run out."""
    bank.create("tick")
    bank.respond("tick", [{"symbol": "A", "price": "1", "volume": 1, "note": None}])
    key = LeaseKey("tick", "sub")
    with closing(connect(bank.pod_url, "ghost")) as frozen:
        old = lease.take(frozen, key, range(2), run_id=run.start(frozen, key, "ghost", "ghost"), seconds=0.01)
        assert old
        lease.guard(frozen, old)
        yield frozen


def test_takeover__a_plain_role_ends_its_own_session(bank: Bank, door: Door, ghost: Connection) -> None:
    assert bank.value("SELECT pg_has_role(%s, 'pg_signal_backend', 'MEMBER')", ROLES.pod) is False
    assert door("sub", "--feed=tick").counts("loaded") == [1]
    with pytest.raises(psycopg.OperationalError):
        ghost.execute("SELECT 1")
    assert bank.broken("tick") == []


def test_takeover__an_operator_ends_a_pods_session(bank: Bank, ghost: Connection) -> None:
    with closing(connect(bank.environ["DATABASE_URL"], "operator")) as connection:
        lease.end_backend(connection, ghost.info.backend_pid)
    with pytest.raises(psycopg.OperationalError):
        ghost.execute("SELECT 1")


def test_takeover__a_role_that_may_end_nobody_says_which_grant(
    bank: Bank, door: Door, single: str, ghost: Connection
) -> None:
    bank.rows(rights.pod([find.load("tick", PACKAGES)], single))
    done = door("sub", "--feed=tick", DATABASE_URL=as_role(bank.url, single))
    assert done.exit == 78
    pid = ghost.info.backend_pid
    assert (
        f"a frozen run (backend {pid}) still holds the writer's lock and role {single} may not" in done.words["reason"]
    )
    assert f"GRANT pg_signal_backend TO {single}, or end it as its owner" in done.words["reason"]
    assert bank.value("SELECT count(*) FROM tick") == 0
    with closing(connect(bank.url, "test")) as connection:
        assert verify(connection, find.load("tick", PACKAGES)).broken == []
