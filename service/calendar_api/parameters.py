"""What the routes take: parameters of the path and the query, with their descriptions in Korean and English."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Path, Query
from fastapi.openapi.models import Example
from fastapi.security import HTTPBearer

from service.calendar_api.schemas import bilingual


def _example(value: str) -> dict[str, Example]:
    """The value that /docs shows in an empty field."""
    return {value: {"value": value}}


CalendarName = Annotated[
    str, Path(description=bilingual("달력 이름", "the calendar's name"), openapi_examples=_example("BANK"))
]
DayText = Annotated[
    str,
    Path(
        description=bilingual("일자: YYYY-MM-DD, YYYYMMDD, YYMMDD", "a date in one of these forms"),
        openapi_examples=_example("20261224"),
    ),
]
MonthText = Annotated[
    str, Path(description=bilingual("연월: YYYY-MM, YYYYMM", "a month"), openapi_examples=_example("2026-12"))
]
FirstDay = Annotated[
    str,
    Query(alias="from", description=bilingual("시작 일자", "the first day"), openapi_examples=_example("2026-12-01")),
]
LastDay = Annotated[
    str, Query(alias="to", description=bilingual("종료 일자", "the last day"), openapi_examples=_example("2026-12-31"))
]
WithdrawReason = Annotated[
    str, Query(min_length=1, max_length=500, description=bilingual("철회 사유", "why it is withdrawn"))
]
DayCount = Annotated[
    int | None,
    Query(ge=-10_000, le=10_000, description=bilingual("가감할 영업일 수, 음수는 이전", "so many business days")),
]
PolicyName = Literal["DoNotOrder", "OrderOnNextConfirmedDay", "OrderOnPreviousConfirmedDay", "OrderAnyway"]
PolicyOption = Annotated[
    PolicyName | None, Query(description=bilingual("휴일 처리 방침", "what to do on a closed day"))
]
TOKEN = Depends(HTTPBearer(auto_error=False, description=bilingual("등록 권한 토큰", "the token of a holder")))
"""For the document; `token_first` reads it before anything else of the request."""
