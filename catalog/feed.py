"""What a feed is. A wrong definition fails when its file is imported, with a sentence that says what to write."""

import re
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import time
from typing import Literal
from zoneinfo import ZoneInfo

from business_day import Policy
from catalog.message import Read
from catalog.partner import Request
from catalog.row import Column, Row, columns

LONGEST_NAME = 63
POLICIES = [f"Policy.{each.name}" for each in Policy]


@dataclass(frozen=True)
class Feed:
    """One feed: everything else (topics, tables, templates, doorbell) follows from it."""

    name: str
    row: type[Row]
    key: tuple[str, ...]
    """Columns that name a row. Put those that arrive in order first: half the cost of the load. () = no key."""
    table: str
    calendar: str
    zone: str
    due: time
    """Local time by which an open day's rows are expected."""
    order: time | None = None
    """Local time at which pub sends the request; None: `due`."""
    policy: Policy = Policy.SKIP
    closed: Literal["load", "defer", "quarantine"] = "load"
    """What sub does with a row whose base date the calendar closes; "defer": until its next open day."""
    database: str = ""
    """Which database has its rows and its ledger: "" is DATABASE_URL's, "stk" is DATABASE_URL_STK's."""
    partner: str | None = None
    """Dotted name of the adapter that relay imports; None: another team's API solution answers."""
    read: Read | None = None
    """How an outside response is read; None: our own form, one row per message."""
    request: Callable[[Request], bytes] | None = None
    """How a request is written for an outside API solution; None: our own form."""
    bell: str = "bell"
    """Which topic rings: "bell" (relay's) or, where another system publishes, "response"."""
    transactional: bool | None = None
    """May topics hold offsets that no message has: by transactions, or compacted? None: only relay's responses may."""
    max_bad: int = 100
    """Bad rows that the last ten spans may hold together; one more is a changed contract, not dirty data."""
    max_lost: int = 3
    """Runs in a row that may be killed at one checkpoint; then the feed is blocked: the next would be killed too."""
    max_bad_bytes: int = 16 * 2**20
    """Bytes of the bad rows that the last ten spans may hold together, keys and headers too: the database has them."""
    chunk_rows: int = 100_000
    max_message: int = 16 * 2**20
    """Bytes of a message above which it is quarantined unread."""
    parallel: int = 1
    """Pods that one doorbell starts for sub; they share the topic's partitions."""
    concurrency: int = 4
    """Requests to the partner at once."""
    per_second: float = 10.0
    """Requests to the partner a second, at most."""
    columns: dict[str, Column] = field(init=False, compare=False)

    shards: InitVar[int | None] = None
    """Gone: refused, with what to write instead."""

    def __post_init__(self, shards: int | None) -> None:
        if shards is not None:
            raise ValueError(
                f"feed {self.name!r}: shards is gone, pods share partitions out by themselves; for several pods at "
                f"once write parallel={shards}"
            )
        _check_forms(self)
        object.__setattr__(self, "columns", columns(self.row))
        for wrong, hint in _mistakes(self):
            if wrong:
                raise ValueError(f"feed {self.name!r}: {hint}")

    @property
    def base_date(self) -> str | None:
        """The column that holds a row's base date, if it has one."""
        return next((name for name, column in self.columns.items() if column.base_date), None)

    def topic(self, kind: str, prefix: str = "") -> str:
        """`request`, `response` or `bell` → the topic's name."""
        return f"{prefix}{self.name}.{kind}"

    @property
    def rings(self) -> bool:
        """Does relay ring a bell of its own?"""
        return self.partner is not None and self.bell == "bell"

    @property
    def writes_markers(self) -> bool:
        """May the response topic hold offsets that no client sees (commit markers, aborted records)?"""
        return self.partner is not None if self.transactional is None else self.transactional


def _check_forms(feed: Feed) -> None:
    """Python checks no type by itself, and a wrong one would be noticed only by a run at night. Raises ValueError."""
    forms = [
        (isinstance(feed.key, tuple), f'key is a tuple: write key=("{feed.key}",)'),
        (isinstance(feed.due, time), f"due is {feed.due!r}: write a time such as time(15, 0)"),
        (isinstance(feed.order, time | None), f"order is {feed.order!r}: write a time such as time(15, 0)"),
        (isinstance(feed.policy, Policy), f"policy is {feed.policy!r}: write {' or '.join(map(str, POLICIES))}"),
        (isinstance(feed.row, type), "row is a class: write row=Name, without parentheses"),
    ]
    for right, hint in forms:
        if not right:
            raise ValueError(f"feed {feed.name!r}: {hint}")


def _mistakes(feed: Feed) -> list[tuple[bool, str]]:
    return [
        (not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", feed.name), "a name is 1 to 31 of a-z, 0-9 and -, a letter first"),
        (not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", feed.table), "a table is 1 to 51 of a-z, 0-9 and _, a letter first"),
        (not re.fullmatch(r"|[a-z][a-z0-9]{0,15}", feed.database), 'a database is 1 to 16 of a-z and 0-9, or ""'),
        (not set(feed.key) <= set(feed.columns), f"key {feed.key} names a column that the row does not have"),
        (len(set(feed.key)) != len(feed.key), f"key {feed.key} names a column twice"),
        (
            any(feed.columns[name].nullable for name in feed.key if name in feed.columns),
            f"a column of the key {feed.key} is never null",
        ),
        (
            any(len(name.encode()) > LONGEST_NAME for name in feed.columns),
            f"a column's name is at most {LONGEST_NAME} bytes, as PostgreSQL keeps them",
        ),
        (_base_dates(feed) > 1, "a row has one base date: give its other dates the type Day"),
        (any(column.base_date and column.nullable for column in feed.columns.values()), "a base date is never null"),
        (feed.closed not in ("load", "defer", "quarantine"), 'closed is "load", "defer" or "quarantine"'),
        (feed.closed != "load" and not _base_dates(feed), f'closed="{feed.closed}" needs a column of type BaseDate'),
        (feed.bell not in ("bell", "response"), 'bell is "bell" or "response"'),
        (
            feed.bell == "bell" and feed.partner is None,
            'without a partner no bell rings: write bell="response"',
        ),
        (
            min(feed.max_bad, feed.parallel - 1, feed.concurrency - 1) < 0,
            "max_bad, parallel, concurrency start at 0, 1, 1",
        ),
        (feed.max_lost < 1, "max_lost starts at 1"),
        (feed.max_bad_bytes < 0, "max_bad_bytes starts at 0"),
        (feed.chunk_rows not in range(1, 1_000_001), "chunk_rows is 1 to 1,000,000"),
        (feed.per_second <= 0, "per_second is above 0"),
        (not _is_zone(feed.zone), f"{feed.zone!r} is not a time zone such as Europe/Brussels"),
    ]


def _base_dates(feed: Feed) -> int:
    return sum(column.base_date for column in feed.columns.values())


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ValueError, KeyError, OSError):
        return False
