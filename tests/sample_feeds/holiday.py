"""Rows of a closed day wait for the next open one; a whole response may be one message."""

import json
from datetime import time

from catalog import BaseDate, Code, Feed, Positive, Response, Row
from catalog.message import Headers


class Fixing(Row):
    base_date: BaseDate
    code: Code
    price: Positive


def read(value: bytes, key: bytes | None, headers: Headers) -> Response:
    return Response(json.loads(value))


HOLIDAY = Feed(
    "holiday",
    row=Fixing,
    key=("base_date", "code"),
    table="holiday",
    calendar="TARGET",
    closed="defer",
    due=time(17, 0),
    zone="Europe/Brussels",
    bell="response",
    read=read,
)
