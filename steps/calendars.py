"""The calendar that a run decides with. The one place where steps open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import business_day
from steps.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steps.execution import Execution


def opened(execution: Execution, name: str) -> business_day.Calendar:
    """Open a calendar as it is known now. Raises Misconfigured where there is none, or its file is wrong."""
    return known(name, execution.settings.calendars)


def known(name: str, path: str, overrides: Iterable[business_day.Override] = ()) -> business_day.Calendar:
    """Open a calendar of feedfall's, or of the files at `path`, with what was decided elsewhere."""
    try:
        return business_day.calendar(name, overrides, business_day.read_own(path))
    except business_day.CalendarError as error:
        raise Misconfigured(str(error)) from error
