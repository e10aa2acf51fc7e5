"""One row a symbol, newest wins; a table of its own CHECK, which only the database knows."""

from datetime import time

from catalog import BaseDate, Code, Feed, Positive, Row


class Latest(Row):
    symbol: Code
    base_date: BaseDate
    price: Positive


LATEST = Feed(
    "latest",
    row=Latest,
    key=("symbol",),
    table="latest",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
    chunk_rows=1000,
)
