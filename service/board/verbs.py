"""The verbs of the board, done by `operate`: each act in a transaction of its feed's own ledger, or by Argo.

No act here loads a row. A verb that is not in `VERBS` is done by the command; the board does not show it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import operate.accept
import operate.approve
import operate.hold
import operate.kill
import operate.submit
from catalog import find
from ledger import approval, databases
from ledger.database import session
from ledger.errors import Asked, Misconfigured, Refused, Transient
from operate import previews
from operate.approve import World
from operate.follow import Watch
from operate.kill import KillRequest
from operate.submit import SubmitRequest
from service.board.sources import Changed, Outcome, Preview
from service.board.texts import text
from service.board.texts.previews import NOTHING_TO_DO, sentences
from steps.run import settings
from steps.run.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date

    from catalog import Feed
    from ledger.approval import Approval
    from ledger.database import Connection
    from operate.act import Actor
    from service.board.sources import Language, Target

OTHERS = ".others"
"""The end of a preview's code where another person holds the feed."""
PATIENCE, GRACE = 5.0, 20.0
"""Seconds that a kill retries Argo, and then waits for the run's end: a browser waits no longer."""


@dataclass(frozen=True)
class Call:
    """One verb, by one person."""

    environ: Mapping[str, str]
    actor: Actor
    target: Target
    reason: str = ""
    others: bool = False
    """Has a person read that the hold is another one's, and goes on?"""

    @property
    def feed(self) -> Feed:
        """Raises Misconfigured."""
        try:
            return find.load(self.target.feed, settings.packages(self.environ))
        except find.UnknownFeed as error:
            raise Misconfigured(str(error)) from error

    @property
    def day(self) -> date:
        """Raises Misconfigured."""
        if self.target.base_date is None:
            raise Misconfigured("this verb needs a base date")
        return self.target.base_date

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """A session of the feed's database."""
        with session(databases.url(self.environ, database=self.feed.database), "feedfall board") as connection:
            yield connection


@dataclass(frozen=True)
class Verb:
    """What it would do now, and how it is done; `do` says what is to be said beside the preview."""

    look: Callable[[Call], previews.Preview]
    do: Callable[[Call], str]


class Verbs:
    """`sources.Acts` over the ledgers and Argo. `environ`: as a command has it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ, self.verbs = environ, tuple(VERBS)

    def preview(self, actor: Actor, verb: str, target: Target, language: Language) -> Preview:
        """What it would do now. Raises Failure."""
        return shown(VERBS[verb].look(Call(self._environ, actor, target)), language)

    def act(self, actor: Actor, verb: str, target: Target, reason: str, digest: str, language: Language) -> Outcome:
        """Do it. Raises Changed, Failure."""
        call = Call(self._environ, actor, target, reason)
        before = VERBS[verb].look(call)
        if digest and before.digest != digest:
            raise Changed
        call = replace(call, others=bool(digest) and before.code.endswith(OTHERS))
        words = sentences(before, language)
        try:
            said = VERBS[verb].do(call)
        except Asked as error:
            return Outcome([text(language, "asked", number=error.approval)])
        except Refused as error:
            return Outcome([str(error)], done=False)
        return Outcome([said, *words[1:]] if said else words)


def shown(found: previews.Preview, language: Language) -> Preview:
    """A preview as the page shows it."""
    words = sentences(found, language)
    refusal = words[0] if found.code.endswith(NOTHING_TO_DO) else ""
    can_be_undone = found.reversible != "reversible.no"
    return Preview([] if refusal else words, can_be_undone, found.needs_approval, found.digest, refusal)


def _look_hold(call: Call) -> previews.Preview:
    with call.ledger() as connection:
        return operate.hold.look(connection, call.feed, call.actor, "hold")


def _do_hold(call: Call) -> str:
    with call.ledger() as connection:
        operate.hold.hold(connection, call.feed, call.actor, call.reason, take_over=call.others)
    return ""


def _look_free(call: Call) -> previews.Preview:
    with call.ledger() as connection:
        return operate.hold.look(connection, call.feed, call.actor, "free")


def _do_free(call: Call) -> str:
    with call.ledger() as connection:
        operate.hold.free(connection, call.feed, call.actor, call.reason, others=call.others)
    return ""


def _look_kill(call: Call) -> previews.Preview:
    found = operate.kill.look(_kill_request(call), call.environ, _watch())
    return found[0] if len(found) == 1 else previews.preview("kill", previews.Facts(call.target.feed))


def _do_kill(call: Call) -> str:
    result = operate.kill.kill(_kill_request(call), call.environ, _watch())
    return " ".join(f"{each.text}." for each in result.stops)


def _kill_request(call: Call) -> KillRequest:
    return KillRequest(call.target.name or call.target.feed, call.actor, call.reason)


def _watch() -> Watch:
    return Watch(threading.Event(), PATIENCE, PATIENCE + GRACE, lambda _: None, GRACE)


def _look_accept(call: Call) -> previews.Preview:
    with call.ledger() as connection:
        return operate.accept.look(connection, call.feed, call.day, datetime.now(UTC))


def _do_accept(call: Call) -> str:
    asked = operate.accept.asked(call.feed, call.day, call.actor, call.reason)
    with call.ledger() as connection:
        operate.accept.accept(connection, call.feed, call.day, asked, datetime.now(UTC))
    return ""


def _look_rerun(call: Call) -> previews.Preview:
    with call.ledger() as connection:
        waits = operate.hold.state(connection, call.feed).held_at is not None
    about = {"feed": call.feed.name, "date": f"{call.day}"}
    return previews.Preview("rerun.again", about, "reversible.withdraw", "next.waits" if waits else "next.nothing")


def _do_rerun(call: Call) -> str:
    """A Workflow of pub does it: it is started, and not waited for. Raises Refused in the command's own words."""
    actor, feed = call.actor, call.feed
    wanted = SubmitRequest(
        feed.name, actor.who, day=call.day, rerun=True, reason=call.reason, channel=actor.channel, wait=False
    )
    found = operate.submit.submit(wanted, call.environ, _watch(), lambda _: None)
    if found.ending.code == Exit.TRANSIENT:
        raise Transient(found.ending.reason or "Argo or the database does not answer")
    if found.ending.code != Exit.OK:
        raise Refused(f"{found.ending.status}: {found.ending.reason or found.ending.status.sentence}")
    return f"{found.ending.status} {found.progress.run}."


def _look_approval(call: Call) -> previews.Preview:
    _, asked = _asked(call)
    found = operate.approve.look(World(call.environ), asked)
    if found is None:
        return previews.Preview("accept.absent", {"feed": asked.feed, "date": "", "words": asked.preview})
    return replace(found, needs_approval=False)


def _do_approve(call: Call) -> str:
    database, asked = _asked(call)
    return operate.approve.approve(World(call.environ), database, asked.id, call.actor, call.reason)


def _do_reject(call: Call) -> str:
    database, asked = _asked(call)
    operate.approve.reject(World(call.environ), database, asked.id, call.actor, call.reason)
    return ""


def _asked(call: Call) -> tuple[str, Approval]:
    """The approval that the target names, and its database. Raises Misconfigured."""
    database, _, number = call.target.name.rpartition(":")
    with session(databases.url(call.environ, database=database), "feedfall board") as connection:
        found = [each for each in approval.pending(connection) if str(each.id) == number]
    if not found:
        raise Misconfigured(f"approval {number} waits no longer")
    return database, found[0]


VERBS: Mapping[str, Verb] = {
    "hold": Verb(_look_hold, _do_hold),
    "free": Verb(_look_free, _do_free),
    "kill": Verb(_look_kill, _do_kill),
    "rerun": Verb(_look_rerun, _do_rerun),
    "accept": Verb(_look_accept, _do_accept),
    "approve": Verb(_look_approval, _do_approve),
    "reject": Verb(_look_approval, _do_reject),
}
