"""The form in which a feed is written: what `feeds/*.py` import. Nothing here does I/O."""

from business_day import Policy
from catalog.feed import Feed
from catalog.message import Envelope, Kind, Response, Unreadable
from catalog.row import (
    BaseDate,
    Code,
    Column,
    Currency,
    Day,
    Number,
    Positive,
    Row,
    Whole,
    columns,
    numeric,
    positive,
    text,
)

__all__ = [
    "BaseDate",
    "Code",
    "Column",
    "Currency",
    "Day",
    "Envelope",
    "Feed",
    "Kind",
    "Number",
    "Policy",
    "Positive",
    "Response",
    "Row",
    "Unreadable",
    "Whole",
    "columns",
    "numeric",
    "positive",
    "text",
]
