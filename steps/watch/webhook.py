"""Sends the ledger's notices to a receiver of the bank over HTTP. At least once; the receiver recognizes a repeated id.

    POST FEEDFALL_WEBHOOK_URL
    webhook-id         the same at each try
    webhook-timestamp  seconds since 1970, of this try: a receiver refuses what is too old
    webhook-signature  v1,<base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>" under FEEDFALL_WEBHOOK_SECRET>

That is the form of standardwebhooks.com, for which every language has a verifier. The address may hold a key: only its
host is ever printed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import httpx
import stamina

from ledger import notice
from steps.run.exits import Misconfigured
from steps.run.http_client import BoundedClient

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.notice import Notice
    from steps.run.execution import Execution
    from steps.run.settings import Webhook

ATTEMPTS = 3
#: Seconds that one sweep gives to all notices, and to one: a minute later the next sweep goes on.
BUDGET, EACH = 15.0, 10.0
PATIENCE = timedelta(hours=24)
#: Seconds for one attempt.
SECONDS = 5.0
#: Bytes that a secret has at least.
SHORTEST = 16
#: Answers that say "not now".
LATER = (408, 425, 429)


def deliver(execution: Execution) -> int:
    """Deliver pending notices, the oldest first; how many stay pending. Stops when the receiver is out of reach."""
    hook = execution.settings.webhook
    if hook is None:
        return 0
    tried: list[UUID] = []
    until = time.monotonic() + BUDGET
    with Sender(hook) as sender:
        while time.monotonic() < until and (each := notice.lock_next(execution.connection, tried)):
            tried.append(each.id)
            trouble, away = sender.send(each, int(execution.now().timestamp()))
            _record(execution, each, trouble)
            if away:
                break
    execution.connection.rollback()
    return notice.count_undelivered(execution.connection)


def _record(execution: Execution, each: Notice, trouble: str | None) -> None:
    if trouble is None:
        return notice.record_delivery(execution.connection, each)
    give_up = execution.now() - each.made_at >= PATIENCE
    what = "given up after 24 h" if give_up else "the next sweep tries again"
    print(f"UNDELIVERED {each.subject} {each.base_date}: {trouble}; {what}", flush=True)  # noqa: T201 -- the pod's log is what operators read
    return notice.record_failure(execution.connection, each, trouble, give_up=give_up)


class Sender:
    """Signs and posts. Follows no redirect: what is signed for one receiver must reach no other."""

    def __init__(self, hook: Webhook, seconds: float = SECONDS) -> None:
        """Raises Misconfigured for an address or a secret that cannot be used, without printing either.

        `seconds`: for one attempt.
        """
        self._key = _key(hook.secret)
        try:
            self._url = httpx.URL(hook.url)
        except httpx.InvalidURL:
            self._url = httpx.URL()
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise Misconfigured("FEEDFALL_WEBHOOK_URL is not an address such as https://alarm.bank/feedfall")
        self._client = BoundedClient(timeout=seconds, seconds=seconds, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, each: Notice, timestamp: int) -> tuple[str | None, bool]:
        """Why it was not taken, None if it was; and whether the receiver is out of reach altogether."""
        try:
            for attempt in stamina.retry_context(on=_is_transient, attempts=ATTEMPTS, timeout=EACH, wait_initial=0.5):
                with attempt:
                    self._post(each, timestamp)
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            where = " (a redirect, which is not followed)" if error.response.is_redirect else ""
            return f"{self._url.host} answered {status}{where}", _is_transient(error)
        except httpx.HTTPError as error:
            return f"{self._url.host} is out of reach ({type(error).__name__})", True
        return None, False

    def _post(self, each: Notice, timestamp: int) -> None:
        body = json.dumps(each.body, ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": str(each.id),
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._key, str(each.id), timestamp, body),
        }
        with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
            answer.raise_for_status()  # the status says it all: the body is not read


def sign(key: bytes, message: str, timestamp: int, body: bytes) -> str:
    """The signature header of one message."""
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < SHORTEST:
        raise Misconfigured(
            f"FEEDFALL_WEBHOOK_SECRET is not base64 of at least {SHORTEST} bytes: `openssl rand -base64 32` makes one"
        )
    return key


def _is_transient(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or error.response.status_code in LATER
    return isinstance(error, httpx.TransportError)
