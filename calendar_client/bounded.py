"""One GET whose answer is bounded: so many bytes, so many seconds for all of it, and no encoding.

httpx limits each read alone. A server that sends a byte a second, or 103 Early Hints for ever, would hold the caller;
a body that is compressed twice would fill its memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from calendar_client.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAIN = ("", "identity")


class Unusable(Exception):  # noqa: N818 -- a state of the answer
    """The answer is longer, slower or otherwise other than was requested. The text says how."""


@dataclass(frozen=True)
class Answer:
    """A whole answer, as it was sent."""

    status: int
    headers: httpx.Headers
    body: bytes


def fetch(http: httpx.Client, path: str, headers: Mapping[str, str], seconds: float, most: int) -> Answer:
    """The answer to a GET. Raises Unusable, or what httpx raises."""
    with Deadline(seconds) as deadline:
        wanted = {**headers, "Accept-Encoding": "identity"}
        try:
            with http.stream("GET", path, headers=wanted, extensions={"trace": deadline.trace}) as response:
                encoding = response.headers.get("Content-Encoding", "").strip().lower()
                if encoding not in PLAIN:
                    raise Unusable(f"Content-Encoding {encoding!r}, though none was requested")
                return Answer(response.status_code, response.headers, b"".join(_parts(response, deadline, most)))
        except httpx.HTTPError as error:
            raise Unusable(f"no whole answer within {seconds:g} s") if deadline.over else error from error


def _parts(response: httpx.Response, deadline: Deadline, most: int) -> Iterator[bytes]:
    size = 0
    for part in response.iter_raw():
        size += len(part)
        if size > most:
            raise Unusable(f"more than {most} bytes")
        yield part
    if deadline.over:  # a body without a length ends where the connection ends
        raise Unusable("it did not end in time")
