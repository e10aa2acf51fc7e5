"""What `verify` finds of a ledger that was changed by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bank import Bank, Door


def ticks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"symbol": f"S{n}", "price": "1", "volume": n, "note": None} for n in range(first, first + count)]


#: What a doubter breaks → what `verify` must say.
TAMPERING = {
    "a row in mid-chunk": ("DELETE FROM fx_rate WHERE currency = 'C07'", "of its rows in the table"),
    "a quarantine row": ("DELETE FROM feedfall.quarantine", "rows went to quarantine and 0 are there"),
    "a span": ("DELETE FROM feedfall.span WHERE id = (SELECT min(id) FROM feedfall.span)", "no span covers"),
    "a row from elsewhere": (
        (
            "INSERT INTO fx_rate SELECT base_date, 'ZZZ', rate, _source, _offset, _row, _at, _seq, _run "
            "FROM fx_rate LIMIT 1"
        ),
        "of its rows in the table",
    ),
    "a count": ("UPDATE feedfall.span SET loaded = loaded - 1", "have a fate"),
    "a record": ("UPDATE feedfall.span SET records = records - 1", "do not fill the span"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_verify__says_what_is_missing(bank: Bank, door: Door, what: str) -> None:
    bank.create("fx", partitions=1)
    rows = [{"base_date": "2026-10-30", "currency": f"C{n:02}", "rate": "1"} for n in range(20)]
    for row in rows:  # letters only, as the type wants
        row["currency"] = "A" + "".join(chr(65 + int(digit)) for digit in row["currency"][1:])
    bank.respond("fx", [*rows, {"base_date": "bad"}])
    door("sub", "--feed=fx")
    assert bank.broken("fx") == []
    statement, sentence = TAMPERING[what]
    bank.rows(statement.replace("C07", "AAH"))
    assert any(sentence in word for word in bank.broken("fx")), bank.broken("fx")
    said = door("verify", "--feed=fx")
    assert (said.exit, said.status) == (83, "BROKEN")


def test_verify__a_lost_message_booked_as_absent_is_found(bank: Bank, door: Door) -> None:
    """Of a transactional answer by its count, where nobody writes transactions by the absence itself."""
    bank.create("fx", partitions=1)
    bank.create("tick", partitions=1)
    bank.respond(
        "fx",
        [{"base_date": "2026-10-30", "currency": each, "rate": "1"} for each in ("USD", "JPY")],
        date(2026, 10, 30),
    )
    bank.respond("tick", ticks(5))
    door("sub", "--feed=fx")
    door("sub", "--feed=tick")
    bank.rows("UPDATE feedfall.span SET records = records - 1, absent = int8multirange(int8range(1, 2))")
    bank.rows("UPDATE feedfall.span SET rows_read = rows_read - 1, loaded = loaded - 1")
    bank.rows("DELETE FROM fx_rate WHERE _offset = 1")
    bank.rows("DELETE FROM tick WHERE _offset = 1")
    bank.rows("UPDATE feedfall.request SET settled = settled - 1, status = 'answered', complete_at = NULL")
    assert ["its 2 rows should have a fate and 1 have" in word for word in bank.broken("fx")] == [True]
    assert ["is recorded as absent" in word for word in bank.broken("tick")] == [True]
