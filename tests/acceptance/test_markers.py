"""Offsets that no message has, where the feed does not say so: the first run blocks, and the setting cures it."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bank import PACKAGES, Bank, Door
from catalog import find
from faults.acts import ticks, transactional
from ledger import control, verify
from ledger.database import connect
from ledger.key import LeaseKey
from steps.run import settings
from steps.run.execution import executing
from steps.run.status import Status
from steps.sub import sub

if TYPE_CHECKING:
    from catalog import Feed
    from steps.run.execution import Outcome

SENTENCE = "[0]: no message has the offsets 3 to 4. Its publisher uses transactions, or the topic is compacted: write"


def _in_a_transaction(bank: Bank, topic: str, values: list[bytes]) -> None:
    producer = transactional(bank)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(10)


def _sub(bank: Bank, feed: Feed) -> Outcome:
    environment = settings.read({**bank.environ, "DATABASE_URL": bank.pod_url})
    with executing(environment, LeaseKey(feed.name, "sub"), threading.Event()) as execution:
        execution.outcome = sub(execution, feed)
        return execution.outcome


def _broken(bank: Bank, feed: Feed) -> list[str]:
    with closing(connect(bank.url, "verify")) as connection:
        return list(verify.verify(connection, feed).broken)


@pytest.fixture
def marked(bank: Bank) -> Bank:
    """Three rows in a transaction, and its marker, on a topic whose feed knows of none."""
    bank.create("tick", partitions=1)
    _in_a_transaction(bank, bank.topic("tick"), [json.dumps(each).encode() for each in ticks(3)])
    return bank


def test_markers__that_the_feed_does_not_know_block_the_first_run(marked: Bank, door: Door) -> None:
    done = door("sub", "--feed=tick")
    assert (done.exit, f"{marked.topic('tick')}{SENTENCE} transactional=True in feed tick" in done.words["reason"]) == (
        78,
        True,
    )
    assert marked.value("SELECT count(*) FROM feedfall.span") == marked.value("SELECT count(*) FROM tick") == 0
    assert door("sub", "--feed=tick").status == "BLOCKED"


def test_markers__are_counted_as_such_once_the_feed_says_so(marked: Bank, door: Door) -> None:
    assert door("sub", "--feed=tick").exit == 78  # the source is opened by a run that knew of none
    feed = replace(find.load("tick", PACKAGES), transactional=True)
    with closing(connect(marked.url, "free")) as connection:
        assert control.free(connection, "tick")
        connection.commit()
    done = _sub(marked, feed)
    assert (done.status, done.reason, done.counts["loaded"]) == (Status.SUCCEEDED, None, 3)
    assert _broken(marked, feed) == []


def test_markers__recorded_before_this_was_checked_are_cured_by_the_next_run(marked: Bank) -> None:
    feed = replace(find.load("tick", PACKAGES), transactional=True)
    _sub(marked, feed)
    marked.rows("UPDATE feedfall.source SET markers = false")
    assert ["is recorded as absent" in each for each in _broken(marked, feed)] == [True]
    assert _sub(marked, feed).counts["read"] == 0
    assert _broken(marked, feed) == []
