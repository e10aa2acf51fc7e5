"""Deploying: choose the manifests, compare them with what an Argo Server has, create or update what differs.

    render | read ──▶ select ──▶ lint ──▶ apply: for each object `ArgoObjects.put` ──▶ a Change

Called by `feedfall deploy`; no other command pays for importing Hera. The only file that uses Hera's service.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import requests
import yaml
from hera.exceptions import AlreadyExists, HeraException, NotFound
from hera.workflows import WorkflowsService, models

from catalog import find
from operate.follow import Watch
from steps.run import settings
from steps.run.exits import Misconfigured, Transient
from workflows import Document, objects

Model = models.WorkflowTemplate | models.CronWorkflow

KINDS: dict[str, type[Model]] = {
    "WorkflowTemplate": models.WorkflowTemplate,
    "CronWorkflow": models.CronWorkflow,
}
LABEL = "app.kubernetes.io/part-of=feedfall"
EMPTY: tuple[object, ...] = (None, {}, [], "", 0, False)
"""What a server may write into a field that our manifest does not have."""
WIDTH = 60
"""Characters of a value that a difference shows."""


@dataclass(frozen=True)
class Change:
    """What became of one object. `verb`: created, changed, unchanged, would create, would change."""

    verb: str
    kind: str
    name: str
    differences: Sequence[str] = ()


def render(packages: Sequence[str]) -> list[Document]:
    """What workflows/ renders."""
    return [each.to_dict() for each in objects(find.every(packages))]


def read(file: str, stdin: TextIO) -> list[Document]:
    """The documents of a file; - is `stdin`."""
    try:
        text = stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return [each for each in yaml.safe_load_all(text) if each]
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"{file} cannot be read: {error}") from error


def select(documents: Sequence[Document], image: str = "") -> list[Document]:
    """Of these the WorkflowTemplates, then the CronWorkflows, which name them. `image` replaces the rendered one."""
    wanted = [each for kind in KINDS for each in documents if each.get("kind") == kind]
    if not wanted:
        raise Misconfigured("nothing to deploy: no WorkflowTemplate and no CronWorkflow")
    for document in wanted:
        if image:
            _set_image(document, image)
        if lost := list(changes(document, to_document(KINDS[document["kind"]](**document)))):
            raise Misconfigured(f"{document['metadata']['name']}: this Hera does not know {lost[0]}")
    return wanted


def lint(wanted: Sequence[Document]) -> bool:
    """Run Argo's own linter. False where its CLI is not on the PATH; the server validates each object in any case."""
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


def apply(wanted: Sequence[Document], argo: ArgoObjects, watch: Watch, *, dry_run: bool) -> Iterator[Change]:
    """Create or update each object. A second time is harmless. Transient when Argo stays away for too long."""
    for document in wanted:
        yield watch.patiently(partial(argo.put, document, dry_run=dry_run))


class ArgoObjects:
    """The WorkflowTemplates and CronWorkflows of an Argo Server, through Hera's service."""

    def __init__(self, argo: settings.Argo) -> None:
        self.service = _Service(argo)

    def put(self, wanted: Document, *, dry_run: bool) -> Change:
        """Create or update one object. A second time is harmless."""
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        get = self.service.get_cron_workflow if kind == "CronWorkflow" else self.service.get_workflow_template
        with translate_errors(f"{kind} {name}"):
            try:
                present = get(name)
            except NotFound:
                return Change(self._create(wanted, dry_run=dry_run), kind, name)
            differences = list(object_changes(wanted, to_document(present)))
            if not differences:
                return Change("unchanged", kind, name)
            if not dry_run:
                self._update(wanted, present)
        return Change("would change" if dry_run else "changed", kind, name, differences)

    def list_others(self, wanted: Sequence[Document]) -> list[tuple[str, str]]:
        """Kind and name of feedfall's objects that are not among the wanted ones."""
        with translate_errors("the list of templates"):
            lists = (
                ("WorkflowTemplate", self.service.list_workflow_templates(label_selector=LABEL).items),
                ("CronWorkflow", self.service.list_cron_workflows(label_selector=LABEL).items),
            )
        known = {(each["kind"], each["metadata"]["name"]) for each in wanted}
        present = [(kind, str(each.metadata.name)) for kind, items in lists for each in items or []]
        return [each for each in present if each not in known]

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

    def _update(self, wanted: Document, present: Model) -> None:
        """Write our spec, labels and annotations; labels and annotations that others added stay."""
        name, current = wanted["metadata"]["name"], to_document(present)
        metadata = dict(current["metadata"])
        for part in ("labels", "annotations"):
            metadata[part] = {**metadata.get(part, {}), **wanted["metadata"].get(part, {})}
        document = {**wanted, "metadata": metadata}
        if wanted["kind"] == "CronWorkflow":
            document |= {"status": current["status"]} if current.get("status") else {}
            cron = models.UpdateCronWorkflowRequest(cron_workflow=models.CronWorkflow(**document))
            self.service.update_cron_workflow(name, cron)
        else:
            template = models.WorkflowTemplateUpdateRequest(template=models.WorkflowTemplate(**document))
            self.service.update_workflow_template(name, template)


class _Service(WorkflowsService):
    """Hera's own, with a time-out and a certificate authority: Hera has no setting for either."""

    def __init__(self, argo: settings.Argo) -> None:
        super().__init__(host=argo.server + "/", token=argo.token or None, namespace=argo.namespace)
        self._trust: str | bool = argo.ca or True

    def _request(self, method: str, **request: Any) -> requests.Response:  # noqa: ANN401 -- hera's own
        return self.session.request(method, **{**request, "verify": self._trust, "timeout": 30})


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raise Hera's and its client's errors as ours."""
    try:
        yield
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, OSError) as error:
        if isinstance(error, requests.ConnectionError | requests.Timeout) and not isinstance(
            error, requests.exceptions.SSLError
        ):
            raise Transient(f"the Argo Server is out of reach: {error}") from error
        raise Misconfigured(f"the Argo Server cannot be used: {error}. Check ARGO_SERVER and ARGO_CA_FILE") from error
    except AlreadyExists as error:
        raise Transient(f"another client changed {what} just now: {error}") from error
    except HeraException as error:
        # Hera has no class for 429, 502, 503 and 504.
        retry = type(error) is HeraException or error.status_code >= 500  # noqa: PLR2004 -- HTTP's own
        kind = Transient if retry else Misconfigured
        raise kind(f"Argo refuses {what}: {error}") from error
    except (AssertionError, KeyError, ValueError) as error:
        raise Misconfigured(f"ARGO_SERVER does not answer as an Argo Server does: {error!r}") from error


def object_changes(wanted: Document, present: Document) -> Iterator[str]:
    """What an update would change: the spec, and our own labels and annotations."""
    yield from changes(wanted["spec"], present["spec"], "spec")
    for part in ("labels", "annotations"):
        own = wanted["metadata"].get(part, {})
        current = present["metadata"].get(part) or {}
        yield from changes(own, {name: current.get(name) for name in own}, part)


def changes(wanted: Any, present: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 -- any part of a document
    """Where two documents differ. A field that is empty in one and absent in the other is no difference."""
    if isinstance(wanted, dict | None) and isinstance(present, dict | None) and (wanted or present):
        left, right = wanted or {}, present or {}
        for key in {**left, **right}:
            yield from changes(left.get(key), right.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(present, list) and len(wanted) == len(present):
        for number, (one, other) in enumerate(zip(wanted, present, strict=True)):
            yield from changes(one, other, f"{path}[{number}]")
    elif wanted != present and not (wanted in EMPTY and present in EMPTY):
        yield f"{path}: {_shorten(present)} -> {_shorten(wanted)}"


def to_document(model: Model) -> Document:
    """The document that a hera model stands for."""
    document: Document = json.loads(model.model_dump_json(exclude_none=True, by_alias=True, exclude_unset=True))
    return document


def _set_image(document: Document, image: str) -> None:
    for template in document["spec"].get("templates", []):
        if "container" in template:
            template["container"]["image"] = image


def _shorten(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else text[:WIDTH] + "…"
