"""The account, its pipelines and owners: kept when the CRM drops them, versioned when it edits."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from sync.crm.base import Owner
from sync.errors import ConfigError
from sync.mirror import read, schema
from sync.mirror.read import StoredAccount
from sync.mirror.write import (
    forget_cursor,
    save_account,
    save_cursor,
    save_owners,
    save_pipelines,
)
from tests.mirror.records import ACCOUNT, T0, minutes, pipeline, rows, stage

OFFER, WON = stage("offer"), stage("won", 1, probability=Decimal(1), is_closed=True, is_won=True)


def versions(engine: Engine) -> list[dict[str, Any]]:
    return rows(engine, schema.stage_version, "connection", "pipeline_id")


def missing(engine: Engine, table: Any) -> list[Any]:
    return [row["missing_since"] for row in rows(engine, table)]


def test_the_account_is_what_the_crm_last_said(engine: Engine) -> None:
    assert read.account(engine, "acme") is None
    save_account(engine, "acme", "hubspot", ACCOUNT, at=T0)
    moved = replace(ACCOUNT, time_zone="Europe/Helsinki", currencies=("EUR",))
    save_account(engine, "acme", "hubspot", moved, at=minutes(5))
    stored = StoredAccount(
        connection="acme",
        kind="hubspot",
        account_id="147",
        time_zone="Europe/Helsinki",
        home_currency="NOK",
        currencies=("EUR",),
        deal_url="https://crm.test/deals/{deal_id}",
        seen_at=minutes(5),
    )
    assert read.account(engine, "acme") == stored
    assert read.connections(engine) == [stored]


@pytest.mark.parametrize(("kind", "account_id"), [("hubspot", "258"), ("pipedrive", "147")])
def test_a_token_of_another_account_is_refused(engine: Engine, kind: str, account_id: str) -> None:
    save_account(engine, "acme", "hubspot", ACCOUNT, at=T0)
    before = rows(engine, schema.connection)
    says = rf"'acme' holds the deals of hubspot account 147.*{kind} account {account_id}.*own"
    with pytest.raises(ConfigError, match=says):
        save_account(engine, "acme", kind, replace(ACCOUNT, account_id=account_id), at=minutes(5))
    assert rows(engine, schema.connection) == before


def test_saving_the_same_pipelines_changes_nothing(engine: Engine) -> None:
    tables = (schema.pipeline, schema.stage, schema.stage_version)
    save_pipelines(engine, "acme", [pipeline(OFFER, WON)], at=T0)
    before = [rows(engine, table) for table in tables]
    same = pipeline(replace(OFFER, probability=Decimal("0.40")), WON)
    save_pipelines(engine, "acme", [same], at=minutes(5))
    assert [rows(engine, table) for table in tables] == before


def test_every_definition_a_stage_ever_had_is_kept(engine: Engine) -> None:
    save_pipelines(engine, "acme", [pipeline(OFFER, WON)], at=T0)
    raised = replace(OFFER, probability=Decimal("0.6"))
    save_pipelines(engine, "acme", [pipeline(raised, WON)], at=minutes(1))
    save_pipelines(engine, "acme", [pipeline(WON)], at=minutes(2))
    save_pipelines(engine, "acme", [pipeline(WON)], at=minutes(3))
    save_pipelines(engine, "acme", [pipeline(raised, WON)], at=minutes(4))
    found = [
        (row["valid_from"], row["probability"], row["missing"])
        for row in versions(engine)
        if row["stage_id"] == "offer"
    ]
    assert found == [
        (T0, Decimal("0.4"), False),
        (minutes(1), Decimal("0.6"), False),
        (minutes(2), Decimal("0.6"), True),
        (minutes(4), Decimal("0.6"), False),
    ]
    assert [row["valid_from"] for row in versions(engine) if row["stage_id"] == "won"] == [T0]


def test_a_pipeline_no_longer_listed_is_missing_since_then(engine: Engine) -> None:
    sales, renewals = pipeline(OFFER), pipeline(WON, pipeline_id="renewals")
    save_pipelines(engine, "acme", [sales, renewals], at=T0)
    for minute in (1, 2):
        save_pipelines(engine, "acme", [sales], at=minutes(minute))
    assert missing(engine, schema.pipeline) == [minutes(1), None]
    assert missing(engine, schema.stage) == [minutes(1), None]
    save_pipelines(engine, "acme", [sales, renewals], at=minutes(3))
    assert missing(engine, schema.pipeline) == [None, None]
    assert missing(engine, schema.stage) == [None, None]


def test_archived_is_missing(engine: Engine) -> None:
    archived = [
        pipeline(OFFER, archived=True),
        pipeline(replace(WON, archived=True), OFFER, pipeline_id="b"),
    ]
    for minute in (1, 2):
        save_pipelines(engine, "acme", archived, at=minutes(minute))
    assert missing(engine, schema.pipeline) == [None, minutes(1)]
    assert missing(engine, schema.stage) == [None, minutes(1), minutes(1)]


def test_an_owner_who_left_stays_known(engine: Engine) -> None:
    kari = Owner("1", "Kari Ås", "kari@acme.test", active=True, teams=("Nord", "Sør"))
    ola = Owner("2", "Ola", None, active=False)
    save_owners(engine, "acme", [kari, ola], at=T0)
    save_owners(engine, "acme", [ola], at=minutes(1))
    save_owners(engine, "acme", [ola], at=minutes(2))
    first, second = rows(engine, schema.owner, "connection")
    assert first == {
        "owner_id": "1",
        "name": "Kari Ås",
        "email": "kari@acme.test",
        "active": False,
        "teams": ["Nord", "Sør"],
        "missing_since": minutes(1),
    }
    assert (second["active"], second["missing_since"]) == (False, None)
    save_owners(engine, "acme", [kari, ola], at=minutes(3))
    assert rows(engine, schema.owner)[0]["active"]
    assert missing(engine, schema.owner) == [None, None]


def test_definitions_of_another_connection_stay(engine: Engine) -> None:
    save_pipelines(engine, "other", [pipeline(OFFER)], at=T0)
    save_owners(engine, "other", [Owner("1", "Kari", None, active=True)], at=T0)
    save_pipelines(engine, "acme", [], at=minutes(1))
    save_owners(engine, "acme", [], at=minutes(1))
    assert missing(engine, schema.pipeline) == missing(engine, schema.owner) == [None]


def test_each_stream_has_its_cursor(engine: Engine) -> None:
    assert read.cursor(engine, "acme", "deals") is None
    save_cursor(engine, "acme", "deals", {"after": "7", "til": "ø"}, at=T0)
    save_cursor(engine, "acme", "bin", {"after": "8"}, at=T0)
    save_cursor(engine, "acme", "bin", {}, at=minutes(1))
    assert read.cursor(engine, "acme", "deals") == {"after": "7", "til": "ø"}
    assert read.cursor(engine, "acme", "bin") == {}
    forget_cursor(engine, "acme", "deals")
    assert read.cursor(engine, "acme", "deals") is None
    assert read.cursor(engine, "acme", "bin") == {}
