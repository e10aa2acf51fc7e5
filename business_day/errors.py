"""What can be wrong with a question or with a calendar. Each text says what to write instead.

CalendarError
├── NotCovered        the calendar does not reach this day, and does not guess
├── UnknownCalendar   no calendar has this name
├── NoSuchDay         a date that is none, a 23rd business day of a month with 20, no business days from a closed day
├── Contradiction     two overrides of one day disagree
└── BadCalendar       a calendar file that cannot be read; the text names file and key
"""


class CalendarError(Exception):
    """Something is wrong with a calendar, or with a question about it."""


class NotCovered(CalendarError, LookupError):  # noqa: N818 -- a state of a calendar, like the others
    """The calendar does not reach this day, and does not guess."""


class UnknownCalendar(CalendarError, LookupError):  # noqa: N818
    """No such calendar; the text lists those there are."""


class NoSuchDay(CalendarError, ValueError):  # noqa: N818
    """There is no such day; the text says how far it goes."""


class Contradiction(CalendarError, ValueError):  # noqa: N818
    """Two overrides of one day disagree."""


class BadCalendar(CalendarError, ValueError):  # noqa: N818
    """A calendar file is wrong; the text names file and key, and says what to write."""
