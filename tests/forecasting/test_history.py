"""Past states, replayed in plain Python beside the frames."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from forecasting.history import deals_as_of, stage_stays
from forecasting.snapshot import History
from tests.forecasting.frames import (
    AS_OF,
    NO_CHANGES,
    OWNERS,
    STAGES,
    ZONE,
    change,
    changes,
    deals,
    stage,
    stages,
    won_stays,
)

BIRTH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

VALUES = {
    "stage": ["qualified", "proposal", "won", "lost"],
    "status": ["open", "won", "lost"],
    "pipeline": ["sales", "renewals"],
    "owner": ["1", "2", None],
    "amount": ["100", "250.50", None],
    "close_date": ["2026-03-31T22:30:00Z", "2026-04-30T10:00:00.500000+00:00", None],
    "forecast_category": ["COMMIT", "BEST_CASE", None],
}
COLUMN = {"stage": "stage_id", "pipeline": "pipeline_id", "owner": "owner_id"}
DAY = {
    "2026-03-31T22:30:00Z": date(2026, 4, 1),
    "2026-04-30T10:00:00.500000+00:00": date(2026, 4, 30),
}


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Changes of three deals at whole hours, several often in one, numbered as they came."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["d1", "d2", "d3"]),
                st.sampled_from(sorted(VALUES)),
                st.integers(0, 8),
                st.integers(0, 3),
            ),
            max_size=40,
        )
    )
    rows = []
    for ordinal, (deal_id, field, hour, pick) in enumerate(steps):
        new = VALUES[field][pick % len(VALUES[field])]
        rows.append(
            change(field, new, BIRTH + timedelta(hours=hour), deal_id=deal_id, ordinal=ordinal)
        )
    return rows


def three_deals() -> pl.DataFrame:
    return deals(*({"created_at": BIRTH + timedelta(hours=h)} for h in (0, 2, 4)))


def replayed(rows: list[dict[str, Any]], deal_id: str, field: str, t: datetime) -> Any:
    """The value the last change up to `t` left, or "unknown"."""
    value: Any = "unknown"
    for row in sorted(rows, key=lambda r: (r["changed_at"], r["ordinal"])):
        if (row["deal_id"], row["field"]) == (deal_id, field) and row["changed_at"] <= t:
            value = row["new"]
    return value


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(-1, 9))
def test_the_state_at_any_instant_is_what_a_replay_of_the_changes_gives(
    rows: list[dict[str, Any]], hour: int
) -> None:
    t = BIRTH + timedelta(hours=hour)
    states = deals_as_of(changes(*rows), three_deals(), t, zone=ZONE)
    assert states["deal_id"].to_list() == [
        f"d{n}" for n, born in ((1, 0), (2, 2), (3, 4)) if born <= hour
    ]
    for state in states.iter_rows(named=True):
        values = {f: replayed(rows, state["deal_id"], f, t) for f in VALUES}
        assert state["history_complete"] == ("unknown" not in values.values())
        for field, value in values.items():
            expected = None if value == "unknown" else value
            if field == "close_date" and expected is not None:
                expected = DAY[expected]
            name = "amount_text" if field == "amount" else COLUMN.get(field, field)
            assert state[name] == expected


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(0, 9))
def test_a_snapshot_for_the_methods_is_what_a_replay_gives(
    rows: list[dict[str, Any]], hour: int
) -> None:
    """Status: as told, else as the stage says, else open. An owner without any history in the whole
    account is taken as never changed; nothing else is taken from today.
    """
    t = BIRTH + timedelta(hours=hour)
    today = three_deals().with_columns(currency=pl.lit(None, pl.String), owner_id=pl.lit("today"))
    today = today.with_columns(amount=pl.lit(None, pl.Float64), close_date=date(2031, 1, 1))
    known = History(today, changes(*rows), STAGES, OWNERS, zone=ZONE).snapshot(t).deals
    assert known["deal_id"].to_list() == [
        f"d{n}" for n, born in ((1, 0), (2, 2), (3, 4)) if born <= hour
    ]
    owners_told = any(row["field"] == "owner" for row in rows)
    for state in known.iter_rows(named=True):
        told = {field: replayed(rows, state["deal_id"], field, t) for field in VALUES}
        value = {field: None if each == "unknown" else each for field, each in told.items()}
        by_stage = value["stage"] if value["stage"] in ("won", "lost") else "open"
        assert state["status"] == (value["status"] or by_stage)
        assert state["stage_id"] == value["stage"]
        assert state["forecast_category"] == value["forecast_category"]
        assert state["owner_id"] == (value["owner"] if owners_told else "today")
        assert state["close_date"] == (value["close_date"] and DAY[value["close_date"]])
        assert state["amount"] == (value["amount"] and float(value["amount"]))


@settings(max_examples=25, deadline=None)
@given(histories(), histories(), st.integers(0, 8))
def test_nothing_that_happens_later_alters_the_state(
    rows: list[dict[str, Any]], later: list[dict[str, Any]], hour: int
) -> None:
    t = BIRTH + timedelta(hours=hour)
    future = [{**row, "changed_at": row["changed_at"] + timedelta(days=30)} for row in later]
    known = [row for row in rows if row["changed_at"] <= t]
    today = three_deals()
    renamed = today.with_columns(
        stage_id=pl.lit("won"), status=pl.lit("won"), amount=9e9, closed_at=BIRTH + timedelta(90)
    )
    for state in (
        lambda c, d: deals_as_of(c, d, t, zone=ZONE, stages=STAGES),
        lambda c, d: stage_stays(c, d, STAGES, t),
    ):
        assert_frame_equal(state(changes(*known), today), state(changes(*rows, *future), renamed))


@settings(max_examples=15, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    ours, theirs = changes(*rows), changes(*shuffled)
    for state in (
        lambda c: deals_as_of(c, three_deals(), AS_OF, zone=ZONE, stages=STAGES),
        lambda c: stage_stays(c, three_deals(), STAGES, AS_OF),
    ):
        assert_frame_equal(state(ours), state(theirs))


def test_of_two_changes_at_one_instant_the_one_of_the_higher_ordinal_came_last() -> None:
    rows = changes(
        change("stage", "proposal", BIRTH, ordinal=1), change("stage", "qualified", BIRTH)
    )
    one = deals({"created_at": BIRTH})
    state = deals_as_of(rows, one, AS_OF, zone=ZONE, fields=("stage",))
    assert state["stage_id"].item() == "proposal"
    assert stage_stays(rows, one, STAGES, AS_OF)["stage_id"].to_list() == ["qualified", "proposal"]
    snapshot = History(one, rows, STAGES, OWNERS, zone=ZONE).snapshot(AS_OF)
    assert snapshot.deals["stage_id"].item() == "proposal"


def test_what_the_history_does_not_say_is_unknown_not_todays_value() -> None:
    state = deals_as_of(NO_CHANGES, deals({"amount": 5.0}), AS_OF, zone=ZONE).row(0, named=True)
    assert state["stage_id"] is None
    assert state["amount_text"] is None
    assert not state["history_complete"]


def test_a_snapshot_knows_no_later_amount_nor_closing() -> None:
    """Won on the tenth day; of an amount without history nobody knows what it was while open."""
    one = deals(
        {
            "created_at": BIRTH,
            "status": "won",
            "closed_at": BIRTH + timedelta(days=10),
            "amount": 5.0,
        }
    )
    history = History(one, NO_CHANGES, STAGES, OWNERS, zone=ZONE)

    def then(day: int) -> dict[str, Any]:
        told = history.snapshot(BIRTH + timedelta(days=day)).deals.row(0, named=True)
        return {name: told[name] for name in ("status", "amount", "amount_problem", "closed_on")}

    unknown = {"amount": None, "amount_problem": "missing", "closed_on": None}
    assert then(5) == {"status": "open"} | unknown
    closed_on = BIRTH.date() + timedelta(days=10)
    known = {"amount": 5.0, "amount_problem": None, "closed_on": closed_on}
    assert then(15) == {"status": "won"} | known


def test_a_field_that_the_crm_follows_from_birth_is_known_to_be_empty() -> None:
    rows = changes(
        *(
            change(field, value, BIRTH)
            for field, value in (("stage", "qualified"), ("status", "open"), ("pipeline", "sales"))
        )
    )
    one = deals({"created_at": BIRTH})
    others = ("owner", "amount", "close_date", "forecast_category")
    assert not deals_as_of(rows, one, AS_OF, zone=ZONE)["history_complete"].item()
    assert deals_as_of(rows, one, AS_OF, zone=ZONE, kept=others)["history_complete"].item()
    assert not deals_as_of(NO_CHANGES, one, AS_OF, zone=ZONE, kept=("stage",), fields=("stage",))[
        "history_complete"
    ].item()


def test_status_and_pipeline_follow_from_the_stage_where_they_have_no_history() -> None:
    rows = changes(change("stage", "won", BIRTH))
    one = deals({"created_at": BIRTH})
    asked = ("stage", "status", "pipeline")
    state = deals_as_of(rows, one, AS_OF, zone=ZONE, stages=STAGES, fields=asked).row(0, named=True)
    assert (state["status"], state["pipeline_id"], state["history_complete"]) == (
        "won",
        "sales",
        True,
    )


def test_an_open_stage_says_nothing_of_the_status_where_no_stage_is_closed() -> None:
    bare = stages(stage("proposal", 0.4))
    rows = changes(change("stage", "proposal", BIRTH))
    one = deals({"created_at": BIRTH, "status": "won", "closed_at": BIRTH + timedelta(days=9)})
    state = deals_as_of(rows, one, AS_OF, zone=ZONE, stages=bare, fields=("status",))
    assert state["status"].item() is None
    stay = stage_stays(rows, one, bare, AS_OF).row(0, named=True)
    assert (stay["outcome"], stay["days"]) == ("won", 9.0)


def test_stays_by_hand() -> None:
    """Qualified 2 days, proposal 3, back to qualified 1, proposal again until today."""
    at = [BIRTH + timedelta(days=d) for d in (0, 2, 5, 6)]
    path = ["qualified", "proposal", "qualified", "proposal"]
    rows = changes(*(change("stage", s, t) for s, t in zip(path, at, strict=True)))
    stays = stage_stays(rows, deals({"created_at": BIRTH}), STAGES, BIRTH + timedelta(days=10))
    assert stays["stage_id"].to_list() == path
    assert stays["days"].to_list() == [2.0, 3.0, 1.0, 4.0]
    assert stays["left_at"].to_list() == [*at[1:], None]
    assert stays["pipeline_id"].unique().to_list() == ["sales"]
    assert stays["outcome"].unique().to_list() == ["open"]


def test_a_repeated_stage_is_one_stay_and_an_emptied_one_ends_it() -> None:
    at = [BIRTH + timedelta(days=d) for d in (0, 1, 4)]
    moves = zip(("proposal", "proposal", None), at, strict=True)
    rows = changes(*(change("stage", s, t) for s, t in moves))
    stays = stage_stays(rows, deals({"created_at": BIRTH}), STAGES, AS_OF)
    assert stays["days"].to_list() == [4.0]


def test_the_outcome_is_the_one_known_then() -> None:
    rows, moves = won_stays(1, days=10)
    left = rows[0]["closed_at"]
    before = stage_stays(changes(*moves), deals(*rows), STAGES, left - timedelta(days=1))
    after = stage_stays(changes(*moves), deals(*rows), STAGES, left + timedelta(days=1))
    assert before["outcome"].to_list() == ["open"]
    assert before["days"].to_list() == [9.0]
    assert after.filter(pl.col("stage_id") == "proposal")["outcome"].to_list() == ["won"]


def test_a_stage_id_that_two_pipelines_share_belongs_to_the_pipeline_of_that_time() -> None:
    both = stages(stage("new", 0.1), stage("new", 0.3, pipeline_id="renewals"))
    moved = BIRTH + timedelta(days=3)
    rows = changes(
        change("pipeline", "renewals", BIRTH),
        change("stage", "new", BIRTH),
        change("stage", "gone", moved),
        change("pipeline", "sales", moved),
        change("stage", "new", moved + timedelta(days=1)),
    )
    stays = stage_stays(rows, deals({"created_at": BIRTH}), both, AS_OF)
    assert stays["pipeline_id"].to_list() == ["renewals", "sales", "sales"]
