"""What is known of deals, and at which past instants, against arithmetic by hand."""

from datetime import date, timedelta

import numpy as np
import pytest

from forecasting import additive
from forecasting.features import Landmarks, _grid, landmarks, open_facts
from forecasting.tracks import DAY_US
from tests.contract.test_methods import BUSY
from tests.forecasting.frames import AS_OF, STAGES, TODAY, change, changes, deals, now

NOW = 100 * DAY_US


def ago(days: float) -> timedelta:
    return timedelta(days=days)


def test_the_facts_of_an_open_deal_by_hand() -> None:
    """Created 20 days ago, in its stage for 8; pushed twice and pulled in once; what a machine did
    two days ago is no touch of a person's, whose last was the push five days ago.
    """
    days = [date(2026, 3, 20), date(2026, 4, 10), date(2026, 4, 1), date(2026, 4, 15)]
    closes = [
        change("close_date", f"{day}", AS_OF - ago(before))
        for day, before in zip(days, (20, 15, 10, 5), strict=True)
    ]
    history = changes(
        *closes,
        change("stage", "qualified", AS_OF - ago(20)),
        change("stage", "proposal", AS_OF - ago(8)),
        change("amount", "900", AS_OF - ago(2), source="integration"),
        change("amount", "950", AS_OF + ago(1)),
    )
    frame = deals(
        {"created_at": AS_OF - ago(20), "close_date": days[-1]},
        {"created_at": AS_OF - ago(20), "stage_id": "qualified", "close_date": None},
    )
    first, second = open_facts(now(frame, history)).to_dicts()
    told = ("stage_days", "age_days", "pushes", "moves", "quiet_days", "due_days", "route")
    assert {name: first[name] for name in told} == {
        "stage_days": pytest.approx(8),
        "age_days": pytest.approx(20),
        "pushes": 2,
        "moves": 1,
        "quiet_days": pytest.approx(5),
        "due_days": (days[-1] - TODAY).days,
        "route": "proposal after 1",
    }
    assert (second["pushes"], second["moves"], second["due_days"]) == (0, 0, None)
    assert second["quiet_days"] == pytest.approx(20)  # nobody has touched it since its creation


def test_time_in_a_stage_is_paced_from_its_beginning() -> None:
    frame = deals(
        {"created_at": AS_OF - ago(60)}, {"created_at": AS_OF - ago(60), "stage_id": None}
    )
    history = changes(
        change("stage", "qualified", AS_OF - ago(60)), change("stage", "proposal", AS_OF - ago(8))
    )
    snapshot = now(frame, history)
    pace, until = landmarks(snapshot).pace, snapshot.past.until
    since = np.array([until - 8 * DAY_US, until - 60 * DAY_US])  # unknown: since the creation
    expected = pace.between(since, np.full(2, until))
    assert open_facts(snapshot)["stage_paced"].to_list() == pytest.approx(expected.tolist())


def test_lessons_are_of_each_day_from_the_creation_until_before_the_end() -> None:
    """Closed two days ago, and open still; of the closing itself nothing is to be learned."""
    created, ended = np.array([NOW - 5 * DAY_US] * 2), np.array([NOW - 2 * DAY_US, NOW])
    spacing, deal, at = _grid(created, ended, NOW, 1000)
    before = ((NOW - at) // DAY_US).tolist()
    assert spacing == 1
    assert deal.tolist() == [0] * 3 + [1] * 5
    assert sorted(before[:3]) == [3, 4, 5]
    assert sorted(before[3:]) == [1, 2, 3, 4, 5]
    wider, deal, at = _grid(created - 30 * DAY_US, ended, NOW, 20)
    assert wider == 7
    assert set(((NOW - at) // DAY_US).tolist()) == {7, 14, 21, 28, 35}


def test_lessons_that_overlap_count_once() -> None:
    known = landmarks(now(*BUSY, STAGES))
    weekly = Landmarks(**{name: getattr(known, name) for name in known.__slots__} | {"spacing": 7})
    assert weekly.weight(28.0) == pytest.approx(0.25)
    assert weekly.weight(3.0) == 1


def test_of_a_horizon_only_deals_teach_that_were_followed_for_all_of_it() -> None:
    """Else what is not over yet would look lost."""
    known = landmarks(now(*BUSY, STAGES))
    found = additive.followed_for(known, 28.0, 10**6)
    assert found is not None
    rows, horizon = found
    assert horizon == 28
    assert known.followed[rows].min() >= 28
    assert len(rows) == int((known.followed >= 28).sum()) < len(known.followed)
