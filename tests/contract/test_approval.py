"""A second person, asked of the database: whatever the face, it refuses who asked, and what was asked is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner, Result

from bank import Bank, as_role
from cli.__main__ import app
from ledger.rights import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPT = ("accept", "fx", "--date=2026-10-30", "--reason=the partner is closed")
AGREE = ("--reason=called the partner",)


def feedfall(bank: Bank, *words: str, by: str, **environ: str) -> Result:
    """The command, as the platform starts it for a person who is signed in."""
    return CliRunner().invoke(app, list(words), env={**bank.environ, "FEEDFALL_BY": by, **environ})


ASK = (
    "INSERT INTO feedfall.approval (verb, feed, arguments, preview, digest, reason, asked_by, asked_signed_in,"
    " asked_channel, asked_address) VALUES ('accept', 'fx', '{\"base_date\": \"2026-10-30\"}', 'p', 'd', 'r', 'kim',"
    " 'kim', 'board', '-')"
)
DECIDE = (
    "UPDATE feedfall.approval SET decision = 'approved', decided_by = 'lee', decided_signed_in = 'lee',"
    " decided_reason = 'y'"
)
TAKE = (
    "INSERT INTO feedfall.acceptance (feed, base_date, accepted, who, signed_in, reason, approval)"
    " VALUES ('fx', '2026-10-{day}', true, 'kim', 'kim', 'r', {approval})"
)


@pytest.mark.parametrize(
    "statements",
    [
        [ASK, DECIDE.replace("'lee'", "'kim'")],
        [ASK, DECIDE.replace("decided_by = 'lee'", "decided_by = 'kim'")],
        [ASK, DECIDE.replace("decided_signed_in = 'lee'", "decided_signed_in = 'kim'")],
        [ASK, DECIDE, DECIDE],  # decided once
        [ASK, DECIDE.replace("'approved'", "'rejected'"), "UPDATE feedfall.approval SET used_at = now()"],
        [ASK, DECIDE, "UPDATE feedfall.approval SET used_at = now()", "UPDATE feedfall.approval SET used_at = now()"],
        [ASK, TAKE.format(day=30, approval=1)],  # not decided
        [ASK, DECIDE, TAKE.format(day=29, approval=1)],  # of another day
        [TAKE.format(day=30, approval="NULL")],
    ],
    ids=["self", "own name", "own login", "twice", "a rejected one", "used twice", "open", "another day", "nobody"],
)
def test_database__refuses_what_has_no_second_person(bank: Bank, statements: list[str]) -> None:
    *first, last = statements
    for each in first:
        bank.act(Roles().operator, each)
    with pytest.raises(psycopg.errors.CheckViolation):
        bank.act(Roles().operator, last)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE feedfall.approval SET arguments = '{}'",
        "UPDATE feedfall.approval SET expires_at = now() + interval '1 day'",
        "UPDATE feedfall.approval SET asked_by = 'park'",
        "UPDATE feedfall.approval SET decided_role = 'park'",
        "DELETE FROM feedfall.approval",
        "UPDATE feedfall.acceptance SET who = 'park'",
        "DELETE FROM feedfall.acceptance",
    ],
)
def test_database__what_was_asked_is_frozen(bank: Bank, statement: str) -> None:
    bank.act(Roles().operator, ASK)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bank.act(Roles().operator, statement)


@pytest.fixture
def own_logins(bank: Bank) -> Iterator[list[str]]:
    """Two people, each with a login of the database that is a member of the operator's role."""
    names = [f"{who}_{bank.prefix.strip('.')}" for who in ("kim", "lee")]
    for name in names:
        bank.rows(f"CREATE ROLE {name} LOGIN PASSWORD '{name}' IN ROLE {Roles().operator}")
    yield names
    for name in names:
        bank.rows(f"DROP ROLE {name}")


def test_database__one_login_of_ones_own_is_one_person_whatever_names_it_gives(
    bank: Bank, own_logins: list[str]
) -> None:
    kim, lee = (as_role(bank.url, name) for name in own_logins)
    feedfall(bank, *ACCEPT, by="kim", DATABASE_URL=kim)
    refused = feedfall(bank, "approve", "1", *AGREE, by="lee", DATABASE_URL=kim)
    assert "a second person decides" in str(refused.exception)
    assert feedfall(bank, "approve", "1", *AGREE, by="lee", DATABASE_URL=lee).exit_code == 0


def test_pod__asks_and_decides_nothing(bank: Bank) -> None:
    for statement in (ASK, DECIDE, TAKE.format(day=30, approval="NULL")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            bank.act(Roles().pod, statement)
