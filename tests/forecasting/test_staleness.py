"""Silence against the stage's own norm, on human engagement, in working days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.deals import INSTANT
from forecasting.quality import QualitySettings, examine
from forecasting.selling_day_counts import selling_days_between
from forecasting.selling_days import EVERY_DAY, selling_days
from forecasting.staleness import BULK_DEALS, STATES, precedents, silence
from tests.forecasting.frames import (
    AS_OF,
    OWNERS,
    STAGES,
    TODAY,
    ZONE,
    change,
    changes,
    deals,
    won_stays,
)
from tests.forecasting.quality.test_rules import dead, found

NORWAY = selling_days("NO", range(2025, 2027))


def silent_days(frame: pl.DataFrame, rows: pl.DataFrame | None = None, **more: Any) -> list[int]:
    about = {"as_of": AS_OF, "today": TODAY, "zone": ZONE, **more}
    told = silence(frame, changes() if rows is None else rows, **about)
    return told["silent_days"].to_list()


def facts(difference: dict[str, Any], *rows: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """What is known of deal d1."""
    others = difference.pop("others", [])
    examined = examine(
        deals({"deal_id": "d1", **difference}, *others),
        changes(*rows),
        STAGES,
        OWNERS,
        as_of=AS_OF,
        today=TODAY,
        zone=ZONE,
        settings=QualitySettings(**settings),
    )
    return examined.facts.filter(pl.col("deal_id") == "d1").row(0, named=True)


# --- what counts as activity


def test_the_latest_of_engagement_change_and_creation_counts() -> None:
    long_ago = AS_OF - timedelta(days=100)
    frame = deals(
        {"created_at": long_ago, "last_activity_at": AS_OF - timedelta(days=7)},
        {"created_at": long_ago, "last_activity_at": AS_OF - timedelta(days=7)},
        {"created_at": AS_OF - timedelta(days=4), "last_activity_at": None},
        {"created_at": long_ago, "last_contacted_at": AS_OF - timedelta(days=6)}
        | {"last_activity_at": None},
        {"created_at": long_ago, "last_reply_at": AS_OF - timedelta(days=5)}
        | {"last_activity_at": None},
        {"status": "won", "closed_on": TODAY},
    )
    rows = changes(change("amount", "5", AS_OF - timedelta(days=2), deal_id="d2"))
    assert silent_days(frame, rows) == [7, 2, 4, 6, 5]


def test_days_are_the_accounts() -> None:
    """23:30 UTC on 15 March is 16 March in Oslo: today."""
    late = deals({"last_activity_at": datetime(2026, 3, 15, 23, 30, tzinfo=UTC)})
    assert silent_days(late) == [0]
    assert silent_days(late, zone="UTC") == [1]


def test_an_activity_dated_ahead_counts_as_today() -> None:
    assert silent_days(deals({"last_activity_at": AS_OF + timedelta(days=3)})) == [0]


def test_a_bulk_edit_refreshes_nobody_and_one_less_would() -> None:
    for count, expected in ((BULK_DEALS, 30), (BULK_DEALS - 1, 3)):
        at = AS_OF - timedelta(days=3)
        silent = {"last_activity_at": AS_OF - timedelta(days=30)}
        frame = deals(*(silent for _ in range(count)))
        rows = [
            change("stage", "proposal", at.replace(second=n % 60), deal_id=f"d{n + 1}")
            for n in range(count)
        ]
        assert set(silent_days(frame, changes(*rows))) == {expected}


def test_deals_decided_meanwhile_do_not_make_a_bulk_edit() -> None:
    """A busy minute of closings is not housekeeping on the one deal that is open."""
    at = AS_OF - timedelta(days=3)
    ended = {"status": "lost", "closed_on": TODAY}
    frame = deals({"last_activity_at": None}, *(ended for _ in range(BULK_DEALS)))
    rows = [change("stage", "x", at, deal_id=f"d{n}") for n in range(1, BULK_DEALS + 2)]
    assert silent_days(frame, changes(*rows)) == [3]


# --- working days


def test_weekends_and_public_holidays_are_no_silence() -> None:
    """Easter 2026: 2, 3 and 6 April are off in Norway."""
    frame = deals({"last_activity_at": datetime(2026, 4, 1, 8, tzinfo=UTC)})
    after = {"as_of": datetime(2026, 4, 7, 9, tzinfo=UTC), "today": date(2026, 4, 7)}
    assert silent_days(frame, **after) == [6]
    assert silent_days(frame, calendar=selling_days(None, ()), **after) == [4]
    assert silent_days(frame, calendar=NORWAY, **after) == [1]


@given(st.dates(date(2025, 1, 1), date(2026, 12, 31)), st.integers(-40, 400))
def test_a_column_is_counted_as_its_days_one_by_one(start: date, length: int) -> None:
    end = start + timedelta(days=length)
    row = pl.DataFrame({"start": [start, None], "end": [end, end]})
    for calendar in (NORWAY, selling_days(None, ()), EVERY_DAY):
        told = row.select(
            selling_days_between(calendar, pl.col("start"), pl.col("end"))
        ).to_series()
        assert told.to_list() == [calendar.count(start, end), None]


def test_a_part_of_a_country_has_its_own_holidays_and_an_unknown_one_is_refused() -> None:
    epiphany = date(2026, 1, 6)
    assert epiphany not in selling_days("DE-BY", [2026])
    assert epiphany in selling_days("DE", [2026])
    with pytest.raises(ValueError, match="no public holidays are known for 'XX'"):
        selling_days("XX", [2026])


def test_norms_are_learned_in_working_days() -> None:
    """Won deals were in the stage for four weeks: 20 working days."""
    rows, moves = won_stays(400, days=28)
    told = facts({"others": rows}, *moves, calendar=selling_days(None, ()))
    assert told["norm_days"] == 20
    plain = facts({"others": rows}, *moves)
    assert plain["norm_days"] == 28


# --- states


@pytest.mark.parametrize(
    ("days", "state"),
    [(0, 0), (5, 0), (6, 1), (10, 1), (11, 2), (33, 2), (34, 3), (400, 3)],
)
def test_the_four_states_at_their_edges(days: int, state: int) -> None:
    """Without history the norm is 10 days, dead is 10 x 3.32 = 33."""
    told = facts(silent(days))
    assert (told["norm_days"], told["dead_days"]) == (10, 33)
    assert told["state"] == STATES[state]


def test_an_own_norm_has_its_own_death() -> None:
    told = facts(silent(9), after_days={"Proposal": 3})
    assert (told["norm_days"], told["dead_days"], told["state"]) == (3, 10, "stale")


def test_a_future_activity_protects_even_the_longest_silent() -> None:
    told = facts(silent(500) | {"next_activity_at": AS_OF + timedelta(minutes=1)})
    assert (told["state"], told["archive"]) == ("fresh", False)


# --- the archive


def test_a_dead_deal_without_precedents_is_no_candidate() -> None:
    told = facts(silent(500, stage_entered_at=AS_OF - timedelta(days=500)))
    assert (told["state"], told["earlier"], told["archive"]) == ("dead", 0, False)
    assert told["chance_at_most"] is None


@pytest.mark.parametrize(("lost", "candidate"), [(72, False), (73, True)])
def test_how_many_precedents_it_takes_without_a_win(lost: int, candidate: bool) -> None:
    difference, moves, _ = dead()
    difference["others"] = difference["others"][:lost]
    told = facts(difference, *moves)
    assert (told["earlier"], told["earlier_won"], told["archive"]) == (lost, 0, candidate)


def test_one_win_among_them_is_enough_against_it() -> None:
    difference, moves, _ = dead()
    difference["others"][0] |= {"status": "won", "stage_id": "won"}
    moves = [
        {**row, "new": "won"} if (row["deal_id"], row["new"]) == ("l0", "lost") else row
        for row in moves
    ]
    told = facts(difference, *moves)
    assert (told["earlier"], told["earlier_won"], told["archive"]) == (80, 1, False)


def test_a_chance_that_we_give_it_ourselves_counts_too() -> None:
    difference, moves, _ = dead()
    others = difference.pop("others")
    frame = deals({"deal_id": "d1", **difference}, *others)
    for chance, candidate in ((0.04, True), (0.06, False)):
        said = pl.DataFrame(
            {"connection": ["main"], "deal_id": ["d1"], "win_probability": [chance]}
        )
        examined = examine(
            frame,
            changes(*moves),
            STAGES,
            OWNERS,
            as_of=AS_OF,
            today=TODAY,
            zone=ZONE,
            chances=said,
        )
        assert examined.facts["archive"].to_list() == [candidate]


def test_where_the_stage_is_new_its_pipeline_is_looked_at() -> None:
    difference, moves, _ = dead()
    told = facts(difference | {"stage_id": "qualified"}, *moves)
    assert (told["compared_with"], told["earlier"]) == ("pipeline", 80)


def test_the_longest_standing_are_taken_where_nobody_stood_as_long() -> None:
    """A deal of three years is judged by those of 200 days, not called unknown."""
    difference, moves, _ = dead()
    since = AS_OF - timedelta(days=1100)
    long_ago = {"created_at": since, "stage_entered_at": since, "last_activity_at": since}
    told = facts(difference | long_ago, *moves)
    assert (told["earlier"], told["from_days"], told["archive"]) == (75, 200, True)


@pytest.mark.parametrize(("lost", "candidate"), [(72, False), (73, True)])
def test_without_stage_history_whole_lives_are_compared(lost: int, candidate: bool) -> None:
    """An export tells when deals were created and closed, and nothing of their stages."""
    difference, _, _ = dead()
    difference["others"] = difference["others"][:lost]
    told = facts(difference | {"stage_entered_at": None})
    assert (told["days_in_stage"], told["compared_with"]) == (None, "life")
    assert (told["earlier"], told["earlier_won"], told["from_days"]) == (lost, 0, 200)
    assert told["archive"] is candidate


def test_a_life_that_ended_before_it_began_is_nobodys_precedent() -> None:
    difference, _, _ = dead()
    for row in difference["others"]:
        row["closed_at"] = row["created_at"] - timedelta(days=1)
    told = facts(difference | {"stage_entered_at": None})
    assert (told["earlier"], told["chance_at_most"]) == (0, None)


def standing(count: int, days: int) -> list[dict[str, Any]]:
    """Open deals that have stood in the stage for so long, and nobody closes."""
    since = AS_OF - timedelta(days=days)
    row = {"created_at": since, "stage_entered_at": since, "last_activity_at": since}
    return [{"deal_id": f"o{n}", **row} for n in range(count)]


@pytest.mark.parametrize(
    ("others", "days", "earlier", "candidate"),
    [
        (73, 332, 73, True),  # stood for 150 days half a year ago, as the deal does now
        (73, 331, 73, True),  # for 149: the longest that are known
        (72, 332, 72, False),
        (73, 181, 0, False),
    ],
)
def test_open_deals_tell_how_they_stood_half_a_year_ago(
    others: int, days: int, earlier: int, candidate: bool
) -> None:
    told = facts(dead()[0] | {"others": standing(others, days)})
    assert (told["earlier"], told["earlier_won"]) == (earlier, 0)
    assert told["archive"] is candidate


def test_what_stands_in_a_closed_stage_is_no_precedent() -> None:
    """Deals lost a year ago after a day have stood in "Closed lost" for a year, not in the way."""
    entered = AS_OF - timedelta(days=400)
    left = entered + timedelta(days=1)
    ended = {"status": "lost", "stage_id": "lost", "created_at": entered, "closed_at": left}
    others = [{"deal_id": f"l{n}", **ended} for n in range(80)]
    moves = [change("stage", "proposal", entered, deal_id=row["deal_id"]) for row in others]
    moves += [change("stage", "lost", left, deal_id=row["deal_id"]) for row in others]
    told = facts(dead()[0] | {"others": others, "stage_id": "qualified"}, *moves)
    assert (told["compared_with"], told["earlier"], told["from_days"]) == ("pipeline", 75, 1)


def ended(
    key: str, count: int, stage: str, days: int, outcome: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Deals that stood in a stage for so long, then ended, and their moves."""
    entered = datetime(2025, 3, 3, 8, tzinfo=UTC)
    left = entered + timedelta(days=days)
    row = {"status": outcome, "stage_id": outcome, "created_at": entered, "closed_at": left}
    rows = [{"deal_id": f"{key}{n}", **row} for n in range(count)]
    moves = [change("stage", stage, entered, deal_id=row["deal_id"]) for row in rows]
    return rows, moves + [change("stage", outcome, left, deal_id=row["deal_id"]) for row in rows]


@pytest.mark.parametrize(
    ("won", "compared_with", "candidate"), [(0, "pipeline", True), (1, "stage", False)]
)
def test_other_stages_speak_only_where_none_that_stood_as_long_in_its_own_was_won(
    won: int, compared_with: str, candidate: bool
) -> None:
    parts = [
        ended("quick", 80, "proposal", 5, "lost"),
        ended("won", won, "proposal", 200, "won"),
        ended("slow", 80, "qualified", 200, "lost"),
    ]
    others = [row for rows, _ in parts for row in rows]
    told = facts(dead()[0] | {"others": others}, *(move for _, moves in parts for move in moves))
    assert (told["compared_with"], told["archive"]) == (compared_with, candidate)


@given(
    st.lists(st.tuples(st.floats(0, 400), st.booleans()), max_size=60),
    st.one_of(st.none(), st.integers(0, 420)),
    st.integers(1, 20),
)
def test_precedents_are_those_a_plain_count_finds(
    known: list[tuple[float, bool]], days: int | None, enough: int
) -> None:
    """The deal itself, which has stood for half a year or more, is none."""
    stays = pl.DataFrame(
        [
            ("main", f"k{n}", "sales", "proposal", AS_OF, stayed, "won" if won else "lost")
            for n, (stayed, won) in enumerate(known)
        ],
        schema={
            **dict.fromkeys(("connection", "deal_id", "pipeline_id", "stage_id"), pl.String),
            "left_at": INSTANT,
            "days": pl.Float64,
            "outcome": pl.String,
        },
        orient="row",
    )
    asked = pl.DataFrame(
        [("main", "d1", "sales", "proposal", days, None)],
        schema=dict.fromkeys(("connection", "deal_id", "pipeline_id", "stage_id"), pl.String)
        | {"days_in_stage": pl.Int64, "days_open": pl.Int64},
        orient="row",
    )
    told = precedents(asked, stays, enough=enough).row(0, named=True)
    if days is None:
        assert (told["earlier"], told["chance_at_most"]) == (0, None)
        return
    as_long = sum(stayed >= days for stayed, _ in known)
    count = min(len(known), max(as_long, enough))
    assert told["earlier"] == count
    if count:
        shortest = sorted(stayed for stayed, _ in known)[-count]
        certain = sum(won for stayed, won in known if stayed > shortest)
        tied = sum(won for stayed, won in known if stayed == shortest)
        assert certain <= told["earlier_won"] <= certain + tied
        assert told["earlier_won"] / count <= told["chance_at_most"] <= 1


# --- the finding


def silent(days: float, **more: Any) -> dict[str, Any]:
    return {"last_activity_at": AS_OF - timedelta(days=days), "next_activity_at": None, **more}


@pytest.mark.parametrize(("days", "dirty"), [(10, False), (11, True)])
def test_silence_has_to_be_longer_than_the_norm(days: int, dirty: bool) -> None:
    assert ("stale" in found(silent(days))) == dirty


def test_a_planned_activity_protects() -> None:
    assert "stale" not in found({"last_activity_at": AS_OF - timedelta(days=90)})


@pytest.mark.parametrize(
    ("source", "field", "dirty"),
    [
        ("human", "stage", False),
        ("human", "next_step", False),
        ("human", "forecast_category", True),
        ("own", "amount", True),
        ("automation", "owner", True),
        ("integration", "close_date", True),
        ("diff", "amount", True),
    ],
)
def test_only_a_persons_change_is_activity(source: str, field: str, dirty: bool) -> None:
    rows = [change(field, "proposal", AS_OF - timedelta(days=3), source=source)]
    assert ("stale" in found(silent(30), rows)) == dirty


def test_a_change_after_the_instant_is_not_known_yet() -> None:
    rows = [change("stage", "proposal", AS_OF + timedelta(seconds=1))]
    assert "stale" in found(silent(30), rows)


def test_a_new_deal_is_not_stale() -> None:
    deal = {"created_at": AS_OF - timedelta(days=2), "next_activity_at": None}
    assert "stale" not in found({**deal, "last_activity_at": None})


def test_the_stages_own_norm_holds() -> None:
    """Won deals were in proposal for 40 days: 20 silent days are nothing there."""
    rows, moves = won_stays(200, days=40)
    assert "stale" not in found(silent(20, stage_entered_at=AS_OF), moves, others=rows)
    told = found(silent(45, stage_entered_at=AS_OF), moves, others=rows)["stale"]
    assert told["norm_days"] in (38, 39, 40)


def test_no_learned_norm_is_shorter_than_the_minimum() -> None:
    rows, moves = won_stays(200, days=0.1)
    told = found(silent(6, stage_entered_at=AS_OF), moves, others=rows)["stale"]
    assert (told["days"], told["norm_days"]) == (6, 5)
    assert "stale" not in found(silent(5, stage_entered_at=AS_OF), moves, others=rows)


@pytest.mark.parametrize("key", ["proposal", "Proposal", " PROPOSAL"])
def test_an_own_norm_by_label_or_id_is_taken_as_it_is(key: str) -> None:
    settings = QualitySettings(after_days={key: 2, "Elsewhere": 90})
    assert found(silent(3), settings=settings)["stale"]["norm_days"] == 2
    assert "stale" not in found(silent(2), settings=settings)


def test_in_a_stage_nobody_knows_the_default_norm_holds() -> None:
    settings = QualitySettings(default_after_days=7)
    assert found(silent(8, stage_id="gone"), settings=settings)["stale"] == {
        "days": 8,
        "norm_days": 7,
        "stage": "gone",
        "last_activity": "2026-03-08",
        "state": "stale",
    }
