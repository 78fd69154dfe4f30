"""The past of deals, rebuilt from their changes: the only source of what was known then.

Nothing here reads a change dated after `as_of`, so nothing that happens later can alter an answer.
What the history does not say is null and marked, never filled with today's value.
"""

from forecasting.history.habits import Habits, habits
from forecasting.history.moves import CLOSING, counted_changes, pushes
from forecasting.history.states import (
    AT_CREATION,
    KEY,
    STATE_FIELDS,
    account_day,
    changes_of,
    deals_as_of,
    pipeline_by_stage,
    row_numbers,
    status_by_stage,
)
from forecasting.history.stays import stage_stays

__all__ = [
    "AT_CREATION",
    "CLOSING",
    "KEY",
    "STATE_FIELDS",
    "Habits",
    "account_day",
    "changes_of",
    "counted_changes",
    "deals_as_of",
    "habits",
    "pipeline_by_stage",
    "pushes",
    "row_numbers",
    "stage_stays",
    "status_by_stage",
]
