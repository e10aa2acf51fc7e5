"""Serves the few calls of Argo's server API that the sweep and `feedfall` make, in Argo's JSON, on 127.0.0.1.

    POST /api/v1/workflows/{namespace}/submit          GET /api/v1/workflows/{namespace}/{name}
    PUT  /api/v1/workflows/{namespace}/{name}/stop     GET /api/v1/workflows/{namespace}/{name}/log
    PUT  /api/v1/workflows/{namespace}/{name}/terminate    GET /api/v1/workflows/{namespace}
    GET, POST /api/v1/workflow-templates/{namespace}       GET, PUT /api/v1/workflow-templates/{namespace}/{name}
    GET, POST /api/v1/cron-workflows/{namespace}           GET, PUT /api/v1/cron-workflows/{namespace}/{name}

Shapes after Argo v4.0: an error is `{"code": <of gRPC>, "message": …}`, an empty list `null`, a log one JSON a line.
Stricter than Argo in one thing: a parameter that the template does not have is refused, Argo takes it in silence.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local.argo.objects import Objects
from local.argo.player import NAMESPACE, Player
from local.argo.template import NotPlayed
from local.argo.workflow import ApiError, Attempt, Workflow, format_time

Json = dict[str, Any]

CODES = {400: 3, 404: 5, 409: 6, 501: 12, 503: 14}
"""HTTP status → gRPC code."""
OBJECTS = {"workflow-templates": ("WorkflowTemplate", "template"), "cron-workflows": ("CronWorkflow", "cronWorkflow")}
"""Path → kind, and the word under which a request carries one."""
OPTIONS = {"name", "generateName", "parameters", "labels"}


@contextmanager
def serve_argo(player: Player) -> Iterator[str]:
    """Serve on a free port until the block ends; gives the base URL."""
    with _Server(("127.0.0.1", 0), _handler(player)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="argo", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def answer(player: Player, method: str, target: str, body: bytes) -> Json | Iterator[Json]:
    """What a call is answered: one document, or a stream of them. ApiError carries the HTTP status."""
    url = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    match method, [unquote(word) for word in url.path.strip("/").split("/")]:
        case _, ["api", "v1", _, namespace, *_] if namespace != NAMESPACE:
            raise ApiError(404, f'namespaces "{namespace}" not found: this is {NAMESPACE}')
        case "POST", [_, _, "workflows", _, "submit"]:
            return document(submit(player, body))
        case "GET", [_, _, "workflows", _]:
            wanted = pairs(query.get("listOptions.labelSelector", "")).items()
            found = [document(each) for each in player.workflows()]
            items = [each for each in found if wanted <= each["metadata"]["labels"].items()]
            return {"metadata": {}, "items": items or None}
        case "GET", [_, _, "workflows", _, name]:
            return document(player.get(name))
        case "GET", [_, _, "workflows", _, name, "log"]:
            return log(player.get(name), follow=query.get("logOptions.follow") == "true")
        case "PUT", [_, _, "workflows", _, name, ("stop" | "terminate") as verb]:
            return document(player.stop(name, verb.capitalize()))
        case _, [_, _, ("workflow-templates" | "cron-workflows") as path, _, *names]:
            return answer_objects(player.objects, (method, path, names), query, body)
    raise ApiError(501, f"the local player does not serve {method} {url.path}")


def answer_objects(objects: Objects, call: tuple[str, str, list[str]], query: Mapping[str, str], body: bytes) -> Json:
    """What `feedfall deploy` asks: the templates or the crons, one of them, to keep a new one, to change one."""
    method, path, names = call
    kind, word = OBJECTS[path]
    try:
        match method, names:
            case "GET", []:
                items = objects.select(kind, pairs(query.get("listOptions.labelSelector", "")))
                return {"metadata": {}, "items": items or None}
            case "GET", [name]:
                return dict(objects.get(kind, name))
            case "POST", []:
                return dict(objects.create(kind, json.loads(body)[word]))
            case "PUT", [name]:
                return dict(objects.update(kind, name, json.loads(body)[word]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # NotPlayed is one too
        raise ApiError(400, str(error) if isinstance(error, NotPlayed) else f"this is no {kind}: {error!r}") from error
    raise ApiError(501, f"the local player does not serve {method} of a {kind} in this way")


def submit(player: Player, body: bytes) -> Workflow:
    try:
        order = json.loads(body)
        options = {name: value for name, value in (order.get("submitOptions") or {}).items() if value}
        if order["resourceKind"] != "WorkflowTemplate" or options.keys() - OPTIONS:
            raise ApiError(400, f"the local player submits a WorkflowTemplate with {', '.join(sorted(OPTIONS))}")
        given = dict(each.split("=", 1) for each in options.get("parameters", []))
        labels = pairs(options.get("labels", ""))
        template = str(order["resourceName"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ApiError(400, f"this is no order to submit: {error!r}") from error
    name, prefix = str(options.get("name", "")), str(options.get("generateName", ""))
    return player.submit(template, given, name, generate_name=prefix, labels=labels)


def document(workflow: Workflow) -> Json:
    """Show a Workflow as Argo does."""
    over = workflow.finished is not None
    labels = {"workflows.argoproj.io/phase": workflow.phase, **workflow.labels}
    nodes = [_pod(workflow, each) for each in workflow.attempts]
    status = {
        "phase": workflow.phase,
        "startedAt": format_time(workflow.attempts[0].started if workflow.attempts else None),
        "finishedAt": format_time(workflow.finished),
        "progress": f"{int(workflow.phase == 'Succeeded')}/1",
        **({"message": workflow.message} if workflow.message else {}),
        **({"nodes": {node["id"]: node for node in nodes}} if nodes else {}),
    }
    return {
        "metadata": {
            "name": workflow.name,
            "namespace": NAMESPACE,
            "uid": workflow.uid,
            "creationTimestamp": format_time(workflow.created),
            "labels": {**labels, **({"workflows.argoproj.io/completed": "true"} if over else {})},
        },
        "spec": {
            "arguments": {"parameters": [{"name": name, "value": v} for name, v in workflow.parameters.items()]},
            "workflowTemplateRef": {"name": workflow.template.name},
            **({"shutdown": workflow.shutdown} if workflow.shutdown else {}),
        },
        "status": status,
    }


def log(workflow: Workflow, *, follow: bool) -> Iterator[Json]:
    """Every line of every attempt; with `follow` until the Workflow has ended."""
    sent = 0
    while True:
        over = not follow or workflow.ended.is_set()
        for attempt in workflow.attempts[sent:]:
            with attempt.log.open(encoding="utf-8", errors="replace", newline="\n") as lines:
                while True:
                    done = not follow or attempt.finished is not None
                    for line in lines:
                        yield {"result": {"content": line.rstrip("\n"), "podName": attempt.pod}}
                    if done:
                        break
                    workflow.ended.wait(0.1)
            sent += 1
        if over:
            return
        workflow.ended.wait(0.1)


def pairs(text: str) -> dict[str, str]:
    """`a=b,c=d`, as labels are written. ApiError for any other form."""
    words = [each.partition("=") for each in text.split(",") if each]
    if not all(between for _, between, _ in words):
        raise ApiError(400, f"labels are written NAME=VALUE,NAME=VALUE, not {text!r}")
    return {name: value.removeprefix("=") for name, _, value in words}


def _pod(workflow: Workflow, attempt: Attempt) -> Json:
    number = workflow.attempts.index(attempt)
    name = f"{workflow.name}({number})" if workflow.template.retry.limit else workflow.name
    return {
        "id": attempt.pod,
        "name": name,
        "displayName": name,
        "type": "Pod",
        "templateName": workflow.template.step,
        "phase": attempt.status,
        "startedAt": format_time(attempt.started),
        "finishedAt": format_time(attempt.finished),
        **({"message": attempt.message} if attempt.message else {}),
        **({"outputs": {"exitCode": attempt.code}} if attempt.code else {}),
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- socketserver's signature
        """Say nothing of a client that no longer follows a log."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(player: Player) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                found = answer(player, self.command, self.path, body)
            except ApiError as error:
                self._send(error.status, {"code": CODES[error.status], "message": str(error)})
                return
            if isinstance(found, dict):
                self._send(200, found)
            else:
                self._stream(found)

        do_POST = do_PUT = do_GET  # noqa: N815 -- http.server's names

        def _send(self, status: int, found: Mapping[str, Any]) -> None:
            body = json.dumps(found, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, found: Iterator[Json]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()  # HTTP/1.0: the end of the connection is the end of the log
            for each in found:
                self.wfile.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")

        def log_message(self, *_: object) -> None:
            """Keep the terminal for the demo."""

    return Handler
