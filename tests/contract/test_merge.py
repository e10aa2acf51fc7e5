"""The winner of a key is a function of what was sent: an oracle that never looks at what we did."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank import PACKAGES, Bank
from catalog import find
from ledger import rows
from ledger.database import connect
from ledger.errors import Misconfigured
from ledger.merge import MergeResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LATEST = find.load("latest", PACKAGES)
TABLE, LINE = rows.Table(LATEST), rows.line_of(LATEST)
EPOCH = datetime(2026, 10, 30, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Sent:
    """A row as it was sent, in the order of the rule: the greatest of a key wins."""

    day: int
    seq: int
    minute: int
    source: int
    offset: int
    row: int
    symbol: str = ""
    price: int = 1

    def line(self, run: int) -> str:
        at = (EPOCH + timedelta(minutes=self.minute)).isoformat()
        lineage = f"{at}\t{self.seq}\t{run}"
        return LINE % (self.source, self.offset, self.row, lineage, self.symbol, f"2026-10-{self.day:02}", self.price)


@st.composite
def _sent(draw: st.DrawFn) -> list[Sent]:
    """Few values of everything, so that rows are equal in all ways there are; each has coordinates of its own."""
    drawn = draw(st.lists(st.tuples(*(st.integers(1, 2) for _ in range(5)), st.sampled_from("AB")), max_size=9))
    return [
        Sent(day, seq, minute, source, offset, 0, symbol, price)
        for offset, (day, seq, minute, source, price, symbol) in enumerate(drawn)
    ]


def newest(sent: Iterable[Sent]) -> dict[str, Sent]:
    """The oracle: symbol → the row that stands."""
    return {each.symbol: each for each in sorted(sent)}


def standing(connection: psycopg.Connection) -> dict[str, Sent]:
    found = connection.execute(
        "SELECT extract(day FROM base_date)::int, _seq, extract(epoch FROM _at - %s)::int / 60,"
        " _source, _offset::int, _row, symbol, price::int FROM latest",
        [EPOCH],
    )
    return {each[6]: Sent(*each) for each in found}


def load(connection: psycopg.Connection, sent: Sequence[Sent], run: int, *, merging: bool) -> MergeResult:
    """One chunk; what COPY alone has done is counted like a merge."""
    done = rows.load(connection, TABLE, ["".join(each.line(run) for each in sent).encode()], merging=merging)
    if done is None:
        done = MergeResult()
        for each in sent:
            done.add(each.source, "loaded", None, 1)
    return done


def in_chunks(sent: Sequence[Sent], size: int) -> Iterator[Sequence[Sent]]:
    return (sent[start : start + size] for start in range(0, len(sent), size))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=_sent(), shuffled=st.randoms(use_true_random=False), size=st.integers(1, 9), merging=st.booleans())
def test_merge__in_any_order_and_chunks_the_newest_row_of_each_key_stands(
    bank: Bank, sent: list[Sent], shuffled: random.Random, size: int, *, merging: bool
) -> None:
    order = list(sent)
    shuffled.shuffle(order)
    with closing(psycopg.connect(bank.url)) as connection:
        connection.execute("SELECT")
        fates: Counter[str] = Counter()
        there: Counter[int] = Counter()
        for run, chunk in enumerate(in_chunks(order, size)):
            done = load(connection, chunk, run, merging=merging)
            fates += sum(done.fates.values(), Counter())
            there[run] += sum(each["loaded"] for each in done.fates.values())
            there.subtract(sum(done.replaced.values(), Counter()))
        assert standing(connection) == newest(sent)
        assert fates.total() == len(sent)
        counted = dict(connection.execute("SELECT _run::int, count(*)::int FROM latest GROUP BY 1").fetchall())
        assert counted == {run: count for run, count in there.items() if count}
        connection.rollback()


def test_merge__says_of_each_row_what_stands_in_its_place(bank: Bank) -> None:
    """v1 is there; a chunk of v2 and v1 again: the last is newer, and it takes the place of the first."""
    first, other, again = (Sent(1, 1, 1, 1, offset, 0, "A", price) for offset, price in enumerate((1, 2, 1)))
    with closing(psycopg.connect(bank.url)) as connection:
        load(connection, [first], 1, merging=False)
        done = load(connection, [other, again], 2, merging=False)
        assert (done.fates[1], done.replaced[1]) == ({"superseded": 1, "loaded": 1}, {1: 1})
        done = load(connection, [first], 3, merging=True)
        assert (done.fates[1], done.replaced[1]) == ({"duplicate": 1}, {})


def test_merge__leaves_out_what_the_database_refuses_and_merges_the_rest_once(bank: Bank) -> None:
    bank.rows("ALTER TABLE latest ADD CHECK (price <> 13)")
    sent = [Sent(1, 1, 1, 1, offset, 0, f"S{offset % 7}", 13 if offset in (3, 11) else 1) for offset in range(20)]
    with closing(psycopg.connect(bank.url)) as connection:
        done = load(connection, sent, 1, merging=False)
        assert sorted(each.offset for each in done.refused) == [3, 11]
        assert standing(connection) == newest(each for each in sent if each.price != 13)
        assert done.fates[1] == {"loaded": 7, "duplicate": 11}


def test_merge__rows_that_refuse_each_other_are_parted(bank: Bank) -> None:
    """Each alone is good: one of them is loaded, the other is named."""
    bank.rows("ALTER TABLE latest ADD UNIQUE (price)")
    sent = [Sent(1, 1, 1, 1, offset, 0, symbol, 5) for offset, symbol in enumerate("AB")]
    with closing(psycopg.connect(bank.url)) as connection:
        done = load(connection, sent, 1, merging=False)
        assert [each.offset for each in done.refused] == [1]
        assert list(standing(connection)) == ["A"]


@pytest.mark.parametrize("moment", ["INSERT", "UPDATE"])
def test_merge__a_trigger_that_leaves_rows_out_is_said(bank: Bank, moment: str) -> None:
    bank.rows("CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    bank.rows(f"CREATE TRIGGER quiet BEFORE {moment} ON latest FOR EACH ROW EXECUTE FUNCTION leave_out()")
    with closing(psycopg.connect(bank.url)) as connection:
        connection.execute("SELECT")
        older, newer = (Sent(1, 1, 1, 1, offset, 0, "A", offset + 1) for offset in range(2))
        if moment == "UPDATE":
            load(connection, [older], 1, merging=True)
        with pytest.raises(Misconfigured, match="1 rows were not written into latest, and no error said so"):
            load(connection, [newer], 1, merging=True)


@pytest.mark.parametrize("seed", range(8))
def test_merge__by_many_runs_at_once_waits_in_no_circle(bank: Bank, seed: int) -> None:
    """Half of the runs begin with COPY, which takes keys as they come: where it meets another run, it merges."""
    chance = random.Random(seed)
    sent = [
        Sent(
            *(chance.randint(1, 3) for _ in range(3)),
            offset % 5,
            offset,
            0,
            f"S{chance.randint(1, 40)}",
            offset % 3 + 1,
        )
        for offset in range(1_500)
    ]
    chance.shuffle(sent)
    failed: list[BaseException] = []
    moves: list[Counter[int]] = []

    def drain(run: int) -> None:
        try:
            with closing(connect(bank.url, "run")) as connection:
                connection.execute("SET deadlock_timeout = '50ms'")
                for chunk in in_chunks(sent[run::5], 60):
                    done = load(connection, chunk, run, merging=run % 2 == 0)
                    connection.commit()
                    moves.append(Counter({run: sum(each["loaded"] for each in done.fates.values())}))
                    moves[-1].subtract(sum(done.replaced.values(), Counter()))
        except BaseException as error:  # noqa: BLE001 -- whatever a run meets is the finding
            failed.append(error)

    runs = [threading.Thread(target=drain, args=[run]) for run in range(5)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert failed == []
    with closing(psycopg.connect(bank.url)) as connection:
        assert standing(connection) == newest(sent)
        counted = dict(connection.execute("SELECT _run::int, count(*)::int FROM latest GROUP BY 1").fetchall())
    there = {run: sum(move[run] for move in moves) for run in range(5)}
    assert counted == {run: count for run, count in there.items() if count}
