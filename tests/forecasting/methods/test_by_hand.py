"""Intuitive, historical and the roll-up of forecast categories against arithmetic by hand; what
`outlook` makes of chances, and scores of single deals.
"""

import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from forecasting import deal_scores
from forecasting.categories import DEFAULTS
from forecasting.methods import Historical, Intuitive, OpportunityStage
from forecasting.outlook import outlook
from forecasting.periods import Period, PeriodKind
from tests.forecasting.frames import TODAY, deals, now

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1), PeriodKind.MONTH)
APRIL = MARCH.next()


def total(told: pl.DataFrame, period: Period) -> dict[str, Any]:
    of_period = (pl.col("period_start") == period.start) & (pl.col("segment_kind") == "total")
    return told.filter(of_period).row(0, named=True)


def test_a_persons_own_estimate_and_amount_come_first() -> None:
    snapshot = now(
        deals(
            {"rep_probability": 0.7, "rep_amount": 800.0, "forecast_category": "PIPELINE"},
            {"forecast_category": "COMMIT"},
            {"rep_probability": 70.0},  # no probability: nothing is said
            {"rep_probability": 0.5, "close_date": date(2026, 4, 2)},
        )
    )
    told = Intuitive().fit(snapshot).totals(snapshot, [MARCH, APRIL])
    assert total(told, MARCH)["forecast"] == pytest.approx(0.7 * 800 + DEFAULTS["COMMIT"] * 1000)
    assert total(told, APRIL)["forecast"] == pytest.approx(500)
    assert json.loads(total(told, MARCH)["left_out"])["no_probability"] == 1


def test_categories_roll_up_by_their_usual_rates_until_there_is_a_record() -> None:
    categories = ["PIPELINE", "BEST_CASE", "COMMIT", "OMITTED"]
    snapshot = now(deals(*({"forecast_category": category} for category in categories)))
    told = OpportunityStage("category").fit(snapshot).totals(snapshot, [MARCH])
    expected = 1000 * sum(DEFAULTS[category] for category in categories)
    assert total(told, MARCH)["forecast"] == pytest.approx(expected)
    assert total(told, MARCH)["note"] == "not_enough_history:default_category"


def won_on(day: date, amount: float) -> dict[str, Any]:
    closed = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return {
        "status": "won",
        "stage_id": "won",
        "amount": amount,
        "created_at": closed - timedelta(days=10),
        "closed_at": closed,
    }


def months(start: date, amounts: list[float]) -> list[dict[str, Any]]:
    """One deal won on the tenth of each month from `start` on."""
    period, rows = Period(start, start.replace(month=start.month + 1), PeriodKind.MONTH), []
    for amount in amounts:
        rows.append(won_on(period.start + timedelta(days=9), amount))
        period = period.next()
    return rows


def test_the_last_quarter_again_by_hand() -> None:
    """December to February brought 100, 200, 300; April is the second month ahead."""
    first = datetime(2026, 3, 1, 6, tzinfo=UTC)
    snapshot = now(
        deals(*months(date(2025, 3, 1), [50.0] * 9 + [100.0, 200.0, 300.0])), as_of=first
    )
    told = Historical("last_quarter").fit(snapshot).totals(snapshot, [MARCH, APRIL])
    assert total(told, MARCH)["forecast"] == pytest.approx(100)
    assert total(told, APRIL)["forecast"] == pytest.approx(200)


def test_the_last_year_times_growth_by_hand() -> None:
    """Each month of the last year brought twice what it had brought the year before."""
    first = datetime(2026, 3, 1, 6, tzinfo=UTC)
    year = [float(10 * n) for n in range(1, 13)]
    rows = months(date(2024, 3, 1), [*year, *(2 * amount for amount in year)])
    snapshot = now(deals(*rows), as_of=first)
    told = Historical("last_year").fit(snapshot).totals(snapshot, [MARCH, APRIL])
    assert total(told, MARCH)["forecast"] == pytest.approx(2 * 20)
    assert total(told, APRIL)["forecast"] == pytest.approx(2 * 40)
    assert total(told, MARCH)["note"] is None


def test_what_is_to_come_is_shared_as_the_last_year_was() -> None:
    """Who has won nothing for a year has no part in it, whatever was won before."""
    long_ago = [row | {"owner_id": "2"} for row in months(date(2024, 3, 1), [900.0] * 12)]
    recent = months(date(2025, 4, 1), [100.0] * 11)
    other = [won_on(date(2025, 7, 10), 275.0) | {"owner_id": "3"}]
    snapshot = now(deals(*long_ago, *recent, *other), as_of=datetime(2026, 3, 1, 6, tzinfo=UTC))
    told = Historical("last_quarter").fit(snapshot).totals(snapshot, [MARCH], ["total", "owner"])
    assert total(told, MARCH)["forecast"] == pytest.approx(100)
    owners = dict(
        told.filter(pl.col("segment_kind") == "owner").select("segment", "forecast").iter_rows()
    )
    assert owners.pop("2", 0.0) == 0
    assert owners == {"1": pytest.approx(1100 / 1375 * 100), "3": pytest.approx(275 / 1375 * 100)}


@pytest.mark.parametrize(("day", "late"), [(10, 0), (20, 12)])
def test_the_rest_of_a_month_that_has_begun_by_hand(day: int, late: int) -> None:
    """On 16 March 16 of 31 days are left. Each of the last 12 months brought 100 on one day, in its
    last 16 days or not; two months of even days are mixed in.
    """
    rows = months(date(2025, 2, 1), [100.0] * 13)
    shifted = [row | {"closed_at": row["closed_at"] + timedelta(days=day - 10)} for row in rows]
    snapshot = now(deals(*shifted))
    told = Historical("last_quarter").fit(snapshot).totals(snapshot, [MARCH])
    share = (late * 100 + 2 * 100 * 16 / 31) / (12 * 100 + 2 * 100)
    assert total(told, MARCH)["new_expected"] == pytest.approx(100 * share)


@pytest.mark.parametrize(
    ("probability", "close_date", "call"),
    [
        (0.9, date(2026, 3, 27), "WIN"),
        (0.9, date(2026, 5, 4), "SLIP"),
        (1.0, date(2026, 5, 4), "SLIP"),
        (0.2, date(2026, 3, 27), "LOSE"),
        (0.5, date(2026, 3, 27), "WIN"),  # as likely won in the quarter as lost: won
        (None, date(2026, 3, 27), None),
    ],
)
def test_the_likeliest_of_won_slipped_and_lost(
    probability: float | None, close_date: date, call: str | None
) -> None:
    frame = deals({"rep_probability": probability, "close_date": close_date})
    snapshot = now(frame)
    row = outlook(Intuitive().fit(snapshot), snapshot).row(0, named=True)
    assert (row["call"], row["win_probability"]) == (call, probability)
    assert row["predicted_close_on"] is None  # an opinion has no day but the deal's own


def test_scores_of_single_deals_add_up_over_origins() -> None:
    """Two origins with perfect ranking: Brier by hand, AUC within origins only."""
    texts = []
    for offset in (0.0, 0.1):
        chances = pl.DataFrame(
            {
                "method": "m",
                "variant": "v",
                "period_kind": "month",
                "period_start": [TODAY] * 3,
                "win_probability_by": [0.8 + offset, 0.2, None],
                "won_by": [True, False, True],
            }
        )
        (text,) = deal_scores.summaries(chances)["deals"]
        assert json.loads(text)["sample"] == 2  # the one that cannot be placed is left out
        texts.append(text)
    pooled = deal_scores.pooled(texts)
    brier = (0.2**2 + 0.2**2 + 0.1**2 + 0.2**2) / 4
    assert (pooled["deals"], pooled["auc"]) == (4, 1.0)
    assert pooled["brier_skill"] == pytest.approx(1 - brier / 0.25)
    assert deal_scores.pooled([]) == dict.fromkeys(pooled) | {"deals": 0}


def test_scores_of_origins_unlike_each_other_by_hand() -> None:
    """First origin: won .8, lost .6, won .4, lost .2; second: lost .8, won .7, lost .1.

    AUC: 3 of 4 pairs, then 1 of 2; no pair is of two origins. Brier: .80 and .74, against 2 of 4
    won (1.0) and 1 of 3 (2/3). In the bin of .8 errors of -.2 and +.8 are one of .6.
    """
    told = {
        date(2026, 1, 5): [(0.8, True), (0.6, False), (0.4, True), (0.2, False)],
        date(2026, 1, 12): [(0.8, False), (0.7, True), (0.1, False)],
    }
    texts = []
    for origin, chances in told.items():
        frame = pl.DataFrame(
            {
                "method": "m",
                "variant": "v",
                "period_kind": "month",
                "period_start": [origin] * len(chances),
                "win_probability_by": [chance for chance, _ in chances],
                "won_by": [won for _, won in chances],
            }
        )
        texts += deal_scores.summaries(frame)["deals"].to_list()
    right = (0.8, 0.4, 0.4, 0.8, 0.2, 0.7, 0.9)
    assert deal_scores.pooled(texts) == {
        "deals": 7,
        "auc": pytest.approx((3 + 1) / (4 + 2)),
        "brier_skill": pytest.approx(1 - (0.80 + 0.74) / (1 + 2 / 3)),
        "log_loss": pytest.approx(-sum(map(math.log, right)) / 7),
        "ece": pytest.approx((0.6 + 0.6 + 0.6 + 0.2 + 0.3 + 0.1) / 7),
    }
