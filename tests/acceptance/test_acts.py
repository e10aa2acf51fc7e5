"""Every act of a person: a reason, an intent before it, an outcome after it, and who was signed in."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from bank import Bank
from cli.__main__ import app
from ledger import control
from ledger.database import connect
from ledger.errors import Misconfigured, Refused
from operate.act import Act, Actor, Role, acting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database import Connection

KIM, LEE = Actor("kim"), Actor("lee")
WHY = "--reason=audit"


def feedfall(bank: Bank, *words: str, by: str = "kim") -> Result:
    """The command, as the platform starts it for a person who is signed in."""
    return CliRunner().invoke(app, list(words), env={**bank.environ, "FEEDFALL_BY": by})


def lines(bank: Bank, columns: str = "verb, phase, who") -> list[tuple[Any, ...]]:
    return bank.rows(f"SELECT {columns} FROM feedfall.journal ORDER BY id")


def held(bank: Bank) -> list[tuple[Any, ...]]:
    return bank.rows("SELECT feed, held_by FROM feedfall.feed_control WHERE held_at IS NOT NULL ORDER BY feed")


@pytest.fixture
def session(bank: Bank) -> Iterator[Connection]:
    with closing(connect(bank.environ["DATABASE_URL"], "test")) as connection:
        yield connection


# -- intent and outcome --


def test_act__has_its_intent_and_its_outcome_with_what_changed(bank: Bank) -> None:
    assert feedfall(bank, "hold", "fx", WHY).exit_code == 0
    [intent, done] = lines(bank, "act, phase, who, signed_in, acted_as, channel, role, before, after->>'held_by'")
    assert intent[0] == done[0]
    assert intent[1:] == ("intent", "kim", "kim", "operator", "command", "feedfall_operator", None, None)
    assert done[1:] == ("done", "kim", "kim", "operator", "command", "feedfall_operator", {}, "kim")
    assert all("@" in address for (address,) in lines(bank, "address"))


@pytest.mark.parametrize("reason", ["", "   ", "\u3000"])
@pytest.mark.parametrize(
    "words",
    [
        ("hold", "fx"),
        ("free", "fx"),
        ("free", "--all", "--code=78"),
        ("kill", "fx"),
        ("skip-gap", "fx", "--yes"),
        ("rebind", "fx", "--yes"),
        ("replay", "fx", "--offsets=fx.response/0:0-1"),
        ("accept-repeat", "fx", "00000000-0000-0000-0000-000000000000"),
        ("accept", "fx", "--date=2026-10-30"),
        ("calendar", "declare", "BANK", "2026-12-24", "--closed", "--evidence=x"),
        ("calendar", "withdraw", "BANK", "2026-12-24"),
    ],
    ids=lambda words: words if isinstance(words, str) else " ".join(words[:2]),
)
def test_act__without_a_reason_is_refused_everywhere(bank: Bank, words: tuple[str, ...], reason: str) -> None:
    done = feedfall(bank, *words, f"--reason={reason}")
    assert isinstance(done.exception, Misconfigured), (done.stdout, done.exception)
    assert "--reason is empty: say why" in str(done.exception)
    assert (lines(bank), held(bank)) == ([], [])


def test_act__that_fails_leaves_its_intent_a_failed_outcome_and_no_change(bank: Bank, session: Connection) -> None:
    def act() -> None:
        with acting(session, Act("hold", KIM, "audit", "fx")):
            control.hold(session, "fx", "kim", "audit")
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        act()
    assert lines(bank, "phase, words") == [("intent", None), ("failed", "a bug")]
    assert held(bank) == []


def test_act__that_is_refused_says_so(bank: Bank, session: Connection) -> None:
    with pytest.raises(Refused), acting(session, Act("hold", KIM, "audit", "fx")):
        raise Refused("not now")
    assert lines(bank, "phase, words") == [("intent", None), ("refused", "not now")]


def test_act__whose_process_dies_leaves_its_intent(bank: Bank, session: Connection) -> None:
    def act() -> None:
        with acting(session, Act("hold", KIM, "audit", "fx")):
            bank.rows("SELECT pg_terminate_backend(%s)", session.info.backend_pid)
            session.execute("SELECT 1")

    with pytest.raises(psycopg.OperationalError):
        act()
    assert (lines(bank, "phase, words"), held(bank)) == ([("intent", None)], [])


def test_act__has_one_intent_and_one_outcome(bank: Bank, session: Connection) -> None:
    act = Act("hold", KIM, "audit", "fx")
    with acting(session, act):
        pass
    with pytest.raises(psycopg.errors.UniqueViolation), acting(session, act):
        pass


def test_journal__a_line_of_an_act_without_its_actor_is_refused_by_the_database(bank: Bank) -> None:
    bare = "VALUES ('kim', 'hold', 'x', gen_random_uuid(), 'done')"
    with pytest.raises(psycopg.errors.CheckViolation):
        bank.rows(f"INSERT INTO feedfall.journal (who, verb, reason, act, phase) {bare}")


@pytest.mark.parametrize(
    ("verb", "role", "refused"),
    [
        ("hold", Role.VIEWER, True),
        ("hold", Role.OPERATOR, False),
        ("hold", Role.APPROVER, False),
        ("approve", Role.OPERATOR, True),
        ("approve", Role.APPROVER, False),
    ],
)
def test_act__is_refused_to_a_role_that_may_not_and_that_is_written_down(
    bank: Bank, session: Connection, verb: str, role: Role, refused: object
) -> None:
    act = Act(verb, replace(KIM, role=role), "audit", "fx")
    expected = pytest.raises(Refused, match=f"kim is signed in as {role}") if refused else nullcontext()
    with expected, acting(session, act):
        pass
    assert lines(bank, "phase, acted_as") == [("intent", role), ("refused" if refused else "done", role)]


# -- acts with transactions of their own --


def test_act__of_a_run_has_its_counts_in_its_outcome(bank: Bank) -> None:
    bank.create("tick", partitions=1)
    feedfall(bank, "skip-gap", "tick", WHY, "--yes")
    assert lines(bank, "verb, phase") == [("skip-gap", "intent"), ("skip-gap", "done")]


def test_act__of_a_run_that_is_held_is_refused_in_the_journal(bank: Bank) -> None:
    bank.create("fx", partitions=1)
    feedfall(bank, "hold", "fx", WHY)
    feedfall(bank, "replay", "fx", WHY, "--offsets=fx.response/0:0-1")
    [(phase, words)] = lines(bank, "phase, words")[-1:]
    assert phase == "refused"
    assert words.startswith("HELD: held by kim: audit")


def test_act__of_a_run_that_fails_says_why_in_the_journal(bank: Bank) -> None:
    bank.create("fx", partitions=1)
    feedfall(bank, "replay", "fx", WHY, "--offsets=other/0:0-1")
    [(phase, words)] = lines(bank, "phase, words")[-1:]
    assert (phase, "the feed's responses are on" in words) == ("failed", True)


# -- who is signed in --


def test_by__another_name_than_the_login_is_never_alone(bank: Bank) -> None:
    said = feedfall(bank, "hold", "fx", WHY, "--by=lee", by="kim").stdout
    assert "fx is held by lee (signed in as kim): audit." in said
    assert set(lines(bank, "who, signed_in")) == {("lee", "kim")}
    refused = feedfall(bank, "free", "fx", WHY, by="lee")
    assert "fx is held by lee (signed in as kim) since" in str(refused.exception)


def test_by__the_machines_own_login_stands_in_the_address(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ops7")
    monkeypatch.setenv("SSH_CONNECTION", "10.1.2.3 55000 10.9.9.9 22")
    feedfall(bank, "hold", "fx", WHY, by="the president")
    [(address,)] = set(lines(bank, "address"))
    assert address.startswith("ops7@")
    assert address.endswith(" from 10.1.2.3")


# -- a hold has an owner --


def test_hold__of_another_person_is_refused_unless_it_is_taken_over(bank: Bank) -> None:
    feedfall(bank, "hold", "fx", "--reason=partner moves", by="kim")
    refused = feedfall(bank, "hold", "fx", WHY, by="lee")
    assert isinstance(refused.exception, Refused)
    assert "fx is held by kim since 20" in str(refused.exception)
    assert ": partner moves; `--take-over` makes it yours" in str(refused.exception)
    assert held(bank) == [("fx", "kim")]
    said = feedfall(bank, "hold", "fx", WHY, "--take-over", by="lee").stdout
    assert said.startswith("It was held by kim since ")
    assert held(bank) == [("fx", "lee")]
    [(before, after)] = lines(bank, "before->>'held_by', after->>'held_by'")[-1:]
    assert (before, after) == ("kim", "lee")


def test_hold__again_by_the_same_person_changes_the_reason(bank: Bank) -> None:
    feedfall(bank, "hold", "fx", WHY)
    assert feedfall(bank, "hold", "fx", "--reason=longer").exit_code == 0
    assert bank.value("SELECT held_reason FROM feedfall.feed_control") == "longer"


def test_free__of_another_persons_hold_says_whose_and_needs_a_word(bank: Bank) -> None:
    feedfall(bank, "hold", "fx", "--reason=partner moves", by="kim")
    refused = feedfall(bank, "free", "fx", WHY, by="lee")
    assert "fx is held by kim since" in str(refused.exception)
    assert "`--others-hold` lifts it all the same" in str(refused.exception)
    assert lines(bank, "verb, phase")[-1] == ("free", "refused")
    said = feedfall(bank, "free", "fx", WHY, "--others-hold", by="lee").stdout
    assert said.splitlines()[0].startswith("Lifted: the hold, held by kim since ")
    assert said.splitlines()[-1] == "fx is free."
    assert held(bank) == []


@pytest.fixture
def three(bank: Bank) -> Bank:
    """fx is held by kim, blocked, and waits for a quota."""
    with closing(connect(bank.url, "test")) as connection:
        control.block(connection, "fx", "sub", 78, "a password")
        control.wait(connection, "fx", connection.execute("SELECT now() + interval '1 hour'").fetchone()[0], "quota")  # type: ignore[index]
        control.hold(connection, "fx", "kim", "audit")
        connection.commit()
    return bank


def test_free__tells_what_it_lifted_each_by_name(three: Bank) -> None:
    said = feedfall(three, "free", "fx", WHY).stdout.splitlines()
    assert [line.split(",")[0] for line in said] == [
        "Lifted: the hold",
        "Lifted: the block of sub",
        "Lifted: the wait for the partner's quota",
        "fx is free.",
    ]
    assert lines(three, "detail->'lifted'")[-1] == (["hold", "block", "wait"],)


@pytest.mark.parametrize(("only", "left"), [("hold", (0, 1, 1)), ("block", (1, 0, 1)), ("wait", (1, 1, 0))])
def test_free__only_one_of_them(three: Bank, only: str, left: tuple[int, int, int]) -> None:
    by = "kim" if only == "hold" else "lee"  # another person's hold is not touched
    said = feedfall(three, "free", "fx", WHY, f"--only={only}", by=by).stdout
    counts = "num_nonnulls(held_at), num_nonnulls(blocked_at), num_nonnulls(wait_until)"
    assert three.rows(f"SELECT {counts} FROM feedfall.feed_control") == [left]
    assert "fx does not move yet: " in said
    assert len([line for line in said.splitlines() if line.startswith("Lifted: ")]) == 1
