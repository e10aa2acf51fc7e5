"""What happens to work on a closed day, in Control-M's words (its `ExceptionPolicy`)."""

from datetime import date
from enum import StrEnum

from business_day.days import Calendar


class Policy(StrEnum):
    """Control-M's four policies for a day that the calendar does not confirm."""

    SKIP = "DoNotOrder"
    NEXT = "OrderOnNextConfirmedDay"
    PREVIOUS = "OrderOnPreviousConfirmedDay"
    ANYWAY = "OrderAnyway"


def shift(calendar: Calendar, day: date, policy: Policy) -> date | None:
    """The day on which the work of `day` runs; None: it does not run. ANYWAY uses no calendar: never NotCovered."""
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
