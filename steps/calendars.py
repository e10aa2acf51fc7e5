"""The calendar that a run decides with. The one place where steps open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import business_day

if TYPE_CHECKING:
    from steps.execution import Execution


def opened(execution: Execution, name: str) -> business_day.Calendar:  # noqa: ARG001 -- overrides will come from its ledger
    """Open a calendar as it is known now."""
    return business_day.calendar(name)
