"""The mirror at a glance: only this connection's deals, and only those in the CRM."""

from datetime import timedelta

from sqlalchemy import Engine, insert

from sync.crm.base import DealStatus, Removal, RemovalReason
from sync.mirror import overview, schema
from tests.fake_clock import START
from tests.mirror.records import deal, save


def test_names_states_and_counts(engine: Engine) -> None:
    removal = Removal("4", RemovalReason.ARCHIVED, START)
    closed = {"closed_at": START - timedelta(days=1)}
    save(
        engine,
        deal("1", name="One"),
        deal("2", name="Two"),
        deal("3", name="Three", status=DealStatus.WON, **closed),
        deal("4", name="Four"),
        removals=[removal],
    )
    save(engine, deal("9"), connection="other")
    alert = {"rule": "stale", "raised_at": START, "evidence": {}}
    with engine.begin() as database:
        database.execute(
            insert(schema.alert),
            [
                {"connection": "acme", "deal_id": "1", "state": "raised", **alert},
                {"connection": "acme", "deal_id": "2", "state": "raised", **alert},
                {"connection": "acme", "deal_id": "3", "state": "resolved", **alert},
                {"connection": "other", "deal_id": "9", "state": "raised", **alert},
            ],
        )
    assert overview.deal_names(engine, "acme") == {"1": "One", "2": "Two", "3": "Three"}
    assert overview.deal_states(engine, "acme") == {"1": "open", "2": "open", "3": "won"}
    assert overview.holdings(engine, "acme") == ({"open": 2, "won": 1}, {"stale": 2})
    assert overview.holdings(engine, "nobody") == ({}, {})
