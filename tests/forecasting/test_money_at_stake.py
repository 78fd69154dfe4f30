"""How far a forecast would move if a finding were true, checked by hand."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from forecasting.money_at_stake import STAKE_SCHEMA, by_rule, fix_first, stakes, told
from forecasting.periods import PeriodKind, period_of
from forecasting.quality import FINDING_SCHEMA, RULES
from tests.forecasting.frames import TODAY, deals

MONTH, QUARTER = (period_of(TODAY, kind) for kind in (PeriodKind.MONTH, PeriodKind.QUARTER))
WON = [
    {"deal_id": f"w{n}", "status": "won", "closed_on": TODAY, "amount": 500.0 + 100 * n}
    for n in range(5)
]


def staked(*found: tuple[str, str], frame: pl.DataFrame, chance: float = 0.4) -> pl.DataFrame:
    findings = pl.DataFrame(
        [("main", deal_id, rule, "{}") for deal_id, rule in found],
        schema=FINDING_SCHEMA,
        orient="row",
    )
    chances = frame.filter(pl.col("status") == "open").select(
        "connection",
        "deal_id",
        win_probability_by_month=pl.lit(chance / 2),
        win_probability_by_quarter=pl.lit(chance),
    )
    rows = stakes(frame, findings, chances, [MONTH, QUARTER])
    assert dict(rows.schema) == STAKE_SCHEMA
    return rows


def moves(rule: str, *others: dict[str, Any], **difference: Any) -> tuple[Any, Any]:
    rows = staked(("d1", rule), frame=deals({"deal_id": "d1", **difference}, *others))
    return rows["moves_month"].item(), rows["moves_quarter"].item()


def test_a_deal_that_is_not_there_takes_its_expectation_along() -> None:
    assert moves("test_record") == pytest.approx((-200.0, -400.0))


def test_a_deal_on_another_date_takes_at_most_as_much() -> None:
    assert moves("overdue") == pytest.approx((-200.0, -400.0))


def test_a_guess_is_replaced_by_the_pipelines_median_win() -> None:
    """Median 700: 300 less than the 1,000 that was guessed, and 700 where nothing was."""
    assert moves("amount_round", *WON) == pytest.approx((-60.0, -120.0))
    assert moves("amount_missing", *WON, amount=None) == pytest.approx((140.0, 280.0))


def test_with_too_few_wins_nobody_can_say_what_the_amount_should_be() -> None:
    assert moves("amount_missing", *WON[:4], amount=None) == (None, None)


def test_what_is_about_follow_up_moves_nothing() -> None:
    assert moves("no_next_activity") == (0.0, 0.0)


def test_an_unknown_amount_is_said_to_be_unknown_and_counted() -> None:
    frame = deals({"amount": None, "amount_problem": "no_rate"}, {"amount": 100.0})
    rows = by_rule(staked(("d1", "stale"), ("d2", "stale"), frame=frame))
    assert rows.select("deals", "amount", "moves_quarter", "unsaid").rows() == [
        (2, 100.0, pytest.approx(-40.0), 1)
    ]


def test_only_what_the_crm_dates_into_a_period_is_held_by_it() -> None:
    frame = deals(
        {"close_date": date(2026, 3, 31)},
        {"close_date": date(2026, 2, 1)},
        {"close_date": date(2026, 4, 1)},
        {"close_date": None},
    )
    rows = staked(*((f"d{n}", "stale") for n in range(1, 5)), frame=frame)
    assert rows.sort("deal_id")["dated_month"].to_list() == [1000, 0, 0, 0]
    assert rows.sort("deal_id")["dated_quarter"].to_list() == [1000, 1000, 0, 0]


def test_what_moves_most_comes_first_and_a_deal_counts_once() -> None:
    frame = deals({"amount": 10.0}, {"amount": 3000.0}, {"amount": 20.0})
    rows = staked(
        ("d1", "stale"), ("d2", "no_contact"), ("d2", "stale"), ("d3", "overdue"), frame=frame
    )
    first = fix_first(rows)
    assert first.select("deal_id", "rule").rows() == [
        ("d2", "stale"),
        ("d3", "overdue"),
        ("d1", "stale"),
    ]
    assert by_rule(rows)["rule"].to_list() == ["stale", "overdue", "no_contact"]


def test_decided_deals_hold_no_forecast() -> None:
    assert staked(("w0", "won_at_zero"), frame=deals({}, *WON)).is_empty()


def test_it_is_said_in_a_sentence_in_both_languages() -> None:
    row = {
        "rule": "close_date_never_chosen",
        "deals": 11,
        "dated_quarter": 1_800_000.0,
        "moves_quarter": -412_000.4,
    }
    assert told(row, QUARTER, "NOK", "en") == (
        "Close date never chosen: 11 open deals; those dated in 2026-Q1 hold 1,800,000 NOK. If "
        "that is true, the forecast falls by 412,000 NOK."
    )
    assert told(row, QUARTER, "NOK", "nb") == (
        "Lukkedato aldri valgt: 11 åpne avtaler; de som er datert i 2026-Q1, utgjør "
        "1\u00a0800\u00a0000 NOK. Stemmer det, faller prognosen med 412\u00a0000 NOK."
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_says_what_it_would_do(rule: Any) -> None:
    frame = deals({}, *WON)
    rows = staked(("d1", rule.code), frame=frame)
    assert (rows["moves_quarter"].item() == 0) == (rule.effect == "none")
