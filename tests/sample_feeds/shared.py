"""One row a symbol, newest wins; two pods share its partitions."""

from datetime import time

from catalog import BaseDate, Code, Feed, Positive, Row


class Shared(Row):
    symbol: Code
    base_date: BaseDate
    price: Positive


SHARED = Feed(
    "shared",
    row=Shared,
    key=("symbol",),
    table="shared",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
    chunk_rows=50,
    parallel=2,
)
