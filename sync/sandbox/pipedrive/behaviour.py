"""Switches of the simulated Pipedrive: plan and limits, and conduct that nobody documents."""

from dataclasses import dataclass
from typing import Literal

Plan = Literal["lite", "growth", "premium", "ultimate"]

_MULTIPLIERS: dict[Plan, int] = {"lite": 1, "growth": 2, "premium": 5, "ultimate": 7}
_BURSTS: dict[Plan, int] = {"lite": 20, "growth": 40, "premium": 100, "ultimate": 120}
_FIELDS: dict[Plan, int] = {"lite": 30, "growth": 100, "premium": 300, "ultimate": 500}
_OAUTH_FACTOR = 4


@dataclass(frozen=True, slots=True)
class PipedriveBehaviour:
    """The defaults are what Pipedrive documents or was seen to do, on its smallest plan.

    daily_budget, burst_limit, field_cap: None = the plan's. budget_zone: whose midnight.
    bursts, limit_headers, daily_headers: False switches the burst limits, or the headers, off.
    cloudflare_after: so many calls refused with 429 in a row (0 = never) and an API token is
    shut out with an HTML page for cloudflare_s. failed_calls_cost: whether a 4xx costs tokens.
    query_token: accept `?api_token=`. unknown_query: what is done with a parameter not known.
    over_limit: what is done with a `limit` over 500. deleted_status: the status that a deleted
    deal shows. lists_deleted_stages: whether lists name them. activity_moves_deal: an activity
    touches the deal's update_time. deal_probability: pipelines let deals have their own.
    empty_value: what a deal without an amount shows. zero_dates: v1 writes an empty instant as
    "" or 0000-00-00 00:00:00. changelog_days: how far back the changelog goes, None = for ever.
    may_manage_fields: the token's user may create and change fields. open_deals_cap: None = no
    limit. mail_moves_person: a mail touches the person's update_time. lead_ids: the version of
    leads' UUIDs; version 1 has the instant of creation in it. rotates_refresh_token: each refresh
    gives a new one and ends the old.
    """

    plan: Plan = "lite"
    seats: int = 1
    daily_budget: int | None = None
    budget_zone: str = "UTC"
    burst_limit: int | None = None
    bursts: bool = True
    search_limit: int = 10
    limit_headers: bool = True
    daily_headers: bool = True
    cloudflare_after: int = 10
    cloudflare_s: float = 600.0
    failed_calls_cost: bool = True
    query_token: bool = False
    unknown_query: Literal["ignored", "error"] = "ignored"
    over_limit: Literal["clamped", "error"] = "clamped"
    deleted_status: Literal["deleted", "last"] = "deleted"
    lists_deleted_stages: bool = False
    activity_moves_deal: bool = True
    deal_probability: bool = True
    empty_value: Literal["zero", "null"] = "zero"
    zero_dates: bool = True
    changelog_days: int | None = None
    days_to_rotten: int | None = 30
    may_manage_fields: bool = True
    field_cap: int | None = None
    open_deals_cap: int | None = None
    mail_moves_person: bool = True
    lead_ids: Literal[1, 4] = 1
    rotates_refresh_token: bool = False
    access_token_s: int = 3600
    refresh_token_days: int = 60
    purge_after_days: int = 30
    url_limit: int = 16_384

    @property
    def budget(self) -> int:
        """Tokens a day for the whole company."""
        if self.daily_budget is not None:
            return self.daily_budget
        return 30_000 * _MULTIPLIERS[self.plan] * self.seats

    @property
    def custom_fields(self) -> int:
        """How many custom fields the company may have."""
        return _FIELDS[self.plan] if self.field_cap is None else self.field_cap

    def burst(self, *, oauth: bool) -> int:
        """Calls in any two seconds, for one token."""
        limit = _BURSTS[self.plan] if self.burst_limit is None else self.burst_limit
        return limit * _OAUTH_FACTOR if oauth else limit
