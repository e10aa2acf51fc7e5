"""A feed's definition: what follows from it, and mistakes that are named when its file is imported."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from typing_extensions import TypedDict

from catalog import BaseDate, Code, Day, Feed, Row, Whole
from feeds.fx import FX


class Price(Row):
    symbol: Code
    price: Whole


class TwoDates(Price):
    base_date: BaseDate
    value_date: BaseDate


class NoDate(Price):
    base_date: BaseDate | None


class NullableKey(Row):
    symbol: Code | None
    price: Whole


LongName = TypedDict("LongName", {"symbol": Code, "가" * 22: Whole})


class Dated(Price):
    value_date: Day
    base_date: BaseDate


RIGHT: dict[str, Any] = {
    "name": "gold",
    "row": Price,
    "key": ("symbol",),
    "table": "gold",
    "calendar": "NONE",
    "zone": "Asia/Seoul",
    "due": time(18, 0),
    "partner": "feeds.partners.ecb",
}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "Gold"}, "feed 'Gold': a name is 1 to 31 of a-z, 0-9 and -, a letter first"),
        ({"name": ""}, "a name is 1 to 31"),
        ({"name": "4gold"}, "a name is 1 to 31"),
        ({"name": "g" * 32}, "a name is 1 to 31"),
        ({"name": "gold_bar"}, "a name is 1 to 31"),  # Kubernetes allows no underscore
        ({"name": "gold\n"}, "a name is 1 to 31"),
        ({"table": "gold; DROP TABLE fx_rate"}, "a table is 1 to 51 of a-z, 0-9 and _"),
        ({"table": "feedfall.run"}, "a table is 1 to 51"),
        ({"key": ("isin",)}, "key ('isin',) names a column that the row does not have"),
        ({"key": ("_seq",)}, "names a column that the row does not have"),
        ({"key": ("symbol", "symbol")}, "names a column twice"),
        ({"bell": "ring"}, 'bell is "bell" or "response"'),
        ({"partner": None}, 'without a partner no bell rings: write bell="response"'),
        ({"max_bad": -1}, "max_bad, parallel, concurrency start at 0, 1, 1"),
        ({"max_lost": 0}, "max_lost starts at 1"),
        ({"max_bad_bytes": -1}, "max_bad_bytes starts at 0"),
        ({"parallel": 0}, "max_bad, parallel, concurrency start at 0, 1, 1"),
        (
            {"shards": 2},
            "shards is gone, pods share partitions out by themselves; for several pods at once write parallel=2",
        ),
        ({"concurrency": 0}, "max_bad, parallel, concurrency start at 0, 1, 1"),
        ({"chunk_rows": 0}, "chunk_rows is 1 to 1,000,000"),
        ({"chunk_rows": 1_000_001}, "chunk_rows is 1 to 1,000,000"),
        ({"per_second": 0}, "per_second is above 0"),
        ({"zone": "Seoul"}, "'Seoul' is not a time zone such as Europe/Brussels"),
        ({"zone": ""}, "is not a time zone"),
        ({"closed": "skip"}, 'closed is "load", "defer" or "quarantine"'),
        ({"closed": "defer"}, 'closed="defer" needs a column of type BaseDate'),
        ({"row": TwoDates}, "a row has one base date: give its other dates the type Day"),
        ({"row": NoDate}, "a base date is never null"),
        ({"zone": "../etc/passwd"}, "is not a time zone"),
        ({"key": "symbol"}, 'key is a tuple: write key=("symbol",)'),
        ({"key": ["symbol"]}, "key is a tuple"),
        ({"due": "15:00"}, "due is '15:00': write a time such as time(15, 0)"),
        ({"order": "15:00"}, "order is '15:00': write a time such as time(15, 0)"),
        ({"policy": "SKIP"}, "policy is 'SKIP': write Policy.SKIP or Policy.NEXT"),
        ({"row": "Price"}, "row is a class: write row=Name"),
        ({"row": NullableKey}, "a column of the key ('symbol',) is never null"),
        ({"row": LongName}, "a column's name is at most 63 bytes, as PostgreSQL keeps them"),
    ],
)
def test_feed__a_mistake_is_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 -- its words are looked at below
        Feed(**{**RIGHT, **wrong})
    assert says in str(raised.value)


def test_feed__topics_follow_from_its_name() -> None:
    assert [FX.topic(kind) for kind in ("request", "response", "bell")] == ["fx.request", "fx.response", "fx.bell"]
    assert FX.topic("bell", "bank.") == "bank.fx.bell"


@pytest.mark.parametrize(("row", "column"), [(Price, None), (Dated, "base_date")])
def test_feed__base_date_is_the_column_of_that_type(row: type[Row], column: str | None) -> None:
    assert Feed(**{**RIGHT, "row": row}).base_date == column


@pytest.mark.parametrize(
    ("given", "rings", "markers"),
    [
        ({}, True, True),  # relay rings, and writes transactions
        ({"bell": "response"}, False, True),
        ({"partner": None, "bell": "response"}, False, False),  # another team publishes, without transactions …
        ({"partner": None, "bell": "response", "transactional": True}, False, True),  # … or with
        ({"transactional": False}, True, False),
    ],
)
def test_feed__who_rings_and_who_writes_markers(given: dict[str, Any], rings: bool, markers: bool) -> None:  # noqa: FBT001 -- a table
    feed = Feed(**{**RIGHT, **given})
    assert (feed.rings, feed.writes_markers) == (rings, markers)
