"""The mirror as frames: the core's schemas, home currency, the account's days."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Engine

from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA, OWNER_SCHEMA, STAGE_SCHEMA
from sync.crm.base import ChangeSource, DealStatus, Owner, Removal, RemovalReason
from sync.errors import ConfigError
from sync.mirror.frames import change_frame, deal_frame, owner_frame, stage_frame
from sync.mirror.write import save_owners, save_pipelines
from tests.mirror.records import T0, deal, minutes, moved, pipeline, save, stage

GONE = Removal("gone", RemovalReason.ARCHIVED, minutes(1))


def deals(engine: Engine, zone: str = "Europe/Oslo", **rates: str) -> pl.DataFrame:
    known = {currency: Decimal(rate) for currency, rate in rates.items()}
    return deal_frame(engine, "acme", zone=zone, home_currency="NOK", rates=known)


def only(frame: pl.DataFrame) -> dict[str, Any]:
    (row,) = frame.to_dicts()
    return row


def test_an_empty_mirror_gives_empty_frames_of_the_right_shape(engine: Engine) -> None:
    assert deals(engine).schema == pl.Schema(DEAL_SCHEMA)
    assert change_frame(engine, "acme").schema == pl.Schema(CHANGE_SCHEMA)
    assert stage_frame(engine, "acme").schema == pl.Schema(STAGE_SCHEMA)
    assert owner_frame(engine, "acme").schema == pl.Schema(OWNER_SCHEMA)
    assert deals(engine).is_empty()


def test_every_column_of_a_deal(engine: Engine) -> None:
    save_owners(engine, "acme", [Owner("77", "Kari", None, active=True, teams=("N", "S"))], at=T0)
    values: dict[str, Any] = {
        "stage_probability": Decimal("0.4"),
        "rep_probability": Decimal("0.35"),
        "rep_amount": Decimal("900.10"),
        "forecast_category": "COMMIT",
        "deal_type": "newbusiness",
        "lead_source": "Nettsøk",
        "loss_reason": "Pris",
        "next_step": "Ring",
        "next_activity_at": minutes(60),
        "last_activity_at": minutes(-60),
        "contact_count": 2,
        "company_count": 0,
        "last_contacted_at": T0,
        "contact_attempts": 4,
        "last_reply_at": T0,
        "contact_roles": "Champion\nDecision maker",
        "closed_at": minutes(30),
        "status": DealStatus.WON,
    }
    save(engine, deal("1", **values), deal("gone"), removals=[GONE])
    save(engine, deal("other"), connection="other")
    frame = deals(engine)
    assert frame.schema == pl.Schema(DEAL_SCHEMA)
    exact = ("stage_probability", "rep_probability", "rep_amount")
    assert only(frame) == {
        "connection": "acme",
        "deal_id": "1",
        "name": "Avtale 1",
        "pipeline_id": "sales",
        "stage_id": "offer",
        "owner_id": "77",
        "team": "N",
        "amount": 1234.5,
        "amount_problem": None,
        "currency": "NOK",
        "close_date": date(2026, 2, 9),
        "closed_on": date(2026, 1, 5),
        "created_on": date(2026, 1, 5),
        "created_at": T0,
        "stage_entered_at": None,
        **{name: float(v) if name in exact else v for name, v in values.items()},
    }


@pytest.mark.parametrize(
    ("amount", "currency", "amount_home", "expected"),
    [
        ("100", "NOK", None, (100.0, None)),
        ("100", None, None, (100.0, None)),
        ("100", "EUR", None, (1160.0, None)),
        ("100", "EUR", "1170.5", (1170.5, None)),
        ("100", "USD", "950", (950.0, None)),
        ("100", "USD", None, (None, "no_rate")),
        (None, "USD", None, (None, "missing")),
        (None, "USD", "950", (950.0, None)),
        ("0", "EUR", None, (0.0, None)),
    ],
)
def test_amounts_are_in_the_home_currency_or_say_why_not(
    engine: Engine,
    amount: str | None,
    currency: str | None,
    amount_home: str | None,
    expected: tuple[float | None, str | None],
) -> None:
    exact = {
        name: None if text is None else Decimal(text)
        for name, text in (("amount", amount), ("amount_home", amount_home))
    }
    save(engine, deal("1", currency=currency, **exact))
    row = only(deals(engine, EUR="11.60"))
    assert (row["amount"], row["amount_problem"]) == expected
    assert row["currency"] == currency


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"currency": "NOK"}, 50.0),
        ({"currency": "EUR"}, 580.0),
        ({"currency": "EUR", "amount_home": Decimal(1000)}, 500.0),
        ({"currency": "EUR", "amount_home": Decimal(0), "amount": Decimal(0)}, 580.0),
        ({"currency": "USD"}, None),
    ],
)
def test_a_reps_own_amount_is_converted_as_the_deals_is(
    engine: Engine, values: dict[str, Any], expected: float | None
) -> None:
    save(engine, deal("1", **{"rep_amount": Decimal(50), "amount": Decimal(100)} | values))
    assert only(deals(engine, EUR="11.60"))["rep_amount"] == expected


def test_the_home_currency_is_never_converted(engine: Engine) -> None:
    save(engine, deal("1", amount=Decimal(7)))
    assert only(deals(engine, NOK="2"))["amount"] == 7.0


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Oslo", date(2026, 4, 1)),
        ("UTC", date(2026, 3, 31)),
        ("America/New_York", date(2026, 3, 31)),
    ],
)
def test_days_are_the_accounts(engine: Engine, zone: str, day: date) -> None:
    late = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    save(engine, deal("1", close_date=late, closed_at=late, created_at=late))
    row = only(deals(engine, zone))
    assert row["close_date"] == row["closed_on"] == row["created_on"] == day


def test_days_before_1970_and_far_ahead(engine: Engine) -> None:
    early, late = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, 23, 30, tzinfo=UTC)
    save(engine, deal("1", created_at=early, close_date=late))
    row = only(deals(engine))
    assert (row["created_on"], row["close_date"]) == (date(1, 1, 2), date(9999, 12, 31))
    assert row["created_at"] == early


def test_an_unknown_zone_says_what_to_set(engine: Engine) -> None:
    with pytest.raises(ConfigError, match="'Europe/Olso' is unknown: set `time_zone`"):
        deals(engine, "Europe/Olso")


def test_the_stage_was_entered_when_it_was_last_moved_there(engine: Engine) -> None:
    changes = [
        moved("1", None, "offer", minutes(1)),
        moved("1", "offer", "won", minutes(2)),
        moved("1", "won", "offer", minutes(3)),
        moved("1", "offer", "offer", minutes(4)),  # set again to what it was
        moved("2", None, "elsewhere", minutes(1)),
    ]
    save(engine, deal("1"), deal("2"), deal("3", stage_id=None), changes=changes)
    assert deals(engine)["stage_entered_at"].to_list() == [minutes(3), None, None]


def test_changes_of_the_deals_that_are_there(engine: Engine) -> None:
    changes = [
        moved("1", "offer", "won", minutes(2)),
        moved("1", "new", "offer", minutes(1), ordinal=1),
        moved("1", None, "new", minutes(1)),
        moved("gone", None, "new", minutes(1)),
        moved("never seen", None, "new", minutes(1)),
    ]
    save(engine, deal("1"), deal("gone"), changes=changes, removals=[GONE])
    frame = change_frame(engine, "acme")
    assert frame.schema == pl.Schema(CHANGE_SCHEMA)
    assert frame.select("old", "new", "changed_at", "ordinal").rows() == [
        (None, "new", minutes(1), 0),
        ("new", "offer", minutes(1), 1),
        ("offer", "won", minutes(2), 0),
    ]
    assert frame["source"].unique().to_list() == [ChangeSource.HUMAN.value]


def test_stages_past_and_present(engine: Engine) -> None:
    offer, won = stage("offer"), stage("won", 1, is_closed=True, is_won=True, probability=None)
    renewals = pipeline(stage("won"), pipeline_id="renewals", label="Fornyelse")
    save_pipelines(engine, "acme", [pipeline(offer, won), renewals], at=T0)
    save_pipelines(engine, "acme", [pipeline(won)], at=minutes(1))
    frame = stage_frame(engine, "acme")
    assert frame.schema == pl.Schema(STAGE_SCHEMA)
    named = ("pipeline", "stage", "position", "probability", "is_closed", "is_won", "exists")
    assert frame.select(named).rows() == [
        ("Fornyelse", "Won", 0, 0.4, False, False, False),
        ("Salg", "Offer", 0, 0.4, False, False, False),
        ("Salg", "Won", 1, None, True, True, True),
    ]


def test_owners_and_their_first_team(engine: Engine) -> None:
    owners = [
        Owner("1", "Kari", None, active=True, teams=("Nord – «A»", "Sør")),
        Owner("2", "Ola", "ola@acme.test", active=False),
    ]
    save_owners(engine, "acme", owners, at=T0)
    frame = owner_frame(engine, "acme")
    assert frame.schema == pl.Schema(OWNER_SCHEMA)
    assert frame.rows() == [
        ("acme", "1", "Kari", "Nord – «A»", True),
        ("acme", "2", "Ola", None, False),
    ]


def test_more_rows_than_the_driver_hands_over_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.mirror.columns.FETCH", 3)
    save(engine, *(deal(str(number), amount=Decimal(number)) for number in range(10)))
    assert deals(engine)["amount"].to_list() == [float(number) for number in range(10)]
