"""What changed, in accounts that are small or lack something: honest answers."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from sync.config.model import Config, HubSpotConnection
from sync.crm.base import Change, ChangeSource, Deal, Field, Removal, RemovalReason
from sync.errors import ConfigError
from sync.mirror.tombstones import save_removals
from sync.mirror.write import save_account
from sync.report.changes import changes_reports
from tests.mirror.records import ACCOUNT, T0, deal, save

CONFIG = Config(connections=[HubSpotConnection(kind="hubspot", name="acme")])
NOW = T0 + timedelta(days=30)


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


def known(engine: Engine, *deals: Deal, changes: tuple[Change, ...] = ()) -> None:
    save_account(engine, "acme", "hubspot", ACCOUNT, at=NOW)
    born = tuple(
        Change(each.deal_id, Field.AMOUNT, None, str(each.amount), each.created_at,
               ChangeSource.HUMAN, 0)
        for each in deals
    )  # fmt: skip
    save(engine, *deals, changes=[*born, *changes], at=NOW)


def moves(engine: Engine, since: str = "20d") -> dict[object, object]:
    report = changes_reports(engine, "acme", CONFIG, since=since)[0]
    return {row["move"]: row["amount"] for row in report.rows}


def test_an_account_that_was_never_pulled(engine: Engine) -> None:
    with pytest.raises(ConfigError, match="has never been pulled"):
        changes_reports(engine, "acme", CONFIG, since="30d")


def test_an_account_without_history(engine: Engine) -> None:
    save_account(engine, "acme", "hubspot", ACCOUNT, at=NOW)
    with pytest.raises(ConfigError, match="acme has no history yet"):
        changes_reports(engine, "acme", CONFIG, since="30d")


def test_one_deal_that_was_raised(engine: Engine) -> None:
    raised = Change(
        "1", Field.AMOUNT, "1000", "1234.50", NOW - timedelta(days=3), ChangeSource.HUMAN, 0
    )
    save_account(engine, "acme", "hubspot", ACCOUNT, at=NOW)
    born = Change("1", Field.AMOUNT, None, "1000", T0, ChangeSource.HUMAN, 0)
    save(engine, deal("1"), changes=[born, raised], at=NOW)
    assert moves(engine) == {"start": 1000.0, "increased": 234.5, "end": 1234.5}
    for since, count in (("20d", 1), ("2d", 0)):
        report = changes_reports(engine, "acme", CONFIG, since=since)[0]
        told = f"The amount of {count} open deals was changed since the start, the owner of 0."
        assert any(told in note for note in report.notes)


def test_two_currencies_and_a_missing_rate(engine: Engine) -> None:
    known(engine, deal("1"), deal("2", currency="EUR", amount=Decimal(100)))
    assert moves(engine) == {"start": 1234.5, "end": 1234.5}
    report = changes_reports(engine, "acme", CONFIG, since="20d")[0]
    assert report.facts["left_out"] == {"no_rate": 1}
    assert any("1 deals in a currency without an exchange rate" in note for note in report.notes)


def test_a_deal_that_left_the_crm_is_a_move_of_its_own(engine: Engine) -> None:
    known(engine, deal("1"), deal("2", amount=Decimal(50)), deal("3", amount=Decimal(7)))
    gone = NOW - timedelta(days=2)
    save_removals(
        engine,
        "acme",
        [
            Removal("2", RemovalReason.ARCHIVED, gone),
            Removal("3", RemovalReason.MERGED, gone, survivor_id="1"),
        ],
        at=NOW,
    )
    assert moves(engine) == {"start": 1291.5, "removed": -50.0, "merged": -7.0, "end": 1234.5}
