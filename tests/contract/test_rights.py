"""Rights by duty: what each role may do is enough for it, and what it may not do the database refuses.

`tests/acceptance` runs its stages as `feedfall_pod` and its commands as `feedfall_operator`:
a missing right shows there.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from typer.testing import CliRunner

from bank import PACKAGES, Bank, Door, as_role
from catalog import find
from cli.__main__ import app
from ledger import lease, rights, run, schema
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


def act(bank: Bank, role: str, statement: str) -> int:
    """What a role does in its own words; how many rows it touched."""
    with psycopg.connect(as_role(bank.url, role), autocommit=True) as connection:
        return connection.execute(statement.encode()).rowcount


@pytest.fixture
def used(bank: Bank, door: Door) -> Bank:
    """A feed that has run: rows, a quarantined and a deferred entry, an order, a block, a line in the journal."""
    bank.create("fx", partitions=1)
    door("pub", "--feed=fx", f"--base-date={DAY}")
    bank.respond("fx", [*RATES, {"base_date": DAY, "currency": "KRW", "rate": "N.A."}])
    assert door("sub", "--feed=fx").counts("loaded", "quarantined") == [2, 1]
    bank.rows(
        'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, until, headers)'
        " SELECT source, \"offset\", 7, run, 'deferred', 'closed', '2026-11-01', '{}' FROM feedfall.quarantine"
    )
    bank.rows("UPDATE feedfall.feed_control SET blocked_at = now(), blocked_code = 78, blocked_reason = 'a fault'")
    bank.rows("INSERT INTO feedfall.journal (who, verb, feed, reason) VALUES ('kim', 'hold', 'fx', 'a test')")
    return bank


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
    for words in ("hold fx", "free fx", "quarantine discard fx 0@2"):
        done = CliRunner().invoke(app, [*words.split(), "--reason=test", "--by=me"], env=used.environ)
        assert done.exit_code == 0, (words, done.stdout, done.exception)
    said = used.rows("SELECT who, role, verb FROM feedfall.journal WHERE who = 'me' ORDER BY id")
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
        (["skip-gap", "fx", *why, "--yes"], 0),
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
    assert act(used, ROLES.pod, released) == 1
    used.rows("UPDATE feedfall.feed_control SET blocked_at = NULL")
    assert act(used, ROLES.pod, "UPDATE feedfall.feed_control SET blocked_at = now(), blocked_code = 65") == 1


# -- what each role may not do --

FORBIDDEN = {
    # the books of what was read
    "moves a span": "UPDATE feedfall.span SET loaded = loaded - 1, duplicate = duplicate + 1",
    "removes a span": "DELETE FROM feedfall.span",
    "backdates a span": (
        "INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent, rows_read, loaded,"
        " superseded, duplicate, quarantined, deferred, settled_at)"
        " SELECT source, 90, 91, run, 1, '{}', 0, 0, 0, 0, 0, 0, '2020-01-01' FROM feedfall.span"
    ),
    "cuts off the beginning": "UPDATE feedfall.source SET first_offset = 1",
    "cuts off the end": "UPDATE feedfall.source SET next_offset = 0",
    "takes the epoch back": "UPDATE feedfall.source SET epoch = 0",
    "takes a lease's epoch back": "UPDATE feedfall.lease SET epoch = 0",
    "moves a source to another topic": "UPDATE feedfall.source SET topic_id = 'another'",
    "changes what a run replaced": "UPDATE feedfall.replaced SET rows = 0",
    "removes a lease": "DELETE FROM feedfall.lease",
    # runs
    "changes how a run ended": "UPDATE feedfall.run SET status = 'FAILED', exit_code = 65",
    "changes whose run it was": "UPDATE feedfall.run SET name = 'another'",
    "backdates a run": "INSERT INTO feedfall.run (feed, stage, uid, name, code, started_at)"
    " VALUES ('fx', 'sub', 'u', 'n', 7, '2020-01-01')",
    # quarantine's originals
    "changes a value in quarantine": "UPDATE feedfall.quarantine SET value = '{}'",
    "changes a header in quarantine": "UPDATE feedfall.quarantine SET headers = '{}'",
    "changes a key in quarantine": "UPDATE feedfall.quarantine SET key = NULL",
    "changes whose answer it was": "UPDATE feedfall.quarantine SET correlation_id = NULL",
    "changes why it was set aside first": "UPDATE feedfall.quarantine SET first_reason = 'nothing'",
    "changes the fate it had first": "UPDATE feedfall.quarantine SET first_fate = 'deferred'",
    "says when it was set aside": "UPDATE feedfall.quarantine SET at = '2020-01-01'",
    "removes an entry": "DELETE FROM feedfall.quarantine",
    # requests
    "makes an answered request a new one": "UPDATE feedfall.request SET sent_at = NULL, status = 'new'",
    "gives a request to another feed": "UPDATE feedfall.request SET feed = 'tick'",
    "removes a request": "DELETE FROM feedfall.request",
    # the journal
    "changes the journal": "UPDATE feedfall.journal SET who = 'lee'",
    "removes from the journal": "DELETE FROM feedfall.journal",
    "empties the journal": "TRUNCATE feedfall.journal",
    "backdates the journal": "INSERT INTO feedfall.journal (at, who, verb, reason)"
    " VALUES ('2020-01-01', 'kim', 'x', 'y')",
    "signs for another login": "INSERT INTO feedfall.journal (role, who, verb, reason) VALUES ('kim', 'kim', 'x', 'y')",
    "chooses a line's number": "INSERT INTO feedfall.journal (id, who, verb, reason) OVERRIDING SYSTEM VALUE"
    " VALUES (1000, 'kim', 'x', 'y')",
    # decisions about days, and the schema
    "changes a decision about a day": "UPDATE feedfall.calendar_override SET is_open = true",
    "backdates a decision about a day": "INSERT INTO feedfall.calendar_override (calendar, day, is_open, reason,"
    " evidence, who, at) VALUES ('KR', '2026-12-24', false, 'x', 'y', 'z', '2020-01-01')",
    "changes the schema's version": "UPDATE feedfall.schema SET oldest_code = 99",
    "adds a version": "INSERT INTO feedfall.schema VALUES (99, 99)",
    "switches a trigger off": "ALTER TABLE feedfall.run DISABLE TRIGGER ALL",
    "makes a table": "CREATE TABLE feedfall.mine (a int)",
    # a feed's own table
    "removes rows": "DELETE FROM fx_rate",
    "empties a table": "TRUNCATE fx_rate",
    "drops a table": "DROP TABLE fx_rate",
    "changes a table": "ALTER TABLE fx_rate ADD more text",
}

#: Of a pod only: a person does these.
FOR_A_PERSON = {
    "holds": "UPDATE feedfall.feed_control SET held_at = now(), held_by = 'kim', held_reason = 'x'",
    "lifts a hold": "UPDATE feedfall.feed_control SET held_at = NULL",
    "lifts a block": "UPDATE feedfall.feed_control SET blocked_at = NULL",
    "changes why it is blocked": "UPDATE feedfall.feed_control SET blocked_reason = 'nothing'",
    "resolves a quarantined entry": "UPDATE feedfall.quarantine SET settled_as = 'superseded', settled_run = run,"
    " settled_at = now(), settled_by = 'x', settled_reason = 'y' WHERE row = -1",
    "gives a quarantined entry a day": "UPDATE feedfall.quarantine SET fate = 'deferred', until = '2027-01-01'"
    " WHERE row = -1",
    "discards a deferred entry": "UPDATE feedfall.quarantine SET settled_as = 'discarded', settled_at = now(),"
    " settled_by = 'x', settled_reason = 'y' WHERE row = 7",
    "accepts a gap": "INSERT INTO feedfall.gap (source, from_offset, to_offset, run, who, reason)"
    " SELECT source, 90, 91, run, 'kim', 'x' FROM feedfall.span",
    "closes a source": "UPDATE feedfall.source SET closed_at = now()",
    "decides about a day": "INSERT INTO feedfall.calendar_override (calendar, day, is_open, reason, evidence, who)"
    " VALUES ('KR', '2026-12-24', false, 'x', 'y', 'the president')",
    "withdraws a decision": "UPDATE feedfall.calendar_override SET withdrawn_at = now()",
    "reads the journal": "SELECT FROM feedfall.journal",
}


def refused(bank: Bank, role: str, table: dict[str, str]) -> list[str]:
    """Which of these acts the database did not refuse."""
    done = []
    for what, statement in table.items():
        try:
            act(bank, role, statement)
        except InsufficientPrivilege:
            continue
        except psycopg.Error as error:
            done.append(f"{what}: {error}")
        else:
            done.append(what)
    return done


@pytest.mark.parametrize("role", [ROLES.pod, ROLES.operator, ROLES.reader, ROLES.service])
def test_forbidden__to_every_role_but_the_owner(used: Bank, role: str) -> None:
    used.rows(
        "INSERT INTO feedfall.calendar_override (calendar, day, is_open, reason, evidence, who)"
        " VALUES ('KR', '2026-12-25', false, 'x', 'y', 'kim')"
    )
    assert refused(used, role, FORBIDDEN) == []


@pytest.mark.parametrize("role", [ROLES.pod, ROLES.reader])
def test_forbidden__to_a_pod(used: Bank, role: str) -> None:
    table = dict(FOR_A_PERSON)
    if role == ROLES.reader:
        del table["reads the journal"]
    assert refused(used, role, table) == []


def test_service__decides_about_days_and_sees_no_row(used: Bank) -> None:
    mine = ("decides about a day", "withdraws a decision")
    assert refused(used, ROLES.service, {what: FOR_A_PERSON[what] for what in FOR_A_PERSON if what not in mine}) == []
    assert refused(used, ROLES.service, {"rows": "SELECT FROM fx_rate", "runs": "SELECT FROM feedfall.run"}) == []
    assert [act(used, ROLES.service, FOR_A_PERSON[what]) for what in mine] == [1, 1]


def test_operator__does_what_is_for_a_person(used: Bank) -> None:
    """But what is resolved stays resolved."""
    allowed = {what: text for what, text in FOR_A_PERSON.items() if what != "gives a quarantined entry a day"}
    assert refused(used, ROLES.operator, allowed) == list(allowed)
    again = "UPDATE feedfall.quarantine SET settled_as = 'superseded' WHERE settled_as IS NOT NULL"
    assert (
        refused(used, ROLES.operator, {"again": again, "reopens": "UPDATE feedfall.source SET closed_at = NULL"}) == []
    )


def test_journal__has_the_login_beside_the_name(used: Bank) -> None:
    """A pod may write what it likes under any name: the server says which login it was, and when."""
    act(used, ROLES.pod, "INSERT INTO feedfall.journal (who, verb, reason) VALUES ('the president', 'free', 'x')")
    who, role, age = used.rows(
        "SELECT who, role, clock_timestamp() - at < interval '1 minute' FROM feedfall.journal ORDER BY id DESC LIMIT 1"
    )[0]
    assert (who, role, age) == ("the president", ROLES.pod, True)


def test_quarantine__keeps_why_a_row_was_set_aside_first(used: Bank) -> None:
    words = ["quarantine", "redrive", "fx", "0@2", "--reason=again", "--by=me"]
    done = CliRunner().invoke(app, words, env=used.environ)
    assert "still bad" in str(done.exception)
    act(used, ROLES.operator, "UPDATE feedfall.quarantine SET reason = 'for another reason' WHERE row = -1")
    [(first, reason)] = used.rows("SELECT first_reason, reason FROM feedfall.quarantine WHERE row = -1")
    assert ("'N.A.'" in first, reason) == (True, "for another reason")


# -- the printed rights --


def test_rights__applied_again_take_back_what_an_earlier_version_gave(bank: Bank) -> None:
    bank.rows(f"GRANT ALL ON ALL TABLES IN SCHEMA feedfall TO {ROLES.pod}; GRANT pg_signal_backend TO {ROLES.pod}")
    bank.rows("".join(schema.rights_only(find.every(PACKAGES), ROLES)))
    assert refused(bank, ROLES.pod, {"removes a span": "DELETE FROM feedfall.span"}) == []
    assert bank.value("SELECT pg_has_role(%s, 'pg_signal_backend', 'MEMBER')", ROLES.pod) is False


def test_rights__one_role_may_have_every_duty(bank: Bank) -> None:
    bank.rows("".join(schema.rights_only(find.every(PACKAGES), Roles(*[ROLES.reader] * 4))))
    assert act(bank, ROLES.reader, "INSERT INTO feedfall.feed_control (feed, held_at) VALUES ('fx', now())") == 1


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
        old = lease.take(frozen, key, holder="ghost", run_id=run.start(frozen, key, "ghost", "ghost"), seconds=0.01)
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
