"""Argo's own API, as the sweep and the operators' commands call it: one way to call, one way to start a run.

Out of reach, overloaded or restarting is Transient: try again later. Refused, or no Argo at all, is Misconfigured.
`feedfall local` answers the same calls.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Self

import httpx

from steps.run.exits import Misconfigured, Transient
from steps.run.http_client import BoundedClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from steps.run import settings

#: Answers that say "not now".
LATER = {408, 425, 429, 500, 502, 503, 504}
HINTS = {
    401: "check ARGO_TOKEN",
    403: "its account lacks a right (a pod's: argo-workflows/rights.yaml; CI's: deploy/ci/rights.yaml)",
}


class Server:
    """A client of one namespace. Misconfigured where the address or the authority cannot be used."""

    def __init__(
        self,
        own: settings.Argo,
        token: Callable[[], str] | None = None,
        transport: httpx.BaseTransport | None = None,
        seconds: float = 20.0,
    ) -> None:
        """`token` is called for each request, since one may expire; `seconds` are for one whole answer."""
        self.server, self.namespace = own.server, own.namespace
        self.path = f"/api/v1/workflows/{self.namespace}"
        bearer = _Bearer(token or (lambda: own.token))
        try:
            trust = ssl.create_default_context(cafile=own.ca or None)
            self.client = BoundedClient(
                seconds=seconds,
                base_url=self.server,
                auth=bearer,
                timeout=seconds,
                verify=trust,
                transport=transport,
            )
        except (OSError, httpx.InvalidURL) as error:
            raise Misconfigured(f"ARGO_SERVER or ARGO_CA_FILE cannot be used: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def submit(self, template: str, name: str, parameters: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        """Start a template under a name; False when that name is taken: by this very request, if its reply was lost."""
        options: dict[str, object] = {"name": name, "parameters": _pairs(parameters)}
        if labels:
            options["labels"] = ",".join(_pairs(labels))
        body = {
            "namespace": self.namespace,
            "resourceKind": "WorkflowTemplate",
            "resourceName": template,
            "submitOptions": options,
        }
        answer = self.call("POST", "/submit", f"to start {template}", accept=(409,), json=body)
        document(answer)
        return answer.status_code != httpx.codes.CONFLICT

    def call(
        self,
        method: str,
        path: str,
        what: str = "",
        accept: Sequence[int] = (),
        **request: Any,  # noqa: ANN401 -- httpx's own
    ) -> httpx.Response:
        """Call a path below the namespace's Workflows. `accept`: statuses of Argo's errors that the caller handles."""
        try:
            answer = self.client.request(method, self.path + path, **request)
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error
        if not answer.is_success and not (answer.status_code in accept and document(answer).get("code")):
            refuse(answer, what or f"{method} {self.path}{path}")
        return answer

    def unreachable(self, error: httpx.HTTPError) -> Misconfigured | Transient:
        if isinstance(error, httpx.UnsupportedProtocol) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Misconfigured(f"ARGO_SERVER {self.server} cannot be used: {error}. Check ARGO_CA_FILE")
        return Transient(f"the Argo Server {self.server} is out of reach: {type(error).__name__} {error}".rstrip())


class _Bearer(httpx.Auth):
    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override] # a generator is one
        if token := self._token():
            if not (token.isascii() and token.isprintable()):  # httpx's own error would print it
                raise Misconfigured("ARGO_TOKEN holds a line break, or a character that no token has: copy it again")
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def document(answer: httpx.Response) -> dict[str, Any]:
    """What Argo says: always an object."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    raise Misconfigured(f"{answer.url} does not answer as an Argo Server does: check ARGO_SERVER")


def refuse(answer: httpx.Response, what: str) -> None:
    """Raise what an error of Argo's stands for."""
    said = f"{answer.status_code} {words(answer)}"
    if answer.status_code in LATER:
        raise Transient(f"Argo cannot do this now ({what}): {said}")
    hint = HINTS.get(answer.status_code)
    raise Misconfigured(f"Argo refuses {what}: {said}" + (f"; {hint}" if hint else ""))


def words(answer: httpx.Response) -> str:
    """An error's own message."""
    try:
        return str(answer.json()["message"])[:500]
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer.text[:200]


def _pairs(named: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in named.items()]
