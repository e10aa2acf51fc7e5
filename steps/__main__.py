"""The pod's only door: stage → settings → run → one RESULT line → exit code."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, NoReturn

from business_day import NoSuchDay, read_date
from catalog import Policy, find
from ledger import control
from ledger.errors import translated
from ledger.key import LeaseKey
from steps.run import encryption, gate, settings
from steps.run.execution import Execution, Outcome, executing, stopping
from steps.run.exits import Exit, Failure, Fenced, Misconfigured, Transient, exit_of
from steps.run.last_lines import recording
from steps.run.status import Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from datetime import date

    from catalog import Feed
    from steps.run.settings import Settings

#: The stages that move a feed's rows: a fault of theirs that needs a person blocks the feed.
MOVING = ("relay", "sub", "release")


def main(words: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one stage. The last line of stdout is always exactly one RESULT."""
    started = time.monotonic()
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr] # a real stream
    arguments = argparse.Namespace(stage="-", feed="-")
    name = "-"
    with stopping() as stop, recording() as printed:
        arguments.printed = printed
        try:
            parser().parse_args(words, namespace=arguments)
            name = settings.run_name(environ)
            if arguments.stage == "sweep":
                outcome = sweep_all(environ, arguments, stop)
            else:
                feed = _select_feed(settings.packages(environ), arguments)
                outcome = execute(_read(environ, arguments.stage, feed.database), arguments, [feed], stop)
        except Exception as error:  # noqa: BLE001 -- the one place where every failure becomes an exit code
            outcome = failure_outcome(error, stop)
    print(outcome.line(arguments.feed or "-", arguments.stage, name, time.monotonic() - started), flush=True)  # noqa: T201 -- the RESULT line
    return outcome.exit


def sweep_all(environ: Mapping[str, str], arguments: argparse.Namespace, stop: threading.Event) -> Outcome:
    """Sweep every database that feeds name; a file of one feed, or a database that is away, stops no other."""
    from steps.watch.databases import sweep_each

    feeds, arguments.unusable = find.usable(settings.packages(environ))

    def sweep(database: str) -> Outcome:
        try:
            its = [feed for feed in feeds if feed.database == database]
            return execute(_read(environ, "sweep", database), arguments, its, stop)
        except Exception as error:  # noqa: BLE001 -- likewise
            return failure_outcome(error, stop)

    return sweep_each(sorted({feed.database for feed in feeds}) or [""], sweep)


def _read(environ: Mapping[str, str], stage: str, database: str) -> Settings:
    environment = settings.read(environ, stage, database)
    for note in encryption.notes(environment, environ):
        print(note, file=sys.stderr, flush=True)  # noqa: T201 -- the pod's log
    return environment


def execute(
    environment: Settings, arguments: argparse.Namespace, feeds: Sequence[Feed], stop: threading.Event
) -> Outcome:
    """Open the ledger, run the stage, record how it ended; a fault that needs a person leaves the feed blocked."""
    with executing(environment, LeaseKey(arguments.feed or "-", arguments.stage), stop, arguments.printed) as execution:
        try:
            with translated():  # a session that the server ended is outside trouble, wherever it shows
                execution.outcome = run_stage(execution, arguments, feeds)
        except Exception as error:  # noqa: BLE001 -- recorded here, translated once
            execution.outcome = failure_outcome(error, stop)
            if arguments.stage in MOVING and execution.outcome.exit.blocks:
                _block(execution, arguments, execution.outcome)
        return execution.outcome


def run_stage(execution: Execution, arguments: argparse.Namespace, feeds: Sequence[Feed]) -> Outcome:
    """Run one stage. Each imports only what it needs: sub never pays for an HTTP client."""
    match arguments.stage:
        case "sub":
            from steps.sub import sub

            return sub(execution, feeds[0])
        case "release":
            from steps.release import release

            return release(execution, feeds[0])
        case "relay":
            from steps.partner import domain
            from steps.relay import relay

            domain.check(execution, feeds[0])
            return relay(execution, feeds[0])
        case "pub":
            from steps.pub import pub

            return pub(
                execution,
                feeds[0],
                _base_dates(arguments, feeds[0], execution),
                arguments.seq,
                arguments.policy or feeds[0].policy,
            )
        case "sweep":
            from steps.sweep import sweep

            return sweep(execution, feeds, arguments.unusable)
        case _:
            from steps.verify import verify

            return verify(execution, feeds[0])


def failure_outcome(error: Exception, stop: threading.Event) -> Outcome:
    """A failure as an outcome. A traceback only for an internal error."""
    if isinstance(error, find.UnknownFeed):
        error = Misconfigured(str(error))
    code = exit_of(error)
    if stop.is_set() and isinstance(error, Transient):
        return Outcome(Status.STOPPED, reason=str(error))
    if code == Exit.BUG:
        traceback.print_exception(error)
    words = (
        str(error)
        if isinstance(error, Failure)
        else f"an internal error (a bug in feedfall): {type(error).__name__}: {error}"
    )
    print(words, file=sys.stderr, flush=True)  # noqa: T201 -- the operator's line
    return Outcome(Status.FENCED if isinstance(error, Fenced) else Status.FAILED, code, words)


def _block(execution: Execution, arguments: argparse.Namespace, outcome: Outcome) -> None:
    try:
        if execution.connection.closed or execution.connection.broken:
            execution.reconnect()
        with translated():
            execution.connection.rollback()
            control.block(execution.connection, arguments.feed, arguments.stage, outcome.exit, outcome.reason or "")
            execution.connection.commit()
    except Failure as error:
        print(f"the feed could not be marked as blocked: {error}", file=sys.stderr)  # noqa: T201 -- likewise


def _select_feed(packages: Sequence[str], arguments: argparse.Namespace) -> Feed:
    feed = find.load(arguments.feed, packages)
    if arguments.stage == "relay" and feed.partner is None:
        raise Misconfigured(f"feed {feed.name} has no partner: another team's API solution answers its requests")
    return feed


def _base_dates(arguments: argparse.Namespace, feed: Feed, execution: Execution) -> list[date]:
    from steps.pub import span

    if arguments.first or arguments.last:
        if arguments.base_date or not (arguments.first and arguments.last):
            raise Misconfigured("give --from and --to together, and no --base-date beside them")
        return span(arguments.first, arguments.last)
    return [arguments.base_date or gate.today(feed, execution.now())]


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is a Misconfigured like any other: exit 78 and a RESULT line."""

    def error(self, message: str) -> NoReturn:
        raise Misconfigured(f"{message}. `python -m steps --help` shows the form")


def parser() -> argparse.ArgumentParser:
    """Build the parser. An empty value counts as absent, as Argo passes it."""
    top = Parser(prog="python -m steps", description="Run one stage of a feed, and leave.")
    stages = top.add_subparsers(dest="stage", required=True, metavar="stage", parser_class=Parser)
    for stage, words in STAGES.items():
        form = stages.add_parser(stage, help=words, description=words)
        form.set_defaults(feed=None)
        if stage != "sweep":
            form.add_argument("--feed", required=True)
        if stage == "pub":
            form.add_argument(
                "--base-date", type=_date, help="YYYY-MM-DD, YYYYMMDD or YYMMDD; the feed's today if absent"
            )
            form.add_argument(
                "--seq", type=_seq, default=1, help="attempt number, from 1: a higher one requests the same date again"
            )
            form.add_argument("--from", dest="first", type=_date, help="request every open day from here …")
            form.add_argument("--to", dest="last", type=_date, help="… to here")
            form.add_argument("--policy", type=_policy, help="on a closed day, in Control-M's words")
    return top


STAGES = {
    "pub": "request the rows of base dates",
    "relay": "answer requests by asking the partner",
    "sub": "load responses",
    "release": "load deferred rows whose day has come",
    "sweep": "start what is due and does not run",
    "verify": "prove the ledger",
}


def _date(word: str) -> date | None:
    """A date in the forms that schedulers write, never a guess."""
    try:
        return read_date(word) if word else None
    except NoSuchDay as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seq(word: str) -> int:
    if word.isascii() and word.isdigit() and 1 <= int(word) < 2**31:
        return int(word)
    raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1")


def _policy(word: str) -> Policy | None:
    if not word:
        return None
    if word in list(Policy):
        return Policy(word)
    raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(Policy)}")


if __name__ == "__main__":
    # Imported objects stay, and a drain frees by reference counts: looking for cycles took a sixth of its time.
    gc.freeze()
    gc.set_threshold(50_000)
    sys.exit(main())
