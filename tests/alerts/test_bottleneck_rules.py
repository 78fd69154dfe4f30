"""Which bottlenecks are told, when again, and when that ends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.alerts.bottleneck_rules import (
    Figures,
    ToldBottleneck,
    is_sure,
    place,
    plan_bottlenecks,
)
from sync.alerts.rules import AlertPlan, Resolution
from tests.fake_clock import START


def suspect(
    code: str = "slow_stage",
    cost: float | None = 1000.0,
    certainty: str = "measured",
    stage: str | None = "demo",
    **more: Any,
) -> Figures:
    where = {"pipeline_id": "sales" if stage else None, "stage_id": stage}
    return {
        "code": code, "certainty": certainty, "cost_per_day": cost, "currency": "NOK", **where,
        **more,
    }  # fmt: skip


def told(*figures: Figures) -> list[ToldBottleneck]:
    return [ToldBottleneck(n, place(each), each) for n, each in enumerate(figures)]


def plan(
    *latest: Figures,
    before: Sequence[Figures] = (),
    lately: Sequence[Figures] = (),
    on: bool = True,
    as_of: datetime = START,
) -> AlertPlan:
    return plan_bottlenecks(
        latest,
        {place(each) for each in lately if is_sure(each)},
        told(*before),
        cost_grows_by=0.5,
        on=on,
        as_of=as_of,
    )


def raised(found: AlertPlan) -> list[str]:
    return [new.deal_id for new in found.to_raise]


@pytest.mark.parametrize(
    ("certainty", "is_told"),
    [
        ("measured", True),
        ("assumed", True),
        ("hint", False),
        ("not_shown", False),
        ("too_few", False),
    ],
)
def test_only_what_is_sure_is_told(certainty: str, is_told: bool) -> None:
    assert raised(plan(suspect(certainty=certainty))) == (["slow_stage sales demo"] * is_told)


def test_what_costs_nothing_is_not_told() -> None:
    assert raised(plan(suspect(cost=0.0), suspect("leaky_stage", cost=None))) == [
        "leaky_stage sales demo"
    ]


def test_another_kind_and_another_stage_are_other_places() -> None:
    known = suspect()
    elsewhere, other_kind = suspect(stage="proposal"), suspect("leaky_stage")
    whole = suspect("dirty_pipeline", stage=None, certainty="assumed")
    found = plan(known, elsewhere, other_kind, whole, before=[known], lately=[known])
    assert raised(found) == [
        "slow_stage sales proposal",
        "leaky_stage sales demo",
        "dirty_pipeline",
    ]
    assert (found.keep, found.resolve) == ((0,), {})


@pytest.mark.parametrize(
    ("then", "now", "grew"),
    [
        (1000.0, 1499.0, False),
        (1000.0, 1500.0, True),
        (1000.0, 200.0, False),
        (None, 5000.0, False),
        (1000.0, None, False),
    ],
)
def test_it_is_told_again_when_its_cost_has_grown(
    then: float | None, now: float | None, grew: bool
) -> None:
    found = plan(suspect(cost=now), before=[suspect(cost=then)])
    assert found.resolve == ({0: Resolution.COST_GREW} if grew else {})
    assert found.keep == (() if grew else (0,))
    assert [new.evidence["told_before"] for new in found.to_raise] == ([then] if grew else [])


def test_another_currency_is_no_growth() -> None:
    found = plan(suspect(cost=9000.0), before=[suspect(cost=1000.0, currency="EUR")])
    assert (found.to_raise, found.keep) == ((), (0,))


def test_what_chance_hides_for_a_while_stands_and_what_is_gone_ends() -> None:
    known = suspect()
    unsure = suspect(certainty="not_shown")
    assert plan(unsure, before=[known], lately=[known]).keep == (0,)
    assert plan(unsure, before=[known], lately=[unsure]).resolve == {0: Resolution.FIXED}
    assert plan(before=[known]).resolve == {0: Resolution.FIXED}


def test_switched_off_it_raises_nothing_and_ends_what_it_raised() -> None:
    found = plan(suspect(), suspect("leaky_stage"), before=[suspect()], on=False)
    assert (found.to_raise, found.resolve) == ((), {0: Resolution.RULE_OFF})


def test_of_two_criteria_of_one_stage_the_dearer_is_told() -> None:
    first, second = suspect("unclear_process", 900.0), suspect("unclear_process", 100.0)
    (new,) = plan(first, second).to_raise
    assert new.evidence["cost_per_day"] == 900.0


SUSPECTS = st.lists(
    st.builds(
        suspect,
        st.sampled_from(["slow_stage", "leaky_stage"]),
        st.none() | st.floats(0, 1e6),
        st.sampled_from(["measured", "hint", "not_shown"]),
        st.sampled_from(["demo", "proposal"]),
    ),
    max_size=4,
)


@given(st.lists(SUSPECTS, min_size=1, max_size=12))
def test_on_any_way_a_place_is_told_again_only_dearer_or_after_it_was_gone(
    days: list[list[Figures]],
) -> None:
    """Three days without it are gone."""
    open_alerts: dict[str, ToldBottleneck] = {}
    shown: list[set[str]] = []
    last: dict[str, float | None] = {}
    for number, latest in enumerate(days):
        shown.append({place(each) for each in latest if is_sure(each)})
        lately = set().union(*shown[-3:])
        found = plan_bottlenecks(
            latest, lately, list(open_alerts.values()), cost_grows_by=0.5, on=True,
            as_of=START + timedelta(days=number),
        )  # fmt: skip
        for where, alert in list(open_alerts.items()):
            if alert.alert_id in found.resolve:
                del open_alerts[where]
                if found.resolve[alert.alert_id] is Resolution.FIXED:
                    assert where not in lately
                    last.pop(where)
        for new in found.to_raise:
            cost, before = new.evidence["cost_per_day"], last.get(new.deal_id)
            if new.deal_id in last:
                assert isinstance(cost, float)
                assert before is not None
                assert cost >= before * 1.5
            assert new.deal_id not in open_alerts
            open_alerts[new.deal_id] = ToldBottleneck(
                1000 * number + len(open_alerts), new.deal_id, new.evidence
            )
            last[new.deal_id] = cost  # type: ignore[assignment]
        again = plan_bottlenecks(
            latest, lately, list(open_alerts.values()), cost_grows_by=0.5, on=True, as_of=START
        )
        assert (again.to_raise, again.resolve) == ((), {})
