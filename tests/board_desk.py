"""A night to look at: a desk with every state, a board of it, and verbs that answer from memory."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from operate.act import Actor
from operate.desk.desk import DatabaseState, Desk, FeedDay, FeedState, RunLine, State, Why
from service.board.app import application
from service.board.guard import FormTokens
from service.board.html import Pages
from service.board.local_sessions import LocalSessions
from service.board.picture import Current
from service.board.sign_in import ByCookie
from service.board.sources import Changed, Outcome, Preview, Sources, Target
from service.board.view import Board

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from starlette.types import ASGIApp

    from service.board.sign_in import SignIn
    from service.board.sources import Language

NOW = datetime(2026, 11, 24, 18, 12, tzinfo=UTC)
"""03:12 in Seoul."""
TODAY = date(2026, 11, 24)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe\x1b[31m"
SENTENCES = {
    "not-published": (
        "제휴사 응답: 자료 없음(최신 {newest}), {at} KST.",
        "The partner says: nothing newer than {newest}, at {at} KST.",
    ),
    "blocked": (
        "relay가 종료 코드 78로 멈춤: 제휴사 비밀번호 만료.",
        "relay ended with exit code 78: the partner's password has expired.",
    ),
    "silent": ("데이터베이스 stk 응답 없음, 03:04 KST부터.", "Database stk has not answered since 03:04 KST."),
    "held": ("kim 보류, 02:10 KST: 월말 정합성 점검.", "Held by kim since 02:10 KST: month-end check."),
    "asked": ("요청함, 답을 기다림. 다음 시도 {at} KST.", "Requested, no answer yet. Next try at {at} KST."),
    "runs": ("sub 적재 중, 84,211행.", "sub is loading, 84,211 rows so far."),
    "later": ("{at} KST에 주문.", "Ordered at {at} KST."),
    "here": ("{at} KST 도착.", "Arrived at {at} KST."),
    "accepted": (
        "lee 완료처리, 승인 park: 대체 환율 사용.",
        "Accepted by lee, approved by park: a substitute rate is used.",
    ),
    "closed": ("TARGET 휴무.", "TARGET is closed."),
    "hostile": ("제휴사 말: {words}", "The partner says: {words}"),
    "again": ("{at} KST에 다시 요청.", "Asked again at {at} KST."),
}


def say(why: Why, language: Language, _: ZoneInfo) -> str:
    return SENTENCES[why.code][language == "en"].format(**why.parameters)


def at(hours: float, now: datetime = NOW) -> datetime:
    return now + timedelta(hours=hours)


def day(feed: str, state: State, why: Why, now: datetime = NOW, **more: object) -> FeedDay:
    filled = {"database": "", "order_at": at(-3, now), "due_at": at(-0.5, now), "seq": 1, **more}
    return FeedDay(feed=feed, base_date=filled.pop("base_date", TODAY), state=state, why=why, **filled)  # type: ignore[arg-type]


def night(now: datetime = NOW, *, hostile: bool = True) -> Desk:
    """One of each state, and more that arrived."""
    days, runs = [*pressing(now), *quiet(now)], runs_of_a_night(now)
    if hostile:
        days.append(day("evil", State.ABSENT, Why("hostile", {"words": EVIL}), now, verbs=("rerun",)))
        days.append(day("huge", State.WAITING, Why("hostile", {"words": "A" * 1_000_000}), now, due_at=at(3, now)))
        runs.append(
            RunLine(85, "evil", "", "relay", "evil-relay-1", "FAILED", 65, EVIL, TODAY, at(-1, now), at(-0.9, now))
        )
    feeds = [
        FeedState("fx", "", unanswered=2, oldest_unanswered_at=at(-3, now), lag=0, last_arrival_at=at(-24, now)),
        FeedState("loan", "", held_by="kim", held_at=at(-1, now), held_reason="월말 정합성 점검"),
        FeedState("bond", "", blocked_code=78, blocked_at=at(-0.7, now), blocked_reason="password expired"),
    ]
    swept = at(-0.005, now)
    databases = [
        DatabaseState("", now, sweep_ended_at=swept, sweep_good_at=swept),
        DatabaseState("stk", at(-0.14, now), "connection refused", sweep_ended_at=swept, sweep_good_at=swept),
    ]
    return Desk(now, days, feeds, runs, databases)


def pressing(now: datetime) -> list[FeedDay]:
    """What needs a person, or is under way."""
    verbs = ("rerun", "accept", "hold", "kill")
    return [
        day(
            "fx",
            State.ABSENT,
            Why("not-published", {"newest": "10-30", "at": "01:00"}),
            now,
            verbs=verbs,
            next=Why("again", {"at": "03:30"}),
            next_at=at(0.3, now),
        ),
        day("bond", State.BLOCKED, Why("blocked"), now, verbs=("free", "hold"), due_at=at(1, now)),
        day("stock", State.UNKNOWN, Why("silent"), now, database="stk", due_at=at(2, now)),
        day(
            "index",
            State.ARRIVED,
            Why("here", {"at": "02:41"}),
            now,
            arrived_at=at(-0.6, now),
            loaded=1204,
            quarantined=2,
            verbs=("redrive", "discard"),
        ),
        day("loan", State.HELD, Why("held"), now, verbs=("free",), due_at=at(1.5, now)),
        day("rate", State.RUNNING, Why("runs"), now, loaded=84_211, verbs=("kill", "hold"), due_at=at(0.8, now)),
        day("swap", State.WAITING, Why("asked", {"at": "03:15"}), now, due_at=at(0.4, now), verbs=("hold", "withdraw")),
    ]


def quiet(now: datetime) -> list[FeedDay]:
    """What is still to come, and what is over."""
    return [
        *(
            day(
                f"dawn-{n}",
                State.EXPECTED,
                Why("later", {"at": f"0{4 + n}:00"}),
                now,
                order_at=at(0.8 + n, now),
                due_at=at(1.8 + n, now),
            )
            for n in range(4)
        ),
        *(
            day(
                f"eve-{n:02d}",
                State.ARRIVED,
                Why("here", {"at": "22:10"}),
                now,
                due_at=at(-4.5 + n / 4, now),
                order_at=at(-8, now),
                arrived_at=at(-5 + n / 4, now),
                loaded=1000 + n,
            )
            for n in range(16)
        ),
        day("curve", State.ACCEPTED, Why("accepted"), now, due_at=at(-6, now), order_at=at(-9, now)),
        day("ecb", State.CLOSED, Why("closed"), now, order_at=None, due_at=None, seq=None),
    ]


def runs_of_a_night(now: datetime) -> list[RunLine]:
    return [
        RunLine(
            81,
            "fx",
            "",
            "relay",
            "fx-relay-x7k2p",
            "FAILED",
            75,
            "the partner has nothing newer than 2026-10-30",
            TODAY,
            at(-2.2, now),
            at(-2.1, now),
        ),
        RunLine(
            84, "rate", "", "sub", "rate-sub-p2k1a", "RUNNING", None, None, None, at(-0.2, now), None, at(0.02, now)
        ),
    ]


def calm(now: datetime = NOW) -> Desk:
    """Nothing needs anybody."""
    whole = night(now, hostile=False)
    good = [DatabaseState("", now, sweep_ended_at=now, sweep_good_at=now)]
    return Desk(now, [each for each in whole.days if each.band != "act"], databases=good)


PAGES = Pages()


class MemoryActs:
    """Verbs that write into a list."""

    verbs = ("hold", "free", "kill", "rerun", "accept", "approve", "reject")

    def __init__(self) -> None:
        self.done: list[tuple[Actor, str, Target, str]] = []
        self.state = "1"

    def preview(self, actor: Actor, verb: str, target: Target, language: Language) -> Preview:  # noqa: ARG002
        if language == "en":
            words = [
                f"{verb} {target.feed}: what runs stops at its next chunk.",
                "Tonight's 05:00 order waits until it is freed.",
            ]
        else:
            words = [
                f"{target.feed}: 실행 중인 것은 다음 묶음에서 멈춥니다.",
                "오늘 밤 05:00 주문은 해제할 때까지 기다립니다.",
            ]
        return Preview(words, verb != "kill", verb == "accept", self.state)

    def act(self, actor: Actor, verb: str, target: Target, reason: str, digest: str, language: Language) -> Outcome:  # noqa: ARG002
        if digest not in ("", self.state):
            raise Changed
        self.done.append((actor, verb, target, reason))
        return Outcome([f"{target.feed}: {verb}. {reason}"])


def board_of(
    read: Callable[[datetime], Desk],
    sign_in: SignIn,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: NOW,
    **more: object,
) -> Board:
    """A board that has read once."""
    current = Current(read, clock)
    current.refresh()
    sources = Sources(read, say, **{"acts": MemoryActs(), **more})  # type: ignore[arg-type]
    return Board(sources, current, sign_in, "local", PAGES, now)


def local_sign_in() -> tuple[ByCookie, list[str]]:
    """A sign-in by a printed token, and the tokens that were printed."""
    printed: list[str] = []
    return ByCookie(LocalSessions("kim", printed.append)), printed


def app_of(board: Board) -> ASGIApp:
    return application(board, FormTokens(b"k" * 32))
