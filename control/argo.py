"""The Argo Server, as far as an order needs it: get, submit, stop, list, log. The same calls reach `feedfall local`.

ARGO_SERVER      https://argo.bank:2746; feedfall local prints its own       ARGO_NAMESPACE   where the templates are
ARGO_TOKEN       or ARGO_TOKEN_FILE, read again for each call (it expires)   ARGO_CA_FILE     whom to trust

Out of reach, overloaded or restarting is Transient: who waits tries again. Refused is Misconfigured.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import httpx

from control.ending import Workflow
from steps import settings
from steps.errors import Misconfigured, Transient

#: Marks what a `feedfall submit` started, so that a later one finds it again.
ORDERED = {"feedfall/order": "submit"}
TEMPLATE = "workflows.argoproj.io/workflow-template"
#: Answers that say "not now".
LATER = {408, 425, 429, 500, 502, 503, 504}
#: Seconds without a line after which a followed log is asked for anew: a dead connection says nothing.
SILENCE = 60.0


class Argo:
    """A client of one namespace. `environ` as above; Misconfigured names what is missing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        own = settings.argo(environ)
        self.server, self.namespace = own.server, own.namespace
        self._path = f"/api/v1/workflows/{self.namespace}"
        try:
            trust = ssl.create_default_context(cafile=own.ca or None)
            self._client = httpx.Client(base_url=self.server, auth=_Bearer(environ), timeout=20.0, verify=trust)
        except (OSError, httpx.InvalidURL) as error:
            raise Misconfigured(f"ARGO_SERVER or ARGO_CA_FILE cannot be used: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, name: str) -> Workflow | None:
        """The Workflow of this name; None where there is none."""
        answer = self._call("GET", f"/{name}", accept=(404,))
        return None if answer.status_code == httpx.codes.NOT_FOUND else read(_document(answer))

    def running(self, labels: Mapping[str, str]) -> list[Workflow]:
        """The Workflows that have these labels and are not over."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found = _document(self._call("GET", "", params={"listOptions.labelSelector": selector}))
        every = (read(each) for each in found.get("items") or [])
        return [each for each in every if not each.over]

    def submit(self, template: str, name: str, parameters: Mapping[str, str]) -> bool:
        """Start a template under a name; False when that name is taken: by this very order, if its reply was lost."""
        body = {
            "namespace": self.namespace,
            "resourceKind": "WorkflowTemplate",
            "resourceName": template,
            "submitOptions": {
                "name": name,
                "labels": ",".join(f"{each}={value}" for each, value in ORDERED.items()),
                "parameters": [f"{each}={value}" for each, value in parameters.items()],
            },
        }
        return self._call("POST", "/submit", accept=(409,), json=body).status_code != httpx.codes.CONFLICT

    def stop(self, name: str, why: str) -> None:
        """SIGTERM, then SIGKILL, and never again: Argo retries nothing that was stopped. Harmless when it is over."""
        body = {"namespace": self.namespace, "name": name, "message": why}
        answer = self._call("PUT", f"/{name}/stop", accept=(400, 404), json=body)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            left = self.get(name)
            if left and not left.over:
                raise Misconfigured(f"Argo does not stop {name}: {_words(answer)}")

    def log(self, name: str, *, follow: bool) -> Iterator[tuple[str, str]]:
        """(pod, line) from the beginning; with `follow` until the Workflow is over or the connection lost."""
        params = {"logOptions.container": "main", "logOptions.follow": "true" if follow else "false"}
        timeout = httpx.Timeout(20.0, read=SILENCE)
        try:
            with self._client.stream("GET", f"{self._path}/{name}/log", params=params, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    _refuse(answer, "the log")
                yield from _lines(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _call(self, method: str, path: str, accept: Sequence[int] = (), **request: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
        try:
            answer = self._client.request(method, self._path + path, **request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if not answer.is_success and not (answer.status_code in accept and _document(answer).get("code")):
            _refuse(answer, f"{method} {self._path}{path}")
        return answer

    def _unreachable(self, error: httpx.HTTPError) -> Misconfigured | Transient:
        if isinstance(error, httpx.UnsupportedProtocol) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Misconfigured(f"ARGO_SERVER {self.server} cannot be used: {error}. Check ARGO_CA_FILE")
        return Transient(f"the Argo Server {self.server} is out of reach: {type(error).__name__} {error}".rstrip())


class _Bearer(httpx.Auth):
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override] # a generator is one
        if token := settings.argo(self._environ).token:
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def read(document: Mapping[str, Any]) -> Workflow:
    """What we need of Argo's document. The exit code is that of the pod that ended last."""
    metadata, spec, status = (document.get(part) or {} for part in ("metadata", "spec", "status"))
    labels = metadata.get("labels") or {}
    pods = [each for each in (status.get("nodes") or {}).values() if each.get("type") == "Pod"]
    ended = sorted(pods, key=lambda pod: pod.get("finishedAt") or "")
    code = str((ended[-1].get("outputs") or {}).get("exitCode", "")) if ended else ""
    message = str(status.get("message") or (pods[-1].get("message") if pods else "") or "")
    given = (spec.get("arguments") or {}).get("parameters") or []
    return Workflow(
        name=metadata["name"],
        phase=status.get("phase") or "Pending",
        code=int(code) if code.isdecimal() else None,
        stopped=bool(spec.get("shutdown")) or message.startswith("Stopped with strategy"),
        message=message,
        ours="feedfall/stage" in labels,
        feed=labels.get("feedfall/feed"),
        parameters={each["name"]: str(each.get("value", "")) for each in given},
    )


def _lines(raw: Iterator[str]) -> Iterator[tuple[str, str]]:
    for each in raw:
        try:
            found = json.loads(each) if each else {}
        except ValueError as error:
            raise Transient(f"the log was cut off: {each[:80]!r}") from error
        if "error" in found:
            raise Transient(f"Argo cannot read the log: {found['error'].get('message', found['error'])}")
        if "result" in found:
            yield found["result"].get("podName", ""), found["result"].get("content", "")


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise Misconfigured(f"{answer.url} does not answer as an Argo Server does: check ARGO_SERVER")


def _refuse(answer: httpx.Response, what: str) -> None:
    words = f"{answer.status_code} {_words(answer)}"
    if answer.status_code in LATER:
        raise Transient(f"the Argo Server cannot do {what} now: {words}")
    hint = {401: "check ARGO_TOKEN", 403: "its account lacks a right (deploy/ci/rights.yaml)"}.get(answer.status_code)
    raise Misconfigured(f"Argo refuses {what}: {words}" + (f"; {hint}" if hint else ""))


def _words(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
