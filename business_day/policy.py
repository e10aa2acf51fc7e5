"""What becomes of work whose day is closed, in Control-M's words (its `ExceptionPolicy`)."""

from datetime import date
from enum import StrEnum

from business_day.days import Calendar


class Policy(StrEnum):
    """Control-M's four answers to a day that is not confirmed by the calendar."""

    SKIP = "DoNotOrder"
    NEXT = "OrderOnNextConfirmedDay"
    PREVIOUS = "OrderOnPreviousConfirmedDay"
    ANYWAY = "OrderAnyway"


def shift(calendar: Calendar, day: date, policy: Policy) -> date | None:
    """Say on which day work of `day` runs, None for not at all. ANYWAY asks no calendar: never NotCovered."""
    day = calendar.date_of(day)
    if policy is Policy.ANYWAY or calendar.is_business_day(day):
        return day
    match policy:
        case Policy.NEXT:
            return calendar.next(day)
        case Policy.PREVIOUS:
            return calendar.previous(day)
        case Policy.SKIP:
            return None
