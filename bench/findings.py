"""What an assessment asks beside the forecast: findings, staleness, scores, money, velocity."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from forecasting import money_at_stake, quality, velocity
from forecasting.history import stage_stays
from forecasting.periods import PeriodKind, period_of
from forecasting.process import stage_norms
from forecasting.selling_days import selling_days
from forecasting.sizes import size_bounds, with_size_class

Lap = Callable[[str], None]


def findings(
    frames: dict[str, pl.DataFrame], until: datetime, zone: str, lap: Lap
) -> dict[str, int]:
    """Every rule over all open and lately decided deals, the scores of each segment, the money on
    each finding, and velocity by segment.
    """
    deals, changes, stages = frames["deals"], frames["changes"], frames["stages"]
    today = until.astimezone(ZoneInfo(zone)).date()
    settings = quality.QualitySettings(
        calendar=selling_days("NO", range(today.year - 10, today.year + 1))
    )
    stays = stage_stays(changes, deals, stages, until)
    norms = stage_norms(stays, stages, default_days=float(settings.default_after_days))
    lap("stays and norms")
    examined = quality.examine(
        deals,
        changes,
        stages,
        frames["owners"],
        as_of=until,
        today=today,
        zone=zone,
        settings=settings,
        norms=norms,
        stays=stays,
    )
    lap("findings")
    scores = quality.score(deals, examined.findings)
    quality.segment_scores(deals, scores, examined.findings)
    lap("scores")
    chances = scores.select(
        "connection",
        "deal_id",
        win_probability_by_month=pl.lit(0.1),
        win_probability_by_quarter=pl.lit(0.2),
    )
    periods = [period_of(today, kind) for kind in (PeriodKind.MONTH, PeriodKind.QUARTER)]
    money_at_stake.fix_first(money_at_stake.stakes(deals, examined.findings, chances, periods))
    lap("money at stake")
    sized = with_size_class(deals, size_bounds(deals))
    velocity.drivers(sized, as_of=until, today=today, zone=zone)
    lap("velocity by segment")
    return {"findings": examined.findings.height, "opened": scores.height}
