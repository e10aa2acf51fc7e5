"""No key, free text, a nullable column, small chunks, nobody's transactions."""

from datetime import time

from catalog import Code, Feed, Number, Row, Whole, text


class Tick(Row):
    symbol: Code
    price: Number
    volume: Whole
    note: text(200) | None  # type: ignore[valid-type]


TICK = Feed(
    "tick",
    row=Tick,
    key=(),
    table="tick",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
    chunk_rows=100,
    max_bad=20,
)
