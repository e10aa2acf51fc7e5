"""What an act will do now: values in, a code with parameters out. Pure; the words come last.

    facts of this moment ──preview──▶ Preview(code, what follows, reversible?, second person?) ──words──▶ sentences

The codes are the same in the command, the API and on the board; `WORDS` has English, another language another table.
`digest` is of all that the decision rests on: an approval that was asked for in another world is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.control import Control, Lift

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

SEOUL = ZoneInfo("Asia/Seoul")
#: What the sweep starts by itself.
SWEPT = ("relay", "sub", "release")
#: So many entries or rows at once are a bulk act, and need a second person.
BULK = 100

#: What is shown, and changes by itself every minute: no decision rests on it.
VOLATILE = frozenset({"words", "sweep"})


@dataclass(frozen=True)
class Facts:
    """What a preview rests on. Each verb needs some of it."""

    feed: str = ""
    control: Control = field(default_factory=Control)
    own: bool = False
    """Is the hold that is there the actor's own?"""
    and_hold: bool = False
    only: Lift | None = None
    runs: Mapping[str, str] = field(default_factory=dict)
    """Name → stage of what would be killed; "": of no stage of ours."""
    sweep: str | None = None
    """What is wrong with the sweep."""
    base_date: date | None = None
    situation: str | None = None
    """What there is in place of the base date's rows; None: they are here."""
    words: str = ""
    accepted_by: str | None = None
    gaps: Sequence[str] = ()
    """Each as one line."""
    feeds: Sequence[str] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    """Feed → whose hold stays."""
    count: int = 0
    """Of entries or rows."""


@dataclass(frozen=True)
class Preview:
    """What will happen, and what follows. Each is a code of `WORDS`; `parameters` are for all of its sentences."""

    code: str
    parameters: Mapping[str, str | int | None] = field(default_factory=dict)
    reversible: str = "reversible.no"
    """How it is taken back."""
    next: str = "next.nothing"
    """What the sweep, or a person, does next."""
    needs_approval: bool = False

    @property
    def digest(self) -> str:
        """The same where the decision rests on the same facts."""
        parameters = {name: value for name, value in self.parameters.items() if name not in VOLATILE}
        facts = [self.code, self.reversible, self.next, parameters]
        return sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def required(verb: str, arguments: Mapping[str, object]) -> bool:
    """Does this act need a second person? `arguments`: as the approval freezes them; `count` of a bulk act."""
    count = arguments.get("count", 0)
    match verb:
        case "accept":
            return not arguments.get("undo")
        case "skip-gap" | "force":
            return True
        case "hold":
            return bool(arguments.get("all"))
        case "discard" | "replay" | "redrive":
            return isinstance(count, int) and count > BULK
    return False


def preview(verb: str, facts: Facts) -> Preview:
    """What this verb will do now. KeyError for a verb without a preview."""
    return PREVIEWS[verb](facts)


def _hold(facts: Facts) -> Preview:
    about = _control(facts)
    back, after = "reversible.free", "next.waits"
    if not facts.control.held_at:
        return Preview("hold.open", about, back, after)
    return Preview("hold.own" if facts.own else "hold.others", about, back, after)


def _hold_all(facts: Facts) -> Preview:
    held = {name: facts.held[name] for name in sorted(facts.held)}
    free = [feed for feed in facts.feeds if feed not in held]
    stays = "; ".join(f"{name} {who}" for name, who in held.items())
    about: dict[str, str | int | None] = {"count": len(free), "feeds": _list(free), "held": stays or "none"}
    second = required("hold", {"all": True})
    return Preview("hold.all", about, "reversible.free-all", "next.waits", needs_approval=second)


def _free(facts: Facts) -> Preview:
    state = facts.control
    there = {Lift.HOLD: state.held_at, Lift.BLOCK: state.blocked_at, Lift.WAIT: state.wait_until}
    lifted = [each for each, since in there.items() if since and facts.only in (None, each)]
    about = {**_control(facts), "lifted": _list(lifted)}
    if not lifted:
        return Preview("free.nothing", about)
    left = [each for each, since in there.items() if since and each not in lifted]
    after = "next.stays" if Lift.HOLD in left or Lift.BLOCK in left else _sweep_next(facts)
    code = "free.lifts" if Lift.HOLD not in lifted or facts.own else "free.others"
    return Preview(code, {**about, "left": _list(left)}, "reversible.hold", after)


def _kill(facts: Facts) -> Preview:
    about = {**_control(facts), "runs": _list(facts.runs)}
    if not facts.runs and not facts.and_hold:
        return Preview("kill.nothing", about)
    code = "kill.runs" if facts.runs else "kill.none-yet"
    stopped = facts.and_hold or facts.control.held_at or facts.control.blocked_at
    if facts.and_hold:
        return Preview(f"{code}-and-hold", about, "reversible.free", "next.held")
    if stopped:
        return Preview(code, about, "reversible.nothing-lost", "next.stays-stopped")
    if not any(stage in SWEPT for stage in facts.runs.values()):
        return Preview(code, about, "reversible.nothing-lost", "next.submit-again")
    return Preview(code, about, "reversible.nothing-lost", "next.no-sweep" if facts.sweep else "next.again")


def _accept(facts: Facts) -> Preview:
    about = {"feed": facts.feed, "date": f"{facts.base_date}", "situation": facts.situation, "words": facts.words}
    if facts.situation is None:
        return Preview("accept.here", about)
    if facts.accepted_by:
        return Preview("accept.already", {**about, "by": facts.accepted_by})
    return Preview(
        "accept.absent", about, "reversible.accept-undo", "next.accepted", needs_approval=required("accept", {})
    )


def _skip_gap(facts: Facts) -> Preview:
    about = {"feed": facts.feed, "gaps": _list(facts.gaps)}
    if not facts.gaps:
        return Preview("skip-gap.nothing", about)
    return Preview("skip-gap.lost", about, "reversible.no", "next.goes-on", needs_approval=required("skip-gap", {}))


PREVIEWS = {
    "hold": _hold,
    "hold-all": _hold_all,
    "free": _free,
    "kill": _kill,
    "accept": _accept,
    "skip-gap": _skip_gap,
}


def _sweep_next(facts: Facts) -> str:
    return "next.no-sweep" if facts.sweep else "next.started"


def _control(facts: Facts) -> dict[str, str | int | None]:
    state = facts.control
    return {
        "feed": facts.feed,
        "by": state.held_by,
        "since": kst(state.held_at) if state.held_at else None,
        "reason": state.held_reason,
        "code": state.blocked_code,
        "sweep": facts.sweep,
    }


def kst(moment: datetime) -> str:
    """A time as operators read it, with its zone."""
    return f"{moment.astimezone(SEOUL):%Y-%m-%d %H:%M:%S} KST"


def _list(words: Iterable[object]) -> str:
    return ", ".join(f"{each}" for each in words)


#: Code → its English sentence.
WORDS: Mapping[str, str] = {
    "hold.open": "{feed} stops: nothing of it commits any more, and no request is sent.",
    "hold.own": "{feed} is held by you already, since {since}: your reason is replaced.",
    "hold.others": "{feed} is held by {by} since {since}: {reason}. Only --take-over makes it yours.",
    "hold.all": "{count} feeds stop: {feeds}. What is held already stays so: {held}.",
    "free.nothing": "{feed} is neither held nor blocked: nothing is lifted.",
    "free.lifts": "It lifts of {feed}: {lifted}.",
    "free.others": "It lifts of {feed}: {lifted}. The hold is {by}'s, since {since}: {reason}. It needs --others-hold.",
    "kill.nothing": "Nothing of it runs.",
    "kill.runs": "It stops {runs}. Each ends its chunk or rolls it back.",
    "kill.runs-and-hold": "It holds {feed} first, then stops {runs}. Each ends its chunk or rolls it back.",
    "kill.none-yet-and-hold": "Nothing of {feed} runs now; it is held, so that nothing starts.",
    "accept.here": "The rows of {feed} {date} are here: there is nothing to accept.",
    "accept.already": "{feed} {date} is accepted already, by {by}.",
    "accept.absent": "{feed} {date} counts as done without its rows. Now: {words}.",
    "skip-gap.nothing": "{feed} has no gap: there is nothing to skip.",
    "skip-gap.lost": "Accepted as lost for good: {gaps}.",
    "reversible.no": "It cannot be taken back.",
    "reversible.free": "`feedfall free {feed}` takes it back.",
    "reversible.free-all": "`feedfall free --all` takes back what it holds.",
    "reversible.hold": "`feedfall hold {feed}` stops it again.",
    "reversible.accept-undo": "`feedfall accept {feed} --date {date} --undo` takes it back.",
    "reversible.nothing-lost": "Nothing is lost: the next run goes on where it stopped.",
    "next.nothing": "",
    "next.waits": "Until then messages stay in Kafka, and orders wait.",
    "next.started": "The sweep starts within 60 s what waits.",
    "next.stays": "{feed} does not move yet: {left} stays.",
    "next.again": "The sweep starts it again within 60 s unless it is held: `kill --and-hold`.",
    "next.no-sweep": "No sweep starts it again now: {sweep}.",
    "next.held": "Nothing of it starts before `feedfall free {feed}`.",
    "next.stays-stopped": "{feed} is held or blocked: nothing of it starts before `feedfall free {feed}`.",
    "next.submit-again": "The sweep does not start it again: the same `feedfall submit` does.",
    "next.accepted": "The sweep reports it absent no more; rows that come all the same are loaded.",
    "next.goes-on": "{feed} goes on behind them with the next doorbell or sweep.",
    "approval": "It needs a second person: `feedfall approve`.",
}


def words(shown: Preview, table: Mapping[str, str] = WORDS) -> str:
    """The sentences of a preview, in the language of the table."""
    codes = (
        shown.code,
        *(() if shown.code.endswith((".nothing", ".here", ".already")) else (shown.reversible, shown.next)),
    )
    sentences = [table[code].format(**{"feed": "", **shown.parameters}) for code in codes]
    return " ".join(filter(None, [*sentences, table["approval"] if shown.needs_approval else ""]))


def after(shown: Preview, table: Mapping[str, str] = WORDS) -> str:
    """What follows, once it is done."""
    codes = (shown.reversible, shown.next)
    return " ".join(filter(None, (table[code].format(**{"feed": "", **shown.parameters}) for code in codes)))
