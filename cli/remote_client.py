"""The HTTPS client of the desk: no answer is trusted, and no token printed.

FEEDFALL_URL          https://feedfall.bank: the service, see `feedfall serve --desk`
FEEDFALL_TOKEN_FILE   a file with the token; read again for each request, for it may be replaced
FEEDFALL_URL_CA_FILE  optional: whom to trust, PEM
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field

from ledger.errors import Misconfigured, Transient
from steps.run.exits import Exit
from steps.run.http_client import BoundedClient

URL, TOKEN_FILE, CA_FILE = "FEEDFALL_URL", "FEEDFALL_TOKEN_FILE", "FEEDFALL_URL_CA_FILE"
#: Seconds of one request: a kill waits until its runs have ended.
SECONDS = 330.0
LOCAL = ("localhost", "127.0.0.1", "::1")


class Lost(Transient):
    """No answer, or no whole one: what was requested may have been done."""


class Reply(BaseModel):
    """An answer of the service."""

    exit: int | None = Field(default=None, ge=0, le=255)
    stdout: list[str] = []
    stderr: list[str] = []
    resume: dict[str, Any] | None = None


@dataclass(frozen=True)
class Address:
    """Where the service is, whom to trust, and where the token stands."""

    url: str
    token_file: str
    ca_file: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Address:
        """Raises Misconfigured."""
        url, file = environ.get(URL, "").rstrip("/"), environ.get(TOKEN_FILE, "")
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            host = None
        if not host or parts.path or parts.query or parts.username or parts.scheme not in ("http", "https"):
            raise Misconfigured(f"{URL} is no address such as https://feedfall.bank")
        if parts.scheme == "http" and host not in LOCAL:
            raise Misconfigured(f"{URL} must begin with https://: the token goes there")
        if not file:
            raise Misconfigured(f"not set: {TOKEN_FILE}, a file with the token for {URL}")
        return cls(url, file, environ.get(CA_FILE, ""))

    def token(self) -> str:
        """Read it again. Raises Misconfigured, without a word of it."""
        try:
            text = Path(self.token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            raise Misconfigured(f"the file of {TOKEN_FILE} cannot be read: {type(error).__name__}") from None
        first = text.partition("\n")[0].strip()
        if not first.isprintable() or not first or " " in first:
            raise Misconfigured(f"the file of {TOKEN_FILE} has no token in its first line")
        return first

    def trust(self) -> ssl.SSLContext:
        """Raises Misconfigured."""
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:  # an SSLError is one
            raise Misconfigured(f"the file of {CA_FILE} cannot be used: {error.strerror or error}") from error


class DeskClient:
    """One service. Redirects are not followed: they would take the token along."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = Address.read(environ)
        self._http = BoundedClient(
            base_url=self._address.url, verify=self._address.trust(), seconds=SECONDS, timeout=SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def stop(self) -> None:
        """End what is under way, and refuse more."""
        self._http.stop()

    def ask(self, name: str, given: Mapping[str, object]) -> Reply:
        """The answer to a question. Raises Lost, Misconfigured."""
        return self._call("GET", _path(name), {"params": given})

    def act(
        self, name: str, given: Mapping[str, object], key: str, resume: Mapping[str, object] | None, skip: int
    ) -> Reply:
        """The answer to an act. Raises Lost, Misconfigured."""
        going = {"resume": resume} if resume else {}
        headers = {"Idempotency-Key": key} if key else {}
        body = {**given, **going, **({"skip": skip} if skip else {})}
        return self._call("POST", f"acts/{_path(name)}", {"json": body, "headers": headers})

    def _call(self, method: str, path: str, how: Mapping[str, Any]) -> Reply:
        headers = {**how.get("headers", {}), "Authorization": f"Bearer {self._address.token()}"}
        try:
            answer = self._http.request(method, f"/api/{path}", **{**how, "headers": headers})
        except httpx.HTTPError as error:
            raise Lost(f"{URL} does not answer: {type(error).__name__} {error}".rstrip()) from error
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Reply:
        code = answer.status_code
        if answer.is_redirect:
            raise Misconfigured(f"{URL} answers with a redirect ({code}): give the address behind it")
        try:
            found = answer.json()
            found = found if isinstance(found, dict) else {}
            reply = Reply.model_validate(found)
        except ValueError:  # a ValidationError is one
            found, reply = {}, None
        if reply is not None and "exit" in found and "stdout" in found:
            return reply
        words = str(found.get("detail", ""))[:500] or "no answer of feedfall"
        if code in (401, 403, 404, 405, 413, 422):
            raise Misconfigured(f"{URL}: {words} ({code})")
        if code == httpx.codes.INTERNAL_SERVER_ERROR and "detail" in found:
            return Reply(exit=int(Exit.BUG), stderr=[f"{URL}: {words} ({code})"])
        raise Lost(f"{URL}: {words} ({code})")


def _path(name: str) -> str:
    return name.replace(" ", "/")
