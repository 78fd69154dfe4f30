"""Accounts with little to go by: useful where something can be said, silent where nothing can."""

from datetime import timedelta

import polars as pl
import pytest

from forecasting.money_at_stake import by_rule, stakes
from forecasting.periods import PeriodKind, period_of
from forecasting.quality import RULES, Examined, examine, score, segment_scores
from forecasting.quality.score import SEGMENTS
from tests.forecasting.frames import (
    AS_OF,
    NO_CHANGES,
    OWNERS,
    STAGES,
    TODAY,
    ZONE,
    change,
    changes,
    deals,
)


def examined(frame: pl.DataFrame, history: pl.DataFrame = NO_CHANGES) -> Examined:
    return examine(frame, history, STAGES, OWNERS, as_of=AS_OF, today=TODAY, zone=ZONE)


def not_applicable(found: Examined) -> set[str]:
    return set(found.results.filter(pl.col("looked_at") == 0)["rule"])


THREE = deals(
    {"amount": None, "amount_problem": "missing", "name": "Vik"},
    {"name": "Dal"},
    {"status": "won", "closed_on": TODAY, "name": "Fjell"},
)


def test_three_deals_are_scored_and_nothing_is_made_of_habits() -> None:
    found = examined(THREE)
    assert found.findings.select("deal_id", "rule").rows() == [("d1", "amount_missing")]
    assert {"amount_round", "amount_repeated", "close_date_heaped", "stuck"} <= not_applicable(
        found
    )
    assert score(THREE, found.findings)["quality_score"].to_list() == [80, 100]


def test_without_history_nothing_is_said_of_moves_and_silence_still_counts() -> None:
    frame = deals({"last_activity_at": AS_OF - timedelta(days=40), "next_activity_at": None})
    found = set(examined(frame).findings["rule"])
    assert {"stale", "no_next_activity"} == found


def test_all_deals_lost_is_no_open_deal_and_no_candidate() -> None:
    frame = deals(*({"status": "lost", "closed_on": TODAY} for _ in range(5)))
    found = examined(frame)
    assert found.facts.is_empty()
    assert score(frame, found.findings).is_empty()
    assert segment_scores(frame, score(frame, found.findings), found.findings).is_empty()
    assert set(found.findings["rule"]) <= {"loss_reason_missing"}


def test_two_currencies_and_a_missing_rate_are_a_finding_and_in_no_sum() -> None:
    """100 000 USD without a rate must not become 100 000 NOK."""
    frame = deals(
        {"name": "Vik"},
        {"name": "Dal", "amount": None, "amount_problem": "no_rate", "currency": "USD"},
    )
    found = examined(frame)
    assert found.findings.select("deal_id", "rule").rows() == [("d2", "no_rate")]
    periods = [period_of(TODAY, kind) for kind in (PeriodKind.MONTH, PeriodKind.QUARTER)]
    chances = found.facts.select(
        "connection",
        "deal_id",
        win_probability_by_month=pl.lit(0.5),
        win_probability_by_quarter=pl.lit(0.5),
    )
    (row,) = by_rule(stakes(frame, found.findings, chances, periods)).to_dicts()
    assert (row["amount"], row["deals"], row["moves_quarter"]) == (None, 1, 0.0)


def test_no_deal_at_all_is_no_account() -> None:
    found = examined(deals())
    assert found.findings.is_empty()
    assert found.results.is_empty()


def test_every_rule_has_a_result_and_what_applies_was_looked_at() -> None:
    results = examined(THREE).results
    assert results["rule"].to_list() == sorted(rule.code for rule in RULES)
    always = {rule.code for rule in RULES if rule.words.needs is None}
    assert not always & set(results.filter(pl.col("looked_at") == 0)["rule"])
    assert (results["found"] <= results["looked_at"]).all()


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.words.needs], ids=lambda r: r.code)
def test_what_does_not_apply_says_what_it_would_need(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.words.needs["en"] != rule.words.needs["nb"]
    assert rule.code in not_applicable(
        examined(
            deals(
                {"contact_count": None, "company_count": None, "currency": None}
                | {"last_activity_at": None, "next_activity_at": None}
            )
        )
    )


def test_segments_are_means_over_their_open_deals() -> None:
    frame = deals({"team": "North"}, {"team": "North", "owner_id": "2"}, {"owner_id": None})
    found = examined(frame)
    told = segment_scores(frame, score(frame, found.findings), found.findings)
    by_name = {(row["segment"], row["name"]): row for row in told.to_dicts()}
    assert {segment for segment, _ in by_name} == set(SEGMENTS)
    per_deal = score(frame, found.findings)["quality_score"].to_list()
    assert by_name["total", ""]["score"] == pytest.approx(sum(per_deal) / 3)
    assert by_name["team", "North"]["score"] == pytest.approx(sum(per_deal[:2]) / 2)
    assert by_name["owner", ""]["deals"] == 1
    assert by_name["total", ""]["findings"] == found.findings.height


# --- what a name says


@pytest.mark.parametrize(
    ("name", "is_test"),
    [
        ("Test", True),
        ("test deal 3", True),
        ("TEST - ikke bruk", True),
        ("asdf", True),
        ("My test", True),
        ("Penetration test, Acme", False),
        ("Testo Norge AS", False),
        ("Protest AS", False),
        ("Demo for Vik AS", False),
        ("Bar og restaurant", False),
        ("", False),
    ],
)
def test_a_test_is_named_by_such_words_alone(name: str, is_test: bool) -> None:
    found = examined(deals({"name": name}))
    assert ("test_record" in found.findings["rule"]) == is_test


@pytest.mark.parametrize(
    ("difference", "twin"),
    [
        ({"name": "fjord shipping as, 40 seats"}, True),
        ({"amount": 7.0}, True),
        ({"created_at": AS_OF - timedelta(days=300)}, True),
        ({"created_at": AS_OF - timedelta(days=300), "amount": 7.0}, False),
        ({"name": "Fjord Shipping, 50 seats"}, False),
        ({"status": "lost", "closed_on": TODAY}, False),
        ({"connection": "other"}, False),
    ],
)
def test_a_duplicate_has_the_name_and_the_amount_or_the_time(
    difference: dict[str, object], twin: bool
) -> None:
    found = examined(deals({}, difference))
    assert ("probable_duplicate" in found.findings["rule"]) == twin


def test_a_stage_that_won_deals_seldom_visit_is_not_skipped() -> None:
    """Only a stage of the usual way is missed; here nobody has won at all."""
    began = change("stage", "proposal", deals({})["created_at"].item())
    assert "stage_skipped" not in examined(deals({}), changes(began)).findings["rule"]
