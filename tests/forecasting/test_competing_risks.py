"""Aalen-Johansen with late entry: by hand, against plain loops, and how often intervals hold."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.competing_risks import incidence

SCHEMA = {"from_days": pl.Float64, "to_days": pl.Float64, "outcome": pl.String}


def spells(*rows: tuple[float, float, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


def one(frame: pl.DataFrame, **more: Any) -> dict[str, Any]:
    return incidence(frame, [], **more).row(0, named=True)


def plain(frame: pl.DataFrame) -> tuple[float, float]:
    """Shares that end won and lost, by the definition: loops over the ages, nothing shared."""
    rows = frame.rows()
    won = lost = 0.0
    staying = 1.0
    for age in sorted({to for _, to, outcome in rows if outcome in ("won", "lost")}):
        at_risk = sum(begun < age <= to for begun, to, _ in rows)
        wins = sum(to == age and outcome == "won" for _, to, outcome in rows)
        losses = sum(to == age and outcome == "lost" for _, to, outcome in rows)
        won += staying * wins / at_risk
        lost += staying * losses / at_risk
        staying *= 1 - (wins + losses) / at_risk
    return won, lost


def test_without_open_deals_it_is_the_textbooks_win_rate() -> None:
    told = one(spells((0, 10, "won"), (0, 20, "won"), (0, 5, "lost"), (0, 30, "lost")))
    assert told["share"] == pytest.approx(0.5)
    assert told["lost_share"] == pytest.approx(0.5)
    assert told["mean_days"] == pytest.approx(15)
    assert (told["won"], told["lost"], told["open"]) == (2, 2, 0)


def test_an_open_deal_counts_for_as_long_as_it_was_watched() -> None:
    """Lost at 10, 1 of 4; won at 20, 1 of the 2 left; lost at 30. Open until 25: 1 of 3."""
    told = one(spells((0, 10, "lost"), (0, 15, "open"), (0, 20, "won"), (0, 30, "lost")))
    assert told["share"] == pytest.approx(3 / 4 * 1 / 2)
    longer = one(spells((0, 10, "lost"), (0, 25, "open"), (0, 20, "won"), (0, 30, "lost")))
    assert longer["share"] == pytest.approx(3 / 4 * 1 / 3)


def test_a_dead_deal_that_nobody_closes_is_not_won() -> None:
    frame = spells((0, 10, "won"), (0, 10, "lost"), (0, 900, "open"), (0, 900, "open"))
    assert one(frame)["share"] == pytest.approx(0.25)


def test_a_deal_watched_from_a_later_age_on_is_not_at_risk_before() -> None:
    told = one(spells((0, 10, "lost"), (0, 40, "won"), (30, 40, "lost")))
    assert told["share"] == pytest.approx(0.5 * 0.5)


@pytest.mark.parametrize(
    ("rows", "share", "low", "high"),
    [
        ([], None, None, None),
        ([(0, 5, "open")], None, None, None),
        ([(0, 5, "lost")] * 3, 0.0, 0.0, 0.5615),
        ([(0, 5, "won")] * 3, 1.0, 0.4385, 1.0),
    ],
)
def test_small_and_one_sided_samples_are_honest(
    rows: list[tuple[float, float, str]],
    share: float | None,
    low: float | None,
    high: float | None,
) -> None:
    frame = incidence(spells(*rows), [])
    if not rows:
        assert frame.is_empty()
        return
    told = frame.row(0, named=True)
    assert told["share"] == share
    if share is not None:
        assert told["share_low"] == pytest.approx(low, abs=1e-4)
        assert told["share_high"] == pytest.approx(high, abs=1e-4)


def test_groups_are_by_themselves_and_the_empty_one_is_one_too() -> None:
    frame = spells((0, 1, "won"), (0, 2, "lost"), (0, 3, "won")).with_columns(
        group=pl.Series(["a", "a", None])
    )
    told = incidence(frame, ["group"])
    assert dict(told.select("group", "share").rows()) == {"a": 0.5, None: 1.0}


DAYS = st.integers(0, 30)
SPELL = st.tuples(DAYS, st.integers(1, 30), st.sampled_from(["won", "lost", "open"])).map(
    lambda each: (float(each[0]), float(each[0] + each[1]), each[2])
)


@given(st.lists(SPELL, min_size=1, max_size=40))
def test_it_equals_plain_loops(rows: list[tuple[float, float, str]]) -> None:
    frame = spells(*rows)
    told = one(frame)
    if all(outcome == "open" for _, _, outcome in rows):
        assert told["share"] is None
        return
    won, lost = plain(frame)
    assert told["share"] == pytest.approx(won)
    assert told["lost_share"] == pytest.approx(lost)
    assert 0 <= told["share_low"] <= told["share"] + 1e-9
    assert told["share"] - 1e-9 <= told["share_high"] <= 1


@given(st.lists(SPELL, min_size=1, max_size=30), st.integers(1, 40))
def test_up_to_a_horizon_nothing_later_matters(
    rows: list[tuple[float, float, str]], horizon: int
) -> None:
    def seen(frame: pl.DataFrame) -> pl.DataFrame:
        return incidence(frame, [], horizon_days=float(horizon))

    later = [
        (begun, to + 100, outcome) if to > horizon else (begun, to, outcome)
        for begun, to, outcome in rows
    ]
    assert seen(spells(*rows)).equals(seen(spells(*later)))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """400 cohorts of 120 deals, a quarter still open: share 0.3, gamma(2, 20) days to a win."""
    rng = np.random.default_rng(7)
    held = {"share": 0, "mean": 0, "median": 0}
    for _ in range(400):
        won = rng.random(120) < 0.3
        days = np.where(won, rng.gamma(2, 20, 120), rng.gamma(2, 15, 120))
        watched = rng.uniform(0, 240, 120)
        outcome = np.where(days > watched, "open", np.where(won, "won", "lost"))
        told = one(
            pl.DataFrame(
                {
                    "from_days": np.zeros(120),
                    "to_days": np.minimum(days, watched),
                    "outcome": outcome,
                }
            )
        )
        held["share"] += told["share_low"] <= 0.3 <= told["share_high"]
        held["mean"] += told["mean_low"] <= 40 <= told["mean_high"]
        held["median"] += told["median_low"] <= 33.567 <= told["median_high"]
    assert held["share"] >= 0.92 * 400
    assert held["mean"] >= 0.85 * 400
    assert held["median"] >= 0.90 * 400
