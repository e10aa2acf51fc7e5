"""A source is (cluster, topic id, partition); the topic's name is a label. What was read before has no cluster yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bank import Bank, Door
from cli.__main__ import app
from deep_command import deep
from ledger.errors import OffsetGap

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from bank import Ended
    from local.partners.ecb import Ecb

CLUSTERS = "SELECT DISTINCT cluster_id FROM feedfall.source ORDER BY 1"
WHY = ("--reason=the other data centre", "--by=kim")


@pytest.fixture
def tick(bank: Bank) -> Bank:
    bank.create("tick", partitions=1)
    return bank


def send(bank: Bank, first: int, count: int) -> None:
    bank.respond(
        "tick", [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]
    )


def elsewhere(bank: Bank, cluster: str | None = "elsewhere") -> None:
    """As if all that was read had been read in another cluster, with the same topic ids: its disks were copied."""
    named = "NULL" if cluster is None else f"'{cluster}'"
    bank.rows(f"SET session_replication_role = replica; UPDATE feedfall.source SET cluster_id = {named}")


def command(bank: Bank, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "tick", *WHY], env=bank.environ)


def test_source__has_the_cluster_that_kafka_names(tick: Bank, door: Door) -> None:
    send(tick, 0, 2)
    door("sub", "--feed=tick")
    assert tick.rows(CLUSTERS) == [(tick.admin.list_topics(timeout=10).cluster_id,)]


def test_source__that_was_read_before_gets_its_cluster_at_the_next_read(tick: Bank, door: Door) -> None:
    send(tick, 0, 2)
    door("sub", "--feed=tick")
    elsewhere(tick, None)
    send(tick, 2, 1)
    assert door("sub", "--feed=tick").counts("loaded") == [1]
    assert tick.rows(CLUSTERS) == [(tick.admin.list_topics(timeout=10).cluster_id,)]


def test_sub__in_another_cluster_is_refused_and_says_what_it_found(tick: Bank, door: Door) -> None:
    """The promise: a known partition in another cluster is 81, though name, topic id and offsets are the same."""
    send(tick, 0, 2)
    door("sub", "--feed=tick")
    elsewhere(tick)
    send(tick, 2, 1)
    ended = door("sub", "--feed=tick")
    here = tick.admin.list_topics(timeout=10).cluster_id
    assert (ended.exit, ended.status) == (81, "FAILED")
    assert all(word in ended.words["reason"] for word in ("elsewhere", here, "`feedfall rebind tick`"))
    assert tick.value("SELECT count(*) FROM tick") == 2
    assert tick.rows(CLUSTERS) == [("elsewhere",)]


def test_relay__in_another_cluster_is_refused_and_asks_nobody(
    bank: Bank, door: Door, relay: Callable[..., Ended], ecb: Ecb
) -> None:
    door("pub", "--feed=fx", "--base-date=2026-10-29")
    assert relay().counts("loaded") == [1]
    asked = len(ecb.requests)
    elsewhere(bank)
    door("pub", "--feed=fx", "--base-date=2026-10-30")
    ended = relay()
    assert (ended.exit, "elsewhere" in ended.words["reason"]) == (81, True)
    assert len(ecb.requests) == asked


def test_rebind__to_a_copy_in_another_cluster(tick: Bank, door: Door) -> None:
    send(tick, 0, 3)
    door("sub", "--feed=tick")
    elsewhere(tick)
    send(tick, 3, 2)
    assert door("sub", "--feed=tick").exit == 81
    assert "3 of 3 last messages are the same" in command(tick, "rebind", "--json", "--yes").stdout
    assert door("sub", "--feed=tick").counts("read", "loaded") == [2, 2]
    assert tick.broken("tick") == []
    assert deep(tick, "tick")["broken"] == []
    assert len(tick.rows(CLUSTERS)) == 2


def test_skip_gap__in_another_cluster_says_that_rows_may_come_twice(tick: Bank, door: Door) -> None:
    """A person may accept it, too: then the topic is read from its beginning."""
    send(tick, 0, 1)
    door("sub", "--feed=tick")
    elsewhere(tick)
    [gap] = json.loads(command(tick, "skip-gap", "--json").stdout)["gaps"]
    assert all(word in gap["why"] for word in ("another cluster", "a second time", "rebind"))
    assert command(tick, "skip-gap", "--yes", "--break-glass", "--ticket=INC-7").exit_code == 0
    assert door("sub", "--feed=tick").counts("loaded") == [1]
    assert tick.broken("tick") == []
    assert deep(tick, "tick")["broken"] == []


def test_replay__reads_nothing_in_another_cluster(tick: Bank, door: Door) -> None:
    send(tick, 0, 1)
    door("sub", "--feed=tick")
    elsewhere(tick)
    offsets = f"--offsets={tick.topic('tick')}/0:0-0"
    with pytest.raises(OffsetGap, match="elsewhere"):
        raise command(tick, "replay", offsets).exception or AssertionError
