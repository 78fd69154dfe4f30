"""Part of a pull: goals that were set in the CRM become quotas beside the configured ones."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from forecasting.fiscal import named
from forecasting.quotas import Quota
from sync.crm.goals import Goal, Goals
from sync.errors import AuthError, PermanentError, TransientError
from sync.jobs.context import JobContext
from sync.jobs.daily import day_passed
from sync.mirror import read, write
from sync.mirror.quotas import GOALS, save_quotas

AFTER_TROUBLE: Final = timedelta(hours=1)
"""A running daemon asks no sooner again after an outage."""

_LEFT_OUT: Final = "Goals set in the CRM are left out. {}"


def pull_goals(ctx: JobContext, started_at: datetime) -> list[str]:
    """Once a day; returns what was left out, in words. Deals never wait for goals: without the
    scope for them, on a plan without goals or in an outage what the mirror has of them stays.
    started_at: of the pull.
    """
    if ctx.goal_source is None or not ctx.config.goals.from_crm:
        return []
    account, now = read.account(ctx.engine, ctx.connection), ctx.clock.now()
    if account is None or not _due(ctx, started_at, now):
        return []
    ctx.asked_at["goals"] = now
    zone = ZoneInfo(ctx.config.time_zone or account.time_zone)
    try:
        found = ctx.goal_source.goals(zone=zone, today=now.astimezone(zone).date())
    except TransientError as error:
        return [_LEFT_OUT.format(error)]
    except (AuthError, PermanentError) as error:
        kept = {"read_at": now.isoformat(), "refused": str(error)}
        write.save_cursor(ctx.engine, ctx.connection, GOALS, kept, at=now)
        return [_LEFT_OUT.format(error)]
    quotas, repeated = _quotas(ctx, found)
    save_quotas(ctx.engine, ctx.connection, "crm", quotas, at=now)
    left_out = {reason.value: str(count) for reason, count in found.left_out.items()}
    if repeated:
        left_out["repeated"] = str(repeated)
    write.save_cursor(
        ctx.engine, ctx.connection, GOALS, {"read_at": now.isoformat(), **left_out}, at=now
    )
    return []


def _due(ctx: JobContext, started_at: datetime, now: datetime) -> bool:
    """A day after the last reading, in a cycle that has little else to ask; after a refusal also
    when a new process, whose token may be another, asks for the first time."""
    asked_at = ctx.asked_at.get("goals")
    if asked_at is not None and now - asked_at < AFTER_TROUBLE:
        return False
    kept = read.cursor(ctx.engine, ctx.connection, GOALS)
    if kept is None or ("refused" in kept and asked_at is None):
        return True
    return day_passed(ctx, started_at, datetime.fromisoformat(kept["read_at"]))


def _quotas(ctx: JobContext, found: Goals) -> tuple[list[Quota], int]:
    """Each key once: of two goals that say the same the later listed one counts; and how many do
    not."""
    quotas = [_quota(goal, ctx.config.goals.fiscal_year_starts) for goal in found.goals]
    once = {quota.key: quota for quota in quotas}
    return list(once.values()), len(quotas) - len(once)


def _quota(goal: Goal, fiscal_year_starts: int) -> Quota:
    period = named(goal.start, goal.end, fiscal_year_starts)
    return Quota(
        kind=goal.kind,
        segment=goal.segment,
        label=period.label,
        period=period.period,
        amount=goal.target,
        currency=goal.currency,
        source="crm",
        measure=goal.measure.value,
        pipelines=goal.pipelines,
    )
