"""THE SHARED BUSINESS-DAY SERVICE: what `feedfall serve` and the image of deploy/calendar run.

    calendar_api.routes ──▶ snapshot   every calendar: its table, and the ledger's overrides, at most seconds old
       │   ├──▶ answers                one day, a range, a month: values out of a calendar
       │   └──▶ schemas                what an answer's fields mean, in Korean and English
       ├──────▶ tokens                 who may declare and withdraw
       ├──────▶ limits                 how long a request may be
       ├──────▶ problem                a failure as application/problem+json
       └──────▶ metrics                what Prometheus reads

A request for a day reads no database and no disk. `python -m service` is the container's command.
"""
