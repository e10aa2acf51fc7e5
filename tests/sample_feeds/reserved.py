"""Columns with the words of SQL and of our own statements, capital letters and Hangul as names."""

from datetime import time

from catalog import Code, Feed, Number, Row


class Reserved(Row):
    order: Code
    place: Number
    again: Number
    newest: Number
    fate: Code
    named: Code
    stands: Code
    old_run: Number
    user: Code
    offset: Number
    source: Code
    i: Number
    t: Number
    Price: Number
    기준가: Number  # noqa: PLC2401 -- that is the difficulty


RESERVED = Feed(
    "reserved",
    row=Reserved,
    key=("order",),
    table="reserved",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
)
