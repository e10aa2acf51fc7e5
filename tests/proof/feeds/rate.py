"""Small chunks, a key, a partner: every road of pub, relay and sub within a few messages."""

from datetime import time

from catalog import BaseDate, Code, Feed, Positive, Row


class Rate(Row):
    base_date: BaseDate
    code: Code
    price: Positive


RATE = Feed(
    "rate",
    row=Rate,
    key=("base_date", "code"),
    table="rate",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    partner="proof.partner",
    chunk_rows=3,
    max_bad=1000,
    max_lost=1000,  # the storm kills more in a row than any feed should bear
    per_second=1000.0,
)
