"""The templates and crons, stored as an Argo Server stores them: a change must be based on the newest version.

`player` and `clock` play what is here; `feedfall deploy` reads and writes it through `server`. What a deploy changes
holds from the next start on, and until the world ends: the next one begins with what is rendered.
"""

import copy
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any
from uuid import uuid4

from local.argo.template import Cron, Document, Template, read_cron, read_template
from local.argo.workflow import ApiError, format_time, now

PLURALS = {"WorkflowTemplate": "workflowtemplates", "CronWorkflow": "cronworkflows"}


class Objects:
    """Documents by kind and name, and what the player reads in them."""

    def __init__(self, documents: Sequence[Document]) -> None:
        """NotPlayed for a document that asks for more than the player does."""
        self.templates: dict[str, Template] = {}
        self.crons: dict[str, Cron] = {}
        self._documents: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 0
        self._lock = Lock()
        for each in documents:
            self._store(each["kind"], each)

    def get(self, kind: str, name: str) -> Document:
        try:
            return self._documents[kind, name]
        except KeyError:
            raise ApiError(404, f'{PLURALS[kind]}.argoproj.io "{name}" not found') from None

    def select(self, kind: str, labels: Mapping[str, str]) -> list[Document]:
        every = [each for (found, _), each in sorted(self._documents.items()) if found == kind]
        return [each for each in every if labels.items() <= each["metadata"].get("labels", {}).items()]

    def create(self, kind: str, document: Document) -> Document:
        """ApiError where one of that name is there."""
        name = document["metadata"]["name"]
        with self._lock:
            if (kind, name) in self._documents:
                raise ApiError(409, f'{PLURALS[kind]}.argoproj.io "{name}" already exists')
            return self._store(kind, document)

    def update(self, kind: str, name: str, document: Document) -> Document:
        """ApiError where the document is not that one, or is not made of its newest version."""
        with self._lock:
            there = self.get(kind, name)["metadata"]
            metadata = document["metadata"]
            if metadata["name"] != name or not metadata.get("resourceVersion"):
                raise ApiError(400, f"to change {name}, give its name and the resourceVersion that you saw")
            if metadata["resourceVersion"] != there["resourceVersion"]:
                raise ApiError(
                    409, f'Operation cannot be fulfilled on {PLURALS[kind]}.argoproj.io "{name}": it changed'
                )
            return self._store(kind, document)

    def _store(self, kind: str, document: Document) -> Document:
        """Read it first: a document that cannot be played is not stored."""
        name = document["metadata"]["name"]
        if kind == "CronWorkflow":
            cron = read_cron(document)
            if cron.template not in self.templates:
                raise ApiError(
                    400, f"cron {name} starts WorkflowTemplate {cron.template}, which is not here: it goes first"
                )
            self.crons[name] = cron
        else:
            self.templates[name] = read_template(document)
        self._version += 1
        before = self._documents.get((kind, name), {}).get("metadata", {})
        own = {
            "uid": before.get("uid") or str(uuid4()),
            "creationTimestamp": before.get("creationTimestamp") or format_time(now()),
            "resourceVersion": str(self._version),
        }
        # Without apiVersion and kind, as Argo's server answers.
        stored = {"metadata": {**document["metadata"], **own}, "spec": document["spec"]}
        self._documents[kind, name] = copy.deepcopy(stored)
        return stored
