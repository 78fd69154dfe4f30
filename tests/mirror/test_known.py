"""Whether a deal is as the mirror holds it: by all that a list or a search shows of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from sync.crm.base import SHOWN, DealStatus, Known, ListPage
from sync.mirror.reconcile import reconciling
from tests.mirror.records import T0, deal, minutes, save

OTHERWISE: dict[str, Any] = {
    "name": "Another",
    "pipeline_id": "other",
    "stage_id": "other",
    "owner_id": "other",
    "status": DealStatus.WON,
    "amount": Decimal(7),
    "currency": "EUR",
    "amount_home": Decimal(7),
    "close_date": minutes(1),
    "closed_at": minutes(1),
    "created_at": minutes(1),
    "stage_probability": Decimal("0.1"),
    "rep_probability": Decimal("0.1"),
    "rep_amount": Decimal(7),
    "forecast_category": "COMMIT",
    "deal_type": "newbusiness",
    "lead_source": "REFERRALS",
    "loss_reason": "Price",
    "next_step": "Call back",
    "next_activity_at": minutes(1),
    "last_activity_at": minutes(1),
    "last_contacted_at": minutes(1),
    "contact_attempts": 3,
    "last_reply_at": minutes(1),
}
"""Each field that is compared, with another value than `deal` gives it."""

NOT_SHOWN: dict[str, Any] = {
    "own": {"dealpulse_quality_score": "7"},
    "contact_count": 7,
    "contact_roles": "Champion",
}
EXTRA = {"region": "Nord", "seats": 5}


def test_all_that_is_shown_is_compared() -> None:
    assert set(OTHERWISE) == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_another_value_under_the_same_date_is_news(name: str) -> None:
    known = Known(deal(), frozenset({T0, minutes(9)}))
    assert not known.is_shown_by(deal(**{name: OTHERWISE[name]}))


def test_neither_our_own_values_nor_people_nor_our_last_writes_date_are_news() -> None:
    known = Known(deal(extra=EXTRA), frozenset({T0, minutes(9)}))
    assert known.is_shown_by(deal(extra=EXTRA, **NOT_SHOWN))
    assert known.is_shown_by(deal(modified_at=minutes(9)))
    assert not known.is_shown_by(deal(modified_at=minutes(8)))


def test_of_the_customers_properties_those_count_that_are_shown() -> None:
    known = Known(deal(extra=EXTRA), frozenset({T0}))
    assert known.is_shown_by(deal(extra={"seats": 5, "empty": None}))
    assert not known.is_shown_by(deal(extra={"region": "Sør"}))
    assert not known.is_shown_by(deal(extra={"region": None}))
    assert not known.is_shown_by(deal(extra={"new": "value"}))


def test_a_list_finds_whatever_differs_under_one_date(engine: Engine) -> None:
    held = [deal(name) for name in SHOWN]
    same = deal("same", extra=EXTRA)
    moved = {name: deal(name, extra=EXTRA) for name in ("other value", "emptied", "added")}
    save(engine, *held, same, *moved.values())
    shown = [deal(name, **{name: OTHERWISE[name]}) for name in SHOWN]
    shown += [
        deal("same", extra={"seats": 5, "empty": None}, **NOT_SHOWN),
        deal("other value", extra={"region": "Sør", "seats": 5}),
        deal("emptied", extra={"region": None}),
        deal("added", extra={"new": ["a", "b"]}),
    ]
    with reconciling(engine, "acme", since=T0 + timedelta(days=1)) as listing:
        listing.add(ListPage(shown))
        found = {each.deal_id: each.fields for each in listing.differing()}
    assert {deal_id: [name for name, _, _ in told] for deal_id, told in found.items()} == {
        **{name: [name] for name in SHOWN},
        "other value": ["extra.region"],
        "emptied": ["extra.region"],
        "added": ["extra.new"],
    }
    assert found["next_step"] == (("next_step", "Call back", None),)
    assert found["added"] == (("extra.new", '["a","b"]', None),)


def test_what_a_list_does_not_tell_is_no_difference(engine: Engine) -> None:
    save(engine, deal("1", next_step="Call back"), deal("2", next_step="Call back"))
    with reconciling(engine, "acme", since=T0 + timedelta(days=1)) as listing:
        listing.add(
            ListPage([deal("1"), deal("2", name="Another")], untold=frozenset({"next_step"}))
        )
        assert [each.fields for each in listing.differing()] == [(("name", "Another", "Avtale 2"),)]
