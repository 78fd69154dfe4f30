"""The waterfall adds up to the cent, each move is the right one, and a real year agrees."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.history import habits
from forecasting.periods import Period, PeriodKind
from forecasting.snapshot import History
from forecasting.standing import STAGE_VERSION_SCHEMA, standing
from forecasting.waterfall import MOVES, STANDING_SCHEMA, Measure, Waterfall, waterfall
from tests.forecasting.frames import AS_OF, OWNERS, STAGES, ZONE, change, changes, deals

DATA = Path(__file__).parents[3] / "shared" / "data" / "bpic2012"
QUARTER = Period(date(2026, 1, 1), date(2026, 4, 1), PeriodKind.QUARTER)
INSIDE, LATER, EARLIER = date(2026, 2, 1), date(2026, 5, 1), date(2025, 12, 1)
GONE = pl.DataFrame(
    schema={
        "deal_id": pl.String,
        "removed_at": pl.Datetime("us", "UTC"),
        "removed_reason": pl.String,
    }
)

CLEAN: dict[str, Any] = {
    "status": "open",
    "amount": 1000.0,
    "rate": 1.0,
    "date": INSIDE,
    "stage_id": "proposal",
    "chance": 0.4,
    "amount_known": True,
    "date_known": True,
}


def stood(**deals: dict[str, Any]) -> pl.DataFrame:
    rows = [{**CLEAN, "deal_id": name, **differs} for name, differs in deals.items()]
    return pl.DataFrame(rows, schema=STANDING_SCHEMA)


def moved(
    then: dict[str, Any] | None,
    now: dict[str, Any],
    measure: Measure = Measure.OPEN,
    period: Period | None = QUARTER,
) -> dict[str, float]:
    """One deal's moves, in money."""
    before = stood() if then is None else stood(d=then)
    found = waterfall(before, stood(d=now), measure, period)
    _adds_up(found)
    return {row["move"]: row["cents"] / 100 for row in found.moves.iter_rows(named=True)}


def _adds_up(found: Waterfall) -> None:
    assert found.start_cents + _sum(found) == found.end_cents


def _sum(found: Waterfall) -> int:
    return int(found.moves["cents"].sum())


@pytest.mark.parametrize(
    ("then", "now", "moves"),
    [
        (None, {}, {"created": 1000}),
        ({}, {"amount": 1500.0}, {"increased": 500}),
        ({}, {"amount": 400.0}, {"decreased": -600}),
        ({"rate": 10.0}, {"rate": 11.0}, {"currency": 1000}),
        ({}, {"amount": 1500.0, "rate": 2.0}, {"increased": 500, "currency": 1500}),
        ({"rate": None}, {}, {"currency": 1000}),
        ({"date": LATER}, {}, {"pulled_in": 1000}),
        ({"date": EARLIER}, {}, {"pushed_in": 1000}),
        ({"date": None}, {}, {"date_set": 1000}),
        ({}, {"date": LATER, "amount": 9999.0}, {"pushed_out": -1000}),
        ({}, {"date": EARLIER}, {"pulled_out": -1000}),
        ({}, {"date": None}, {"date_cleared": -1000}),
        ({}, {"status": "lost", "amount": 0.0}, {"lost": -1000}),
        ({}, {"status": "won"}, {"won": -1000}),
        ({}, {"status": "won", "amount": 900.0}, {"decreased": -100, "won": -900}),
        ({"date": LATER}, {"status": "won"}, {"pulled_in": 1000, "won": -1000}),
        ({}, {"status": "won", "date": LATER}, {"pushed_out": -1000}),
        (None, {"status": "won"}, {"created": 1000, "won": -1000}),
        (None, {"status": "lost"}, {"created": 1000, "lost": -1000}),
        (None, {"status": "removed"}, {}),
        ({}, {"status": "removed"}, {"removed": -1000}),
        ({}, {"status": "merged"}, {"merged": -1000}),
        ({"status": "lost"}, {}, {"reopened": 1000}),
        ({"status": "won"}, {"status": "won", "amount": 5.0}, {}),
        ({"status": None}, {}, {"unrecorded": 1000}),
        ({"amount": None, "amount_known": False}, {}, {"unrecorded": 1000}),
        ({"amount": None}, {}, {"increased": 1000}),
        ({"status": None}, {"status": "won"}, {"unrecorded": 1000, "won": -1000}),
        ({}, {"status": None}, {"unrecorded": -1000}),
        ({}, {"stage_id": "qualified", "chance": 0.2}, {}),
    ],
)
def test_each_move_of_the_open_pipeline_of_a_quarter(
    then: dict[str, Any] | None, now: dict[str, Any], moves: dict[str, float]
) -> None:
    assert moved(then, now) == moves


@pytest.mark.parametrize(
    ("then", "now", "moves"),
    [
        ({}, {"stage_id": "qualified", "chance": 0.2}, {"stage_moved": -200}),
        ({}, {"chance": 0.5}, {"re_estimated": 100}),
        ({}, {"amount": 2000.0, "chance": 0.5}, {"re_estimated": 100, "increased": 500}),
        ({}, {"status": "won"}, {"won": -400}),
        (None, {}, {"created": 400}),
        ({}, {"date": LATER}, {"pushed_out": -400}),
    ],
)
def test_stage_moves_and_new_estimates_show_in_the_weighted_pipeline(
    then: dict[str, Any] | None, now: dict[str, Any], moves: dict[str, float]
) -> None:
    assert moved(then, now, Measure.WEIGHTED) == moves


@pytest.mark.parametrize(
    ("then", "now", "moves"),
    [
        ({}, {"status": "won"}, {"won": 600}),
        ({}, {"status": "won", "amount": 1500.0}, {"won": 600, "increased": 500}),
        ({}, {"status": "lost"}, {"lost": -400}),
        ({}, {"status": "won", "date": LATER}, {"pushed_out": -400}),
        (None, {"status": "won"}, {"won": 1000}),
        ({}, {"date": LATER, "chance": 0.1}, {"pushed_out": -300}),
        ({"date": LATER, "chance": 0.1}, {}, {"pulled_in": 300}),
        ({"status": "won"}, {"status": "won", "amount": 1100.0}, {"increased": 100}),
        ({"status": "won"}, {}, {"reopened": -600}),
        ({"status": "won"}, {"status": "lost"}, {"lost": -1000}),
        ({"status": "lost"}, {"status": "won"}, {"won": 1000}),
    ],
)
def test_what_is_expected_keeps_what_was_won(
    then: dict[str, Any] | None, now: dict[str, Any], moves: dict[str, float]
) -> None:
    assert moved(then, now, Measure.EXPECTED) == moves


def test_what_is_expected_needs_a_period() -> None:
    with pytest.raises(ValueError, match="give one"):
        waterfall(stood(), stood(), Measure.EXPECTED)


money = st.none() | st.integers(0, 10**9).map(lambda cents: cents / 100)
one_state = st.fixed_dictionaries(
    {
        "status": st.sampled_from(
            [None, "open", "open", "open", "won", "lost", "removed", "merged"]
        ),
        "amount": money,
        "rate": st.none() | st.floats(0.01, 100),
        "date": st.none() | st.sampled_from([EARLIER, INSIDE, LATER]),
        "stage_id": st.sampled_from(["qualified", "proposal"]),
        "chance": st.none() | st.floats(0, 1),
        "amount_known": st.booleans(),
        "date_known": st.booleans(),
    }
)
account = st.dictionaries(st.sampled_from("abcdefgh"), one_state, max_size=8)


@given(
    then=account,
    born=account,
    later=account,
    measure=st.sampled_from(Measure),
    period=st.sampled_from([None, QUARTER]),
)
def test_any_two_states_add_up_to_the_cent_deal_by_deal(
    then: dict[str, Any],
    born: dict[str, Any],
    later: dict[str, Any],
    measure: Measure,
    period: Period | None,
) -> None:
    if measure is Measure.EXPECTED:
        period = QUARTER
    now = born | then | {name: state for name, state in later.items() if name in born | then}
    found = waterfall(stood(**then), stood(**now), measure, period)
    _adds_up(found)
    assert set(found.moves["move"]) <= set(MOVES)
    for name in now:
        before = {name: then[name]} if name in then else {}
        alone = waterfall(stood(**before), stood(**{name: now[name]}), measure, period)
        _adds_up(alone)
        assert alone.moves.equals(found.moves.filter(pl.col("deal_id") == name))


@given(first=account, second=account, third=account, measure=st.sampled_from(Measure))
def test_the_end_of_one_is_the_start_of_the_next(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], measure: Measure
) -> None:
    second = first | second
    third = second | third
    states = [stood(**state) for state in (first, second, third)]
    one = waterfall(states[0], states[1], measure, QUARTER)
    two = waterfall(states[1], states[2], measure, QUARTER)
    both = waterfall(states[0], states[2], measure, QUARTER)
    assert one.end_cents == two.start_cents
    assert _sum(both) == _sum(one) + _sum(two)


def test_wins_that_no_earlier_pipeline_held_and_dates_that_slipped() -> None:
    span = Period(date(2026, 1, 1), date(2026, 3, 1), PeriodKind.WINDOW)
    then = stood(due={}, kept={}, hero={"date": LATER}, idle={"date": LATER}, gone={})
    now = stood(
        due={"date": LATER},
        kept={"status": "won"},
        hero={"status": "won"},
        idle={"date": LATER},
        gone={"status": "lost"},
        hidden={"status": "won"},
    )
    found = habits(then, now, span)
    assert sorted(found.won) == ["hero", "hidden", "kept"]
    assert (found.unseen, found.early) == (["hidden"], ["hero"])
    assert (found.due, found.slipped, found.pushed) == (3, 1, 1)
    assert found.slip_rate == pytest.approx(1 / 3)


def test_nothing_due_has_no_slip_rate() -> None:
    span = Period(date(2026, 1, 1), date(2026, 3, 1), PeriodKind.WINDOW)
    assert habits(stood(), stood(), span).slip_rate is None


def history_of(rows: pl.DataFrame, *told: dict[str, Any]) -> History:
    return History(rows, changes(*told), STAGES, OWNERS, zone=ZONE)


BORN = datetime(2026, 2, 2, 10, 0, tzinfo=UTC)


def test_an_amount_that_nobody_wrote_down_is_unrecorded_and_never_todays() -> None:
    history = history_of(
        deals({"amount": 900.0}), change("amount", "900", BORN + timedelta(days=20), source="diff")
    )
    then = standing(history, BORN + timedelta(days=5), removed=GONE)
    assert then["amount"].to_list() == [None]
    assert then["amount_known"].to_list() == [False]
    now = standing(history, AS_OF, removed=GONE, present=True)
    assert waterfall(then, now, Measure.OPEN).totals().rows() == [("unrecorded", 1, 90_000)]


def test_rates_and_chances_are_those_of_the_instant() -> None:
    history = history_of(
        deals({"amount": 1200.0, "currency": "EUR"}),
        change("amount", "100", BORN),
        change("stage", "proposal", BORN),
    )
    rates = pl.DataFrame(
        {
            "currency": ["EUR", "EUR"],
            "valid_from": [BORN, BORN + timedelta(days=10)],
            "rate": [11.0, 12.0],
        },
        schema_overrides={"valid_from": pl.Datetime("us", "UTC")},
    )
    versions = pl.DataFrame(
        [("sales", "proposal", BORN, 0.5), ("sales", "proposal", BORN + timedelta(days=10), 0.4)],
        schema=STAGE_VERSION_SCHEMA,
        orient="row",
    )
    then, now = (
        standing(history, at, removed=GONE, rates=rates, versions=versions, present=at == AS_OF)
        for at in (BORN + timedelta(days=5), AS_OF)
    )
    found = waterfall(then, now, Measure.WEIGHTED)
    assert (found.start_cents, found.end_cents) == (55_000, 48_000)
    moves = {row["move"]: row["cents"] for row in found.moves.iter_rows(named=True)}
    assert moves == {"re_estimated": -11_000, "currency": 4_000}


def test_deals_that_left_the_crm_were_there_before() -> None:
    history = history_of(
        deals({}, {}), *(change("amount", "1000", BORN, deal_id=deal) for deal in ("d1", "d2"))
    )
    gone = pl.DataFrame(
        {
            "deal_id": ["d1", "d2"],
            "removed_at": [BORN + timedelta(days=9)] * 2,
            "removed_reason": ["merged", "archived"],
        },
        schema=GONE.schema,
    )
    then = standing(history, BORN + timedelta(days=5), removed=gone)
    found = waterfall(then, standing(history, AS_OF, removed=gone, present=True), Measure.OPEN)
    assert found.totals().rows() == [("removed", 1, -100_000), ("merged", 1, -100_000)]


def _real() -> tuple[History, list[tuple[datetime, datetime | None, str, int]]]:
    """The loan applications, and of each: created, closed, outcome, cents."""
    with gzip.open(DATA / "deals.csv.gz", "rt", newline="") as file:
        plain = [
            (
                row["id"],
                datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC),
                datetime.fromisoformat(row["closed_at"]).replace(tzinfo=UTC)
                if row["closed_at"]
                else None,
                row["status"],
                round(float(row["amount"]) * 100) if row["amount"] else 0,
            )
            for row in csv.DictReader(file)
        ]
    frame = deals(
        *(
            {"deal_id": name, "status": status, "amount": cents / 100, "currency": "EUR",
             "created_at": created, "closed_at": closed, "close_date": None}
            for name, created, closed, status, cents in plain
        )
    )  # fmt: skip
    told = [
        change("amount", f"{cents / 100:.2f}", created, deal_id=name)
        for name, created, _, _, cents in plain
    ]
    told += [
        change("status", status, at, deal_id=name)
        for name, created, closed, final in ((n, c, e, s) for n, c, e, s, _ in plain)
        for status, at in (("open", created), (final, closed))
        if at is not None
    ]
    history = History(
        frame, changes(*told).sort("deal_id", "changed_at"), STAGES, OWNERS, zone="UTC"
    )
    return history, [life[1:] for life in plain]


@pytest.mark.skipif(not DATA.is_dir(), reason="the BPI Challenge 2012 files are not in ../shared")
def test_bpic2012_between_any_two_dates_adds_up_to_the_cent() -> None:
    """Against plain sums over the file, which know nothing of frames or moves."""
    history, plain = _real()
    first = datetime(2011, 10, 1, tzinfo=UTC)
    ends = st.integers(0, 165 * 24)

    @given(one=ends, other=ends)
    def check(one: int, other: int) -> None:
        since, until = (first + timedelta(hours=hour) for hour in sorted((one, other)))
        found = waterfall(
            standing(history, since, removed=GONE),
            standing(history, until, removed=GONE),
            Measure.OPEN,
        )
        _adds_up(found)
        assert found.start_cents == sum(c for *life, c in plain if _open(life, since))
        assert found.end_cents == sum(c for *life, c in plain if _open(life, until))
        won = sum(c for _, end, how, c in plain if how == "won" and end and since < end <= until)
        moves = {row["move"]: row["cents"] for row in found.totals().iter_rows(named=True)}
        assert moves.get("won", 0) == -won
        assert set(moves) <= {"created", "won", "lost"}

    check()


def _open(life: list[Any], at: datetime) -> bool:
    created, closed, _ = life
    return created <= at and (closed is None or closed > at)
