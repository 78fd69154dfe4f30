"""Bottlenecks: what was planted is found and priced, and a sound company is left in peace."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from bench.companies import framed
from bench.process import PLANTED, UNTIL, ZONE, process_of, recover
from bench.process import TODAY as PRESENT
from forecasting.bottlenecks import Process, examine
from forecasting.bottlenecks.bottleneck import Window
from forecasting.bottlenecks.suspects import dirty_pipeline, long_cycles, poor_data
from forecasting.bottlenecks.wording import CERTAINTIES, NEXT_STEPS, TITLES
from forecasting.comparison import compare
from forecasting.exit_criteria import ExitCriterion, check
from forecasting.fields_then import filled_then, judged_now
from forecasting.history import stage_stays
from forecasting.passages import passages, visits
from forecasting.sizes import with_size_class
from forecasting.velocity import Drivers, drivers
from sync.sandbox.generator import CompanySettings, generate
from tests.forecasting.frames import AS_OF, NO_CHANGES, STAGES, TODAY, change, changes, deals

WINDOW = Window(365, Drivers(50, 1000, 0.25, 40), 365_000, 10_000)


@pytest.mark.parametrize("name", PLANTED)
def test_generated_companies_with_known_truth(name: str) -> None:
    """One seed of what `python -m bench process` counts over many."""
    settings, expected = PLANTED[name]
    found = recover(2, settings, deals=3000)
    assert found.accused == ([expected] if expected else [])
    assert found.win_rates["sales"]
    assert found.win_rates["renewals"]
    held = [*found.win_rates.values(), *found.stage_days.values()]
    assert sum(held) >= 0.9 * len(held)


@pytest.mark.parametrize(("share", "is_judged"), [(0.04, True), (0.08, False)])
def test_while_many_deals_wait_for_their_past_no_stage_is_accused(
    share: float, is_judged: bool
) -> None:
    settings = CompanySettings(slow_stage="demo_held", slow_factor=4.0)
    company = generate(seed=7, until=UNTIL, years=2, deals=1500, settings=settings)
    whole = process_of(framed(company, "generated"), window_days=3000)
    unseen = pl.int_range(whole.deals.height, eager=True) < share * whole.deals.height
    process = replace(whole, unseen=unseen)
    velocities = drivers(
        whole.deals, as_of=UNTIL, today=PRESENT, zone=ZONE, window_days=3000,
        segments=("total", "pipeline"),
    )  # fmt: skip
    found = {each.code: each for each in examine(process, velocities, [])}
    assert ("slow_stage" in found) == is_judged
    assert (found["poor_data"].certainty != "too_few") == is_judged
    assert (found["unclear_process"].certainty != "too_few") == is_judged


def spells(exposed: int, others: int, rate: float, other_rate: float) -> pl.DataFrame:
    """Deals at half their cycle, all of them ended: so many won of either side."""

    def side(count: int, share: float, trait: bool) -> list[dict[str, Any]]:
        won = round(count * share)
        return [
            {
                "from_days": 0.0,
                "to_days": 5.0 + n % 7,
                "outcome": "won" if n < won else "lost",
                "poor_data": trait,
                "judged_now": False,
                "pipeline_id": "sales",
                "stage_then": "proposal",
            }
            for n in range(count)
        ]

    return pl.DataFrame(side(exposed, rate, True) + side(others, other_rate, False))


def test_poor_data_costs_the_wins_that_such_deals_miss() -> None:
    """300 of 1000 a year, won 20 % instead of 50 %: 0.3 x 300 wins of 1000 in 365 days."""
    found = poor_data(spells(300, 700, 0.2, 0.5), WINDOW)
    assert (found.certainty, found.value) == ("measured", pytest.approx(0.3))
    assert found.cost_per_day == pytest.approx(0.3 * 300 * 1000 / 365)
    assert found.cost_low is not None
    assert found.cost_high is not None
    assert 0 < found.cost_low < found.cost_per_day < found.cost_high


@pytest.mark.parametrize(
    ("frame", "certainty"),
    [
        (spells(300, 700, 0.5, 0.5), "not_shown"),
        (spells(300, 700, 0.7, 0.5), "not_shown"),
        (spells(0, 700, 0.0, 0.5), "not_shown"),
        (spells(5, 700, 0.2, 0.5), "too_few"),
        (spells(0, 12, 0.0, 0.5), "too_few"),
    ],
)
def test_what_is_not_shown_has_no_price(frame: pl.DataFrame, certainty: str) -> None:
    found = poor_data(frame, WINDOW)
    assert (found.certainty, found.cost_per_day) == (certainty, None)


def test_fields_whose_past_is_not_kept_are_a_hint_and_no_accusation() -> None:
    frame = spells(300, 700, 0.2, 0.5).with_columns(judged_now=pl.lit(True))
    found = poor_data(frame, WINDOW)
    assert found.certainty == "hint"
    assert not found.accused


def test_a_trait_of_early_stages_is_no_cause_of_losing() -> None:
    """All early deals win 20 %, all late ones 80 %; the trait is mostly an early one."""
    early = spells(90, 30, 0.2, 0.2).with_columns(stage_then=pl.lit("qualified"))
    late = spells(30, 90, 0.8, 0.8)
    both = pl.concat([early, late])
    assert compare(both, "poor_data").win_rate.verdict() == "worse"
    stratified = compare(both, "poor_data", strata=("stage_then",))
    assert stratified.win_rate.verdict() == "no_difference_shown"
    assert stratified.win_rate.estimate == pytest.approx(0, abs=1e-9)


def watched(dead: int) -> pl.DataFrame:
    """40 wins within 20 days, 30 open for 5 days, and some open for 200."""
    rows = [(0.0, 1.0 + n % 20, "won") for n in range(40)]
    rows += [(0.0, 5.0, "open")] * 30 + [(0.0, 200.0, "open")] * dead
    frame = pl.DataFrame(rows, schema=["from_days", "to_days", "outcome"], orient="row")
    return frame.with_columns(
        connection=pl.lit("main"), pipeline_id=pl.lit("sales"), amount=pl.lit(1000.0)
    )


def test_a_dirty_pipeline_is_priced_by_the_time_it_takes_and_says_what_that_assumes() -> None:
    frame = watched(20)
    days = float((frame["to_days"] - frame["from_days"]).sum())
    found = dirty_pipeline(frame, Window(365, WINDOW.drivers, 365_000, days, 8000))
    assert found.certainty == "assumed"
    assert found.value == pytest.approx(20 / 50)
    spent = found.evidence["share_of_deal_days"]
    assert isinstance(spent, float)
    assert found.cost_per_day == pytest.approx(spent * 8000)
    assert found.cost_low == 0
    assert "upper limit" in str(found.evidence["assumption"])
    unpriced = dirty_pipeline(frame, Window(365, WINDOW.drivers, 365_000, days))
    assert unpriced.cost_per_day == pytest.approx(spent * 1000)
    assert unpriced.evidence["reckoned_with"] == "money won a day"


def test_a_few_old_deals_are_no_dirty_pipeline() -> None:
    assert dirty_pipeline(watched(2), WINDOW).certainty == "not_shown"


def won_by(paces: dict[str, float], each: int = 40) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        (owner, float(np.exp(rng.normal(np.log(40 * pace), 0.4))))
        for owner, pace in paces.items()
        for _ in range(each)
    ]
    frame = pl.DataFrame(rows, schema=["owner_id", "days"], orient="row")
    return frame.with_columns(pipeline_id=pl.lit("sales"), size_class=pl.lit("1"))


def test_owners_who_sell_each_in_a_way_of_their_own_are_found() -> None:
    found = long_cycles(won_by({"a": 1, "b": 1, "c": 1, "d": 2.5, "e": 0.8}), WINDOW)
    assert found.certainty == "measured"
    assert found.evidence["slowest"] == "d"
    assert found.cost_per_day is not None
    assert found.cost_per_day > 0


def test_owners_who_sell_alike_are_not_accused() -> None:
    assert long_cycles(won_by(dict.fromkeys("abcde", 1.0)), WINDOW).certainty == "not_shown"
    assert long_cycles(won_by({"a": 1.0, "b": 3.0}), WINDOW).certainty == "too_few"


def test_every_bottleneck_has_words_in_both_languages() -> None:
    for words in (TITLES, NEXT_STEPS, CERTAINTIES):
        assert all(set(each) == {"en", "nb"} and all(each.values()) for each in words.values())
    assert set(TITLES) == set(NEXT_STEPS)


BEGIN = datetime(2025, 6, 2, 8, tzinfo=UTC)


def account() -> tuple[pl.DataFrame, pl.DataFrame]:
    """60 deals through qualified and proposal; every other one got its amount only afterwards.

    Those with an amount in time are won, the others lost, but for one in ten of either.
    """
    rows: list[dict[str, Any]] = []
    moves: list[dict[str, Any]] = []
    for n in range(60):
        deal_id, late = f"d{n}", n % 2 == 1
        ends = "lost" if late != (n % 10 < 2) else "won"
        passed, closed = BEGIN + timedelta(days=10), BEGIN + timedelta(days=20 + n % 5)
        rows.append(
            {
                "deal_id": deal_id, "status": ends, "stage_id": ends, "created_at": BEGIN,
                "closed_at": closed, "amount": 1000.0,
            }
        )  # fmt: skip
        moves += [
            change("stage", "qualified", BEGIN, deal_id=deal_id),
            change("stage", "proposal", passed, deal_id=deal_id),
            change("stage", ends, closed, deal_id=deal_id),
            change("amount", "1000", passed + timedelta(days=3 if late else -3), deal_id=deal_id),
        ]
    return deals(*rows), changes(*moves)


def examined(frame: pl.DataFrame, history: pl.DataFrame) -> Process:
    stays = stage_stays(history, frame, STAGES, AS_OF)
    visited = visits(stays, frame, STAGES)
    sized = with_size_class(frame, [])
    return Process(
        sized, history, STAGES, stays, visited, passages(visited, AS_OF), AS_OF, TODAY,
        "Europe/Oslo",
    )  # fmt: skip


def test_exit_criteria_are_judged_as_of_leaving_the_stage() -> None:
    frame, history = account()
    process = examined(frame, history)
    criterion = ExitCriterion("sales", "qualified", ("amount", "contact"))
    (found,) = check([criterion], process.passed, frame, history, since=process.since, as_of=AS_OF)
    assert (found.passed, found.missed, found.missed_by) == (60, 30, {"amount": 30, "contact": 0})
    assert found.judged_now == ("contact",)
    assert found.comparison.win_rate.verdict() == "worse"
    assert found.comparison.win_rate.with_trait == pytest.approx(6 / 30, abs=0.01)


def test_a_contact_of_a_role_is_required_where_roles_are_known() -> None:
    """Of three deals one has the role, one has none, of one nobody knows."""
    frame, history = account()
    process = examined(frame, history)
    left = process.passed.filter((pl.col("stage_id") == "qualified") & (pl.col("outcome") == "won"))
    ids = left["deal_id"].to_list()[:3]
    told = dict(zip(ids, ["Champion\nDecision Maker", "", None], strict=True))
    roles = pl.col("deal_id").replace_strict(told, default=None, return_dtype=pl.String)
    criterion = ExitCriterion("sales", "qualified", ("close_date",), ("decision  maker",))
    (found,) = check(
        [criterion], left.filter(pl.col("deal_id").is_in(ids)),
        frame.with_columns(contact_roles=roles), history, since=process.since, as_of=AS_OF,
    )  # fmt: skip
    assert (found.passed, found.missed, found.not_known) == (2, 1, 1)
    assert found.missed_by == {"close_date": 0, "contact_role": 1}
    assert "contact_role" in found.judged_now


def test_a_criterion_of_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="budget cannot be required; choose from amount"):
        ExitCriterion("sales", "qualified", ("amount", "budget"))


def test_a_field_was_filled_then_if_its_history_says_so() -> None:
    """Known from the last change, from what the first later one replaced, or only from today."""
    frame = deals(
        {"amount": 5.0}, {"amount": 5.0}, {"amount": 5.0}, {"amount": None}, {"amount": 5.0}
    )
    later, sooner = AS_OF + timedelta(days=1), AS_OF - timedelta(days=1)
    history = changes(
        change("amount", "5", sooner, deal_id="d1"),
        change("amount", "5", later, deal_id="d2"),
        change("amount", "5", later, old="4", deal_id="d3"),
        change("amount", "0", sooner, deal_id="d5"),
    )
    rows = frame.select("connection", "deal_id", at=pl.lit(AS_OF), entered_at=pl.lit(sooner))
    told = filled_then(rows, frame, history, ["amount", "contact"])
    assert told["has_amount"].to_list() == [True, False, True, False, False]
    assert told["has_contact"].to_list() == [True] * 5
    assert judged_now(history, ["amount", "contact", "owner"]) == ["contact", "owner"]


ACCOUNTS: dict[str, tuple[dict[str, Any], ...]] = {
    "three deals": (
        {},
        {"status": "won", "closed_on": date(2026, 3, 1)},
        {"status": "lost", "closed_on": date(2026, 3, 2)},
    ),
    "all lost": tuple({"status": "lost", "closed_on": date(2026, 3, 1)} for _ in range(40)),
    "no deals": (),
    "two currencies and a missing rate": tuple(
        {"status": "won", "closed_on": date(2026, 3, 1), "amount": None, "currency": "EUR",
         "amount_problem": "no_rate"}
        for _ in range(30)
    ),
}  # fmt: skip


@pytest.mark.parametrize("rows", ACCOUNTS.values(), ids=ACCOUNTS)
def test_small_and_odd_accounts_are_not_accused_of_anything(
    rows: tuple[dict[str, Any], ...],
) -> None:
    process = examined(deals(*rows), NO_CHANGES)
    found = drivers(
        process.deals, as_of=AS_OF, today=TODAY, zone="Europe/Oslo",
        segments=("total", "pipeline"),
    )  # fmt: skip
    told = examine(process, found, [])
    codes = {each.code for each in told}
    assert codes >= {"dirty_pipeline", "unclear_process", "long_cycles", "poor_data"}
    assert {each.certainty for each in told} <= {"too_few", "not_shown"}
    assert all(each.cost_per_day is None for each in told)
