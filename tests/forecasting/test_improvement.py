"""Did it work: against before and the others, with an interval, or too early to tell."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from forecasting.improvement import Effect, Improvement, evaluate
from tests.forecasting.frames import deals

START = date(2026, 1, 1)
TODAY = date(2026, 9, 1)
AS_OF = datetime(2026, 9, 1, 9, tzinfo=UTC)
OSLO = Improvement("Checklist", START, "team", ("Oslo",))


def company(
    *,
    seed: int = 1,
    lift: float = 0.0,
    faster: float = 1.0,
    everybody: float = 0.0,
    per_side: int = 1200,
) -> pl.DataFrame:
    """Deals of two teams over two years, won 25 % in 40 days; from START on Oslo's win rate is
    `lift` higher and its cycle `faster` times as long, and everybody's win rate `everybody` higher.
    """
    rng = np.random.default_rng(seed)
    begin = datetime(2024, 9, 1, tzinfo=UTC)
    rows = []
    for team in ("Oslo", "Bergen"):
        for day in rng.uniform(0, 725, per_side):
            created = begin + timedelta(days=float(day))
            late, own = created.date() >= START, team == "Oslo"
            rate = 0.25 + late * (everybody + own * lift)
            won = bool(rng.random() < rate)
            days = rng.gamma(3, 40 / 3) * (faster if late and own else 1.0)
            closed = created + timedelta(days=float(days))
            over = closed <= AS_OF
            rows.append(
                {
                    "team": team,
                    "status": ("won" if won else "lost") if over else "open",
                    "created_at": created,
                    "closed_at": closed if over else None,
                    "amount": float(np.exp(rng.normal(9, 0.3))),
                }
            )
    return deals(*rows)


def effects(
    improvement: Improvement, frame: pl.DataFrame, as_of: datetime = AS_OF
) -> dict[str, Effect]:
    found = evaluate(improvement, frame, as_of=as_of, today=as_of.date(), zone="Europe/Oslo")
    return {each.measure: each for each in found}


def test_a_real_improvement_is_found_and_sized() -> None:
    told = effects(OSLO, company(lift=0.2))["win_rate"]
    assert told.verdict == "better"
    assert told.low is not None
    assert told.high is not None
    assert told.low <= 0.2 <= told.high
    assert set(told.cells) == {"group_before", "group_after", "others_before", "others_after"}


def test_for_new_deals_only_the_older_ones_do_not_count_as_after() -> None:
    narrow = Improvement("Checklist", START, "team", ("Oslo",), new_deals_only=True)
    frame = company(lift=0.2)
    new, all_deals = effects(narrow, frame)["win_rate"], effects(OSLO, frame)["win_rate"]
    assert new.verdict == "better"
    assert new.samples["group_after"] < all_deals.samples["group_after"]


def test_a_shorter_cycle_is_better() -> None:
    told = effects(OSLO, company(faster=0.6))["cycle_days"]
    assert told.verdict == "better"
    assert told.estimate is not None
    assert told.estimate < 0


def test_what_happened_to_everybody_is_not_the_improvements_doing() -> None:
    frame = company(everybody=0.2)
    assert effects(OSLO, frame)["win_rate"].verdict == "no_change_shown"
    alone = effects(Improvement("Checklist", START), frame)["win_rate"]
    assert alone.verdict == "better"  # without others there is nothing to take off
    assert set(alone.cells) == {"group_before", "group_after"}


def test_nothing_is_claimed_where_nothing_was_changed() -> None:
    """Of 40 companies without any effect, at most a few are said to have one."""
    claimed = sum(
        effects(OSLO, company(seed=seed, per_side=400))["win_rate"].verdict != "no_change_shown"
        for seed in range(40)
    )
    assert claimed <= 6


@pytest.mark.parametrize(
    ("as_of", "reason"),
    [
        (datetime(2025, 12, 31, 9, tzinfo=UTC), "has not started"),
        (datetime(2026, 1, 10, 9, tzinfo=UTC), "fewer than 30 ended deals"),
    ],
)
def test_too_early_to_tell_says_why(as_of: datetime, reason: str) -> None:
    frame = company(lift=0.2, per_side=400)
    young = frame.filter(pl.col("created_at") <= as_of).with_columns(
        status=pl.when(pl.col("closed_at") <= as_of).then("status").otherwise(pl.lit("open")),
        closed_on=pl.when(pl.col("closed_at") <= as_of).then("closed_on"),
    )
    told = effects(OSLO, young, as_of)["win_rate"]
    assert told.verdict == "too_early"
    assert reason in told.reason
    assert told.estimate is None


def test_new_deals_that_cannot_be_won_yet_are_too_early() -> None:
    as_of = datetime(2026, 1, 21, 9, tzinfo=UTC)
    frame = company(per_side=6000).filter(pl.col("created_at") <= as_of)
    young = frame.with_columns(
        status=pl.when(pl.col("closed_at") <= as_of).then("status").otherwise(pl.lit("open")),
        closed_on=pl.when(pl.col("closed_at") <= as_of).then("closed_on"),
    )
    narrow = Improvement("Checklist", START, "team", ("Oslo",), new_deals_only=True)
    told = effects(narrow, young, as_of)["win_rate"]
    assert told.verdict == "too_early"
    assert "deals are followed for" in told.reason
