"""Smoothing, Theta and seasons against arithmetic by hand."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from forecasting.methods import Historical
from forecasting.periods import Period, PeriodKind
from forecasting.series import last_season, mean_of_simple, seasonal_factors, smoothed, theta
from tests.forecasting.frames import deals, now
from tests.forecasting.methods.test_by_hand import months, total

STEP = np.array([10.0, 10.0, 20.0, 20.0])
DOUBLED = [20.72539, 21.395341]
"""Of STEP, smoothed. Level 10 at first; the first two values err by 0, the third by 10. With a
weight of 0.9 and a tenth of it for the trend: level 19, trend 0.9 x 0.1 x 10 = 0.9, so that of the
fourth 19 + 0.9 x 0.9 = 19.81 is expected, which errs by 0.19 (the next best, 0.8 and a fifth, by
0.56). Level 19.81 + 0.9 x 0.19 = 19.981, trend 0.9 x 0.9 + 0.09 x 0.19 = 0.8271. The trend fades by
0.9 a step: 19.981 + 0.9 x 0.8271 and 19.981 + (0.9 + 0.81) x 0.8271.
"""


def test_smoothed_by_hand() -> None:
    assert smoothed(STEP, 1, 2) == pytest.approx(DOUBLED)


def test_where_nothing_tells_the_weights_apart_the_calmest_are_taken() -> None:
    """Only the last value errs, by 10, whatever the weights: a tenth of it is believed."""
    assert smoothed(np.array([10.0, 10.0, 10.0, 20.0]), 1, 3) == pytest.approx([11, 11, 11])


def test_theta_by_hand() -> None:
    """Simple smoothing: with 0.9 the level is 10, 10, 19, 19.9 (errors 0, 0, 10, 1). The straight
    line through the four rises by 20 / 5 = 4 a step; half of it is added, for the
    (1 - 0.1^4) / 0.9 = 1.111 steps by which the level lags: 19.9 + 2 x 1.111, then 2 more.
    """
    assert theta(STEP, 1, 2) == pytest.approx([22.122, 24.122])


def test_the_mean_of_the_three_by_hand() -> None:
    """With a season of one value, last time again times its growth is 20 x 20 / 20."""
    assert last_season(STEP, 1, 2, over=1) == pytest.approx([20, 20])
    expected = [(DOUBLED[0] + 22.122 + 20) / 3, (DOUBLED[1] + 24.122 + 20) / 3]
    assert mean_of_simple(STEP, 1, 2) == pytest.approx(expected)


@pytest.mark.parametrize(("last", "growth"), [(15.0, 1.5), (50.0, 2.0), (1.0, 0.5)])
def test_growth_is_kept_within_half_and_double(last: float, growth: float) -> None:
    """A season of 10, 10, then one of `last`, `last`: the next is that times the growth."""
    values = np.array([10.0, 10.0, last, last])
    assert last_season(values, 2, 2, over=2) == pytest.approx([last * growth] * 2)


def test_a_season_by_hand() -> None:
    """1 and 3 in turn around a moving average of 2: ratios 0.5 and 1.5, each half believed for the
    one year that it was seen in. Without them 4/3 and 12/5 in turn, from a level of 28/15; a weight
    of 0.1 errs least: 28/15 - 0.1 x 8/15 = 1.81333, 1.872, 1.818133, 1.87632, times the factors.
    """
    turns = np.array([1.0, 3.0, 1.0, 3.0])
    assert seasonal_factors(turns, 2) == pytest.approx([0.75, 1.25])
    assert smoothed(turns, 2, 3) == pytest.approx([1.40724, 2.3454, 1.40724])
    assert seasonal_factors(turns[:3], 2) == pytest.approx([1, 1])  # not seen twice


def test_the_method_smooths_the_account_s_months() -> None:
    """November to February brought 10, 10, 20, 20: `STEP`, too short for a season. October, of
    which the first won deal shows only a part, does not count.
    """
    first = datetime(2026, 3, 1, 6, tzinfo=UTC)
    snapshot = now(deals(*months(date(2025, 10, 1), [7.0, *STEP])), as_of=first)
    march = Period(date(2026, 3, 1), date(2026, 4, 1), PeriodKind.MONTH)
    told = Historical("smoothed").fit(snapshot).totals(snapshot, [march, march.next()])
    assert total(told, march)["forecast"] == pytest.approx(DOUBLED[0])
    assert total(told, march.next())["forecast"] == pytest.approx(DOUBLED[1])
    assert total(told, march)["note"] is None
