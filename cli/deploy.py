"""Bring the templates and crons to an Argo Server: render, lint, create or update what differs, say what changed.

    feedfall deploy --image registry.bank/feedfall:1.4.0              what workflows/ renders
    kustomize build deploy/production | feedfall deploy --file -      what an overlay made of it

It needs rights on WorkflowTemplates and CronWorkflows of one namespace (deploy/ci/rights.yaml), and touches nothing
else: rights, secrets and the doorbell (Argo Events) are the platform team's, by `kubectl apply -k deploy/…`.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from functools import partial
from typing import Annotated

import typer

from cli import show
from cli.submit import seconds
from operate.follow import Watch
from steps.run import settings

Image = Annotated[str, typer.Option(envvar="FEEDFALL_IMAGE", help="The image that pods run; as rendered if absent.")]
File = Annotated[str, typer.Option("--file", "-f", help="Manifests in place of the rendered ones; - is stdin.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
Patience = Annotated[str, typer.Option(help="Outlive so long an outage of Argo.")]


def deploy(*, image: Image = "", file: File = "", dry_run: DryRun = False, patience: Patience = "2m") -> None:
    """Create or update the WorkflowTemplates and CronWorkflows. Again is harmless."""
    from operate import deploy  # noqa: PLC0415 -- only this command pays for Hera

    found = deploy.read(file) if file else deploy.rendered(settings.packages(os.environ))
    wanted = deploy.deployable(found, image)
    if not deploy.lint(wanted):
        _aside("not linted: no argo on the PATH")
    watch = Watch(threading.Event(), seconds(patience), 86_400, _aside)
    there = deploy.Shelf(settings.argo(os.environ))
    done: Counter[str] = Counter()
    for document in wanted:
        verb, differences = watch.patiently(partial(there.put, document, dry_run=dry_run))
        done[verb] += 1
        _line(verb, document["kind"], document["metadata"]["name"])
        for each in differences:
            show.say(f"{'':<14}{each}")
    for kind, name in watch.patiently(partial(there.others, wanted)):
        _line("left alone", kind, f"{name}  (not among these: delete it, if its feed is gone)")
    show.say(f"{', '.join(f'{number} {verb}' for verb, number in done.items())} in {there.service.namespace}.")
    passed_over = sorted({str(each.get("kind")) for each in found} - deploy.KINDS.keys())
    _aside(f"Passed over: {', '.join(passed_over) or 'rights, secrets and the doorbell'}: kubectl apply -k deploy/…")


def _line(verb: str, kind: str, name: str) -> None:
    show.say(f"{verb:<14}{kind:<18}{name}")


def _aside(words: str) -> None:
    show.say(words, err=True)
