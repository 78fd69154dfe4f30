"""Which alerts to raise, keep and resolve."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.alerts.rules import (
    AlertPlan,
    DealState,
    Found,
    OpenAlert,
    Resolution,
    brake,
    plan,
)
from sync.errors import SafetyStop
from tests.fake_clock import START

RULES = frozenset({"stale", "overdue"})
OPEN = DealState(is_open=True, removed=False, amount_home=Decimal(1000))
CLOSED = DealState(is_open=False, removed=False, amount_home=Decimal(1000))
REMOVED = DealState(is_open=True, removed=True, amount_home=Decimal(1000))


def found(deal_id: str = "1", rule: str = "stale", *, days_ago: float = 1) -> Found:
    return Found(deal_id, rule, START - timedelta(days=days_ago), {"days": 21})


def alert(deal_id: str = "1", rule: str = "stale", *, alert_id: int = 1) -> OpenAlert:
    return OpenAlert(alert_id, deal_id, rule, START)


def planned(
    findings: Sequence[Found] = (),
    alerts: Sequence[OpenAlert] = (),
    deal: DealState | None = OPEN,
    rules: Collection[str] = RULES,
) -> AlertPlan:
    return plan(findings, alerts, {"1": deal} if deal else {}, rules=rules)


def test_a_finding_without_an_alert_is_raised() -> None:
    assert planned([found()]) == AlertPlan(to_raise=(found(),), keep=(), resolve={})


def test_an_alert_whose_finding_stands_is_kept_and_not_raised_again() -> None:
    assert planned([found()], [alert()]) == AlertPlan(to_raise=(), keep=(1,), resolve={})


@pytest.mark.parametrize(
    ("findings", "deal", "rules", "reason"),
    [
        ([], OPEN, RULES, Resolution.FIXED),
        ([], CLOSED, RULES, Resolution.DEAL_CLOSED),
        ([found()], CLOSED, RULES, Resolution.DEAL_CLOSED),
        ([found()], REMOVED, RULES, Resolution.DEAL_REMOVED),
        ([found()], None, RULES, Resolution.DEAL_REMOVED),
        ([found()], OPEN, {"overdue"}, Resolution.RULE_OFF),
        ([], CLOSED, {"overdue"}, Resolution.DEAL_CLOSED),
    ],
)
def test_an_alert_ends_with_its_reason(
    findings: list[Found], deal: DealState | None, rules: set[str], reason: Resolution
) -> None:
    assert planned(findings, [alert()], deal, rules) == AlertPlan((), (), {1: reason})


def test_what_was_fixed_and_came_back_is_a_new_episode() -> None:
    again = found(days_ago=-1)
    assert planned([again], [alert()]) == AlertPlan((again,), (), {1: Resolution.FIXED})


def test_each_rule_has_its_own_episode() -> None:
    made = planned([found(), found(rule="overdue")], [alert()])
    assert made.to_raise == (found(rule="overdue"),)
    assert made.keep == (1,)


@pytest.mark.parametrize("deal", [CLOSED, REMOVED, None])
def test_deals_that_are_gone_are_not_alerted_on(deal: DealState | None) -> None:
    assert planned([found()], deal=deal).to_raise == ()


def test_rules_that_do_not_alert_stay_silent() -> None:
    assert planned([found(rule="no_contact")]).to_raise == ()


@pytest.mark.parametrize(
    ("amount", "raised"),
    [(Decimal(999), False), (Decimal(1000), True), (None, False), (Decimal(-5), False)],
)
def test_the_minimum_amount_decides_on_raising(amount: Decimal | None, raised: bool) -> None:
    deals = {"1": DealState(is_open=True, removed=False, amount_home=amount)}
    made = plan([found()], [], deals, rules=RULES, minimum_amount=Decimal(1000))
    assert bool(made.to_raise) is raised
    kept = plan([found()], [alert()], deals, rules=RULES, minimum_amount=Decimal(1000))
    assert kept.keep == (1,)


def test_without_a_minimum_an_unknown_amount_is_no_hindrance() -> None:
    assert planned([found()], deal=DealState(True, False, None)).to_raise == (found(),)


FINDINGS = st.lists(
    st.builds(
        found,
        st.sampled_from("1234"),
        st.sampled_from(["stale", "overdue", "no_contact"]),
        days_ago=st.sampled_from([1, -1]),
    ),
    unique_by=lambda finding: (finding.deal_id, finding.rule),
)
ALERTS = st.lists(
    st.tuples(st.sampled_from("1234"), st.sampled_from(["stale", "overdue", "stuck"])), unique=True
).map(lambda keys: [alert(*key, alert_id=number) for number, key in enumerate(keys)])
DEALS = st.dictionaries(st.sampled_from("1234"), st.sampled_from([OPEN, CLOSED, REMOVED]))


@given(findings=FINDINGS, alerts=ALERTS, deals=DEALS)
def test_once_carried_out_a_plan_leaves_nothing_to_do(
    findings: list[Found], alerts: list[OpenAlert], deals: dict[str, DealState]
) -> None:
    made = plan(findings, alerts, deals, rules=RULES)
    assert sorted([*made.keep, *made.resolve]) == [one.alert_id for one in alerts]
    standing = [one for one in alerts if one.alert_id in made.keep]
    raised = [
        OpenAlert(100 + number, new.deal_id, new.rule, START + timedelta(days=2))
        for number, new in enumerate(made.to_raise)
    ]
    assert len({(one.deal_id, one.rule) for one in [*standing, *raised]}) == len(
        [*standing, *raised]
    )
    again = plan(findings, [*standing, *raised], deals, rules=RULES)
    assert again.to_raise == ()
    assert again.resolve == {}


@given(findings=FINDINGS, alerts=ALERTS, deals=DEALS, data=st.data())
def test_order_does_not_matter(
    findings: list[Found],
    alerts: list[OpenAlert],
    deals: dict[str, DealState],
    data: st.DataObject,
) -> None:
    expected = plan(findings, alerts, deals, rules=RULES)
    shuffled = plan(
        data.draw(st.permutations(findings)),
        data.draw(st.permutations(alerts)),
        deals,
        rules=RULES,
    )
    assert shuffled == expected


def test_the_brake_stops_a_flood_and_says_what_to_do() -> None:
    flood = AlertPlan(tuple(found(str(number)) for number in range(501)), (), {})
    with pytest.raises(SafetyStop, match="501 would be new at once") as stop:
        brake(flood, limit=500)
    for way_out in ("alerts plan", "--allow-mass-alert", "alerts.minimum_amount"):
        assert way_out in str(stop.value)
    brake(flood, limit=501)
    brake(flood, limit=500, allow=True)
