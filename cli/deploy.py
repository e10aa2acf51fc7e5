"""Bring the templates and crons to an Argo Server: render, lint, create or update what differs, say what changed.

    feedfall deploy --image registry.bank/feedfall:1.4.0              what workflows/ renders
    kustomize build deploy/production | feedfall deploy --file -      what an overlay made of it

It needs rights on WorkflowTemplates and CronWorkflows of one namespace (account feedfall-deploy of
deploy/ci/rights.yaml), and touches nothing else: the platform team applies rights, secrets, the admission policy and
the doorbell (Argo Events) with `kubectl apply -k deploy/…`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from functools import partial
from typing import Annotated

import typer

from cli import show
from cli.options import Patience, aside, seconds
from operate import controller
from operate.follow import Watch
from steps.run import settings

Image = Annotated[str, typer.Option(envvar="FEEDFALL_IMAGE", help="The image that pods run; as rendered if absent.")]
File = Annotated[str, typer.Option("--file", "-f", help="Manifests in place of the rendered ones; - is stdin.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
Controller = Annotated[
    str,
    typer.Option(
        help="ConfigMap of Argo's controller, in which templateReferencing is checked.", metavar="NAMESPACE/NAME"
    ),
]


def deploy(
    *,
    image: Image = "",
    file: File = "",
    dry_run: DryRun = False,
    patience: Patience = "2m",
    controller_config: Controller = controller.CONFIG,
) -> None:
    """Create or update the WorkflowTemplates and CronWorkflows. A second time is harmless."""
    from operate import deploy  # noqa: PLC0415 -- only this command pays for Hera

    documents = deploy.read(file, sys.stdin) if file else deploy.render(settings.packages(os.environ))
    wanted = deploy.select(documents, image)
    if not deploy.lint(wanted):
        aside("not linted: no argo on the PATH")
    watch = Watch(threading.Event(), seconds(patience), 86_400, aside)
    argo = deploy.ArgoObjects(settings.argo(os.environ))
    counts: Counter[str] = Counter()
    for change in deploy.apply(wanted, argo, watch, dry_run=dry_run):
        counts[change.verb] += 1
        _line(change.verb, change.kind, change.name)
        for each in change.differences:
            show.say(f"{'':<14}{each}")
    for kind, name in watch.patiently(partial(argo.list_others, wanted)):
        _line("left alone", kind, f"{name}  (not among these: delete it, if its feed is gone)")
    show.say(f"{', '.join(f'{number} {verb}' for verb, number in counts.items())} in {argo.service.namespace}.")
    skipped = sorted({str(each.get("kind")) for each in documents} - deploy.KINDS.keys())
    aside(f"Skipped: {', '.join(skipped) or 'rights, secrets and the doorbell'}: kubectl apply -k deploy/…")
    aside(controller.check(controller_config))


def _line(verb: str, kind: str, name: str) -> None:
    show.say(f"{verb:<14}{kind:<18}{name}")
