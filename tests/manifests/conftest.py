"""What the tests of this folder read: the rendered documents of one feed, by file name."""

from typing import Any

import pytest
import yaml

from catalog import find
from workflows import events, manifests, render

Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def rendered() -> Documents:
    """Return each file of argo-workflows/, read back from its text: hera drops unknown keys silently."""
    return _folder("argo-workflows")


@pytest.fixture(scope="session")
def doorbell() -> dict[str, dict[str, Any]]:
    """Return the spec of each object of argo-events/, by its kind."""
    files = _folder("argo-events")
    return {found["kind"]: found["spec"] for documents in files.values() for found in documents if "spec" in found}


@pytest.fixture(scope="session")
def templates(rendered: Documents) -> dict[str, dict[str, Any]]:
    return _of_kind(rendered, "WorkflowTemplate")


@pytest.fixture(scope="session")
def crons(rendered: Documents) -> dict[str, dict[str, Any]]:
    return _of_kind(rendered, "CronWorkflow")


def _folder(name: str) -> Documents:
    """Of fx alone: what is said here of each file stays true when a feed is added."""
    documents = {"argo-workflows": manifests, "argo-events": events}[name]([find.load("fx")])
    return {file: list(yaml.safe_load_all(render.text(found))) for file, found in documents.items()}


def _of_kind(rendered: Documents, kind: str) -> dict[str, dict[str, Any]]:
    every = [document for documents in rendered.values() for document in documents]
    return {found["metadata"]["name"]: found["spec"] for found in every if found["kind"] == kind}
