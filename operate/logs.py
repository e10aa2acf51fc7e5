"""logs: what a run printed, for as long as Argo has its pods. Called by `feedfall logs`."""

from __future__ import annotations

from collections.abc import Mapping

from operate.argo import Argo
from operate.follow import Say, Tail, Watch, over
from steps.run.exits import Misconfigured


def read_log(name: str, environ: Mapping[str, str], watch: Watch, out: Say, *, follow: bool) -> str:
    """Hand a run's log to `out`, with `follow` until the run is over. Returns its RESULT line, if there is one."""
    with Argo(environ) as argo:
        if watch.patiently(lambda: argo.get(name)) is None:
            raise Misconfigured(f"there is no Workflow {name} (any more): `feedfall runs` lists what ran")
        tail = Tail(argo, name, out)
        if follow:
            tail.begin()
            over(argo, name, watch)
        tail.finish()
        return tail.result
