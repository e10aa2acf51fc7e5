"""A CALENDAR OF THE SHARED SERVICE, IN ANOTHER PROGRAM. Needs `httpx` and `business_day/`, nothing else of feedfall.

    from calendar_client.client import Client
    from calendar_client.copy import Folder

    calendars = Client("http://feedfall-calendar.bank", Folder(Path("/var/lib/settlement/calendars")))
    bank = calendars.calendar("BANK")          # a business_day.Calendar: every answer is local from here on
    bank.is_business_day(day), bank.next(day)

It sends a request at most once a minute, with an ETag. When the service does not answer, the last good copy is used for
up to 36 hours. After that, and where there is no copy, `Unavailable` is raised: nothing is guessed.
"""
