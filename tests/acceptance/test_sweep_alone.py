"""One sweep serves each feed for itself: what fails for one feed, or in one part, ends nothing else and is said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bank import PACKAGES, Bank, Door
from starting_argo import Argo, serving
from sweeps import DAY, RATES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bank import Ended

#: A team's own feeds: a copy of fx under another name and on another table.
COPY = """
from dataclasses import dataclass, replace
from catalog import Feed
from feeds.fx import FX as fx

@dataclass(frozen=True)
class Own(Feed):
    def topic(self, kind, prefix=""):
        {topic}

values = {{name: getattr(fx, name) for name in fx.__dataclass_fields__ if name != "columns"}}
OWN = Own(**{{**values, "name": "{name}", "table": "{name}"}})
"""


class World:
    """A sweep as a pod, over the feeds of the tests and a team's own."""

    def __init__(self, bank: Bank, door: Door, argo: Argo, folder: Path) -> None:
        self.bank, self.argo, self._door, self._folder = bank, argo, door, folder
        self.package = f"own_{bank.prefix.strip('.')}"
        (folder / self.package).mkdir()
        (folder / self.package / "__init__.py").touch()

    def add(self, name: str, text: str) -> None:
        (self._folder / self.package / f"{name}.py").write_text(text)

    def sweep(self, **environ: str) -> Ended:
        url = f"http://127.0.0.1:{self.argo.server.server_address[1]}"
        feeds = ",".join([*PACKAGES, self.package])
        own = {"ARGO_SERVER": url, "ARGO_NAMESPACE": "bank", "FEEDFALL_FEEDS": feeds}
        return self._door("sweep", **own, **environ)


@pytest.fixture
def world(bank: Bank, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two feeds have something to read: bulletin and fx."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("bulletin", "fx"):
        bank.create(name, partitions=1)
    bank.respond("fx", RATES, DAY)
    bank.send(bank.topic("bulletin"), b"<x/>")
    argo = Argo()
    with serving(argo):
        yield World(bank, door, argo, tmp_path)


def test_sweep__starts_what_is_due(world: World) -> None:
    done = world.sweep()
    assert (done.exit, done.counts("due", "started"), "failed" in done.words) == (0, [2, 2], False)
    assert sorted(world.argo.started) == ["bulletin-sub", "fx-sub"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name", ", line 1: ModuleNotFoundError: No module named"),
        ("def (", ": SyntaxError"),
        ("raise SystemExit(3)", ", line 1: SystemExit: 3"),
        ("from catalog import Feed\nFeed()", ", line 2: TypeError"),
    ],
)
def test_sweep__a_feed_file_that_cannot_be_imported_stops_no_other(world: World, text: str, words: str) -> None:
    world.add("gold", text)
    done = world.sweep()
    assert (done.exit, done.status, done.counts("started", "failed")) == (78, "FAILED", [2, 1])
    assert re.match(rf"gold: its file cannot be imported: \w+\.gold{re.escape(words)}", done.words["reason"])


def test_sweep__a_file_without_its_feed_stops_no_other(world: World) -> None:
    world.add("gold", "")
    done = world.sweep()
    assert (done.exit, done.counts("started", "failed")) == (78, [2, 1])
    assert ".gold holds no feed" in done.words["reason"]


def test_sweep__two_feeds_on_one_table_are_both_left_out(world: World) -> None:
    world.add("gold", "from dataclasses import replace\nfrom feeds.fx import FX as fx\nG = replace(fx, name='gold')")
    done = world.sweep()
    assert (done.exit, world.argo.started, done.counts("failed")) == (78, ["bulletin-sub"], [2])
    assert done.words["reason"] == "fx, gold: two feeds share the table fx_rate: give each its own"


def test_sweep__a_topic_that_kafka_refuses_stops_no_other(world: World) -> None:
    world.add("afirst", COPY.format(name="afirst", topic="return 'no topic!'"))
    done = world.sweep()
    assert (done.exit, done.counts("due", "started")) == (78, [2, 2])
    assert "afirst: Kafka refuses this client" in done.words["reason"]


def test_sweep__an_internal_error_over_one_feed_stops_no_other(world: World) -> None:
    world.add("afirst", COPY.format(name="afirst", topic="raise RuntimeError(kind)"))
    done = world.sweep()
    assert (done.exit, done.counts("due", "started", "failed"), "absent" in done.words) == (70, [2, 2, 1], True)
    assert "afirst: an internal error (a bug in feedfall): RuntimeError: request" in done.words["reason"]
    assert "Traceback" in done.stderr


def test_sweep__a_template_that_is_not_deployed_stops_no_other(world: World) -> None:
    world.argo.answers["bulletin-sub"] = (404, {"code": 5, "message": "bulletin-sub not found"})
    done = world.sweep()
    assert (done.exit, done.counts("due", "started", "failed"), world.argo.started) == (78, [2, 1, 1], ["fx-sub"])
    assert done.words["reason"].startswith("bulletin: Argo refuses to start bulletin-sub: 404")


def test_sweep__what_only_passes_by_itself_is_75_and_what_needs_a_person_wins(world: World) -> None:
    world.argo.answers["bulletin-sub"] = (503, {"message": "later"})
    assert world.sweep().exit == 75
    world.argo.answers["fx-sub"] = (404, {"message": "fx-sub not found"})
    assert world.sweep().exit == 78


@pytest.mark.parametrize("answer", [[1, 2], "words", None])
def test_sweep__an_argo_that_answers_nonsense_hides_no_absence(world: World, answer: object) -> None:
    """Both feeds have the same fault: it is said once."""
    world.bank.rows("INSERT INTO feedfall.watched SELECT each, '2026-10-29' FROM unnest('{fx,bulletin}'::text[]) each")
    world.argo.answers = dict.fromkeys(("bulletin-sub", "fx-sub"), (200, answer))
    done = world.sweep()
    assert (done.exit, done.counts("due", "started", "failed", "undelivered")) == (78, [2, 0, 2, 0])
    assert done.counts("absent") != [0]
    assert done.words["reason"].count("does not answer as an Argo Server does") == 1


def test_sweep__a_fault_of_all_feeds_is_said_once(world: World) -> None:
    """As when Kafka's password was changed: 78 for each feed, one sentence."""
    world.bank.rows("INSERT INTO feedfall.watched SELECT 'fx', '2026-10-29'")
    done = world.sweep(
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME="feedfall",
        KAFKA_SASL_PASSWORD="old",  # noqa: S106 -- opens nothing
    )
    assert done.exit in (75, 78)
    assert done.words["reason"].count("Kafka") == 1
    assert int(done.words["failed"]) > 3
    assert " more: " in done.words["reason"]
    assert done.counts("absent") != [0]


def test_sweep__a_fault_of_many_sentences_is_bounded(world: World) -> None:
    for number in range(8):
        world.add(f"gold{number}", f"raise ValueError('{number} ' * 400)")
    done = world.sweep()
    assert (done.exit, done.counts("started", "failed")) == (78, [2, 8])
    assert len(done.words["reason"]) <= 500
    assert sorted(line.split(":")[0] for line in done.stderr.splitlines() if line.startswith("FAULT")) == [
        f"FAULT gold{number}" for number in range(8)
    ]


def test_sweep__a_database_that_ends_the_session_is_one_fault_and_a_whole_result(world: World) -> None:
    """After that it can do nothing more; what it has started is counted and what failed is said, once."""
    pods = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'feedfall_pod'"
    world.argo.before_answer = lambda: world.bank.rows(f"{pods} AND datname = current_database()")
    done = world.sweep()
    assert (done.exit, done.status, done.counts("due", "failed")) == (75, "FAILED", [2, 1])
    assert done.words["reason"].count("the database is out of reach") == 1
