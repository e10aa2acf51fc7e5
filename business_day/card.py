"""One calendar day as a row of a bank's business-day table, for programs: `feedfall calendar … --json` and the API.

base_date                   기준일자: STD_DT, dw_bas_ddt, bass_dt
weekday                     요일, MON … SUN: wday_dvsn_cd
is_business_day             영업일여부: bzdy_yn; the opposite of HDY_YN
holiday_kind, _name, _name_en        휴일구분코드, 휴일명; null on a business day
prev_ and next_business_day          전·익영업일자: BF_SLS_DT, NXT_SLS_DT; null where the calendar ends before
month_first_ and _last_business_day  당월초·말영업일: BEOM_SLS_DT, EOTM_SLS_DT; null where it ends within the month
nth_of_month, nth_from_month_end     from 1; null on a closed day
calendar, version, zone, covered_from, covered_until      what it was answered with
override_reason, evidence, updated_by, updated_at         of an override, otherwise null: 최종변경ID, 최종변경일시
"""

from collections.abc import Callable
from datetime import date

from business_day.days import Calendar
from business_day.errors import CalendarError
from business_day.spans import month

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def card(calendar: Calendar, day: date) -> dict[str, object]:
    """Everything that is known about a day, as one row. Raises NotCovered."""
    day = calendar.date_of(day)
    closure, override = calendar.closure(day), calendar.override(day)
    first, last = month(day)
    return {
        "base_date": day,
        "weekday": WEEKDAYS[day.weekday()],
        "is_business_day": closure is None,
        "holiday_kind": closure and closure.kind,
        "holiday_name": closure and closure.name,
        "holiday_name_en": (closure and closure.english) or None,
        "prev_business_day": _if_covered(lambda: calendar.previous(day)),
        "next_business_day": _if_covered(lambda: calendar.next(day)),
        "month_first_business_day": _if_covered(lambda: calendar.nth(1, first, last)),
        "month_last_business_day": _if_covered(lambda: calendar.nth(-1, first, last)),
        "nth_of_month": None if closure else _if_covered(lambda: calendar.count(first, day)),
        "nth_from_month_end": None if closure else _if_covered(lambda: calendar.count(day, last)),
        "calendar": calendar.name,
        "version": calendar.version,
        "zone": calendar.zone,
        "covered_from": calendar.covers[0],
        "covered_until": calendar.covers[1],
        "override_reason": override and override.reason,
        "evidence": override and override.evidence,
        "updated_by": override and override.by,
        "updated_at": override and override.at,
    }


def _if_covered(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except CalendarError:
        return None
