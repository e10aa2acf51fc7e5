"""Sends a feed's requests to its partner: several at once, at a pace, each again after outside trouble.

a value of catalog.partner   what the adapter made of the answer
Malformed                    an answer too large, encoded, or nested too deeply
Unanswered                   no answer now: out of reach, late, or a server's own fault
Withdrawn                    not sent: a person took it back meanwhile
Transient                    this run was stopped

After a quota, and after `AWAY` requests in a row without an answer, no other is sent: all have the same answer.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import httpx
import stamina

from calendar_client.deadline import LateAnswer
from catalog.partner import Answer, Malformed, Partner, Quota, Request
from steps.partner.deferral import Unanswered, Withdrawn
from steps.run.exits import Misconfigured, Transient
from steps.run.http_client import SECONDS, BoundedClient, ClientStopped, UnusableAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from catalog import Feed
    from steps.run.execution import Execution

#: Seconds for one read and for a connection; SECONDS are for a whole answer. A drain has thirty minutes for all.
TIMEOUTS = httpx.Timeout(20.0, connect=5.0)
ATTEMPTS = 4
#: Requests in a row without an answer after which the partner is away as a whole.
AWAY = 8
#: Seconds after which SIGTERM is noticed while answers are awaited.
STOP_CHECK = 0.2


@contextmanager
def open_sender(execution: Execution, feed: Feed, seconds: float = SECONDS) -> Iterator[RequestSender]:
    """Make a feed's adapter and its sender. `seconds`: for one whole answer. The block's end stops what still runs."""
    assert feed.partner is not None  # noqa: S101 -- the door has looked
    adapter = import_module(feed.partner)
    name = feed.partner.rpartition(".")[2]
    url = check_address(name, execution.settings.partner_urls.get(name, adapter.URL))
    pace = Pace(feed.per_second, execution.stop)
    with BoundedClient(base_url=url, timeout=TIMEOUTS, seconds=seconds, before=pace.wait) as client:
        sender = RequestSender(adapter.partner(client, execution.now()), client, feed.concurrency, execution.stop)
        try:
            yield sender
        finally:
            sender.close()


def check_address(name: str, url: str) -> httpx.URL:
    """A partner's URL, read. It may hold a key: it is never printed."""
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        found = httpx.URL()
    if found.scheme not in ("http", "https") or not found.host:
        raise Misconfigured(f"FEEDFALL_PARTNER_URL_{name.upper()} is no address such as https://partner.example/rates/")
    return found


class RequestSender:
    """Sends requests through an adapter. A stop ends all of them within a second."""

    def __init__(self, partner: Partner, client: BoundedClient, concurrency: int, stop: threading.Event) -> None:
        self._partner, self._client, self._stop = partner, client, stop
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="partner")
        self._lock = threading.Lock()
        self._unanswered = 0
        """In a row, up to now."""
        self._away: Quota | Unanswered | None = None
        self._withdrawn: AbstractSet[UUID] = frozenset()

    def send(
        self,
        requests: Sequence[Request],
        beat: Callable[[], None] | None = None,
        withdrawn: Callable[[], AbstractSet[UUID]] = frozenset,
    ) -> list[Answer | Unanswered | Withdrawn]:
        """Send each; answers in their order. Calls `beat` as they come. Raises Transient when the run is stopped.

        `withdrawn` is asked again and again: what it names is not sent any more.
        """
        futures = [self._pool.submit(self._send, each) for each in requests]
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=STOP_CHECK, return_when=FIRST_COMPLETED)
            for each in done:
                each.result()
            if beat and done:
                beat()
            self._withdrawn = withdrawn()
            if self._stop.is_set():
                self._client.stop()
        return [each.result() for each in futures]

    def close(self) -> None:
        self._client.stop()
        self._pool.shutdown(cancel_futures=True)

    def _send(self, each: Request) -> Answer | Unanswered | Withdrawn:
        if each.correlation_id in self._withdrawn:
            return Withdrawn()
        if self._away:
            return self._away
        answer = self._try(each)
        with self._lock:
            self._unanswered = self._unanswered + 1 if isinstance(answer, Unanswered) else 0
            if isinstance(answer, Quota):
                self._away = answer
            elif isinstance(answer, Unanswered) and self._unanswered >= AWAY:
                reason = f"not sent, for {AWAY} others had no answer: {answer.reason}"
                self._away = Unanswered(reason, sent=False)
        return answer

    def _try(self, each: Request) -> Answer | Unanswered:
        try:
            return self._send_patiently(each)
        except ClientStopped:
            raise Transient("stopped before every request was answered; nothing moved") from None
        except LateAnswer as error:
            return Unanswered(f"the partner is too slow: {error}")
        except UnusableAnswer as error:
            return Malformed(str(error))
        except RecursionError:
            return Malformed("an answer nested too deeply")
        except httpx.HTTPStatusError as error:
            return Unanswered(f"the partner answered {error.response.status_code} {ATTEMPTS} times")
        except httpx.HTTPError as error:
            return Unanswered(f"the partner is out of reach ({type(error).__name__})")

    def _send_patiently(self, each: Request) -> Answer:
        for attempt in stamina.retry_context(on=_is_transient, attempts=ATTEMPTS, timeout=60.0, wait_initial=0.2):
            with attempt:
                if self._stop.is_set():
                    raise ClientStopped("stopped")
                return self._partner.ask(each)
        raise AssertionError("unreachable")


class Pace:
    """At most so many HTTP requests a second, over all threads."""

    def __init__(self, per_second: float, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap, self._stop, self._clock = 1 / per_second, stop, clock
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self) -> None:
        """Wait for the next turn; not on, once this run was stopped."""
        with self._lock:
            at = max(self._next, self._clock())
            self._next = at + self._gap
        self._stop.wait(max(0.0, at - self._clock()))


def _is_transient(error: Exception) -> bool:
    """Worth another attempt: a broken connection, a time-out, or a server's own fault."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
    return isinstance(error, httpx.TransportError) and not isinstance(error, ClientStopped)
