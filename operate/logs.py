"""logs: what a run printed: Argo's own log for as long as that has the pods, then what the ledger kept of it.

Called by `feedfall logs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

from catalog import find
from ledger import databases, run_log
from ledger.errors import Failure
from ledger.run_log import KeptLog
from operate.argo import Argo
from operate.follow import Say, Tail, Watch, over
from steps.run import settings
from steps.run.execution import Outcome
from steps.run.exits import Exit, Misconfigured
from steps.run.status import Status


def read_log(name: str, environ: Mapping[str, str], watch: Watch, out: Say, *, follow: bool) -> str:
    """Hand a run's log to `out`, with `follow` until the run is over. Returns its RESULT line, if there is one."""
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        out(line)

    try:
        result = _of_argo(name, environ, watch, say, follow=follow)
    except Failure:
        if kept := list(kept_logs(environ, name)):
            return show(kept, watch.say, out)
        raise
    if not (result or lines) and (kept := list(kept_logs(environ, name))):
        return show(kept, watch.say, out)
    return result


def kept_logs(environ: Mapping[str, str], name: str) -> Iterator[KeptLog]:
    """The runs of that Workflow that left a log in a ledger, in their order. A database that is away has none now."""
    feeds, _ = find.usable(settings.packages(environ))
    for database in sorted({feed.database for feed in feeds}) or [""]:
        with suppress(Failure), closing(databases.open_session(environ, "feedfall logs", database=database)) as session:
            yield from (each for each in run_log.fetch_of_name(session, name) if each.lines)


def show(kept: list[KeptLog], note: Say, out: Say) -> str:
    """Hand on what was kept, attempt by attempt; the RESULT line of the last."""
    note(f"Argo has no log of {kept[0].name} (any more): these are the last lines that the ledger kept of it")
    for number, each in enumerate(kept, 1):
        for line in (each.lines or "").split("\n"):
            out(line)
        if number < len(kept):
            out(f"an attempt ended with {result_of(each).removeprefix('RESULT ')}")
    return result_of(kept[-1])


def result_of(kept: KeptLog) -> str:
    """Its RESULT line, from its row of the table of runs."""
    code = next((each for each in Exit if each == kept.exit_code), None)
    took = (kept.ended_at - kept.started_at).total_seconds() if kept.ended_at else 0.0
    status = next(each for each in Status if each == kept.status)
    outcome = Outcome(status, code, kept.reason, kept.counts)
    return outcome.line(kept.feed, kept.stage, kept.name, took)


def _of_argo(name: str, environ: Mapping[str, str], watch: Watch, out: Say, *, follow: bool) -> str:
    with Argo(environ) as argo:
        if watch.patiently(lambda: argo.get(name)) is None:
            raise Misconfigured(f"there is no Workflow {name} (any more): `feedfall runs` lists what ran")
        tail = Tail(argo, name, out)
        if follow:
            tail.begin()
            over(argo, name, watch)
        tail.finish()
        return tail.result
