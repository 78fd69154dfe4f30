"""Stages, cohorts, detours, cycle and size: by hand, and against plain loops on real data."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import polars as pl
import pytest

from forecasting.cycle import cycle_table, effort_by_size
from forecasting.history import stage_stays
from forecasting.passages import (
    begun_unseen,
    cohorts,
    detours,
    passages,
    stage_table,
    visits,
)
from forecasting.sizes import size_bounds, size_names, with_size_class
from forecasting.velocity import drivers
from tests.forecasting.frames import change, changes, deals, stage, stages
from tests.forecasting.test_competing_risks import plain

DATA = Path(__file__).parents[3] / "shared" / "data" / "bpic2012"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = datetime(2026, 3, 16, 9, tzinfo=UTC)
PIPELINE = stages(
    stage("first", None, position=0),
    stage("second", None, position=1),
    stage("third", None, position=2),
    stage("won", None, outcome="won", position=3),
    stage("lost", None, outcome="lost", position=4),
)


def lived(deal_id: str, *steps: tuple[str, int]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A deal and its changes: (stage, day after BEGIN on which it was entered)."""
    moves = [
        change("stage", name, BEGIN + timedelta(days=day), deal_id=deal_id) for name, day in steps
    ]
    last, day = steps[-1]
    closed = {"closed_at": BEGIN + timedelta(days=day)} if last in ("won", "lost") else {}
    status = last if closed else "open"
    created = BEGIN + timedelta(days=steps[0][1])
    row = {"deal_id": deal_id, "status": status, "stage_id": last, "created_at": created, **closed}
    return row, moves


LIVES = [
    lived("straight", ("first", 0), ("second", 10), ("third", 14), ("won", 20)),
    lived("skipper", ("first", 0), ("third", 6), ("lost", 9)),
    lived("returner", ("first", 0), ("second", 4), ("first", 8), ("second", 10), ("lost", 30)),
    lived("waiting", ("first", 40)),
]


def processed() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    frame = deals(*(row for row, _ in LIVES))
    history = changes(*(move for _, moves in LIVES for move in moves))
    stays = stage_stays(history, frame, PIPELINE, AS_OF)
    visited = visits(stays, frame, PIPELINE)
    return stays, visited, passages(visited, AS_OF)


def test_a_passage_ends_with_the_first_step_beyond_the_stage() -> None:
    _, _, passed = processed()
    told = {
        (row["deal_id"], row["stage_id"]): (row["outcome"], (row["until"] - row["entered_at"]).days)
        for row in passed.iter_rows(named=True)
    }
    assert told[("straight", "first")] == ("won", 10)
    assert told[("straight", "third")] == ("won", 6)
    assert told[("skipper", "first")] == ("won", 6)
    assert told[("skipper", "third")] == ("lost", 3)
    assert told[("returner", "first")] == ("won", 4)
    assert told[("returner", "second")] == ("lost", 26)
    assert told[("waiting", "first")] == ("open", 34)
    assert ("skipper", "second") not in told


def test_stage_conversion_and_days_by_hand() -> None:
    stays, _, passed = processed()
    table = stage_table(passed, stays, PIPELINE, since=BEGIN, as_of=AS_OF)
    first, second, third = table.to_dicts()
    assert (first["entered"], first["went_on"], first["lost"], first["still_in"]) == (4, 3, 0, 1)
    assert first["days_median"] == pytest.approx(6)
    assert (second["entered"], second["went_on"], second["lost"]) == (2, 1, 1)
    assert second["conversion"] == pytest.approx(0.5)
    assert third["conversion"] == pytest.approx(0.5)
    assert third["won_median_days"] == pytest.approx(6)
    assert third["lost_median_days"] == pytest.approx(3)


def test_what_came_after_a_past_window_is_not_known_in_it() -> None:
    stays, _, passed = processed()
    until = BEGIN + timedelta(days=5)
    first, second, _ = stage_table(passed, stays, PIPELINE, since=BEGIN, as_of=until).to_dicts()
    assert (first["went_on"], first["still_in"]) == (1, 2)
    assert (second["entered"], second["went_on"], second["lost"]) == (1, 0, 0)
    assert second["conversion"] is None


def test_skips_and_regressions() -> None:
    _, visited, _ = processed()
    told = {row["stage_id"]: row for row in detours(visited, PIPELINE, since=BEGIN).to_dicts()}
    assert [told[name]["skipped"] for name in ("first", "second", "third")] == [0, 1, 0]
    assert [told[name]["taken_back"] for name in ("first", "second", "third")] == [0, 1, 0]


@pytest.mark.parametrize(
    ("source", "day", "unseen"),
    [
        ("unknown", 12, True),  # all that the CRM tells at first: since when it is where it is
        ("unknown", 0, False),  # never moved
        ("human", 12, False),  # imported with an old date, and followed since
        (None, 0, False),
    ],
)
def test_a_way_that_is_known_from_its_middle_only(
    source: str | None, day: int, unseen: bool
) -> None:
    moves = [
        change("stage", "second", BEGIN + timedelta(days=day), deal_id="a", source=source),
        change("stage", "third", BEGIN + timedelta(days=20), old="second", deal_id="a"),
    ]
    frame = deals({"deal_id": "a", "created_at": BEGIN}, {"deal_id": "b", "created_at": BEGIN})
    history = changes(*(moves if source else []))
    assert begun_unseen(frame, history).to_list() == [unseen, False]


def test_cohorts_are_of_the_quarter_of_entry() -> None:
    _, _, passed = processed()
    table = cohorts(passed, zone="Europe/Oslo")
    first = table.filter(pl.col("stage_id") == "first").to_dicts()
    assert [(row["cohort"], row["entered"], row["still_in"]) for row in first] == [
        (date(2026, 1, 1), 4, 1)
    ]
    monthly = cohorts(passed, zone="Europe/Oslo", every="1mo")
    assert monthly.filter(pl.col("stage_id") == "first")["entered"].to_list() == [3, 1]


def test_an_account_without_history_has_its_stages_and_no_figures() -> None:
    frame = deals(*(row for row, _ in LIVES))
    stays = stage_stays(changes(), frame, PIPELINE, AS_OF)
    visited = visits(stays, frame, PIPELINE)
    table = stage_table(passages(visited, AS_OF), stays, PIPELINE, since=BEGIN, as_of=AS_OF)
    assert table["stage_id"].to_list() == ["first", "second", "third"]
    assert table["entered"].to_list() == [0, 0, 0]
    assert table["conversion"].is_null().all()
    assert detours(visited, PIPELINE, since=BEGIN)["skipped"].to_list() == [0, 0, 0]


def ended(status: str, days: int, amount: float | None) -> dict[str, Any]:
    created = BEGIN + timedelta(days=1)
    closed_at = created + timedelta(days=days)
    return {"status": status, "created_at": created, "closed_at": closed_at, "amount": amount}


SIZED = deals(
    ended("won", 10, 100.0), ended("won", 20, 100.0), ended("lost", 40, 900.0),
    ended("won", 30, 900.0), ended("lost", 5, None),
)  # fmt: skip


def test_cycle_and_work_by_size_class() -> None:
    table = cycle_table(SIZED, [500.0], since=date(2026, 1, 1), today=date(2026, 3, 16))
    told = {(row["size_class"], row["outcome"]): row for row in table.to_dicts()}
    assert told["all", "won"]["mean_days"] == pytest.approx(20)
    assert told["1", "won"]["median_days"] == pytest.approx(15)
    assert told["2", "lost"]["p90_days"] == pytest.approx(40)
    assert told["", "lost"]["deals"] == 1
    work = effort_by_size(
        SIZED, [500.0], since=BEGIN, as_of=AS_OF, today=date(2026, 3, 16), cost_per_day=105.0
    )
    by_class = {row["size_class"]: row for row in work.to_dicts()}
    assert by_class["2"]["deal_days"] == pytest.approx(70)
    assert by_class["2"]["days_share"] == pytest.approx(70 / 105)
    assert by_class["2"]["amount_share"] == pytest.approx(900 / 1100)
    length = (AS_OF - BEGIN) / timedelta(days=1)
    assert by_class["2"]["cost"] == pytest.approx(70 * length)
    assert sum(row["cost"] for row in by_class.values()) == pytest.approx(105 * length)


def test_size_classes_are_the_configured_ones_or_thirds() -> None:
    assert size_bounds(SIZED, [500, 100]) == [100.0, 500.0]
    assert size_bounds(deals({"amount": None}, {"amount": 0.0})) == []
    thirds = size_bounds(deals(*({"amount": float(n)} for n in range(1, 100))))
    assert thirds == [34.0, 66.0]
    classes = with_size_class(deals({"amount": 33.0}, {"amount": 34.0}, {"amount": None}), thirds)
    assert classes["size_class"].to_list() == ["1", "2", None]
    assert set(size_names(thirds)) == {"1", "2", "3", ""}


def read(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / name, "rt", newline="") as file:
        return list(csv.DictReader(file))


def instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data/bpic2012")
def test_on_bpic2012_velocity_equals_plain_loops() -> None:
    """The share approved and the days it takes, applications still open respected."""
    as_of, rows, spells = datetime(2012, 3, 15, tzinfo=UTC), [], []
    for each in read("deals.csv.gz")[:4000]:
        created, closed = instant(each["created_at"]), instant(each["closed_at"])
        assert created is not None
        day = closed and closed.date()
        rows.append(
            {
                "deal_id": each["id"], "status": each["status"], "created_at": created,
                "created_on": created.date(), "closed_at": closed, "closed_on": day,
                "amount": float(each["amount"]) if each["amount"] else None,
            }
        )  # fmt: skip
        age = ((closed or as_of) - created).total_seconds() / 86_400
        spells.append((0.0, max(age, 1e-6), each["status"]))
    table = drivers(
        deals(*rows), as_of=as_of, today=date(2012, 3, 15), zone="UTC", segments=("total",)
    )
    told = table.row(0, named=True)
    share, _ = plain(pl.DataFrame(spells, schema=["from", "to", "outcome"], orient="row"))
    assert told["win_rate"] == pytest.approx(share)
    won = [row for row in rows if row["status"] == "won"]
    value = mean(row["amount"] for row in won)
    still = sum(row["status"] == "open" for row in rows)
    assert told["opportunities"] == still
    assert told["average_value"] == pytest.approx(value)
    made = still * value * share / told["cycle_days"]
    assert told["sales_velocity"] == pytest.approx(made)


def _days_to_later(
    name: str, way: list[tuple[datetime, str]], order: list[str], won_at: datetime | None
) -> float | None:
    """From the first entry into a stage to the first later one, or to the approval."""
    entered = min(at for at, step in way if step == name)
    beyond = order[order.index(name) + 1 :]
    later = [at for at, step in way if step in beyond and at >= entered]
    if won_at is not None:
        last, step = way[-1]
        later.append(max(won_at, last) if step in order else won_at)
    return (min(later) - entered).total_seconds() / 86_400 if later else None


@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data/bpic2012")
def test_on_bpic2012_stage_times_and_conversion_equal_plain_loops() -> None:
    """Every application's way by a loop over its sorted events, without any frame."""
    order = ["A_SUBMITTED", "A_PARTLYSUBMITTED", "A_PREACCEPTED", "A_ACCEPTED", "A_FINALIZED"]
    ends = {"A_APPROVED": "won", "A_DECLINED": "lost", "A_CANCELLED": "lost"}
    as_of, rows, moves = datetime(2012, 3, 15, tzinfo=UTC), [], []
    applications = {each["id"]: each for each in read("deals.csv.gz")}
    ways: dict[str, list[tuple[datetime, str]]] = {}
    for event in read("stage_events.csv.gz"):
        if event["activity"] in (*order, *ends):
            at = instant(event["time"])
            assert at is not None
            ways.setdefault(event["id"], []).append((at, event["activity"]))
    went: dict[str, list[float]] = {name: [] for name in order}
    lost: dict[str, int] = dict.fromkeys(order, 0)
    still: dict[str, int] = dict.fromkeys(order, 0)
    for deal_id, way in ways.items():
        each = applications[deal_id]
        created, closed = instant(each["created_at"]), instant(each["closed_at"])
        way.sort(key=lambda step: (step[0], ([*order, *ends]).index(step[1])))
        last = way[-1][1]
        rows.append(
            {
                "deal_id": deal_id, "status": each["status"], "stage_id": last,
                "created_at": created, "closed_at": closed,
            }
        )  # fmt: skip
        for number, (at, name) in enumerate(way):
            moves.append(change("stage", name, at, deal_id=deal_id, ordinal=number))
        for name in {name for _, name in way} & set(order):
            days = _days_to_later(name, way, order, closed if each["status"] == "won" else None)
            if days is not None:
                went[name].append(days)
            elif each["status"] == "lost":
                lost[name] += 1
            else:
                still[name] += 1
    pipeline = stages(
        *(stage(name, None, position=n) for n, name in enumerate(order)),
        *(stage(name, None, outcome=way, position=9) for name, way in ends.items()),
    )
    frame, history = deals(*rows), changes(*moves)
    stays = stage_stays(history, frame, pipeline, as_of)
    passed = passages(visits(stays, frame, pipeline), as_of)
    begin = datetime(2011, 9, 1, tzinfo=UTC)
    table = {
        row["stage_id"]: row
        for row in stage_table(passed, stays, pipeline, since=begin, as_of=as_of).to_dicts()
    }
    times = passed.filter(pl.col("outcome") == "won").with_columns(
        days=(pl.col("until") - pl.col("entered_at")).dt.total_seconds(fractional=True) / 86_400
    )
    for name in order:
        row = table[name]
        assert (row["went_on"], row["lost"], row["still_in"]) == (
            len(went[name]), lost[name], still[name],
        )  # fmt: skip
        if still[name] == 0:
            ended_here = len(went[name]) + lost[name]
            assert row["conversion"] == pytest.approx(len(went[name]) / ended_here)
            assert row["days_mean"] == pytest.approx(mean(went[name]), abs=1e-4)
        told = times.filter(pl.col("stage_id") == name)["days"]
        assert told.median() == pytest.approx(median(went[name]), abs=1e-6)
