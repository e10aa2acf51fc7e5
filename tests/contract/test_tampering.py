"""What a pod's or an operator's role can still write, `verify` or its deep proof finds."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from ledger.rights import Roles

if TYPE_CHECKING:
    from bank import Bank, Door

DAY = "2026-10-30"
RATES = [{"base_date": DAY, "currency": each, "rate": "1"} for each in ("USD", "JPY")]
ROLES = Roles()

#: A batch, opened and closed as relay does it.
BATCH = (
    "INSERT INTO feedfall.batch (feed, run, transactional_id, topic, topic_id, ends, ids)"
    " SELECT feed, last_run, 'x', 't', 'i', '{{}}', {carries} FROM feedfall.request;"
    " UPDATE feedfall.batch SET answered = (SELECT ARRAY[correlation_id] FROM feedfall.request), closed_at = now(),"
    " closed_by = run WHERE closed_at IS NULL;"
)

#: As an operator, who may do all of it that a pod may.
TAMPERING = {
    "an entry for an offset that nobody read": (
        (
            'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers)'
            " SELECT source, 99, 0, run, 'quarantined', 'x', '{}' FROM feedfall.span"
        ),
        "[0]@99 row 0: an entry of quarantine that belongs to no message that was read",
    ),
    "a row of a message that was never split": (
        (
            'INSERT INTO feedfall.quarantine (source, "offset", row, part, run, fate, reason, headers)'
            " SELECT source, 0, 0, true, run, 'quarantined', 'x', '{}' FROM feedfall.span"
        ),
        "[0]@0 row 0: an entry of quarantine that belongs to no message that was read",
    ),
    "an entry that hides a row": (
        (
            'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers)'
            " SELECT source, 0, 0, run, 'quarantined', 'x', '{}' FROM feedfall.span"
        ),
        "[0] [0, 2): 0 rows went to quarantine and 1 are there",
    ),
    "a partition that another source reads too": (
        (
            "INSERT INTO feedfall.source (feed, stage, topic, topic_id, partition, markers, first_offset,"
            " next_offset, epoch)"
            " SELECT feed, stage, topic, 'another', partition, markers, 0, 0, epoch FROM feedfall.source"
        ),
        "[0]: 2 sources read it at once",
    ),
    "a source that is closed without a gap": (
        "UPDATE feedfall.source SET closed_at = clock_timestamp()",
        "[0]: its source was closed at 2, and nobody accepted that the topic was made anew",
    ),
    "a checkpoint that nobody reached": (
        "UPDATE feedfall.source SET next_offset = 9",
        "[0]: no span covers the offsets from 2 to 9",
    ),
    "a span of rows that nobody loaded": (
        (
            "INSERT INTO feedfall.span (source, from_offset, to_offset, run, records, absent, rows_read, loaded,"
            " superseded, duplicate, quarantined, deferred)"
            " SELECT source, 2, 3, run, 1, '{}', 1, 1, 0, 0, 0, 0 FROM feedfall.span"
        ),
        "the ledger counts 3 of its rows in the table and 2 are there",
    ),
    "rows of an answer that never came": (
        "UPDATE feedfall.request SET settled = 12, count = 12, status = 'complete', complete_at = now()",
        "12 rows belong to answers, and 2 were read",
    ),
    "a request that is complete with nothing": (
        (
            "INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status, complete_at)"
            " VALUES (gen_random_uuid(), 'fx', '2026-10-29', 1, true, 'complete', now())"
        ),
        "is complete, and no message said so",
    ),
    "a deferred request without a time": (
        (
            "INSERT INTO feedfall.request (correlation_id, feed, base_date, seq, ordered, status, tries, deferred_at)"
            " VALUES (gen_random_uuid(), 'fx', '2026-10-29', 1, true, 'sent', 3, now())"
        ),
        "of 2026-10-29 was deferred 3 times, and nothing says until when",
    ),
    "a deferred request that relay never read": (
        "UPDATE feedfall.request SET deferred_at = now()",
        "0 requests were deferred when they were read, and the ledger has 1",
    ),
    "a correction that loaded nothing": (
        (
            'INSERT INTO feedfall.quarantine (source, "offset", row, run, fate, reason, headers)'
            " SELECT source, 0, -1, run, 'quarantined', 'x', '{}' FROM feedfall.span;"
            ' INSERT INTO feedfall.correction (source, "offset", row, run, value, seq, sent_at, became, who, reason)'
            " SELECT source, 0, -1, run, '1', 1, now(), 'loaded', 'kim', 'x' FROM feedfall.span"
        ),
        "the ledger counts 3 of its rows in the table and 2 are there",
    ),
    "a batch that answers what it did not carry": (
        BATCH.format(carries="'{}'"),
        "and its request says otherwise",
    ),
    "a request that two batches answered": (
        BATCH.format(carries="ARRAY[correlation_id]") * 2,
        "was answered by 2 batches, 1 and 2",
    ),
    "a row that names a run of its own": (
        "UPDATE fx_rate SET _run = 99 WHERE currency = 'USD'",
        "run 99: the ledger counts 0 of its rows in the table and 1 are there",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_verify__finds(bank: Bank, door: Door, what: str) -> None:
    bank.create("fx", partitions=1)
    bank.respond("fx", RATES, date.fromisoformat(DAY))
    door("sub", "--feed=fx")
    assert bank.broken("fx") == []
    statement, sentence = TAMPERING[what]
    assert bank.act(ROLES.operator, statement) >= 1
    assert any(sentence in each for each in bank.broken("fx")), bank.broken("fx")


def test_deep__finds_runs_that_were_swapped_between_rows(bank: Bank, door: Door) -> None:
    bank.create("fx", partitions=1)
    for row in RATES:
        bank.respond("fx", [row])
        door("sub", "--feed=fx")
    deep = ["verify", "fx", "--deep", "--json"]
    assert CliRunner().invoke(app, deep, env=bank.environ).exit_code == 0
    [(one,), (other,)] = bank.rows("SELECT _run FROM fx_rate ORDER BY _run")
    bank.act(ROLES.pod, f"UPDATE fx_rate SET _run = {one + other} - _run")
    assert bank.broken("fx") == []
    found = json.loads(CliRunner().invoke(app, deep, env=bank.environ).stdout)["broken"]
    assert any(f"[0]@0 row 0: it names run {other}, and run {one} loaded it (2 such rows)" in each for each in found)


def test_deep__finds_a_source_that_was_closed_while_its_topic_is_there(bank: Bank, door: Door) -> None:
    """Whatever is changed under a closed source cannot be compared: so it must not be closed for nothing."""
    bank.create("fx", partitions=1)
    bank.respond("fx", RATES)
    door("sub", "--feed=fx")
    bank.act(ROLES.operator, "UPDATE feedfall.source SET closed_at = clock_timestamp()")
    bank.act(
        ROLES.operator,
        "INSERT INTO feedfall.gap (source, from_offset, run, who, reason)"
        " SELECT source, to_offset, run, 'kim', 'made anew' FROM feedfall.span",
    )
    assert bank.broken("fx") == []
    found = json.loads(CliRunner().invoke(app, ["verify", "fx", "--deep", "--json"], env=bank.environ).stdout)["broken"]
    assert any("[0]: its source was closed at 2, and Kafka still has that topic" in each for each in found)
