"""The manifests that a deploy brings, and what an Argo Server has of them. The only file that uses Hera's service.

Called by `feedfall deploy`; no other command pays for importing Hera.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml
from hera.exceptions import AlreadyExists, HeraException, NotFound
from hera.workflows import WorkflowsService, models

from catalog import find
from steps.run import settings
from steps.run.exits import Misconfigured, Transient
from workflows import Document, objects

Model = models.WorkflowTemplate | models.CronWorkflow

KINDS: dict[str, type[Model]] = {
    "WorkflowTemplate": models.WorkflowTemplate,
    "CronWorkflow": models.CronWorkflow,
}
OURS = "app.kubernetes.io/part-of=feedfall"
EMPTY: tuple[object, ...] = (None, {}, [], "", 0, False)
"""What a server writes where we wrote nothing."""
SHORT = 60


def rendered(packages: Sequence[str]) -> list[Document]:
    """What workflows/ renders."""
    return [each.to_dict() for each in objects(find.every(packages))]


def read(file: str) -> list[Document]:
    """What a file holds; - is stdin."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return [each for each in yaml.safe_load_all(text) if each]
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"{file} cannot be read: {error}") from error


def deployable(found: Sequence[Document], image: str = "") -> list[Document]:
    """Of these the WorkflowTemplates, then the CronWorkflows, which name them, with their image."""
    wanted = [each for kind in KINDS for each in found if each.get("kind") == kind]
    if not wanted:
        raise Misconfigured("nothing to deploy: no WorkflowTemplate and no CronWorkflow")
    for document in wanted:
        if image:
            _with_image(document, image)
        if lost := list(changes(document, plain(KINDS[document["kind"]](**document)))):
            raise Misconfigured(f"{document['metadata']['name']}: this Hera does not know {lost[0]}")
    return wanted


def lint(wanted: Sequence[Document]) -> bool:
    """Ask Argo's own linter; False where its CLI is not on the PATH (the server looks at each object in any case)."""
    argo = shutil.which("argo")
    if argo is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "all.yaml").write_text(yaml.safe_dump_all(wanted), encoding="utf-8")
        command = [argo, "lint", "--offline", "--no-color", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 -- no shell
    if done.returncode:
        raise Misconfigured(f"argo lint refuses the manifests:\n{done.stdout}{done.stderr}")
    return True


class Shelf:
    """What an Argo Server has, through Hera's service."""

    def __init__(self, argo: settings.Argo) -> None:
        self.service = _Service(argo)

    def put(self, wanted: Document, *, dry_run: bool) -> tuple[str, list[str]]:
        """Create or update one object; what was done, and the differences. Again is harmless."""
        name, is_cron = wanted["metadata"]["name"], wanted["kind"] == "CronWorkflow"
        with translated(f"{wanted['kind']} {name}"):
            try:
                there = self.service.get_cron_workflow(name) if is_cron else self.service.get_workflow_template(name)
            except NotFound:
                return self._create(wanted, dry_run=dry_run), []
            differences = list(changed(wanted, plain(there)))
            if not differences:
                return "unchanged", []
            if not dry_run:
                self._update(wanted, there)
        return ("would change" if dry_run else "changed"), differences

    def others(self, wanted: Sequence[Document]) -> list[tuple[str, str]]:
        """Objects of ours that are not among the wanted ones."""
        with translated("the list of templates"):
            lists = (
                ("WorkflowTemplate", self.service.list_workflow_templates(label_selector=OURS).items),
                ("CronWorkflow", self.service.list_cron_workflows(label_selector=OURS).items),
            )
        known = {(each["kind"], each["metadata"]["name"]) for each in wanted}
        found = [(kind, str(each.metadata.name)) for kind, items in lists for each in items or []]
        return [each for each in found if each not in known]

    def _create(self, wanted: Document, *, dry_run: bool) -> str:
        if dry_run:
            return "would create"
        if wanted["kind"] == "CronWorkflow":
            cron = models.CreateCronWorkflowRequest(cron_workflow=models.CronWorkflow(**wanted))
            self.service.create_cron_workflow(cron)
        else:
            template = models.WorkflowTemplateCreateRequest(template=models.WorkflowTemplate(**wanted))
            self.service.create_workflow_template(template)
        return "created"

    def _update(self, wanted: Document, there: Model) -> None:
        """Put our spec, labels and annotations in place; what others wrote beside them stays."""
        name, found = wanted["metadata"]["name"], plain(there)
        metadata = dict(found["metadata"])
        for part in ("labels", "annotations"):
            metadata[part] = {**metadata.get(part, {}), **wanted["metadata"].get(part, {})}
        document = {**wanted, "metadata": metadata}
        if wanted["kind"] == "CronWorkflow":
            document |= {"status": found["status"]} if found.get("status") else {}
            cron = models.UpdateCronWorkflowRequest(cron_workflow=models.CronWorkflow(**document))
            self.service.update_cron_workflow(name, cron)
        else:
            template = models.WorkflowTemplateUpdateRequest(template=models.WorkflowTemplate(**document))
            self.service.update_workflow_template(name, template)


class _Service(WorkflowsService):
    """Hera's own, with a time-out and a certificate authority, which it has no setting for."""

    def __init__(self, argo: settings.Argo) -> None:
        super().__init__(host=argo.server + "/", token=argo.token or None, namespace=argo.namespace)
        self._trust: str | bool = argo.ca or True

    def _request(self, method: str, **request: Any) -> requests.Response:  # noqa: ANN401 -- hera's own
        return self.session.request(method, **{**request, "verify": self._trust, "timeout": 30})


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn Hera's and its client's errors into ours."""
    try:
        yield
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, OSError) as error:
        if isinstance(error, requests.ConnectionError | requests.Timeout) and not isinstance(
            error, requests.exceptions.SSLError
        ):
            raise Transient(f"the Argo Server is out of reach: {error}") from error
        raise Misconfigured(f"the Argo Server cannot be used: {error}. Check ARGO_SERVER and ARGO_CA_FILE") from error
    except AlreadyExists as error:
        raise Transient(f"somebody else changed {what} just now: {error}") from error
    except HeraException as error:
        # Hera has no class of its own for 429, 502, 503 and 504.
        later = type(error) is HeraException or error.status_code >= 500  # noqa: PLR2004 -- HTTP's own
        kind = Transient if later else Misconfigured
        raise kind(f"Argo refuses {what}: {error}") from error
    except (AssertionError, KeyError, ValueError) as error:
        raise Misconfigured(f"ARGO_SERVER does not answer as an Argo Server does: {error!r}") from error


def changed(wanted: Document, there: Document) -> Iterator[str]:
    """What an update would change: the spec, and our own labels and annotations."""
    yield from changes(wanted["spec"], there["spec"], "spec")
    for part in ("labels", "annotations"):
        mine = wanted["metadata"].get(part, {})
        found = there["metadata"].get(part) or {}
        yield from changes(mine, {name: found.get(name) for name in mine}, part)


def changes(wanted: Any, there: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 -- any part of a document
    """Where two documents differ. What is empty there and absent here is the same."""
    if isinstance(wanted, dict | None) and isinstance(there, dict | None) and (wanted or there):
        left, right = wanted or {}, there or {}
        for key in {**left, **right}:
            yield from changes(left.get(key), right.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        for number, (one, other) in enumerate(zip(wanted, there, strict=True)):
            yield from changes(one, other, f"{path}[{number}]")
    elif wanted != there and not (wanted in EMPTY and there in EMPTY):
        yield f"{path}: {_short(there)} -> {_short(wanted)}"


def plain(model: Model) -> Document:
    """A hera model as the document that it stands for."""
    found: Document = json.loads(model.model_dump_json(exclude_none=True, by_alias=True, exclude_unset=True))
    return found


def _with_image(document: Document, image: str) -> None:
    for template in document["spec"].get("templates", []):
        if "container" in template:
            template["container"]["image"] = image


def _short(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHORT else text[:SHORT] + "…"
