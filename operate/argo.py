"""The Argo Server for operators' commands: get, list, stop, log. `feedfall local` answers the same calls.

ARGO_SERVER      https://argo.bank:2746; feedfall local prints its own       ARGO_NAMESPACE   where the templates are
ARGO_TOKEN       or ARGO_TOKEN_FILE, read again for each call (it expires)   ARGO_CA_FILE     whom to trust
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from operate.ending import WorkflowState
from steps.run import settings
from steps.run.exits import Misconfigured, Transient
from steps.run.http_client import ENDLESS
from steps.watch.argo import Server, document, refuse, words

Kind = TypeVar("Kind")
#: The label of a run that `feedfall submit` started: a later one finds it by this.
MARK = {"feedfall/order": "submit"}
TEMPLATE = "workflows.argoproj.io/workflow-template"
#: Seconds without a line after which a followed log is requested again: a dead connection sends nothing.
SILENCE = 60.0


class Argo(Server):
    """A client of one namespace. `environ` as above; Misconfigured names what is missing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(settings.argo(environ), token=lambda: settings.argo(environ).token)

    def get(self, name: str) -> WorkflowState | None:
        """The Workflow of this name; None where there is none."""
        answer = self.call("GET", f"/{name}", accept=(404,))
        return None if answer.status_code == httpx.codes.NOT_FOUND else read(document(answer))

    def running(self, labels: Mapping[str, str]) -> list[WorkflowState]:
        """The Workflows that have these labels and are not over."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found = document(self.call("GET", "", params={"listOptions.labelSelector": selector}))
        with _odd():
            every = [read(each) for each in _typed(found.get("items") or [], list)]
        return [each for each in every if not each.over]

    def start(self, template: str, name: str, parameters: Mapping[str, str]) -> bool:
        """Start a template for `feedfall submit`: `running` finds it by its label. False when that name is taken."""
        return self.submit(template, name, parameters, MARK)

    def stop(self, name: str, why: str) -> None:
        """SIGTERM, then SIGKILL: Argo does not retry what was stopped. Harmless when it is over."""
        body = {"namespace": self.namespace, "name": name, "message": why}
        answer = self.call("PUT", f"/{name}/stop", accept=(400, 404), json=body)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            left = self.get(name)
            if left and not left.over:
                raise Misconfigured(f"Argo does not stop {name}: {words(answer)}")

    def log(self, name: str, *, follow: bool) -> Iterator[tuple[str, str]]:
        """(pod, line) from the beginning; with `follow` until the Workflow is over or the connection lost."""
        params = {"logOptions.container": "main", "logOptions.follow": "true" if follow else "false"}
        timeout = httpx.Timeout(20.0, read=SILENCE)
        try:
            with self.client.stream(
                "GET", f"{self.path}/{name}/log", params=params, timeout=timeout, extensions=ENDLESS
            ) as answer:
                if answer.is_error:
                    answer.read()
                    refuse(answer, "the log")
                yield from _lines(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self.unreachable(error) from error


def read(found: Mapping[str, Any]) -> WorkflowState:
    """What we need of Argo's document. The exit code is that of the pod that ended last. Raises Transient."""
    with _odd():
        return _read(found)


@contextmanager
def _odd() -> Iterator[None]:
    """A document of another form, as a proxy or a half-started server sends it: Transient, for nothing is known yet."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Transient(
            f"Argo's answer has another form than a Workflow has: {type(error).__name__} {error}"
        ) from error


def _typed(value: Any, kind: type[Kind]) -> Kind:  # noqa: ANN401 -- whatever Argo has sent
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value


def _read(found: Mapping[str, Any]) -> WorkflowState:
    metadata, spec, status = (found.get(part) or {} for part in ("metadata", "spec", "status"))
    labels = metadata.get("labels") or {}
    pods = [each for each in (status.get("nodes") or {}).values() if each.get("type") == "Pod"]
    ended = sorted(pods, key=lambda pod: pod.get("finishedAt") or "")
    code = str((ended[-1].get("outputs") or {}).get("exitCode", "")) if ended else ""
    message = str(status.get("message") or (pods[-1].get("message") if pods else "") or "")
    given = (spec.get("arguments") or {}).get("parameters") or []
    return WorkflowState(
        name=_typed(metadata["name"], str),
        phase=_typed(status.get("phase") or "Pending", str),
        code=int(code) if code.isdecimal() else None,
        stopped=bool(spec.get("shutdown")),
        message=message,
        ours="feedfall/stage" in labels,
        feed=_typed(feed, str) if (feed := labels.get("feedfall/feed")) is not None else None,
        stage=_typed(stage, str) if (stage := labels.get("feedfall/stage")) is not None else None,
        parameters={each["name"]: str(each.get("value", "")) for each in given},
    )


def _lines(raw: Iterator[str]) -> Iterator[tuple[str, str]]:
    for each in raw:
        try:
            found = json.loads(each) if each else {}
        except ValueError as error:
            raise Transient(f"the log was cut off: {each[:80]!r}") from error
        with _odd():
            fault, result = _typed(found, dict).get("error"), found.get("result", {})
            pod, content = _typed(result.get("podName", ""), str), _typed(result.get("content", ""), str)
            why = fault.get("message", fault) if fault is not None else None
        if why is not None:
            raise Transient(f"Argo cannot read the log: {why}")
        if "result" in found:
            yield pod, content
