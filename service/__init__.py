"""THE SHARED BUSINESS-DAY SERVICE: what `feedfall serve` and the image of deploy/calendar run.

    app ──▶ current     every calendar as it stands: tables, and the overrides of the ledger, at most seconds old
     │  └─▶ answers     one day, a range, a month: values out of a calendar
     ├────▶ words       what an answer's fields mean, in Korean and English
     ├────▶ tokens      who may declare
     ├────▶ problem     a failure as application/problem+json
     └────▶ metrics     what Prometheus reads

A request for a day touches no database and no disk. `python -m service` is the container's command.
"""
