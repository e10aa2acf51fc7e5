"""`feedfall rebind`: a topic was moved, renamed or mirrored. It is shown first, and done only with --yes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import operate.rebind
from cli.ending import Words, end
from cli.options import By, FeedName, Json, Reason, actor, load_feed, open_ledger, read_settings
from operate.act import Act
from operate.mirror import Place
from operate.moves import Given, Move, read_map
from operate.rebind import RebindResult
from steps.run.execution import stopping
from steps.run.exits import Misconfigured

Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only shown.")]
MapFile = Annotated[
    str | None, typer.Option("--map", help="A CSV of PARTITION,OFFSET: where each partition of the responses goes on.")
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        "--mirror",
        help="mm2-offset-syncs.ALIAS.internal or ALIAS.checkpoints.internal of MirrorMaker 2; may be repeated.",
    ),
]
MirrorServers = Annotated[
    str | None,
    typer.Option("--mirror-servers", help="HOST:PORT of the Kafka that has these topics, where it is not the new one."),
]


def rebind(
    feed: FeedName,
    reason: Reason,
    by: By,
    offsets: MapFile = None,
    mirrors: Mirrors = None,
    servers: MirrorServers = None,
    *,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let a feed go on in the topic that its own was moved, renamed or mirrored to (exit 81)."""
    result = _rebind(feed, by, reason, _given(offsets, mirrors or [], servers), yes=yes)
    end(feed, result.outcome, WORDS, list(map(_line, result.moves)), as_json=as_json)


def _given(offsets: str | None, mirrors: list[str], servers: str | None) -> Given:
    if (offsets and mirrors) or (servers and not mirrors):
        raise Misconfigured("give --map, or --mirror, with --mirror-servers where it is needed")
    if offsets:
        return Given(read_map(_read(offsets), offsets))
    return Given(mirror=Place(mirrors, servers)) if mirrors else Given()


def _rebind(feed: str, by: str, reason: str, given: Given, *, yes: bool) -> RebindResult:
    wanted = load_feed(feed)
    with stopping() as stop:
        if yes:
            act = Act("rebind", actor(by), reason, feed)
            return operate.rebind.move(read_settings(wanted), wanted, given, act, stop)
        with open_ledger(wanted) as (environment, connection):
            return operate.rebind.look(environment, connection, wanted, given, stop)


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} cannot be read: {error}") from error


WORDS = Words(
    "moves",
    ("stage", "old topic", "partition", "from", "new topic", "to", "how sure"),
    empty="reads the topics that it has: there is nothing to rebind.",
    shown="With --yes each goes on at `to`.",
    done="Rebound.",
)


def _line(each: Move) -> tuple[object, ...]:
    old = each.old
    return (old.stage, old.topic, old.partition, old.next_offset, each.topic.name, each.offset, each.sure)
