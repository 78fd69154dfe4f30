"""The frames that every calculation takes and gives, and money in them.

All frames are Polars. Instants are `Datetime("us", "UTC")`, days are the account's own days
(already converted at the border), amounts are float64 in the account's home currency,
probabilities are 0-1. `connection` + `deal_id` identify a deal; the title never does.
"""

from typing import Final

import polars as pl

INSTANT: Final = pl.Datetime("us", "UTC")

DEAL_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "name": pl.String,
    "pipeline_id": pl.String,
    "stage_id": pl.String,
    "owner_id": pl.String,
    "team": pl.String,
    "deal_type": pl.String,
    "lead_source": pl.String,
    "status": pl.String,  # open | won | lost
    "amount": pl.Float64,  # home currency; null = missing or not convertible (see amount_problem)
    "amount_problem": pl.String,  # null | "missing" | "no_rate"
    "currency": pl.String,  # the deal's own
    "close_date": pl.Date,  # expected close while open, account's day
    "closed_on": pl.Date,  # actual close, account's day, null while open
    "created_on": pl.Date,
    "created_at": INSTANT,
    "closed_at": INSTANT,
    "stage_entered_at": INSTANT,  # into the present stage; null = unknown
    "stage_probability": pl.Float64,  # the CRM's, for this deal
    "rep_probability": pl.Float64,
    "rep_amount": pl.Float64,
    "forecast_category": pl.String,
    "loss_reason": pl.String,
    "next_step": pl.String,
    "next_activity_at": INSTANT,
    "last_activity_at": INSTANT,
    "contact_count": pl.Int64,
    "company_count": pl.Int64,
    "last_contacted_at": INSTANT,
    "contact_attempts": pl.Int64,
    "last_reply_at": INSTANT,
    "contact_roles": pl.String,  # a line each; "" = no contact has one, null = not known
}
"""One row per deal that counts (not archived, merged or purged)."""

CHANGE_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "field": pl.String,  # stage | status | pipeline | owner | amount | close_date | ...
    "old": pl.String,
    "new": pl.String,
    "changed_at": INSTANT,
    "ordinal": pl.Int64,
    "source": pl.String,  # human | automation | integration | own | diff | unknown
}
"""A row per change of a field. `amount` is in the deal's currency, `close_date` an ISO instant."""

STAGE_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "pipeline_id": pl.String,
    "stage_id": pl.String,
    "pipeline": pl.String,
    "stage": pl.String,
    "position": pl.Int64,
    "probability": pl.Float64,
    "is_closed": pl.Boolean,
    "is_won": pl.Boolean,
    "exists": pl.Boolean,  # False: deleted in the CRM, or its pipeline is
}

OWNER_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "owner_id": pl.String,
    "owner": pl.String,
    "team": pl.String,
    "active": pl.Boolean,
}
