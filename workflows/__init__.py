"""WHEN AND WHERE IT RUNS: Hera definitions, one container factory, rights, render. Builds manifests, nothing else.

One file for each object, in the order of the flow: pub, relay, sub, release, script, sweep. `pod` is what they share;
`doorbell` is Argo Events' part. Read by `python -m workflows.render`, by the local player and by the tests. No pod
imports this room.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from hera.workflows import CronWorkflow, WorkflowTemplate

from catalog import Feed
from scripts.verify import verify
from workflows import doorbell, pub, relay, release, rights, script, sub, sweep

Document = dict[str, Any]

KUSTOMIZATION = "kustomization.yaml"


def manifests(feeds: Sequence[Feed]) -> dict[str, list[Document]]:
    """Return everything that goes into `argo-workflows/`: file name → the documents of that file."""
    files = {"rights.yaml": rights.documents()}
    for kind in (WorkflowTemplate, CronWorkflow):  # see _kustomization
        files |= {_file(each): [each.to_dict()] for each in objects(feeds) if isinstance(each, kind)}
    return files | {KUSTOMIZATION: [_kustomization(list(files))]}


def events(feeds: Sequence[Feed], prefix: str = "") -> dict[str, list[Document]]:
    """Return everything that goes into `argo-events/`, in the same form."""
    files = {"rights.yaml": rights.doorbell_documents()}
    files |= {f"{kind.lower()}.yaml": [document] for kind, document in doorbell.documents(feeds, prefix).items()}
    return files | {
        KUSTOMIZATION: [_kustomization(list(files))],
        f"address/{KUSTOMIZATION}": [doorbell.address(feeds)],
        f"sasl-ssl/{KUSTOMIZATION}": [doorbell.sasl_ssl(feeds)],
    }


def objects(feeds: Sequence[Feed]) -> Iterator[WorkflowTemplate | CronWorkflow]:
    """All templates and crons in the order of the flow, feed by feed; at the end the sweep, which serves all feeds."""
    for feed in feeds:
        yield from _of(feed)
    yield from (sweep.template(feeds), sweep.cron(feeds))


def _of(feed: Feed) -> Iterator[WorkflowTemplate | CronWorkflow]:
    yield from (pub.template(feed), pub.cron(feed))
    if feed.partner:
        yield relay.template(feed)
    yield sub.template(feed)
    if feed.base_date:
        yield release.template(feed)
    nightly = verify(feed)
    yield script.template(nightly)
    if cron := script.cron(nightly):
        yield cron


def _file(work: WorkflowTemplate | CronWorkflow) -> str:
    return f"{work.name}.{type(work).__name__.lower()}.yaml"


def _kustomization(resources: list[str]) -> Document:
    """Return the list of the files. The order matters: a cron applied before its template does not run for 20 minutes.

    Argo's controller marks such a cron SpecError and looks at it again only at its informer's resync (seen with
    v4.0.7). Without `fifo` kustomize sorts by kind, C before W.
    """
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "sortOptions": {"order": "fifo"},
        "resources": resources,
    }
