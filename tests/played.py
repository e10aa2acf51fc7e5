"""Templates as they are rendered, and such that run a script: for the tests of the local player."""

import copy
import json
from collections.abc import Callable
from typing import Any

from catalog import find
from local.argo.player import Player
from workflows import manifests

Document = dict[str, Any]
Play = Callable[..., Player]

RENDERED = {
    (found["kind"], found["metadata"]["name"]): found
    for documents in manifests(find.every()).values()
    for found in documents
    if found["kind"] in ("WorkflowTemplate", "CronWorkflow")
}
CONFIGURATION = {"feedfall": {"database-url": "postgresql://there", "kafka-bootstrap-servers": "there:1"}}
SECONDS = 20
SLEEPER = "import time; print('up', flush=True); time.sleep(60)"


def rendered(name: str, kind: str = "WorkflowTemplate") -> Document:
    return copy.deepcopy(RENDERED[kind, name])


def script(code: str, step: Document | None = None, **spec: object) -> Document:
    """fx-sub, but its container runs this Python, and it has a parameter."""
    document = rendered("fx-sub")
    only = document["spec"]["templates"][0]
    only["container"].update(command=["python", "-c", code], args=["{{workflow.parameters.word}}"])
    word = {"name": "word", "value": "0", "enum": ["0", "1"], "description": "What it prints"}
    document["spec"]["arguments"] = {"parameters": [word]}
    only["retryStrategy"]["backoff"] = {"duration": "1s", "factor": 1, "cap": "1s"}
    only["podSpecPatch"] = json.dumps({"terminationGracePeriodSeconds": 1})
    only.update(step or {})
    document["spec"].update(spec)
    return document
