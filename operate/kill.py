"""kill: stop a run, or all runs of a feed, for good. Called by `feedfall kill`.

find ─▶ intent ─▶ (hold the feed) ─▶ stop each in Argo ─▶ wait until each is over ─▶ outcome

A killed run is no stopped feed: the sweep starts it again, unless the feed is held.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from catalog import find
from ledger import control, databases, heartbeat
from ledger.errors import Failure, Permanent
from operate import hold, previews
from operate.act import Act, Record, begin, end, ended
from operate.argo import Argo
from operate.follow import StopResult, Watch, halt
from operate.patient_ledger import PatientLedger
from operate.previews import Facts, Preview
from steps.run import settings
from steps.run.exits import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from operate.act import Actor
    from operate.ending import WorkflowState


@dataclass(frozen=True)
class KillRequest:
    """What to kill: a Workflow's name, or a feed for all of its runs."""

    name: str
    actor: Actor
    reason: str
    and_hold: bool = False
    take_over: bool = False


@dataclass(frozen=True)
class KillResult:
    """What became of each run, and what follows for each feed."""

    stops: list[StopResult]
    follows: list[Preview]


def kill(wanted: KillRequest, environ: Mapping[str, str], watch: Watch) -> KillResult:
    """Stop the run of this name, or all runs of the feed of this name. Raises Misconfigured; Refused by a hold."""
    packages = settings.packages(environ)
    with Argo(environ) as argo:
        if wanted.and_hold:
            _hold(wanted, argo, environ, watch)
        runs = watch.patiently(lambda: _running(argo, wanted.name, packages))
        stops = [_kill(wanted, argo, each, environ, watch) for each in runs]
    follows = [shown for feed, its in _by_feed(runs).items() if (shown := _follows(feed, its, environ))]
    return KillResult(stops, follows)


def look(wanted: KillRequest, environ: Mapping[str, str], watch: Watch) -> list[Preview]:
    """What `kill` would do now, a preview a feed; it changes nothing."""
    packages = settings.packages(environ)
    with Argo(environ) as argo:
        runs = watch.patiently(lambda: _running(argo, wanted.name, packages))
    feeds = _by_feed(runs) or {wanted.name: {}}
    return [
        previews.preview("kill", _facts(feed, its, environ, and_hold=wanted.and_hold)) for feed, its in feeds.items()
    ]


def _hold(wanted: KillRequest, argo: Argo, environ: Mapping[str, str], watch: Watch) -> None:
    """Hold before anything is killed: what the kill stops must not start again in between."""
    packages = settings.packages(environ)
    run = None if wanted.name in find.names(packages) else watch.patiently(lambda: argo.get(wanted.name))
    name = run.feed if run and run.feed else wanted.name
    if name not in find.names(packages):
        raise Misconfigured(f"{wanted.name} is of no feed that could be held: `feedfall kill` without --and-hold")
    feed = find.load(name, packages)
    with closing(databases.open_session(environ, "feedfall kill", database=feed.database)) as connection:
        before = control.state(connection, feed.name)
        connection.rollback()
        if not (before.held_at and hold.owns(wanted.actor, before)):
            hold.hold(connection, feed, wanted.actor, wanted.reason, take_over=wanted.take_over)


def _kill(wanted: KillRequest, argo: Argo, run: WorkflowState, environ: Mapping[str, str], watch: Watch) -> StopResult:
    act = Act("kill", wanted.actor, wanted.reason, run.feed, {"workflow": run.name})
    with PatientLedger(environ, watch, _database(run, settings.packages(environ))) as ledger:
        record = _begin(ledger, act)
        try:
            watch.patiently(partial(argo.stop, run.name, f"{wanted.actor.words}: {act.reason}"))
            result = halt(argo, run.name, watch, act.reason)
        except BaseException as error:
            with suppress(Failure):
                ledger.once(partial(end, record=ended(record, error)))
            raise
        record.words = result.text
        ledger(partial(end, record=record))
    return result


def _begin(ledger: PatientLedger, act: Act) -> Record:
    """The intent, where the database is there: its outage must not keep a person from stopping a run."""
    try:
        return Record(ledger.once(partial(begin, act=act)))
    except Permanent:
        raise
    except Failure as error:
        record = Record(act)
        record.detail["intent"] = f"not written: {error}"
        return record


def _follows(feed: str, runs: Mapping[str, str], environ: Mapping[str, str]) -> Preview | None:
    """What happens next by itself; None where the database does not say."""
    with suppress(Failure, find.UnknownFeed):
        return previews.preview("kill", _facts(feed, runs, environ, and_hold=False))
    return None


def _facts(feed: str, runs: Mapping[str, str], environ: Mapping[str, str], *, and_hold: bool) -> Facts:
    packages = settings.packages(environ)
    if feed not in find.names(packages):
        return Facts(feed, runs=runs, and_hold=and_hold)
    database = find.load(feed, packages).database
    with closing(databases.open_session(environ, "feedfall kill", database=database)) as connection:
        state = control.state(connection, feed)
        return Facts(feed, state, runs=runs, sweep=heartbeat.alarm(connection), and_hold=and_hold)


def _by_feed(runs: list[WorkflowState]) -> dict[str, dict[str, str]]:
    """Feed → its runs and their stages."""
    feeds: dict[str, dict[str, str]] = {}
    for each in runs:
        feeds.setdefault(each.feed or "", {})[each.name] = each.stage or ""
    return feeds


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
