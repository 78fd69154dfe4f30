"""Stays in stages and where they led, against histories told by hand."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from forecasting.features import WINDOW_DAYS, landmarks
from forecasting.pace import Pace
from forecasting.snapshot import Snapshot
from forecasting.stage_exits import LOST, UNDER_WAY, WON, StageExits, stage_exits
from forecasting.tracks import DAY_US
from tests.forecasting.frames import AS_OF, STAGES, change, changes, deals, now, stage, stages

ENDS = {WON: "won", LOST: "lost", UNDER_WAY: "open"}


def ago(days: float) -> timedelta:
    return timedelta(days=days)


def came(stage_id: str, days_ago: float, deal_id: str = "d1", **told: Any) -> dict[str, Any]:
    return change("stage", stage_id, AS_OF - ago(days_ago), deal_id=deal_id, **told)


def every_day_alike(snapshot: Snapshot) -> Pace:
    """A pace by which paced days are days."""
    edges = snapshot.past.until + np.arange(-4000, 1) * DAY_US
    return Pace(AS_OF.date(), edges, np.arange(4001.0))


def told(snapshot: Snapshot, window_days: int = WINDOW_DAYS) -> list[tuple[Any, ...]]:
    """Per stay: stage, where it led, age when watching began, age at its end."""
    found = stage_exits(snapshot.past, every_day_alike(snapshot), window_days)
    names = found.stages["stage_id"].to_list()
    return [
        (names[one], ENDS.get(to, names[to] if to >= 0 else to), round(since, 3), round(days, 3))
        for one, to, since, days in zip(
            found.stage.tolist(), found.to.tolist(), found.since, found.days, strict=True
        )
    ]


def decided(status: str, days_ago: float, **other: Any) -> dict[str, Any]:
    closed = AS_OF - ago(days_ago)
    return {"status": status, "stage_id": status, "closed_at": closed, **other}


def born(days_ago: float) -> dict[str, Any]:
    return {"created_at": AS_OF - ago(days_ago)}


def test_each_stay_tells_how_long_it_was_and_where_it_led() -> None:
    """On, back, on again and won; lost from its first stage; and still under way."""
    frame = deals(decided("won", 2, **born(30)), decided("lost", 1, **born(11)), born(9))
    history = changes(
        came("qualified", 30), came("proposal", 20), came("qualified", 12), came("proposal", 10),
        came("won", 2),
        came("qualified", 11, "d2"), came("lost", 1, "d2"),
        came("qualified", 9, "d3"), came("proposal", 4, "d3"),
    )  # fmt: skip
    assert told(now(frame, history)) == [
        ("qualified", "proposal", 0, 10),
        ("proposal", "qualified", 0, 8),
        ("qualified", "proposal", 0, 2),
        ("proposal", "won", 0, 8),
        ("qualified", "lost", 0, 10),
        ("qualified", "proposal", 0, 5),
        ("proposal", "open", 0, 4),
    ]


def test_a_stay_ends_with_the_closing_even_where_no_stage_says_so() -> None:
    """A CRM whose deals keep their stage when they are decided, and may be moved afterwards."""
    frame = deals(decided("won", 5, **born(20)) | {"stage_id": "proposal"})
    history = changes(
        came("qualified", 20), came("proposal", 3),
        change("status", "open", AS_OF - ago(20)), change("status", "won", AS_OF - ago(5)),
    )  # fmt: skip
    assert told(now(frame, history)) == [("qualified", "won", 0, 15)]


def test_what_is_not_known_yet_is_under_way() -> None:
    frame = deals(decided("won", -3, **born(20)) | {"status": "won"})
    history = changes(came("qualified", 20), came("won", -3))
    snapshot = now(frame, history).history.snapshot(AS_OF)
    assert told(snapshot) == [("qualified", "open", 0, 20)]
    history = changes(came("qualified", 20), came("won", 0))
    snapshot = now(deals(decided("won", 0, **born(20))), history).history.snapshot(AS_OF)
    assert told(snapshot) == [("qualified", "won", 0, 20)]
    history = changes(came("qualified", 20), came("proposal", -1), came("won", -3))
    snapshot = now(frame, history).history.snapshot(AS_OF)
    assert told(snapshot) == [("qualified", "open", 0, 20)]


def test_deals_whose_stage_nobody_knows_are_in_none_since_their_creation() -> None:
    """No history at all; and one that begins a week after the deal: the week is a stay of its own.
    What is told within a day of the creation was so from the beginning.
    """
    frame = deals(born(20), decided("lost", 4, **born(10)), born(15), born(8))
    history = changes(came("lost", 4, "d2"), came("proposal", 8, "d3"), came("proposal", 7.5, "d4"))
    assert told(now(frame, history)) == [
        (None, "open", 0, 20),
        (None, "lost", 0, 6),
        (None, "proposal", 0, 7),
        ("proposal", "open", 0, 8),
        ("proposal", "open", 0, 7.5),
    ]


def test_of_the_distant_past_only_what_reaches_into_the_window_is_watched() -> None:
    frame = deals(born(100), born(100))
    history = changes(
        came("qualified", 100), came("proposal", 60),
        came("qualified", 100, "d2"), came("proposal", 10, "d2"),
    )  # fmt: skip
    assert told(now(frame, history), window_days=50) == [
        ("proposal", "open", 10, 60),
        ("qualified", "proposal", 50, 90),
        ("proposal", "open", 0, 10),
    ]


def test_the_same_name_in_two_pipelines_is_two_stages() -> None:
    known = stages(*STAGES.rows(named=True), stage("proposal", 0.5, pipeline_id="renewals"))
    frame = deals(born(9), born(9) | {"pipeline_id": "renewals"})
    history = changes(came("proposal", 9), came("proposal", 9, "d2"))
    found = landmarks(now(frame, history, known)).exits
    assert found.stages.rows() == [("renewals", "proposal"), ("sales", "proposal")]
    assert sorted(found.stage.tolist()) == [0, 1]


def test_a_stage_that_one_pipeline_alone_has_tells_the_pipeline() -> None:
    """A CRM that writes down the pipeline a moment after the stage, another that forgets those of
    deals that were moved since. Of a stage that two pipelines have, the deal's at that moment.
    """
    talks = stage("talks", 0.5), stage("talks", 0.5, pipeline_id="renewals")
    known = stages(*STAGES.rows(named=True), *talks)
    frame = deals(born(9), born(9), born(9))
    history = changes(
        came("proposal", 9), change("pipeline", "sales", AS_OF - ago(8.9), old="renewals"),
        came("proposal", 9, "d2"),
        came("talks", 9, "d3"), change("pipeline", "renewals", AS_OF - ago(9), deal_id="d3"),
        came("proposal", 2, "d3"), change("pipeline", "sales", AS_OF - ago(2), deal_id="d3"),
    )  # fmt: skip
    found = landmarks(now(frame, history, known)).exits
    assert found.stages.rows() == [("renewals", "talks"), ("sales", "proposal")]
    assert found.stage.tolist() == [1, 1, 0, 1]
    assert found.to.tolist() == [UNDER_WAY, UNDER_WAY, 1, UNDER_WAY]


def test_what_is_passed_on_at_once_lasts_a_moment() -> None:
    frame = deals(born(9))
    history = changes(came("qualified", 9), came("proposal", 9, ordinal=1))
    (passed, _) = told(now(frame, history))
    assert passed == ("qualified", "proposal", 0, pytest.approx(0.01))


def test_stays_are_counted_in_paced_days() -> None:
    """Moves on weekdays alone: over a weekend a stay grows by less than a day."""
    rows, moves = [], []
    for number in range(60):
        days_ago = 7 * (1 + number // 5) + (0, 3, 4, 5, 6)[number % 5]  # before a Monday
        deal_id = f"e{number}"
        rows.append(born(days_ago + 21) | {"deal_id": deal_id})
        moves.append(came("qualified", days_ago + 21, deal_id))
        moves.append(came("proposal", days_ago, deal_id))
    snapshot = now(deals(*rows, born(3)), changes(*moves, came("qualified", 3, "d61")))
    known = landmarks(snapshot)
    entered = snapshot.past.until - 3 * DAY_US
    exits = known.exits
    first = exits.stages["stage_id"].to_list().index("qualified")
    (last,) = exits.days[(exits.stage == first) & (exits.to == UNDER_WAY)]
    assert last == pytest.approx(known.pace.between(entered, snapshot.past.until))
    assert last < 2.5


def test_a_deal_of_which_nobody_knows_whether_it_is_still_open_is_not_watched() -> None:
    frame = deals(born(20), born(20) | {"status": "won", "stage_id": "won"})
    assert told(now(frame, changes(came("proposal", 20)))) == [("proposal", "open", 0, 20)]


def test_what_a_deal_went_through_at_the_instant_of_its_end_or_after_it_is_no_stay() -> None:
    frame = deals(decided("won", 5, **born(20)), decided("lost", 25, **born(20)))
    history = changes(
        came("qualified", 20), came("proposal", 5), came("won", 5, ordinal=1),
        came("qualified", 20, "d2"), came("lost", 4, "d2"),
    )  # fmt: skip
    assert told(now(frame, history)) == [("qualified", "won", 0, 15)]


def test_a_deal_that_was_lost_and_taken_up_again_has_left_as_lost_once() -> None:
    frame = deals(born(30))
    history = changes(came("proposal", 30), came("lost", 20), came("proposal", 10))
    assert told(now(frame, history)) == [
        ("proposal", "lost", 0, 10),
        ("proposal", "open", 0, 10),
    ]


def test_of_too_many_deals_every_so_manieth_is_watched() -> None:
    """Of those that were open in the window, that is."""
    old = [decided("lost", 800, **born(900)) | {"deal_id": f"c{n}"} for n in range(9)]
    snapshot = now(deals(*old, *[born(days) | {"deal_id": f"d{days}"} for days in range(10, 17)]))
    pace = every_day_alike(snapshot)
    assert stage_exits(snapshot.past, pace, WINDOW_DAYS, 7).days.size == 7
    sample = stage_exits(snapshot.past, pace, WINDOW_DAYS, 6)
    assert sample.days == pytest.approx([10, 12, 14, 16])


def test_an_account_without_deals_has_no_stays() -> None:
    snapshot = now(deals())
    found = stage_exits(snapshot.past, every_day_alike(snapshot), WINDOW_DAYS)
    assert isinstance(found, StageExits)
    assert found.stages.is_empty()
    assert found.stages.columns == ["pipeline_id", "stage_id"]
    assert isinstance(found.stages, pl.DataFrame)
    assert found.stage.size == found.days.size == 0
