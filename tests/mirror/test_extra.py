"""The fields that the customer asked for besides: their values, names, and what vanishes."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from sync.crm.base import ExtraValue, FieldDefinition, FieldKind, Removal, RemovalReason
from sync.mirror import properties, schema
from sync.mirror.read import deals_by_id
from tests.mirror.records import T0, deal, minutes, rows, save

REGION = FieldDefinition("region", "Region", FieldKind.TEXT)
SEATS = FieldDefinition("seats", "Seter", FieldKind.NUMBER)


def held(engine: Engine, deal_id: str = "1") -> dict[str, Any]:
    return dict(deals_by_id(engine, "acme", [deal_id])[deal_id].extra)


@pytest.mark.parametrize(
    "value",
    ["Sør", 12, 0, 12.5, -3, True, False, ["a", "b"], "123456789012345678.9"],
)
def test_values_are_kept_as_they_are(engine: Engine, value: ExtraValue) -> None:
    save(engine, deal("1", extra={"x": value}))
    assert held(engine) == {"x": value}
    assert type(held(engine)["x"]) is type(value)


def test_a_change_of_nothing_else_is_an_update_and_the_same_again_is_none(engine: Engine) -> None:
    save(engine, deal("1", extra={"region": "Nord", "seats": 5}))
    changed = save(engine, deal("1", extra={"region": "Sør", "seats": 5}))
    again = save(engine, deal("1", extra={"seats": 5, "region": "Sør"}))
    assert (changed.updated, again.updated, again.unchanged) == (1, 0, 1)
    assert held(engine) == {"region": "Sør", "seats": 5}


def test_an_emptied_value_goes(engine: Engine) -> None:
    save(engine, deal("1", extra={"region": "Nord", "seats": 5}))
    save(engine, deal("1", extra={"region": None, "seats": 5}))
    assert {name: value for name, value in held(engine).items() if value is not None} == {
        "seats": 5
    }


def test_a_field_that_vanished_keeps_its_values(engine: Engine) -> None:
    save(
        engine, deal("1", extra={"region": "Nord", "seats": 5}), deal("2", extra={"region": "Øst"})
    )
    after = save(engine, deal("1", extra={"seats": 6}), deal("2"))
    assert held(engine) == {"region": "Nord", "seats": 6}
    assert held(engine, "2") == {"region": "Øst"}
    assert (after.updated, after.unchanged) == (1, 1)


def test_an_older_deal_brings_no_older_values(engine: Engine) -> None:
    save(engine, deal("1", extra={"seats": 6}, modified_at=minutes(10)))
    save(engine, deal("1", extra={"seats": 5}, modified_at=minutes(5)))
    assert held(engine) == {"seats": 6}


def test_what_no_database_stores_is_left_out_of_texts(engine: Engine) -> None:
    save(engine, deal("1", extra={"a": "x\0y", "b": ["z\0"]}))
    assert held(engine) == {"a": "xy", "b": ["z"]}


def test_a_field_that_vanished_or_was_renamed_is_still_named(engine: Engine) -> None:
    properties.save_fields(engine, "acme", [REGION, SEATS], at=T0)
    renamed = FieldDefinition("seats", "Plasser", FieldKind.NUMBER)
    properties.save_fields(engine, "acme", [renamed], at=minutes(5))
    assert properties.labels(engine, "acme") == {"region": "Region", "seats": "Plasser"}
    properties.save_fields(engine, "acme", [renamed], at=minutes(9))
    table = rows(engine, schema.property_definition, "connection", "kind", "filled_at")
    assert table == [
        {"name": "region", "label": "Region", "missing_since": minutes(5)},
        {"name": "seats", "label": "Plasser", "missing_since": None},
    ]


def test_fields_known_before_the_first_deal_need_no_filling(engine: Engine) -> None:
    properties.save_fields(engine, "acme", [REGION], at=T0)
    assert properties.unfilled(engine, "acme") == []
    save(engine, deal("1", extra={"region": "Nord"}))
    properties.save_fields(engine, "acme", [REGION, SEATS], at=minutes(5))
    assert properties.unfilled(engine, "acme") == ["seats"]
    properties.mark_filled(engine, "acme", ["seats"], at=minutes(6))
    assert properties.unfilled(engine, "acme") == []


def test_a_field_that_comes_back_is_read_of_every_deal_again(engine: Engine) -> None:
    properties.save_fields(engine, "acme", [REGION], at=T0)
    save(engine, deal("1", extra={"region": "Nord"}))
    properties.save_fields(engine, "acme", [], at=minutes(5))
    assert properties.unfilled(engine, "acme") == []
    properties.save_fields(engine, "acme", [REGION], at=minutes(9))
    assert properties.unfilled(engine, "acme") == ["region"]


def test_deals_to_be_filled_come_by_id_without_the_removed(engine: Engine) -> None:
    gone = Removal("b", RemovalReason.ARCHIVED, minutes(1))
    save(engine, deal("a"), deal("b"), deal("c"), deal("d"), removals=[gone])
    save(engine, deal("e"), connection="other")
    assert properties.deals_after(engine, "acme", "", 2) == ["a", "c"]
    assert properties.deals_after(engine, "acme", "c", 2) == ["d"]
    assert properties.deals_after(engine, "acme", "d", 2) == []


def test_amounts_stay_exact_beside_extra_values(engine: Engine) -> None:
    save(engine, deal("1", amount=Decimal("0.10"), extra={"seats": 1}))
    assert deals_by_id(engine, "acme", ["1"])["1"].amount == Decimal("0.10")
