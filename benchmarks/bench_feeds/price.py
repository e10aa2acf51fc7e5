"""A price feed of about 300 bytes a message. Its key begins with what arrives in order."""

from datetime import time

from catalog import BaseDate, Code, Feed, Positive, Row, Whole, text


class PriceRow(Row):
    """One price of one instrument, and where it was read."""

    base_date: BaseDate
    ts: Whole  # microseconds since 1970
    symbol: Code
    price: Positive
    volume: Whole
    source: text(500)  # type: ignore[valid-type]


PRICE = Feed(
    "price",
    row=PriceRow,
    key=("base_date", "ts", "symbol"),
    table="price",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
    transactional=True,
)
