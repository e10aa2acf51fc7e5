"""kill: stop a run, or all runs of a feed, for good. Called by `feedfall kill`.

find ─▶ stop each in Argo ─▶ a line in the journal ─▶ wait until each is over
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from catalog import find
from ledger import journal
from operate.argo import Argo
from operate.ending import WorkflowState
from operate.follow import StopResult, Watch, halt
from operate.patient_ledger import PatientLedger
from steps.run import settings
from steps.run.exits import Misconfigured


def kill(name: str, environ: Mapping[str, str], by: str, reason: str, watch: Watch) -> list[StopResult]:
    """Stop the run of this name, or all runs of the feed of this name. Empty: none runs. Raises Misconfigured."""
    packages = settings.packages(environ)
    with Argo(environ) as argo:
        runs = watch.patiently(lambda: _running(argo, name, packages))
        ledgers = [PatientLedger(environ, watch, _database(each, packages)) for each in runs]
        for each in runs:
            watch.patiently(partial(argo.stop, each.name, f"{by}: {reason}"))
        # After the act: an outage of the database must not keep a person from stopping a run.
        for each, ledger in zip(runs, ledgers, strict=True):
            with ledger:
                ledger(partial(journal.write, verb="kill", feed=each.feed, who=by, reason=reason, workflow=each.name))
        return [halt(argo, each.name, watch, reason) for each in runs]


def _database(run: WorkflowState, packages: tuple[str, ...]) -> str:
    """The database of the run's feed; a run of no feed that is known here is written down in DATABASE_URL's."""
    return find.load(run.feed, packages).database if run.feed and run.feed in find.names(packages) else ""


def _running(argo: Argo, name: str, packages: tuple[str, ...]) -> list[WorkflowState]:
    found = argo.get(name)
    if found:
        return [] if found.over else [found]
    if name in find.names(packages):
        return argo.running({"feedfall/feed": name})
    raise Misconfigured(f"{name} is neither a Workflow that Argo has nor a feed")
