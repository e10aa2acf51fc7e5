"""What the fields mean, in Korean and English: the models of the OpenAPI document, and of a request's body.

A day has the fields of `business_day/card.py`; only `DayFlags` has the names and forms of KIS's chk-holiday. Dates are
YYYY-MM-DD in answers, and YYYY-MM-DD, YYYYMMDD or Control-M's YYMMDD in requests.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

YN = Literal["Y", "N"]


def bilingual(korean: str, english: str) -> str:
    """One description in both languages."""
    return f"{korean} · {english}"


def _field(korean: str, english: str) -> object:
    return Field(description=bilingual(korean, english))


Version = Annotated[str, _field("판단에 쓴 달력 버전", "what was decided with: table and overrides")]
Name = Annotated[str, _field("달력 이름 (BANK, KRX, FX, US, TARGET …)", "the calendar's name")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Decision(BaseModel):
    """테이블이 만들어진 뒤의 결정 · What was decided about a day since the table was made."""

    calendar: Name
    day: Annotated[date, _field("일자", "the day")]
    is_open: Annotated[bool, _field("영업이면 true", "true: open for business")]
    reason: Annotated[str, _field("사유", "why")]
    evidence: Annotated[str, _field("근거 (관보, 공문 번호, 주소)", "where that can be read")]
    by: Annotated[str, _field("등록자", "who declared it")]
    at: Annotated[datetime | None, _field("등록 시각", "when")]


class Declaration(BaseModel):
    """임시휴일·임시영업일 등록 · Declare a day."""

    model_config = ConfigDict(extra="forbid")

    day: Annotated[str, _field("일자, YYYY-MM-DD 또는 YYYYMMDD", "the day")]
    is_open: Annotated[bool, Field(strict=True, description=bilingual("영업이면 true", "true: open for business"))]
    reason: Annotated[Text, _field("사유", "why, as it is shown")]
    evidence: Annotated[Text, _field("근거 (관보, 공문 번호, 주소)", "where that can be read")]


class DayBrief(BaseModel):
    """기간 안의 한 일자 · A day of a range."""

    base_date: Annotated[date, _field("기준일자", "the day")]
    weekday: Annotated[str, _field("요일: MON … SUN", "its weekday")]
    is_business_day: Annotated[bool, _field("영업일여부", "is it a business day?")]
    holiday_kind: Annotated[
        str | None,
        _field("휴일구분: WEEKEND, PUBLIC, SUBSTITUTE, TEMPORARY, ELECTION, BANK, MARKET, OWN, OVERRIDE", "why closed"),
    ]
    holiday_name: Annotated[str | None, _field("휴일명", "its name")]


class DayFull(DayBrief):
    """한 일자 · One day of one calendar."""

    holiday_name_en: Annotated[str | None, _field("휴일명(영문)", "its name in English, where there is one")]
    prev_business_day: Annotated[date | None, _field("전영업일; 달력 밖이면 null", "null: before the table")]
    next_business_day: Annotated[date | None, _field("익영업일; 달력 밖이면 null", "null: beyond the table")]
    month_first_business_day: Annotated[date | None, _field("당월 첫 영업일", "the month's first business day")]
    month_last_business_day: Annotated[date | None, _field("당월 말 영업일", "the month's last business day")]
    nth_of_month: Annotated[int | None, _field("당월 몇째 영업일; 휴일이면 null", "which business day of its month")]
    nth_from_month_end: Annotated[int | None, _field("월말에서 몇째 영업일", "the same, from the month's end")]
    calendar: Name
    version: Version
    zone: Annotated[str, _field("시간대", "where the calendar lives")]
    covered_from: Annotated[date, _field("책임 범위의 첫 일자", "the first day it answers for")]
    covered_until: Annotated[date, _field("책임 범위의 마지막 일자", "the last day it answers for")]
    override_reason: Annotated[str | None, _field("결정 사유", "why it was decided so, where an override holds")]
    evidence: Annotated[str | None, _field("결정 근거", "where that can be read")]
    updated_by: Annotated[str | None, _field("결정 등록자", "who declared it")]
    updated_at: Annotated[datetime | None, _field("결정 등록 시각", "when")]


class DayRange(BaseModel):
    """기간 · A range of days."""

    calendar: Name
    business_days: Annotated[int, _field("기간 안의 영업일 수", "how many of them are business days")]
    days: Annotated[list[DayBrief], _field("일자 목록", "each day, in order")]
    version: Version


class MonthGrid(BaseModel):
    """월력 · A month as a grid."""

    calendar: Name
    month: Annotated[str, _field("연월, YYYY-MM", "the month")]
    business_days: Annotated[int, _field("당월 영업일 수", "how many business days it has")]
    weeks: Annotated[
        list[list[DayBrief | None]],
        _field("주 목록, 일요일 시작; 다른 달의 칸은 null", "from Sunday; null: another month's"),
    ]
    version: Version


class ShiftResult(BaseModel):
    """영업일 가감 · A business day so many business days away."""

    calendar: Name
    base_date: Annotated[date, _field("기준일자", "from here")]
    days: Annotated[int | None, _field("가감 영업일 수", "so many business days")]
    policy: Annotated[str | None, _field("휴일 처리 방침 (Control-M 용어)", "Control-M's policy for a closed day")]
    business_day: Annotated[date | None, _field("결과 영업일; 실행하지 않으면 null", "the result; null: not at all")]
    version: Version


class DayFlags(BaseModel):
    """한 일자의 모든 구분 · A day in all its flags, as in KIS's chk-holiday. null: no calendar answers for it."""

    bass_dt: Annotated[str, _field("기준일자 YYYYMMDD", "the day, as KIS writes it")]
    wday_dvsn_cd: Annotated[str, _field("요일구분코드, 01 일요일 … 07 토요일", "01 Sunday … 07 Saturday")]
    bzdy_yn: Annotated[YN | None, _field("영업일여부: 은행 (BANK)", "banks (BANK)")]
    opnd_yn: Annotated[YN | None, _field("개장일여부: 거래소 (KRX)", "the exchange (KRX)")]
    sttl_day_yn: Annotated[YN | None, _field("결제일여부: 은행과 거래소 모두 영업 (BANK, KRX)", "both are open")]
    fx_yn: Annotated[YN | None, _field("외환시장 개장여부 (FX)", "Seoul's interbank FX (FX)")]
    calendars: Annotated[dict[str, YN | None], _field("모든 달력", "every calendar there is")]
    versions: Annotated[dict[str, str], _field("달력별 버전", "what each decided with")]


class Coverage(BaseModel):
    """달력과 그 범위 · A calendar and how far it reaches."""

    calendar: Name
    zone: Annotated[str, _field("시간대", "where it lives")]
    covered_from: Annotated[date, _field("책임 범위의 첫 일자", "the first day it answers for")]
    covered_until: Annotated[date, _field("책임 범위의 마지막 일자", "the last day it answers for")]
    overrides: Annotated[int, _field("유효한 결정의 수", "how many decisions hold")]
    version: Version


class CalendarTable(BaseModel):
    """달력 전체 · A whole calendar, as `calendar_client/` keeps it."""

    calendar: Name
    version: Version
    zone: Annotated[str, _field("시간대", "where it lives")]
    covers: Annotated[list[date], _field("책임 범위의 처음과 끝", "the first and the last day")]
    weekend: Annotated[dict[str, list[str]], _field("주말: 요일(0 월요일) → 구분, 이름, 영문", "by weekday, 0 Monday")]
    closures: Annotated[dict[date, list[str]], _field("휴일: 일자 → 구분, 이름, 영문", "kind, name, English name")]
    opened: Annotated[dict[date, str], _field("예외 영업일", "days that are open all the same")]
    overrides: Annotated[list[dict[str, object]], _field("유효한 결정", "the decisions that hold")]
    included: Annotated[list[dict[str, object]], _field("포함된 달력", "calendars within this one")]


class ProblemDetails(BaseModel):
    """오류 (RFC 9457) · A failure."""

    type: Annotated[str, _field("오류 유형", "for programs")]
    title: Annotated[str, _field("제목", "the status in words")]
    status: Annotated[int, _field("HTTP 상태", "the status")]
    detail: Annotated[str, _field("무엇이 잘못되었고 어떻게 하는지", "what is wrong, and what to do")]
