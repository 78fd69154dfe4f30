"""Revenue from deals not yet created, against arithmetic by hand."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from forecasting.methods import Multivariable
from forecasting.new_business import NewBusiness
from forecasting.periods import Period, PeriodKind
from tests.forecasting.frames import AS_OF, TODAY, deals, now

DAYS = 742
"""A hundred and six weeks, so that all weekdays are alike."""

FOUR_WEEKS = Period(TODAY, TODAY + timedelta(days=28), PeriodKind.WINDOW)
NEXT = FOUR_WEEKS.next()


def one_a_day(days: int = DAYS, pipeline_of: Any = lambda n: "sales") -> list[dict[str, Any]]:
    """A deal each noon, decided ten days and a half later: every other one is won, for 100."""
    rows = []
    for number in range(1, days + 1):
        created = (AS_OF - timedelta(days=number)).replace(hour=12)
        closed = created + timedelta(days=10, hours=12)
        status = "open" if closed > AS_OF else "won" if number % 4 < 2 else "lost"
        rows.append(
            {
                "deal_id": f"n{number:04}",
                "pipeline_id": pipeline_of(number),
                "created_at": created,
                "status": status,
                "stage_id": "proposal" if status == "open" else status,
                "closed_at": closed if status != "open" else None,
                "amount": 100.0,
            }
        )
    return rows


def test_four_weeks_of_new_deals_by_hand() -> None:
    """One deal a day; half of them won after 10.5 days, so that of the 28 that come the first 17
    and half of the 18th (10.5 days are left to it) are decided in time: 17.5 x 0.5 x 100 = 875. In
    the four weeks after those, as many as come in four weeks: 28 x 0.5 x 100.

    By chance alone the variance is 8.75 x 100^2; the rate, counted on the 364 deals of a year
    (every span gives the same, so the longest is taken), adds 875^2 / 364.
    """
    snapshot = now(deals(*one_a_day()))
    new = NewBusiness().fit(snapshot)
    assert new.window_ == 364
    assert new.pipelines_["deals"].to_list() == [364]
    assert new.pipelines_["per_day"].item() == pytest.approx(1, rel=0.01)
    first, second = new.expected([FOUR_WEEKS, NEXT], snapshot)
    assert first["new_expected"].sum() == pytest.approx(875, rel=0.02)
    assert second["new_expected"].sum() == pytest.approx(1400, rel=0.02)
    assert first["new_variance"].sum() == pytest.approx(87_500 + 875**2 / 364, rel=0.02)


def test_it_is_what_the_method_adds_to_open_deals() -> None:
    snapshot = now(deals(*one_a_day()))
    method = Multivariable("table").fit(snapshot)
    told = method.totals(snapshot, [FOUR_WEEKS]).filter(pl.col("segment_kind") == "total")
    row = told.row(0, named=True)
    assert row["new_expected"] == pytest.approx(875, rel=0.02)
    parts = row["won_amount"] + row["open_expected"] + row["new_expected"]
    assert row["forecast"] == pytest.approx(parts)


def test_each_pipeline_brings_what_comes_in_it() -> None:
    """Three deals of four come in one pipeline, with the same chances and amounts in both."""
    pipeline_of = lambda number: "small" if number // 4 % 4 == 0 else "large"  # noqa: E731
    snapshot = now(deals(*one_a_day(pipeline_of=pipeline_of)))
    (told,) = NewBusiness().fit(snapshot).expected([FOUR_WEEKS], snapshot)
    by = told.group_by("pipeline_id").agg(pl.col("new_expected").sum())
    found = dict(by.iter_rows())
    assert found["large"] / found["small"] == pytest.approx(3, rel=0.05)
    assert sum(found.values()) == pytest.approx(875, rel=0.02)


def test_without_a_deal_nothing_comes() -> None:
    snapshot = now(deals())
    (told,) = NewBusiness().fit(snapshot).expected([FOUR_WEEKS], snapshot)
    assert told["new_expected"].sum() == 0
