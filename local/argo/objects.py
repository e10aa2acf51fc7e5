"""The templates and crons that are played, kept as an Argo Server keeps them: who changes one must have seen the last.

`player` and `clock` play what is here; `feedfall deploy` reads and writes it through `server`. What a deploy changes
holds from the next start on, and until the world ends: the next one begins with what is rendered.
"""

import copy
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any
from uuid import uuid4

from local.argo.template import Cron, Document, Template, read_cron, read_template
from local.argo.workflow import Refused, now, shown

PLURALS = {"WorkflowTemplate": "workflowtemplates", "CronWorkflow": "cronworkflows"}


class Shelf:
    """Documents by kind and name, and what the player reads in them."""

    def __init__(self, documents: Sequence[Document]) -> None:
        """NotPlayed for a document that asks for more than the player does."""
        self.templates: dict[str, Template] = {}
        self.crons: dict[str, Cron] = {}
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 0
        self._lock = Lock()
        for each in documents:
            self._keep(each["kind"], each)

    def get(self, kind: str, name: str) -> Document:
        try:
            return self._kept[kind, name]
        except KeyError:
            raise Refused(404, f'{PLURALS[kind]}.argoproj.io "{name}" not found') from None

    def listed(self, kind: str, labels: Mapping[str, str]) -> list[Document]:
        every = [each for (found, _), each in sorted(self._kept.items()) if found == kind]
        return [each for each in every if labels.items() <= each["metadata"].get("labels", {}).items()]

    def create(self, kind: str, document: Document) -> Document:
        """Refused where one of that name is there."""
        name = document["metadata"]["name"]
        with self._lock:
            if (kind, name) in self._kept:
                raise Refused(409, f'{PLURALS[kind]}.argoproj.io "{name}" already exists')
            return self._keep(kind, document)

    def update(self, kind: str, name: str, document: Document) -> Document:
        """Refused where the document is not that one, or is not made of its newest version."""
        with self._lock:
            there = self.get(kind, name)["metadata"]
            metadata = document["metadata"]
            if metadata["name"] != name or not metadata.get("resourceVersion"):
                raise Refused(400, f"to change {name}, give its name and the resourceVersion that you saw")
            if metadata["resourceVersion"] != there["resourceVersion"]:
                raise Refused(409, f'Operation cannot be fulfilled on {PLURALS[kind]}.argoproj.io "{name}": it changed')
            return self._keep(kind, document)

    def _keep(self, kind: str, document: Document) -> Document:
        """Read it first: what cannot be played is not kept."""
        name = document["metadata"]["name"]
        if kind == "CronWorkflow":
            cron = read_cron(document)
            if cron.template not in self.templates:
                raise Refused(
                    400, f"cron {name} starts WorkflowTemplate {cron.template}, which is not here: it goes first"
                )
            self.crons[name] = cron
        else:
            self.templates[name] = read_template(document)
        self._version += 1
        before = self._kept.get((kind, name), {}).get("metadata", {})
        own = {
            "uid": before.get("uid") or str(uuid4()),
            "creationTimestamp": before.get("creationTimestamp") or shown(now()),
            "resourceVersion": str(self._version),
        }
        # Without apiVersion and kind, as Argo's server answers.
        kept = {"metadata": {**document["metadata"], **own}, "spec": document["spec"]}
        self._kept[kind, name] = copy.deepcopy(kept)
        return kept
