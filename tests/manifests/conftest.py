"""What the tests of this folder read: the rendered documents, by file name."""

from typing import Any

import pytest
import yaml

import feeds
from workflows import render

Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def rendered() -> Documents:
    """Return each file's documents, read back from its text: hera drops unknown keys silently."""
    return {name: list(yaml.safe_load_all(text)) for name, text in render.render(feeds.PACKAGES).items()}


@pytest.fixture(scope="session")
def templates(rendered: Documents) -> dict[str, dict[str, Any]]:
    return _of_kind(rendered, "WorkflowTemplate")


@pytest.fixture(scope="session")
def crons(rendered: Documents) -> dict[str, dict[str, Any]]:
    return _of_kind(rendered, "CronWorkflow")


def _of_kind(rendered: Documents, kind: str) -> dict[str, dict[str, Any]]:
    every = [document for documents in rendered.values() for document in documents]
    return {found["metadata"]["name"]: found["spec"] for found in every if found["kind"] == kind}
