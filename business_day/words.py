"""The values of a day: why it is closed (Closure), and a later decision about it (Override).

They are compared by their content. A calendar keeps them, so never change one. Written by hand: `dataclasses` or
`typing` would take longer to import than a whole answer takes.
"""

from datetime import date, datetime


class Closure:
    """Why a day is closed. Its text is for people: `추석 (Chuseok)`, `Good Friday`, `토요일 (Saturday)`."""

    __slots__ = ("english", "kind", "name")

    def __init__(self, kind: str, name: str, english: str = "") -> None:
        self.kind = kind
        """WEEKEND, PUBLIC, SUBSTITUTE, TEMPORARY, ELECTION, BANK, MARKET, OWN or OVERRIDE."""
        self.name = name
        self.english = english
        """The same in English, where the name is Korean."""

    def __str__(self) -> str:
        return f"{self.name} ({self.english})" if self.english else self.name

    def __repr__(self) -> str:
        return f"Closure({self.kind!r}, {self.name!r}, {self.english!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Closure) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


class Override:
    """A decision about one day of one calendar, which wins over its table in both directions."""

    __slots__ = ("at", "by", "calendar", "day", "evidence", "is_open", "reason")

    def __init__(
        self,
        calendar: str,
        day: date,
        *,
        is_open: bool,
        reason: str,
        evidence: str = "",
        by: str = "",
        at: datetime | None = None,
    ) -> None:
        self.calendar = calendar
        self.day = day
        self.is_open = is_open
        self.reason = reason
        """Why, as it is shown in place of the table's name: `임시공휴일`."""
        self.evidence = evidence
        """Where that can be read: a gazette's number, a letter, an address."""
        self.by = by
        self.at = at

    def __repr__(self) -> str:
        return f"Override({', '.join(f'{name}={getattr(self, name)!r}' for name in _FIELDS)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Override) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


_FIELDS = ("calendar", "day", "is_open", "reason", "evidence", "by", "at")

WEEKDAYS = (
    ("월요일", "Monday"),
    ("화요일", "Tuesday"),
    ("수요일", "Wednesday"),
    ("목요일", "Thursday"),
    ("금요일", "Friday"),
    ("토요일", "Saturday"),
    ("일요일", "Sunday"),
)
"""By `date.weekday()`, in Korean and English."""
SATURDAY, SUNDAY = 5, 6


def weekend(*weekdays: int) -> dict[int, Closure]:
    """The closures of a weekend, by weekday."""
    return {weekday: Closure("WEEKEND", *WEEKDAYS[weekday]) for weekday in weekdays}
