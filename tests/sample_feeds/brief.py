"""At most 200 bytes a message, 1,000 bytes of bad ones; an outside reader that fails in every way a reader can."""

import json
from datetime import time

from catalog import Code, Feed, Response, Row, Whole
from catalog.message import Headers


class Brief(Row):
    symbol: Code
    volume: Whole


def read(value: bytes, key: bytes | None, headers: Headers) -> Response:
    """A JSON array of rows; what else a body says is raised as it stands."""
    found = json.loads(value)
    if isinstance(found, str):
        raise ValueError(found)  # noqa: TRY004 -- as good as any
    return Response(found)


BRIEF = Feed(
    "brief",
    row=Brief,
    key=("symbol",),
    table="brief",
    calendar="NONE",
    due=time(18, 0),
    zone="Asia/Seoul",
    bell="response",
    read=read,
    max_message=200,
    max_bad_bytes=1000,
)
