"""HTTP with all that answers us from outside: partners, a webhook's receiver, Argo, data.go.kr. No answer is trusted.

    time      the whole answer, from the connection to its last byte, redirects included     LateAnswer
    bytes     counted as they arrive                                                         UnusableAnswer
    encoding  identity is requested, any other refused: 1,827 bytes of gzip in gzip          UnusableAnswer
              are 3 GiB
    charset   one of CHARSETS, any other is read as UTF-8: Python also knows "zlib"

Both errors are httpx's by kind: whoever translates httpx.HTTPError translates them. httpx's own timeouts bound one read
only, and a server that sends a byte a second, or `103 Early Hints` for ever, never reaches them. So a timer shuts the
connection down. A connection serves one request: then a timer ends that request and no other.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import httpx
import stamina

from calendar_client.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECONDS = 60.0
MAX_BYTES = 8 * 2**20
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "windows-1252", "euc-kr", "cp949", "ms949", "utf-16"}
ENDLESS = {"endless": True}
"""`extensions=` of a request whose answer is followed as it grows: no time limit, and MAX_BYTES hold for one line."""


class UnusableAnswer(httpx.DecodingError):
    """An answer that is not read on: too large, or encoded. The text says which."""


class ClientStopped(httpx.TransportError):
    """The client was stopped; so is every request of it."""


def keep_urls_out_of_logs() -> None:
    """A URL may hold a key: httpx's INFO lines print it whole, and stamina's the error that names it."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stamina.instrumentation.set_on_retry_hooks([])


class BoundedClient(httpx.Client):
    """httpx's client, with bounds as above. `before`: called before each request, its time does not count."""

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        max_bytes: int = MAX_BYTES,
        before: Callable[[], object] = lambda: None,
        headers: Mapping[str, str] | None = None,
        **options: Any,  # noqa: ANN401 -- httpx's own
    ) -> None:
        keep_urls_out_of_logs()
        self._seconds, self._max_bytes, self._before = seconds, max_bytes, before
        self._deadlines: set[Deadline] = set()
        self._stopped = threading.Event()
        super().__init__(
            headers={"Accept-Encoding": "identity", **(headers or {})},
            limits=httpx.Limits(max_keepalive_connections=0),
            event_hooks={"response": [self._bound]},
            **options,
        )

    def send(self, request: httpx.Request, **how: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        """Send one request, within the bounds."""
        self._before()
        deadline = Deadline(None if "endless" in request.extensions else self._seconds)
        request.extensions = {**request.extensions, "trace": deadline.trace, "deadline": deadline}
        self._deadlines.add(deadline)
        if self._stopped.is_set():
            deadline.end(ClientStopped("the client was stopped"))
        response = None
        try:
            deadline.check()
            response = super().send(request, **how)
        except Exception as error:  # after our own end whatever fails is a consequence of it
            deadline.check(error)
            raise
        finally:
            deadline.sending = False
            if response is None or response.is_closed:
                self._forget(deadline)
        return response

    def stop(self) -> None:
        """End every request at once, and refuse further ones. May be called from any thread, and twice."""
        self._stopped.set()
        for deadline in list(self._deadlines):
            deadline.end(ClientStopped("the client was stopped"))

    def _bound(self, response: httpx.Response) -> None:
        """Called when the headers are here and no byte of the body is read."""
        if (response.charset_encoding or "utf-8").lower() not in CHARSETS:
            response.encoding = "utf-8"
        response.stream = _BoundedStream(response, self._max_bytes, self._forget)

    def _forget(self, deadline: Deadline) -> None:
        if not deadline.sending:
            deadline.cancel()
            self._deadlines.discard(deadline)


class _BoundedStream(httpx.SyncByteStream):
    """A body whose bytes are counted as they arrive; since the last end of a line, where it is endless."""

    def __init__(self, response: httpx.Response, max_bytes: int, forget: Callable[[Deadline], None]) -> None:
        assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 -- a client that is not async
        extensions = response.request.extensions
        self._stream, self._max_bytes, self._forget = response.stream, max_bytes, forget
        encodings = response.headers.get("content-encoding", "").lower()
        self._encodings = {each.strip() for each in encodings.split(",")} - {"", "identity"}
        self._deadline: Deadline = extensions["deadline"]
        self._by_line = "endless" in extensions

    def __iter__(self) -> Iterator[bytes]:
        if self._encodings:
            names = ", ".join(sorted(self._encodings))[:60]
            raise UnusableAnswer(f"an answer encoded as {names}, though none was accepted")
        size = 0
        try:
            for part in self._stream:
                size = len(part) - part.rfind(b"\n") - 1 if self._by_line and b"\n" in part else size + len(part)
                if size > self._max_bytes:
                    raise UnusableAnswer(f"an answer of more than {self._max_bytes:,} bytes")
                yield part
        except (httpx.TransportError, OSError, ValueError) as error:  # likewise
            self._deadline.check(error)
            raise
        self._deadline.check()

    def close(self) -> None:
        self._forget(self._deadline)
        self._stream.close()
