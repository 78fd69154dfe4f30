"""Curves since a beginning against arithmetic by hand, open deals counted while watched."""

import numpy as np
import pytest

from forecasting.cohort_curves import FOLLOWED, Curves, curves

Told = tuple[float, str]
"""Days from the beginning, and how it ended; open: for how long it was watched."""


def learned(*told: Told, prior: float = 10.0, wider: Curves | None = None) -> Curves:
    ends = np.array([end for _, end in told])
    one = np.zeros(len(told), np.int64)
    return curves(
        one,
        1,
        np.array([days for days, _ in told]),
        ends == "won",
        ends == "lost",
        np.array([float(len(told))]),
        wider,
        None if wider is None else np.zeros(1, np.int64),
        prior,
    )


def won_by(found: Curves, days: float) -> float:
    return float(found.by(np.zeros(1, np.int64), days)[0])


def test_open_deals_count_for_as_long_as_they_were_watched() -> None:
    """Of 10, 4 are won on the third day and 2 watched for three days only; of the 4 that are left
    2 are won on the sixth and 2 lost on the eighth: .4 + .6 * 2 / 4. Were open deals lost it
    were .6, were they left out .75.
    """
    found = learned(
        *[(2.5, "won")] * 4, *[(3.0, "open")] * 2, *[(5.5, "won")] * 2, *[(7.5, "lost")] * 2
    )
    assert won_by(found, 2) == 0
    assert won_by(found, 2.5) == pytest.approx(0.2)  # a straight line within the day
    assert won_by(found, 3) == won_by(found, 5) == pytest.approx(0.4)
    assert won_by(found, 6) == won_by(found, 700) == pytest.approx(0.4 + 0.6 / 2)
    lost = dict(zip(FOLLOWED.tolist(), found.lost[0].tolist(), strict=True))
    assert (lost[7.0], lost[8.0]) == (0, pytest.approx(0.3))


def test_who_is_watched_for_half_a_day_is_at_risk_for_half_of_it() -> None:
    assert won_by(learned((3.2, "won"), (3.5, "open")), 4) == pytest.approx(1 / 1.5)


def test_a_thin_cell_takes_part_of_the_wider_curve() -> None:
    """One deal, won at once, with ten deals' worth of a curve of which a fifth is won at once."""
    wider = learned(*[(0.5, "won")] * 2, *[(0.5, "lost")] * 3, *[(9.5, "lost")] * 5)
    thin = learned((0.5, "won"), wider=wider)
    assert won_by(thin, 1) == pytest.approx((1 + 10 * 0.2) / (1 + 10))
    alone = learned((0.5, "won"), wider=wider, prior=0.001)
    assert won_by(alone, 1) == pytest.approx(1, abs=0.001)
