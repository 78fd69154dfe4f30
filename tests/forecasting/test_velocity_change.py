"""The change of sales velocity between two months, taken apart without a remainder."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.velocity_change import (
    EFFECTS,
    change,
    changes,
    month_drivers,
    monthly,
    months_until,
)
from tests.forecasting.frames import TODAY, deals

COUNTS = st.integers(0, 40)
FIELDS = ("opportunities", "won", "lost", "unpriced", "mean_amount", "mean_days")


def month(rows: list[tuple[int, int, int, int, int, int]]) -> pl.DataFrame:
    """One month of `monthly`: (open, won, lost, won without amount, mean amount, mean days)."""
    return pl.DataFrame(
        [
            {
                "segment": f"s{number}",
                "opportunities": float(opened),
                "won_deals": float(won),
                "decided_deals": float(won + lost),
                "priced_won": float(max(won - unpriced, 0)),
                "won_amount": float(max(won - unpriced, 0) * amount),
                "timed_won": float(won),
                "won_days": float(won * days),
            }
            for number, (opened, won, lost, unpriced, amount, days) in enumerate(rows)
        ]
    )


SEGMENT = st.tuples(COUNTS, COUNTS, COUNTS, st.integers(0, 3), st.integers(0, 10**7), COUNTS)
MONTH = st.lists(SEGMENT, min_size=1, max_size=4).map(month)


def plain_velocity(rows: pl.DataFrame) -> float | None:
    sums = {name: rows[name].sum() for name in rows.columns if name != "segment"}
    if min(sums["priced_won"], sums["decided_deals"], sums["won_days"]) <= 0:
        return None
    value = sums["won_amount"] / sums["priced_won"]
    rate = sums["won_deals"] / sums["decided_deals"]
    return float(sums["opportunities"] * value * rate / (sums["won_days"] / sums["timed_won"]))


@given(MONTH, MONTH)
def test_the_four_drivers_and_the_mix_add_up_to_the_cent(
    before: pl.DataFrame, after: pl.DataFrame
) -> None:
    found = change(before, after)
    then, now = plain_velocity(before), plain_velocity(after)
    if then is None or now is None:
        assert found is None
        return
    assert found is not None
    assert found.before == pytest.approx(then)
    assert found.after == pytest.approx(now)
    assert set(found.effects) == set(EFFECTS)
    assert sum(found.effects.values()) == pytest.approx(now - then, abs=0.005, rel=1e-9)


@given(MONTH)
def test_a_month_that_is_as_the_one_before_has_no_effects(same: pl.DataFrame) -> None:
    found = change(same, same)
    assert found is None or set(found.effects.values()) == {0.0}


@pytest.mark.parametrize(
    ("driver", "after"),
    [
        ("opportunities", (20, 5, 5, 0, 100, 10)),
        ("average_value", (10, 5, 5, 0, 200, 10)),
        ("win_rate", (10, 5, 0, 0, 100, 10)),
        ("cycle_days", (10, 5, 5, 0, 100, 5)),
    ],
)
def test_a_driver_that_alone_changed_has_the_whole_effect(
    driver: str, after: tuple[int, int, int, int, int, int]
) -> None:
    found = change(month([(10, 5, 5, 0, 100, 10)]), month([after]))
    assert found is not None
    assert found.effects == dict.fromkeys(EFFECTS, 0.0) | {driver: pytest.approx(50.0)}


def test_segments_that_sell_as_before_but_in_other_shares_are_mix() -> None:
    """Small deals 100 in 10 days, large ones 1000 in 40 days, both half won; then more large."""
    before = month([(10, 8, 8, 0, 100, 10), (10, 2, 2, 0, 1000, 40)])
    after = month([(10, 2, 2, 0, 100, 10), (10, 8, 8, 0, 1000, 40)])
    found = change(before, after)
    assert found is not None
    others = [found.effects[name] for name in EFFECTS if name != "mix"]
    assert others == pytest.approx([0.0] * 4, abs=1e-9)
    assert found.effects["mix"] == pytest.approx(found.after - found.before)
    assert found.after != pytest.approx(found.before)


def test_cycles_of_no_days_leave_the_mix_out_and_still_add_up() -> None:
    before = month([(10, 5, 5, 0, 100, 10), (10, 0, 5, 0, 0, 0)])
    after = month([(10, 0, 5, 0, 0, 0), (10, 5, 5, 0, 100, 0), (5, 5, 5, 0, 100, 9)])
    twisted = month([(10, 1, 5, 0, 100, 0), (10, 5, 5, 0, 100, 5)])
    for one, other in ((before, after), (before, twisted), (twisted, before)):
        found = change(one, other)
        assert found is not None
        assert sum(found.effects.values()) == pytest.approx(found.after - found.before)


def test_a_segment_that_is_new_differs_in_mix_only() -> None:
    before = month([(10, 5, 5, 0, 100, 10)])
    after = month([(10, 5, 5, 0, 100, 10), (0, 5, 5, 0, 300, 10)])
    found = change(before, after)
    assert found is not None
    assert found.effects["mix"] == pytest.approx(found.after - found.before)


def ended(status: str, closed_on: date, days: int, **more: Any) -> dict[str, Any]:
    closed_at = datetime.combine(closed_on, datetime.min.time(), UTC).replace(hour=12)
    created = closed_at - timedelta(days=days)
    return {"status": status, "created_at": created, "closed_at": closed_at, **more}


ACCOUNT = deals(
    {"created_at": datetime(2026, 2, 10, tzinfo=UTC)},
    {"created_at": datetime(2026, 3, 10, tzinfo=UTC)},
    ended("won", date(2026, 1, 20), 30, amount=100.0),
    ended("won", date(2026, 2, 20), 10, amount=300.0),
    ended("won", date(2026, 2, 21), 20, amount=None),
    ended("lost", date(2026, 2, 25), 50),
    ended("won", date(2026, 3, 2), 5, amount=500.0, pipeline_id="renewals"),
)


def test_months_by_hand() -> None:
    """February: 1 + 1 open at its end; won 2 of 3, one without an amount, in 10 and 20 days."""
    rows = month_drivers(monthly(ACCOUNT, today=TODAY, months=3)).to_dicts()
    assert [row["month"] for row in rows] == [date(2026, n, 1) for n in (1, 2, 3)]
    february = rows[1]
    assert february["opportunities"] == 2
    assert february["average_value"] == 300
    assert february["win_rate"] == pytest.approx(2 / 3)
    assert february["cycle_days"] == pytest.approx(15)
    assert february["sales_velocity"] == pytest.approx(2 * 300 * 2 / 3 / 15)
    assert {row["note"] for row in rows} == {"too_few"}
    assert rows[2]["opportunities"] == 2  # March is not over: those open now


def test_a_month_can_look_back_over_several() -> None:
    (march,) = month_drivers(monthly(ACCOUNT, today=TODAY, months=1, over_months=3)).to_dicts()
    assert (march["won_deals"], march["decided_deals"]) == (4, 5)


def test_changes_of_an_account_add_up_and_months_without_wins_say_nothing() -> None:
    table = changes(monthly(ACCOUNT, today=TODAY, months=4))
    assert table["month"].to_list() == [date(2026, n, 1) for n in (1, 2, 3)]
    first, *rest = table.to_dicts()
    assert first["before"] is None  # nothing was won in December
    for row in rest:
        assert sum(row[name] for name in EFFECTS) == pytest.approx(row["after"] - row["before"])


def test_months_are_counted_over_the_turn_of_the_year() -> None:
    assert months_until(date(2026, 1, 31), 3) == [
        date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1),
    ]  # fmt: skip
