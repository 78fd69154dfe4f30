"""Which leads are told, and when that ends."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.alerts.lead_rules import FORGOTTEN, UNANSWERED, LeadState, plan_leads
from sync.alerts.rules import AlertPlan, OpenAlert, Resolution
from sync.config.lead_alerts import LEAD_RULES, LeadAlerts
from tests.fake_clock import START

SETTINGS = LeadAlerts()


def ago(**much: float) -> datetime:
    return START - timedelta(**much)


def waiting(lead_id: str = "1", score: int | None = 10, **since: float) -> LeadState:
    return LeadState(lead_id, ago(**since), score, ago(**since))


def quiet(lead_id: str = "1", score: int | None = 95, **since: float) -> LeadState:
    return LeadState(lead_id, None, score, ago(**since))


def plan(
    *leads: LeadState,
    told: Sequence[tuple[str, str]] = (),
    rules: Collection[str] = LEAD_RULES,
) -> AlertPlan:
    open_alerts = [
        OpenAlert(number, lead_id, rule, ago(days=1)) for number, (lead_id, rule) in enumerate(told)
    ]
    return plan_leads(leads, open_alerts, SETTINGS, rules=rules, as_of=START)


def raised(found: AlertPlan) -> list[tuple[str, str]]:
    return [(new.deal_id, new.rule) for new in found.to_raise]


@pytest.mark.parametrize(
    ("lead", "rule"),
    [
        (waiting(hours=24), UNANSWERED),
        (waiting(hours=23.9), None),
        (waiting(days=30), UNANSWERED),
        (waiting(days=30.1), None),  # no new lead any more
        (quiet(days=14), FORGOTTEN),
        (quiet(days=13.9), None),
        (quiet(days=-3), None),  # a meeting is planned
        (quiet(score=90, days=14), FORGOTTEN),
        (quiet(score=89, days=99), None),
        (quiet(score=None, days=99), None),
        (waiting(score=95, days=20), UNANSWERED),  # not told twice
        (waiting(score=95, days=40), FORGOTTEN),
    ],
)
def test_the_limits(lead: LeadState, rule: str | None) -> None:
    assert raised(plan(lead)) == ([] if rule is None else [("1", rule)])


@pytest.mark.parametrize(
    ("lead", "rule"),
    [
        (waiting(days=300), UNANSWERED),
        (quiet(score=3, days=99), FORGOTTEN),
        (waiting(score=95, days=20), FORGOTTEN),
    ],
)
def test_what_was_told_stands_while_nobody_was_in_touch(lead: LeadState, rule: str) -> None:
    found = plan(lead, told=[("1", rule)])
    assert (found.keep, found.resolve) == ((0,), {})
    assert ("1", rule) not in raised(found)


@pytest.mark.parametrize(
    ("leads", "rule"),
    [
        ([quiet(days=1)], UNANSWERED),
        ([quiet(days=1)], FORGOTTEN),
        ([quiet(score=None, days=99)], FORGOTTEN),
        ([], UNANSWERED),
    ],
)
def test_it_ends_when_somebody_was_in_touch_or_the_lead_is_not_open(
    leads: list[LeadState], rule: str
) -> None:
    assert plan(*leads, told=[("1", rule)]).resolve == {0: Resolution.FIXED}


def test_a_rule_that_is_off_raises_nothing_and_ends_what_it_raised() -> None:
    found = plan(waiting(days=2), quiet("2", days=20), told=[("3", FORGOTTEN)], rules=[UNANSWERED])
    assert raised(found) == [("1", UNANSWERED)]
    assert found.resolve == {0: Resolution.RULE_OFF}


INSTANTS = st.integers(-5, 60).map(lambda days: ago(days=days))
LEADS = st.lists(
    st.builds(
        LeadState,
        st.sampled_from("abc"),
        st.none() | INSTANTS,
        st.none() | st.integers(0, 100),
        INSTANTS,
    ),
    unique_by=lambda lead: lead.lead_id,
)


@given(LEADS)
def test_whoever_was_told_is_not_told_again(leads: list[LeadState]) -> None:
    first = plan(*leads)
    again = plan(*leads, told=raised(first))
    assert again.to_raise == ()
    assert again.resolve == {}
    lower = [replace(lead, score=lead.score and lead.score // 2) for lead in leads]
    assert plan(*lower, told=raised(first)).resolve == {}
