"""What people and settings get wrong, and servers that are not as expected: a clear word and the right exit code."""

from __future__ import annotations

import re

import pytest

from bank import Bank, Door
from ledger.database import CODE
from ticks import ROW, blocked, free

# -- the words of a command --


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "the following arguments are required: stage"),
        (["load", "--feed=fx"], "invalid choice: 'load'"),
        (["sub"], "the following arguments are required: --feed"),
        (["sub", "--feed=gold"], "no feed 'gold': there are "),
        (["sub", "--feed=../fx"], "no feed '../fx'"),
        (["sub", "--feed="], "no feed ''"),
        (["sub", "--feed=form"], "no feed 'form'"),  # a folder of feeds/, not a feed
        (["sub", "--feed=fx", "--faster"], "unrecognized arguments: --faster"),
        (["sub", "--feed=fx", "--shard=1"], "unrecognized arguments: --shard=1"),
        (
            ["pub", "--feed=fx", "--base-date=2026-02-31"],
            "'2026-02-31' is not a date: write YYYY-MM-DD, YYYYMMDD or YYMMDD",
        ),
        (["pub", "--feed=fx", "--base-date=26-10-30"], "'26-10-30' is not a date"),  # eight characters too
        (["pub", "--feed=fx", "--base-date=yesterday"], "'yesterday' is not a date"),
        (
            ["pub", "--feed=fx", "--base-date=2026-W44-5"],
            "'2026-W44-5' is not a date",
        ),  # ISO's weeks are nobody's 기준일자
        (["pub", "--feed=fx", "--base-date=2026W445"], "'2026W445' is not a date"),
        (["pub", "--feed=fx", "--base-date=2026103\uff10"], "is not a date"),  # a full-width digit
        (["pub", "--feed=fx", "--from=2026-10-01"], "give --from and --to together"),
        (["pub", "--feed=fx", "--to=2026-10-01"], "give --from and --to together"),
        (["pub", "--feed=fx", "--from=20261001", "--to=20261002", "--base-date=20261001"], "no --base-date beside"),
        (["pub", "--feed=fx", "--from=2026-10-30", "--to=2026-10-29"], "--to 2026-10-29 is before --from 2026-10-30"),
        (["pub", "--feed=fx", "--seq=0"], "'0' is not a number from 1"),
        (["pub", "--feed=fx", "--seq=2147483648"], "is not a number from 1"),  # PostgreSQL's int ends before it
        (["pub", "--feed=fx", "--policy=Skip"], "'Skip' is none of DoNotOrder, OrderOnNextConfirmedDay,"),
        (["pub", "--feed=fx", "--base-date=2029-01-02"], "TARGET covers 1999-01-01 to 2028-12-31, not 2029-01-02"),
    ],
)
def test_door__refuses_a_mistake_and_blocks_nothing(bank: Bank, door: Door, words: list[str], says: str) -> None:
    done = door(*words)
    assert (done.exit, done.status) == (78, "FAILED")
    assert says in done.words["reason"]
    assert bank.value("SELECT count(*) FROM feedfall.feed_control WHERE blocked_at IS NOT NULL") == 0


@pytest.mark.parametrize("word", ["x y", "x\nRESULT status=SUCCEEDED", 'x" status="SUCCEEDED', "끝 이", "x\u2028y"])
def test_door__a_feeds_name_cannot_forge_the_result_line(bank: Bank, door: Door, word: str) -> None:
    done = door("sub", f"--feed={word}")
    assert (done.exit, done.status, done.words["feed"]) == (78, "FAILED", word)


@pytest.mark.parametrize("word", ["20261030", "2026-10-30"])
def test_door__takes_both_forms_of_a_date(bank: Bank, door: Door, word: str) -> None:
    bank.create("fx")
    assert door("pub", "--feed=fx", f"--base-date={word}").words["date"] == "2026-10-30"


# -- settings --


def test_settings__all_that_are_missing_are_named_at_once(bank: Bank, door: Door) -> None:
    done = door("sweep", KAFKA_BOOTSTRAP_SERVERS="", DATABASE_URL="")
    assert (done.exit, done.status) == (78, "FAILED")
    assert "not set: KAFKA_BOOTSTRAP_SERVERS, ARGO_SERVER, ARGO_NAMESPACE, DATABASE_URL" in done.words["reason"]


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("FEEDFALL_FEEDS", "acme.feeds", "FEEDFALL_FEEDS names acme.feeds"),
        ("KAFKA_SECURITY_PROTOCOL", "PLAIN", "Check the KAFKA_* settings"),
        ("FEEDFALL_TOPIC_PREFIX", "no spaces.", "Check the KAFKA_* settings"),
        ("DATABASE_URL", "postgresql//feedfall:hidden@db/bank", "DATABASE_URL cannot be read"),
        ("DATABASE_URL", "postgresql://feedfall:hid den@db/bank", "DATABASE_URL cannot be read"),
        ("DATABASE_URL", "postgresql://feedfall:hid%zzden@db/bank", "DATABASE_URL cannot be read"),
    ],
)
def test_settings__one_that_is_wrong_is_named(bank: Bank, door: Door, setting: str, value: str, says: str) -> None:
    done = door("sub", "--feed=fx", **{setting: value})
    assert (done.exit, done.status) == (78, "FAILED")
    assert says in done.words["reason"]
    assert "hid" not in done.stdout + done.stderr  # a password is never repeated


# -- servers --


def test_kafka__out_of_reach_is_transient(bank: Bank, door: Door) -> None:
    done = door(
        "sub", "--feed=tick", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"
    )  # the ten seconds of steps.drain.kafka.SECONDS
    assert (done.exit, done.status) == (75, "FAILED")
    assert "Kafka is out of reach" in done.words["reason"]
    assert bank.value("SELECT count(*) FROM feedfall.run WHERE expires_at IS NOT NULL") == 0
    assert blocked(bank, "tick") is None


@pytest.mark.parametrize(
    ("pattern", "wrong", "code", "says"),
    [
        (r":\d+/", ":1/", 75, "the database is out of reach: "),
        (r"@[^/]+/", "@nowhere.invalid:1/", 75, "the database is out of reach: "),
        (r":[^:@]+@", ":guess@", 78, "password authentication failed"),
        (r"/\w+$", "/nothing", 78, 'database "nothing" does not exist'),
        (r"//\w+:", "//nobody:", 78, "authentication failed"),
    ],
)
def test_database__out_of_reach_is_transient_and_a_refusal_is_not(
    bank: Bank, door: Door, pattern: str, wrong: str, code: int, says: str
) -> None:
    done = door("sub", "--feed=tick", DATABASE_URL=re.sub(pattern, wrong, bank.url, count=1))
    assert (done.exit, done.status) == (code, "FAILED")
    assert says in done.words["reason"]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "INSERT INTO feedfall.schema VALUES (99, 99)",
            f"this image's code ({CODE}) is older than the schema serves (99): use",
        ),
        (
            f"DELETE FROM feedfall.schema WHERE version >= {CODE}",
            f"the schema ({CODE - 1}) is older than this code ({CODE}): run `feedfall migrate`",
        ),
        ("DELETE FROM feedfall.schema", f"the schema (0) is older than this code ({CODE}): run `feedfall migrate`"),
        ("DROP SCHEMA feedfall CASCADE", "the database has no ledger: run `feedfall migrate`"),
    ],
)
def test_schema__another_than_the_codes_is_refused(bank: Bank, door: Door, statement: str, says: str) -> None:
    bank.rows(statement)
    done = door("sub", "--feed=tick")
    assert (done.exit, done.status) == (78, "FAILED")
    assert says in done.words["reason"]


def test_schema__newer_but_still_serving_is_welcome(bank: Bank, door: Door) -> None:
    bank.create("tick")
    bank.rows("INSERT INTO feedfall.schema VALUES (99, 1)")
    assert door("sub", "--feed=tick").status == "SUCCEEDED"


def test_table__without_a_column_blocks_until_freed(bank: Bank, door: Door) -> None:
    bank.create("tick")
    bank.respond("tick", [ROW])
    bank.rows("ALTER TABLE tick RENAME note TO remark")
    done = door("sub", "--feed=tick")
    assert done.exit == 78
    assert done.words["reason"] == "table tick has no column note: ALTER TABLE tick ADD note text"
    assert blocked(bank, "tick") == 78
    assert bank.value("SELECT sum(next_offset) FROM feedfall.source") == 0
    bank.rows("ALTER TABLE tick RENAME remark TO note")
    assert door("sub", "--feed=tick").status == "BLOCKED"
    free(bank, "tick")
    assert door("sub", "--feed=tick").counts("loaded") == [1]
    assert bank.broken("tick") == []


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ("DROP TABLE tick", "table tick does not exist: `feedfall migrate`"),
        ("ALTER TABLE tick ALTER price TYPE numeric(10,2)", "tick.price is numeric(10,2); the feed writes "),
    ],
)
def test_table__that_would_round_or_is_not_there_loads_nothing(bank: Bank, door: Door, act: str, says: str) -> None:
    """Nothing is rounded on the way."""
    bank.create("tick")
    bank.respond("tick", [{**ROW, "price": "1.23456"}])
    bank.rows(act)
    done = door("sub", "--feed=tick")
    assert done.exit == 78
    assert says in done.words["reason"]
    assert bank.value("SELECT sum(next_offset) FROM feedfall.source") == 0


def test_topic__missing_blocks_until_freed(bank: Bank, door: Door) -> None:
    done = door("sub", "--feed=tick")
    assert (done.exit, done.status) == (78, "FAILED")
    assert f"topic {bank.prefix}tick.response does not exist" in done.words["reason"]
    bank.create("tick")
    again = door("sub", "--feed=tick")
    assert (again.exit, again.status) == (0, "BLOCKED")
    assert "`feedfall free` lifts it" in again.words["reason"]
    free(bank, "tick")
    assert door("sub", "--feed=tick").status == "SUCCEEDED"
