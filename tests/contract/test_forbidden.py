"""What each role may not do: the database refuses it, whoever holds the login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from contract.conftest import refused
from ledger.rights import Roles

if TYPE_CHECKING:
    from bank import Bank

ROLES = Roles()

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
    "moves a source to another cluster": "UPDATE feedfall.source SET cluster_id = 'another'",
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
    "changes a correction": "UPDATE feedfall.correction SET value = '1'",
    "removes a correction": "DELETE FROM feedfall.correction",
    "changes what a failed run printed": "UPDATE feedfall.run_log SET lines = 'all went well'",
    # requests
    "makes an answered request a new one": "UPDATE feedfall.request SET sent_at = NULL, status = 'new'",
    "moves a request to another day": "UPDATE feedfall.request SET base_date = '2026-10-01'",
    "takes rows of an answer back": "UPDATE feedfall.request SET settled = -1",
    "gives a request to another feed": "UPDATE feedfall.request SET feed = 'tick'",
    "removes a request": "DELETE FROM feedfall.request",
    # batches of relay
    "opens a closed batch again": "UPDATE feedfall.batch SET answered = NULL, closed_at = NULL, closed_by = NULL",
    "changes what a batch answered": "UPDATE feedfall.batch SET answered = ARRAY[gen_random_uuid()]",
    "changes what a batch carried": "UPDATE feedfall.batch SET ids = '{}'",
    "changes where a topic ended": "UPDATE feedfall.batch SET ends = '{9}'",
    "removes a batch": "DELETE FROM feedfall.batch",
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
    "corrects a resolved entry": "INSERT INTO feedfall.correction"
    ' (source, "offset", row, run, value, seq, sent_at, became, who, reason)'
    " SELECT source, \"offset\", row, run, '1', 1, now(), 'loaded', 'kim', 'x' FROM feedfall.quarantine",
    "withdraws a request": "UPDATE feedfall.request SET withdrawn_at = now(), withdrawn_by = 'kim',"
    " withdrawn_reason = 'x', status = 'withdrawn'",
    "accepts a gap": "INSERT INTO feedfall.gap (source, from_offset, to_offset, run, who, reason)"
    " SELECT source, 90, 91, run, 'kim', 'x' FROM feedfall.span",
    "closes a source": "UPDATE feedfall.source SET closed_at = now()",
    "decides about a day": "INSERT INTO feedfall.calendar_override (calendar, day, is_open, reason, evidence, who)"
    " VALUES ('KR', '2026-12-24', false, 'x', 'y', 'the president')",
    "withdraws a decision": "UPDATE feedfall.calendar_override SET withdrawn_at = now()",
    "reads the journal": "SELECT who, reason, detail FROM feedfall.journal",
}


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
    assert [used.act(ROLES.service, FOR_A_PERSON[what]) for what in mine] == [1, 1]


def test_operator__does_what_is_for_a_person(used: Bank) -> None:
    """But what is resolved stays resolved."""
    allowed = {what: text for what, text in FOR_A_PERSON.items() if what != "gives a quarantined entry a day"}
    assert refused(used, ROLES.operator, allowed) == list(allowed)
    for table in ("gap", "calendar_override"):
        assert used.value(f"SELECT role FROM feedfall.{table}") == ROLES.operator
    again = "UPDATE feedfall.quarantine SET settled_as = 'superseded' WHERE settled_as IS NOT NULL"
    assert (
        refused(used, ROLES.operator, {"again": again, "reopens": "UPDATE feedfall.source SET closed_at = NULL"}) == []
    )


def test_journal__has_the_login_beside_the_name(used: Bank) -> None:
    """A pod may write what it likes under any name: the server says which login it was, and when."""
    used.act(ROLES.pod, "INSERT INTO feedfall.journal (who, verb, reason) VALUES ('the president', 'free', 'x')")
    who, role, age = used.rows(
        "SELECT who, role, clock_timestamp() - at < interval '1 minute' FROM feedfall.journal ORDER BY id DESC LIMIT 1"
    )[0]
    assert (who, role, age) == ("the president", ROLES.pod, True)


def test_quarantine__keeps_why_a_row_was_set_aside_first(used: Bank) -> None:
    words = ["quarantine", "redrive", "fx", "0@2", "--reason=again", "--by=me"]
    done = CliRunner().invoke(app, words, env=used.environ)
    assert "still bad" in str(done.exception)
    used.act(ROLES.operator, "UPDATE feedfall.quarantine SET reason = 'for another reason' WHERE row = -1")
    [(first, reason)] = used.rows("SELECT first_reason, reason FROM feedfall.quarantine WHERE row = -1")
    assert ("'N.A.'" in first, reason) == (True, "for another reason")
