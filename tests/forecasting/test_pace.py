"""Time as deals feel it: the pace of weekdays and of the weeks of the year."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.methods import Multivariable
from forecasting.pace import PRIOR_EVENTS, Pace, learn
from forecasting.tracks import DAY_US, NEVER, Ints
from tests.forecasting.frames import change, changes, deals, now

TODAY = date(2026, 3, 16)  # a Monday
FIRST = date(2022, 3, 14)


def at_noon(*days: date) -> Ints:
    midnights = [datetime(d.year, d.month, d.day, 12, tzinfo=UTC).timestamp() for d in days]
    return (np.array(midnights) * 1_000_000).astype(np.int64)


def every_day(wanted: object, times: int = 1) -> Ints:
    days = [FIRST + timedelta(days=n) for n in range((TODAY - FIRST).days)]
    return np.repeat(at_noon(*(day for day in days if wanted(day))), times)  # type: ignore[operator]


def passing(pace: Pace, start: date, days: int) -> float:
    return pace.by_day(start + timedelta(days=days)) - pace.by_day(start)


def test_without_events_paced_days_are_calendar_days() -> None:
    pace = learn(np.empty(0, np.int64), FIRST, TODAY, "UTC")
    assert passing(pace, TODAY, 31) == pytest.approx(31)
    assert pace.between(*at_noon(FIRST, TODAY)) == pytest.approx((TODAY - FIRST).days)


def test_a_weekend_in_which_nothing_happens_hardly_passes_and_a_week_is_seven_days() -> None:
    pace = learn(every_day(lambda day: day.weekday() < 5), FIRST, TODAY, "Europe/Oslo")
    saturday = date(2026, 3, 21)
    # 520 events over two years, 11 of the usual mixed in
    assert passing(pace, saturday, 2) == pytest.approx(
        2 * PRIOR_EVENTS / (520 / 7 + PRIOR_EVENTS), rel=1e-9
    )
    assert passing(pace, TODAY, 7) == pytest.approx(7, rel=0.03)


def test_the_weekend_lies_where_the_account_has_it() -> None:
    pace = learn(every_day(lambda day: day.weekday() not in (4, 5)), FIRST, TODAY, "Asia/Riyadh")
    friday, sunday = date(2026, 3, 20), date(2026, 3, 22)
    assert passing(pace, friday, 2) < 0.4 < 1.2 < passing(pace, sunday, 1)


def test_a_july_in_which_little_happens_passes_slowly_every_year() -> None:
    busy = every_day(lambda day: day.month != 7 or day.day % 5 == 0, times=3)
    pace = learn(busy, FIRST, TODAY, "Europe/Oslo")
    july, september = (passing(pace, date(2026, month, 1), 28) for month in (7, 9))
    assert july < 0.5 * september
    assert july == pytest.approx(passing(pace, date(2025, 7, 1), 28), rel=0.15)
    assert pace.by_day(date(2027, 1, 1)) - pace.by_day(date(2026, 1, 1)) == pytest.approx(
        365, rel=0.02
    )


def test_a_january_with_twice_the_deals_and_twice_the_moves_is_no_faster() -> None:
    """Ten deals are open all the time, ten more each January: moves for each come as ever."""
    moves = np.concatenate([every_day(lambda _: True, times=3), every_day(in_january, times=3)])
    januaries = [date(year, 1, 1) for year in range(2023, 2027)]
    came = np.concatenate([np.repeat(at_noon(FIRST), 10), np.repeat(at_noon(*januaries), 10)])
    ended = np.full(len(came), NEVER)
    ended[10:] = came[10:] + 31 * DAY_US
    plain = learn(moves, FIRST, TODAY, "UTC")
    told = learn(moves, FIRST, TODAY, "UTC", (came, ended))
    january, september = date(2027, 1, 4), date(2026, 9, 7)
    assert passing(plain, january, 21) > 1.5 * passing(plain, september, 21)
    assert passing(told, january, 21) == pytest.approx(passing(told, september, 21), rel=0.1)
    july = every_day(lambda day: day.month != 7 or day.day % 5 == 0, times=3)
    slow = learn(july, FIRST, TODAY, "UTC", (came[:10], ended[:10]))
    assert passing(slow, date(2026, 7, 6), 21) < 0.5 * passing(slow, september, 21)


def in_january(day: object) -> bool:
    assert isinstance(day, date)
    return day.month == 1


def test_one_year_is_no_season() -> None:
    first = TODAY - timedelta(days=364 + 200)
    summer = every_day(lambda day: day >= first and day.month != 7, times=3)
    pace = learn(summer, first, TODAY, "UTC")
    assert passing(pace, date(2026, 7, 6), 7) == pytest.approx(7, rel=0.01)


def test_a_bulk_edit_is_no_pace() -> None:
    saturday = date(2026, 3, 7)
    usual = every_day(lambda day: day.weekday() < 5)
    bulk = np.concatenate([usual, np.repeat(at_noon(saturday), 5000)])
    assert passing(learn(bulk, FIRST, TODAY, "UTC"), saturday, 1) < 0.3


def test_days_are_those_of_the_account() -> None:
    late_on_fridays = every_day(lambda day: day.weekday() == 4) + int(11 / 24 * DAY_US)
    oslo = learn(late_on_fridays, FIRST, TODAY, "Europe/Oslo")  # 23:00Z is Saturday in Oslo
    saturday = date(2026, 3, 21)
    assert passing(oslo, saturday, 1) > 3 > 1 > passing(oslo, saturday - timedelta(days=1), 1)


@given(
    days=st.lists(st.integers(0, 1000), max_size=60),
    paced=st.floats(0, 700),
)
def test_time_never_runs_backwards_and_finds_its_way_back(days: list[int], paced: float) -> None:
    pace = learn(at_noon(*(FIRST + timedelta(days=n) for n in days)), FIRST, TODAY, "America/Lima")
    assert (np.diff(pace.passed) > 0).all()
    now = int(at_noon(TODAY)[0])
    later = pace.after(now, np.array([paced]))
    assert pace.between(now, later) == pytest.approx(paced, abs=1e-6)
    assert pace.from_day(TODAY, 7)[-1] == pytest.approx(passing(pace, TODAY, 7))
    assert pace.until(TODAY, 7)[-1] == pytest.approx(passing(pace, TODAY - timedelta(days=7), 7))


def test_days_that_are_predicted_are_those_on_which_something_happens() -> None:
    """Of Friday at five o'clock, a day of the account's own pace ahead is Monday."""
    weekdays = [
        datetime(2024, 9, 2, 10, tzinfo=UTC) + timedelta(days=n) for n in range(550) if n % 7 < 5
    ]
    rows, moves = [], []
    for number, days in enumerate(zip(weekdays, weekdays[1:], weekdays[2:], strict=False)):
        ends = ("won", "lost")[number % 2]
        deal_id = f"p{number}"
        rows.append(
            {
                "deal_id": deal_id,
                "created_at": days[0],
                "closed_at": days[2],
                "status": ends,
                "stage_id": ends,
            }
        )
        moves += [
            change("stage", stage, day, deal_id=deal_id)
            for stage, day in zip(("qualified", "proposal", ends), days, strict=True)
        ]
    friday = datetime(2026, 3, 13, 17, tzinfo=UTC)
    snapshot = now(deals(*rows), changes(*moves), as_of=friday)
    method = Multivariable("table").fit(snapshot)
    assert method.after(np.array([0.1, 1.0]), snapshot).to_list() == [friday.date(), TODAY]
