"""A bond's price a day, in the database `stk`; its table has the name of another feed's in the first database."""

from datetime import time

from catalog import BaseDate, Code, Feed, Positive, Row


class Bond(Row):
    symbol: Code
    base_date: BaseDate
    price: Positive


BOND = Feed(
    "bond",
    row=Bond,
    key=("symbol", "base_date"),
    table="latest",
    database="stk",
    calendar="KR",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
)
