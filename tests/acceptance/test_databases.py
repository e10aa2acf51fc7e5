"""Feeds in databases of their own: each ledger beside its rows, and no fault of one is another's."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from typer.testing import CliRunner, Result

from bank import PACKAGES, Bank, Door
from cli.__main__ import app
from ledger.errors import Misconfigured, Transient
from starting_argo import Argo, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = "2026-10-30"
WHY = ("--reason", "a test", "--by", "kim")
FEEDS = ",".join((*PACKAGES, "branch_feeds"))


@pytest.fixture
def two(bank: Bank) -> Iterator[Bank]:
    """The bank, and a second database `stk` that `feedfall migrate` has made ready."""
    name = bank.url.rsplit("/", 1)[1] + "_stk"
    server = bank.url
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    bank.environ |= {"DATABASE_URL_STK": f"{server.rsplit('/', 1)[0]}/{name}", "FEEDFALL_FEEDS": FEEDS}
    owner = {"DATABASE_URL": bank.url}
    done = CliRunner().invoke(app, ["migrate"], env={**bank.environ, **owner})
    assert "DATABASE_URL_STK: applied" in done.stdout
    topics = {f"{bank.prefix}bond.{kind}": 2 for kind in ("request", "response")}
    bank.create_topics(topics)
    yield bank
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def feedfall(bank: Bank, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env=bank.environ)


def send(bank: Bank, symbol: str) -> None:
    row = {"symbol": symbol, "base_date": DAY, "price": "1"}
    bank.send(f"{bank.prefix}bond.response", json.dumps(row).encode())


def stk(bank: Bank, query: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(bank.environ["DATABASE_URL_STK"])) as connection:
        return connection.execute(query.encode()).fetchall()


def test_sub__loads_into_the_database_that_the_feed_names(two: Bank, door: Door) -> None:
    send(two, "A")
    assert door("sub", "--feed=bond").counts("loaded") == [1]
    assert stk(two, "SELECT symbol, _run FROM latest") == [("A", 1)]
    assert two.rows("SELECT FROM latest") == []
    assert two.rows("SELECT FROM feedfall.run") == []


def test_commands__find_the_database_of_a_feed(two: Bank, door: Door) -> None:
    send(two, "A")
    door("sub", "--feed=bond")
    assert "A" in feedfall(two, "newest", "bond").stdout
    assert feedfall(two, "hold", "bond", *WHY).exit_code == 0
    assert stk(two, "SELECT held_by FROM feedfall.feed_control WHERE feed = 'bond'") == [("kim",)]
    assert door("sub", "--feed=bond").status == "HELD"
    assert feedfall(two, "free", "bond", *WHY).exit_code == 0
    assert "Proven: each of 1 offsets" in feedfall(two, "verify", "bond", "--deep").stdout


def test_commands__without_a_feed_ask_every_database(two: Bank, door: Door) -> None:
    two.create("latest")
    two.respond("latest", [{"symbol": "B", "base_date": DAY, "price": "2"}])
    door("sub", "--feed=latest")
    send(two, "A")
    door("sub", "--feed=bond")
    found = json.loads(feedfall(two, "runs", "--json").stdout)
    assert [(each["database"], each["feed"], each["id"]) for each in found] == [("stk", "bond", 1), ("", "latest", 1)]
    shown = feedfall(two, "runs").stdout
    assert ("database" in shown, "stk" in shown) == (True, True)
    assert [each["feed"] for each in json.loads(feedfall(two, "runs", "--database=stk", "--json").stdout)] == ["bond"]
    assert [each["feed"] for each in json.loads(feedfall(two, "lag", "--json").stdout)] == ["bond"] * 2 + ["latest"] * 2
    assert feedfall(two, "verify").stdout.count("Proven: each of 1 offsets") == 2
    assert isinstance(feedfall(two, "runs", "--database=no").exception, Misconfigured)


def test_commands__one_database_that_is_away_hides_nothing_of_the_others(two: Bank, door: Door) -> None:
    send(two, "A")
    door("sub", "--feed=bond")
    two.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    done = feedfall(two, "runs")
    assert ("bond" in done.stdout, "DATABASE_URL: " in done.stderr) == (True, True)
    assert isinstance(done.exception, Transient)


def test_schema__of_several_databases_wants_one_to_be_chosen(two: Bank) -> None:
    assert "--database" in str(feedfall(two, "schema").exception)
    done = feedfall(two, "schema", "--database=stk")
    assert (done.exit_code, "CREATE TABLE feedfall.run" in done.stdout, "fx_rate" in done.stdout) == (0, True, False)


def test_pub__a_calendar_has_one_home(two: Bank, door: Door) -> None:
    """A holiday that was declared in the first database would not be known here, and nobody would say so."""
    ended = door("pub", "--feed=bond", f"--base-date={DAY}")
    assert (ended.exit, "FEEDFALL_CALENDAR_URL" in ended.words["reason"]) == (78, True)
    assert door("pub", "--feed=bond", f"--base-date={DAY}", "--policy=OrderAnyway").counts("ordered") == [1]


def test_stages__name_the_setting_that_is_missing(two: Bank, door: Door) -> None:
    del two.environ["DATABASE_URL_STK"]
    ended = door("sub", "--feed=bond")
    assert (ended.exit, "not set: DATABASE_URL_STK" in ended.words["reason"]) == (78, True)


@pytest.fixture
def argo(two: Bank) -> Iterator[Argo]:
    """Something to read in both databases, and an Argo that starts what is asked for."""
    two.create("latest")
    two.respond("latest", [{"symbol": "B", "base_date": DAY, "price": "2"}])
    send(two, "A")
    found = Argo()
    with serving(found):
        yield found


def test_sweep__serves_every_database(two: Bank, door: Door, argo: Argo) -> None:
    ended = door("sweep", **argo.environ, FEEDFALL_CALENDAR_URL="http://127.0.0.1:1")
    assert ended.counts("due", "started") == [2, 2]
    assert sorted(argo.started) == ["bond-sub", "latest-sub"]
    assert stk(two, "SELECT stage FROM feedfall.run") == [("sweep",)]
    assert two.rows("SELECT stage FROM feedfall.run") == [("sweep",)]


@pytest.mark.parametrize(("away", "served"), [("DATABASE_URL", "bond-sub"), ("DATABASE_URL_STK", "latest-sub")])
def test_sweep__a_database_that_is_away_costs_its_own_turn(
    two: Bank, door: Door, argo: Argo, away: str, served: str
) -> None:
    gone = {away: "postgresql://nobody@127.0.0.1:1/none"}
    ended = door("sweep", **argo.environ, FEEDFALL_CALENDAR_URL="http://127.0.0.1:1", **gone)
    assert (ended.exit, f"{away}: the database is out of reach" in ended.words["reason"]) == (75, True)
    assert argo.started == [served]
